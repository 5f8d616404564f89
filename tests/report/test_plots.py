"""Figures: would break if two analyses gave other bytes, or a control looked like a model."""

import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from matplotlib import pyplot as plt
from toy_results import predictions, write_run

from slmlib.core import paths
from slmlib.evaluation import results
from slmlib.report import plots
from slmlib.tasks.base import Metric

METRIC = Metric("exact", "Exact", "proportion")


@pytest.fixture(autouse=True)
def closed():
    """Close every figure of a test."""
    yield
    plt.close("all")


def marks(ax) -> list:
    """The marks of means."""
    return [line for line in ax.lines if len(line.get_xdata()) == 1]


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_figures_are_the_same_bytes_every_time(rows, toy_task, tmp_path):
    ranked = [row.result for row in rows if row.result.complete]
    for folder in ("a", "b"):
        figures = {
            "leaderboard": plots.plot_leaderboard(rows),
            "splits": plots.plot_splits(ranked),
            "slices": plots.plot_slices(ranked, toy_task.slices[0]),
            "failures": plots.plot_failures(ranked),
            "throughput": plots.plot_throughput(ranked[:2]),
            "data": plots.plot_data(toy_task.load("test")),
        }
        files = [
            plots.save(figure, name, folder=tmp_path / folder) for name, figure in figures.items()
        ]
    for path in files:
        data = path.read_bytes()
        assert data == (tmp_path / "a" / path.name).read_bytes(), path.name
        ElementTree.fromstring(data)
        assert b"dc:date" not in data and b"<text" not in data


DRAW = """
bands = [(name, {name: {"mean": 0.4, "low": 0.2, "high": 0.6}}) for name in ("a", "b")]
marks = {name: {"color": plots.BLUE, "marker": "o"} for name, _ in bands}
plots.save(plots.plot_intervals(METRIC, bands, marks), "x", folder=folder)
"""
SETTING = f"""
from pathlib import Path
from slmlib.report import plots
from slmlib.tasks.base import Metric
METRIC, folder = {METRIC!r}, Path("there")
"""


def test_another_process_with_other_settings_draws_the_same_bytes(tmp_path):
    """Hash seeds and the reader's own matplotlib settings do not matter."""
    exec(DRAW, {"plots": plots, "METRIC": METRIC, "folder": tmp_path / "here"})
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsvg.fonttype: none\n")
    changed = {"MATPLOTLIBRC": str(tmp_path), "PYTHONHASHSEED": "7", "PYTHONPATH": str(paths.ROOT)}
    command = [sys.executable, "-c", SETTING + DRAW]
    subprocess.run(command, env=os.environ | changed, check=True, cwd=tmp_path)
    assert (tmp_path / "here/x.svg").read_bytes() == (tmp_path / "there/x.svg").read_bytes()


def test_leaderboard_shows_mean_and_interval_and_marks_controls(rows):
    ax = plots.plot_leaderboard(rows)
    first = rows[0].result.metrics["exact"]
    assert list(ax.lines[0].get_xdata()) == [100 * first["low"], 100 * first["high"]]
    assert [line.get_xdata()[0] for line in marks(ax)] == [
        100 * row.result.metrics["exact"]["mean"] for row in rows
    ]
    hollow = [line.get_markerfacecolor() == plots.GROUND for line in marks(ax)]
    assert hollow == [row.result.control for row in rows]
    assert {"40.0 %", "oracle (control)"} <= set(texts(ax))


def test_names_are_text_and_not_formulas(rows):
    ax = plots.plot_leaderboard(rows)
    assert "<script>alert(1)</script>|$x$" in texts(ax)
    assert not any(text.get_parse_math() for text in ax.texts if "$" in text.get_text())
    ranked = [row.result for row in rows if row.result.complete]
    (legend,) = plots.plot_splits(ranked).figure.legends
    assert r"<script>alert(1)</script>|\$x\$" in [text.get_text() for text in legend.get_texts()]


def test_breakdowns_have_a_band_for_each_part_and_a_mark_for_each_run(toy_task, tmp_path):
    """Runs that a part lacks are left out, and so are controls that are always right or wrong."""
    for split in ("val", "test"):
        write_run(tmp_path, predictions(4), run=f"a-{split}", model="a", split=split)
    write_run(tmp_path, predictions(2), run="b-test", model="b")
    write_run(tmp_path, predictions(20), run="c-oracle", model="oracle", control=True)
    runs = results.load_all(tmp_path)
    ax = plots.plot_splits(runs)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["test", "val"]
    assert len(marks(ax)) == 3
    ax = plots.plot_slices([run for run in runs if run.split == "test"], toy_task.slices[0])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["small", "large"]
    assert len(marks(ax)) == 4


