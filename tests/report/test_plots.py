"""The figures: they draw what the results say, as the same bytes every time.

If these break, a second run of the analysis changes committed files, a control looks like a model, or
a model's name is read as a formula.
"""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib import pyplot as plt
from toy_results import predictions, write_all, write_run

from slmlib.core import paths
from slmlib.evaluation import results
from slmlib.report import plots
from slmlib.tasks.base import Sample

GROUPS = {f"case-{i:03d}": f"schema-{i % 10}" for i in range(20)}


@pytest.fixture(autouse=True)
def closed():
    """Close what a test has drawn."""
    yield
    plt.close("all")


@pytest.fixture
def rows(tmp_path):
    write_all(tmp_path)
    return [row for row in results.leaderboard(results.load_all(tmp_path), GROUPS) if row.result.complete]


@pytest.fixture
def ranked(rows):
    return [row.result for row in rows]


def examples():
    tiers, registers = ("simple", "medium", "complex"), ("chat", "email")
    return [
        Sample(
            id=f"case-{i}",
            task="edgejson",
            split="test",
            group="order",
            tier=tiers[i % 3],
            input={"text": "word " * (10 + i)},
            target={"a": i * 10**i},
            meta={"register": registers[i % 2]},
        )
        for i in range(12)
    ]


def figures(rows):
    """One figure of each kind."""
    ranked = [row.result for row in rows]
    return {
        "leaderboard": plots.plot_leaderboard(rows).figure,
        "tiers": plots.plot_tiers(ranked).figure,
        "failures": plots.plot_failures(ranked).figure,
        "throughput": plots.plot_throughput([result for result in ranked if not result.control]).figure,
        "data": plots.plot_data(examples()),
    }


def test_figures_are_the_same_bytes_every_time(rows, tmp_path):
    first = {name: plots.save(figure, name, folder=tmp_path / "a") for name, figure in figures(rows).items()}
    second = {name: plots.save(figure, name, folder=tmp_path / "b") for name, figure in figures(rows).items()}
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name
        ElementTree.fromstring(path.read_bytes())
        assert b"dc:date" not in path.read_bytes()
        assert b"<text" not in path.read_bytes()


DRAW = f"""
import sys
from pathlib import Path
from slmlib import plots, results
found = results.load_all(sys.argv[1])
rows = [row for row in results.leaderboard(found, {GROUPS}) if row.result.complete]
plots.save(plots.plot_leaderboard(rows).figure, "leaderboard", folder=Path(sys.argv[2]))
"""


