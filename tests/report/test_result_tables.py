"""Tables of results: would break if a table lost a run, an interval, a p-value or a unit.

The published ones are compared with a new analysis in `pipeline/test_notebooks.py`.
"""

import pytest
from toy_results import predictions, write_run

from slmlib.core import io
from slmlib.evaluation import results
from slmlib.report import tables

FULL = {"engine": "openvino", "dtype": "float32"}


def lines(table) -> list[dict[str, str]]:
    return [dict(zip(table.header, map(str, row), strict=True)) for row in table.rows]


def written(folder, *parts, **options):
    """Results of runs, each given as (name, number of right cases, options)."""
    for name, right, more in parts:
        write_run(folder, predictions(right), run=name, **options | more)
    return results.load_all(folder)


@pytest.fixture
def tuned(toy_task, tmp_path):
    """A model that was trained here, one that was not, and a control."""
    parts = (("a-tuned", 14, {"model": "a", "adapter": "ab"}), ("b-base", 8, {"model": "b"}))
    return written(tmp_path, *parts, ("c-rules", 5, {"model": "rules", "control": True}))


def test_leaderboard_has_each_metric_with_its_interval(rows):
    table = lines(tables.leaderboard_table(rows))
    assert [line["Rank"] for line in table] == [row.place for row in rows]
    assert table[0]["Exact"] == "40.0 % [21.9, 61.3]" and table[0]["Size"] == "1.5M"
    assert "Fields" not in table[0]  # not a column of the board
    assert table[-1]["Cases"] == "10/20" and table[-1]["Rank"] == "incomplete"
    assert tables.leaderboard_table([]).rows == ()


def test_differences_are_of_all_pairs_in_points_and_adjusted_together(runs):
    compared = tables.opponents(runs)
    assert {run.model["name"] for run in compared} == {
        "toy-1m", "<script>alert(1)</script>|$x$", "rules",
    }  # fmt: skip
    table = lines(tables.differences_table(compared))
    assert len(table) == 6 and len({line["Pair"] for line in table}) == 6
    assert set(table[0]) == {"Pair", "Exact, points", "p", "Share", "Detectable, points"}
    a, b = compared[:2]
    metric = a.benchmark.ranking_metric
    gain = metric.signed(a.metrics["exact"]["mean"] - b.metrics["exact"]["mean"])
    assert table[0]["Exact, points"].startswith(f"{gain} [")
    alone, both = (tables.differences(metric, [(a, b)] * count)[0]["p"] for count in (1, 2))
    assert both == pytest.approx(min(1, 2 * alone))


def test_trained_models_are_compared_with_all_others_that_decode_alike(tuned, tmp_path):
    assert [tables.name(run) for run in tuned] == ["a †", "b", "rules"]
    table = lines(tables.training_table(tuned))
    assert [line["Compared with"] for line in table] == ["b", "rules"]
    assert "Model" not in table[0]  # there is one, which the caption names
    constrained = {"model": "b", "mode": "constrained"}
    more = written(tmp_path, ("d", 9, constrained), ("e", 9, {"model": "e", "adapter": "cd"}))
    assert "b, constrained" in map(tables.name, more)
    assert len(tables.training_table(more).rows) == 4  # two free models, each against b and rules
    assert tables.training_table([run for run in tuned if not run.tuned]) is None


def test_decodings_show_differences_and_times_of_the_split_that_is_timed(
    toy_task, tmp_path, monkeypatch
):
    runs = written(tmp_path, ("free", 8, {}), ("bound", 12, {"mode": "constrained"}), **FULL)
    (line,) = lines(tables.decodings_table(runs))
    assert line["Exact, difference in points"].startswith("+20.0 [")
    assert line["Prompts"] == "the same" and line["s/case, free"] == "0.67"
    assert "Valid, free" not in line  # the toy task's scores do not show it
    monkeypatch.setattr(type(toy_task), "breaks_constraint", lambda self, row: False)
    monkeypatch.setattr(type(toy_task), "timed_split", "val")
    (line,) = lines(tables.decodings_table(runs))
    assert line["Valid, free"].startswith("100.0 %") and "s/case, free" not in line
    monkeypatch.setattr(type(toy_task), "timed_split", "test")
    path = tmp_path / "toy" / "bound.json"
    record = io.read_json(path)
    record["environment"]["machine"]["features"] = ["avx2"]  # a CPU of the same name
    io.write_json(path, record)
    assert "s/case, free" not in lines(tables.decodings_table(results.load_all(tmp_path)))[0]
    assert tables.decodings_table(runs[:1]) is None