def test_differences_are_signed_and_drawn_around_zero():
    change = {"one": {"mean": -0.1, "low": -0.2, "high": 0.1}}
    ax = plots.plot_changes(METRIC, {"test": change, "val": change}, labels={"one": "One − base"})
    assert texts(ax) == ["−10.0", "−10.0"] and ax.get_xlabel().startswith(
        "Exact, difference in points"
    )
    assert [list(line.get_xdata()) for line in ax.lines if list(line.get_xdata()) == [0, 0]]


def test_prompts_show_every_run_and_the_board_s_in_full(toy_task, tmp_path):
    for name, right in (("plain", 10), ("bare", 6), ("other", 12)):
        write_run(tmp_path, predictions(right), run=name, prompt=name)
    runs = {run.run: run for run in results.load_all(tmp_path)}
    ax = plots.plot_prompts([[runs["plain"], runs["bare"], runs["other"]]])
    drawn = {tuple(line.get_xdata()): line.get_markerfacecolor() for line in ax.lines[1:]}
    assert drawn == {(0.65, 0.8): plots.GROUND, (0.75,): plots.BLUE}


def test_failure_bars_are_as_long_as_the_cases(rows):
    ranked = [row.result for row in rows if row.result.complete]
    ax = plots.plot_failures(ranked)
    assert [sum(bars[i].get_width() for bars in ax.containers) for i in range(len(ranked))] == [
        run.n for run in ranked
    ]
    colours = [bars[0].get_facecolor() for bars in ax.containers]
    assert len(set(colours)) == len(colours) == 3  # right, unreadable, wrong
    assert len({plots.GREEN, *plots.WRONG}) == len(plots.WRONG) + 1


def test_throughput_has_its_settings_in_its_name(rows):
    ax = plots.plot_throughput([rows[0].result])
    assert [bar.get_width() for bar in ax.patches] == [50.0]
    assert "batch 8, bfloat16, 2 threads, 2 × Toy CPU" in texts(ax)[-1]


def test_a_legend_takes_the_columns_that_it_has_room_for():
    change = {"one": {"mean": 0.1, "low": 0.0, "high": 0.2}}
    columns = []
    for words in ("short", "a name that is half as long as the figure"):
        series = {f"{words} {i}": change for i in range(2)}
        figure = plots.plot_changes(METRIC, series, labels={"one": "One"}).figure
        figure.canvas.draw()
        (legend,) = figure.legends
        columns.append(legend._ncols)
        extent = legend.get_window_extent()
        assert figure.bbox.x0 <= extent.x0 and extent.x1 <= figure.bbox.x1
    assert columns == [2, 1]


def test_learning_curves_show_losses_and_the_scores_of_each_task(toy_tasks):
    scores = {"toy": {"exact": 0.2, "share": 0.6}, "toylabels": {"macro_f1": 0.3, "accuracy": 0.5}}
    record = {
        "loss": [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}],
        "validation": [{"step": 2, "loss": 1.2, "answers": 8, "tasks": scores}],
    }
    losses, scored = plots.plot_learning(record)
    assert [list(line.get_ydata()) for line in losses.lines] == [[2.0, 1.0], [1.2]]
    legend = [text.get_text() for text in scored.get_legend().get_texts()]
    assert legend == ["Toy, Exact", "Toy, Share", "Toy labels, Macro-F1", "Toy labels, Accuracy"]
    record["validation"] = [{"step": 2, "loss": 1.2}]
    assert len(plots.plot_learning(record)) == 1


def test_colours_are_the_tokens_of_the_theme():
    """The page's ground and the figure's are the same; a later style, for print, doesn't count."""
    theme = (paths.ROOT / "site/theme.css").read_text("utf-8")
    found = re.findall(r"^\s*--([a-z-]+): (#[0-9a-f]{6});", theme, re.MULTILINE)
    tokens = dict(reversed(found))
    assert {name: tokens[name] for name in plots.COLOURS} == plots.COLOURS
