"""Reports of tasks of other shapes: labels with macro-F1, tools over several turns.

Would break if a table, figure, page or number assumed something that only one task has.
"""

import pytest
from matplotlib import pyplot as plt

from slmlib.evaluation import comparisons, results
from slmlib.report import leaderboard, pages, plots, tables, variables


@pytest.mark.parametrize("name", ["toy", "toylabels", "toytools"])
def test_every_report_is_made_for_every_task(every_task, toy_tasks, name):
    task, runs = toy_tasks[name], every_task[name]
    representative = comparisons.representative_runs(runs)
    rows = leaderboard.boards(representative, task)
    ranked = [row.result for row in rows]
    assert {row.place for row in rows} > {"control"} and len(ranked) == 2 * len(task.controls)
    for table in (
        tables.leaderboard_table(rows),
        tables.splits_table(ranked),
        tables.slices_table(ranked, task.slices[0]),
        tables.failures_table(ranked),
        tables.differences_table(ranked),
        tables.runs_table(runs),
        leaderboard.board_table(rows),
    ):
        assert table.rows and all(len(row) == len(table.header) for row in table.rows)
    board = tables.leaderboard_table(rows).header
    assert [m.title for m in task.board] == list(board[3:-1])
    plots.plot_leaderboard(rows)
    plots.plot_splits(ranked)
    plots.plot_slices(ranked, task.slices[0])
    plots.plot_failures(ranked)
    plots.plot_data(task.load("test"))
    plt.close("all")
    written = pages.model_pages(rows, runs)
    assert len(written) == len(task.controls)
    block = variables.variables(task, rows, runs)
    best = block["leader"][task.ranking_metric.name]
    assert best == task.ranking_metric.number(1.0) and block["next"]["size"] == "1M"


def test_a_board_of_nothing_is_empty(toy_task):
    assert leaderboard.board_table(leaderboard.boards([], toy_task)).rows == ()
    assert tables.leaderboard_table(results.leaderboard([])).rows == ()
