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


def texts(parts) -> list[str]:
    return [text.get_text() for text in parts]


def test_figures_are_the_same_bytes_every_time(rows, ranked, toy_task, tmp_path):
    written = {}
    for folder in ("a", "b"):
        figures = {
            "leaderboard": plots.plot_leaderboard(rows),
            "splits": plots.plot_splits(ranked),
            "slices": plots.plot_slices(ranked, toy_task.slices[0]),
            "failures": plots.plot_failures(ranked),
            "throughput": plots.plot_throughput(ranked[:2]),
            "data": plots.plot_data(toy_task.load("test")),
        }
        for name, figure in figures.items():
            data = plots.save(figure, name, folder=tmp_path / folder).read_bytes()
            assert data == written.setdefault(name, data), name
            ElementTree.fromstring(data)
            assert b"dc:date" not in data and b"<text" not in data


DRAW = f"""
from pathlib import Path
from slmlib.report import plots
from slmlib.tasks.base import Metric
bands = [(name, {{name: {{"mean": 0.4, "low": 0.2, "high": 0.6}}}}) for name in ("a", "b")]
marks = {{name: {{"color": plots.BLUE, "marker": "o"}} for name, _ in bands}}
plots.save(plots.plot_intervals({METRIC!r}, bands, marks), "x", folder=Path(folder))
"""


def test_another_process_with_other_settings_draws_the_same_bytes(tmp_path):
    """Hash seeds and the reader's own matplotlib settings do not matter."""
    exec(DRAW, {"folder": tmp_path / "here"})
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsvg.fonttype: none\n")
    changed = {"MATPLOTLIBRC": str(tmp_path), "PYTHONHASHSEED": "7", "PYTHONPATH": str(paths.ROOT)}
    command = [sys.executable, "-c", 'folder = "there"' + DRAW]
    subprocess.run(command, env=os.environ | changed, check=True, cwd=tmp_path)
    assert (tmp_path / "here/x.svg").read_bytes() == (tmp_path / "there/x.svg").read_bytes()


def test_leaderboard_shows_mean_and_interval_and_marks_controls(rows):
    ax = plots.plot_leaderboard(rows)
    values = [row.result.metrics["exact"] for row in rows]
    assert list(ax.lines[0].get_xdata()) == [100 * values[0]["low"], 100 * values[0]["high"]]
    assert [line.get_xdata()[0] for line in marks(ax)] == [100 * each["mean"] for each in values]
    hollow = [line.get_markerfacecolor() == plots.GROUND for line in marks(ax)]
    assert hollow == [row.result.control for row in rows]
    assert {"40.0 %", "oracle (control)"} <= set(texts(ax.texts))


def test_names_are_text_and_not_formulas(rows, ranked):
    ax = plots.plot_leaderboard(rows)
    assert "<script>alert(1)</script>|$x$" in texts(ax.texts)
    assert not any(text.get_parse_math() for text in ax.texts if "$" in text.get_text())
    (legend,) = plots.plot_splits(ranked).figure.legends
    assert r"<script>alert(1)</script>|\$x\$" in texts(legend.get_texts())


def test_breakdowns_have_a_band_for_each_part_and_a_mark_for_each_run(toy_task, tmp_path):
    """Runs that a part lacks are left out, and so are controls that are always right or wrong."""
    for split in ("val", "test"):
        write_run(tmp_path, predictions(4), run=f"a-{split}", model="a", split=split)
    write_run(tmp_path, predictions(2), run="b-test", model="b")
    write_run(tmp_path, predictions(20), run="c-oracle", model="oracle", control=True)
    runs = results.load_all(tmp_path)
    ax = plots.plot_splits(runs)
    assert texts(ax.get_yticklabels()) == ["test", "val"] and len(marks(ax)) == 3
    ax = plots.plot_slices([run for run in runs if run.split == "test"], toy_task.slices[0])
    assert texts(ax.get_yticklabels()) == ["small", "large"] and len(marks(ax)) == 4


def test_a_legend_takes_the_columns_that_it_has_room_for():
    change = {"one": {"mean": 0.1, "low": 0.0, "high": 0.2}}
    for words, columns in (("short", 2), ("a name that is half as long as the figure", 1)):
        series = {f"{words} {i}": change for i in range(2)}
        figure = plots.plot_changes(METRIC, series, {"one": "One"}).figure
        figure.canvas.draw()
        (legend,) = figure.legends
        extent = legend.get_window_extent()
        assert figure.bbox.x0 <= extent.x0 and extent.x1 <= figure.bbox.x1
        assert legend._ncols == columns


def test_learning_curves_show_losses_and_the_scores_of_each_task(toy_tasks):
    scores = {"toy": {"exact": 0.2, "share": 0.6}, "toylabels": {"macro_f1": 0.3, "accuracy": 0.5}}
    validation = {"step": 2, "loss": 1.2}
    record = {
        "loss": [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}],
        "validation": [validation | {"answers": 8, "tasks": scores}],
    }
    losses, scored = plots.plot_learning(record)
    assert [list(line.get_ydata()) for line in losses.lines] == [[2.0, 1.0], [1.2]]
    labels = texts(scored.get_legend().get_texts())
    assert labels == ["Toy, Exact", "Toy, Share", "Toy labels, Macro-F1", "Toy labels, Accuracy"]
    assert len(plots.plot_learning(record | {"validation": [validation]})) == 1


def test_colours_are_the_tokens_of_the_theme():
    """The page's ground and the figure's are the same; a later style, for print, doesn't count."""
    theme = (paths.ROOT / "site/theme.css").read_text("utf-8")
    found = re.findall(r"^\s*--([a-z-]+): (#[0-9a-f]{6});", theme, re.MULTILINE)
    tokens = dict(reversed(found))
    assert {name: tokens[name] for name in plots.COLOURS} == plots.COLOURS
    style = set(re.findall(r": ([0-9a-f]{6})$", plots.STYLE.read_text("utf-8"), re.MULTILINE))
    assert {f"#{colour}" for colour in style} == {
        plots.GROUND,
        plots.TEXT,
        plots.MUTED,
        plots.RULE,
    }