def test_other_processes_and_settings_draw_the_same_bytes(rows, tmp_path):
    """Hash seeds and the reader's own matplotlib settings do not matter."""
    here = plots.save(plots.plot_leaderboard(rows).figure, "leaderboard", folder=tmp_path / "here")
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsvg.fonttype: none\nlines.linewidth: 9\n")
    changed = {"PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path), "PYTHONPATH": str(paths.ROOT)}
    command = [sys.executable, "-c", DRAW, str(tmp_path), str(tmp_path / "there")]
    subprocess.run(command, env=os.environ | changed, check=True, cwd=tmp_path)
    assert here.read_bytes() == (tmp_path / "there" / "leaderboard.svg").read_bytes()


def test_leaderboard_shows_mean_and_interval_and_marks_controls(rows):
    ax = plots.plot_leaderboard(rows)
    lines = [line.get_xdata() for line in ax.lines]
    first = rows[0].result.metrics["json_exact"]
    assert list(lines[0]) == [100 * first["low"], 100 * first["high"]]
    assert list(lines[1]) == [100 * first["mean"]]
    hollow = {
        row.label: line.get_markerfacecolor() == plots.GROUND
        for row, line in zip(rows, ax.lines[1::2], strict=True)
    }
    assert hollow == {row.label: row.control for row in rows}


def test_names_are_text_and_no_formula(rows):
    ax = plots.plot_leaderboard(rows)
    labels = ax.get_yticklabels()
    names = [row.label + (" (control)" if row.control else "") for row in rows]
    assert [label.get_text() for label in labels] == names
    assert not any(label.get_parse_math() for label in labels)


def test_failure_bars_are_as_long_as_the_cases(ranked):
    ax = plots.plot_failures(ranked)
    totals = [0] * len(ranked)
    for bars in ax.containers:
        totals = [total + bar.get_width() for total, bar in zip(totals, bars, strict=True)]
    assert totals == [result.n for result in ranked]


def test_every_failure_class_has_a_colour_of_its_own():
    assert len(set(plots.FAILURE_COLOURS) | {plots.GREEN}) == len(plots.FAILURES) + 1


def test_tiers_leave_out_what_is_missing(tmp_path):
    record = results.load(write_run(tmp_path, predictions(3, n=6), run="toy"))
    parts = {name: part for name, part in record.by_tier.items() if name != "complex"}
    part = results.Result(dict(record.data) | {"by_tier": parts}, record.path)
    marks = [line for line in plots.plot_tiers([part]).lines if len(line.get_xdata()) == 1]
    assert len(marks) == 2


def test_throughput_is_that_of_the_result(ranked):
    ax = plots.plot_throughput(ranked[:1])
    assert [bar.get_width() for bar in ax.patches] == [50.0]
    assert "batch 8, bfloat16, 2 threads" in ax.get_yticklabels()[0].get_text()


def test_nothing_to_draw_is_no_error():
    plots.plot_leaderboard([])
    plots.plot_tiers([])
    plots.plot_failures([])
    plots.plot_throughput([])


def test_figures_are_drawn_on_axes_that_are_given(rows, ranked):
    ax = plt.subplots()[1]
    assert plots.plot_leaderboard(rows, ax=ax) is ax
    assert plots.plot_lengths(examples(), ax=plt.subplots()[1]).get_xscale() == "log"


def test_save_writes_where_it_says(tmp_path):
    path = plots.save(plots.plot_leaderboard([]).figure, "empty", folder=tmp_path / "new")
    assert path == Path(tmp_path / "new" / "empty.svg")
    assert path.exists()


def test_splits_have_a_mark_for_each_run(tmp_path):
    """A band for each split, and in it one mark for each model that was run on it."""
    for split in ("test", "test_noisy"):
        write_run(tmp_path, predictions(4, n=8), run=f"a-{split}", model="a", split=split)
    write_run(tmp_path, predictions(2, n=8), run="b-test", model="b")
    found = sorted(results.load_all(tmp_path), key=lambda result: (result.split, result.label))
    ax = plots.plot_splits(found)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["test", "test_noisy"]
    assert len([line for line in ax.lines if len(line.get_xdata()) == 1]) == 3


def test_a_legend_takes_the_columns_that_it_has_room_for():
    change = {"mean": 0.1, "low": 0.0, "high": 0.2}
    columns = {}
    for words in ("short", "a name that is half as long as the figure"):
        figure = plots.plot_differences({f"{words} {i}": {"one": change} for i in range(2)}).figure
        figure.canvas.draw()
        (legend,) = figure.legends
        columns[words] = legend._ncols
        assert figure.bbox.x0 <= legend.get_window_extent().x0
        assert legend.get_window_extent().x1 <= figure.bbox.x1
    assert list(columns.values()) == [2, 1]


def test_colours_are_the_tokens_of_the_theme():
    """One place says what the house's black is: the page's ground and the figure's are the same."""
    assert plots.STYLE["figure.facecolor"] == plots.tokens()["page"] == "#0a0a0a"
    assert plots.tokens()["line"] == plots.RULE and len(set(plots.SERIES)) == 6


def test_a_print_style_does_not_change_the_colours(tmp_path):
    theme = tmp_path / "theme.css"
    theme.write_text(":root {\n  --page: #0a0a0a;\n}\n@media print { :root {\n  --page: #ffffff;\n} }\n")
    assert plots.tokens(theme) == {"page": "#0a0a0a"}


def test_the_card_has_the_size_that_networks_ask_for(tmp_path):
    from PIL import Image

    plots.save_card(tmp_path / "card.png")
    for card in (tmp_path / "card.png", paths.ROOT / "site/card.png"):
        assert Image.open(card).size == (1200, 630) and card.stat().st_size < 100_000
