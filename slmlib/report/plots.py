"""The figures: one style, one function per figure, SVG files that are the same bytes every time.

Colours are the tokens of the site's theme: a dark ground, so that a figure reads the same on the dark site
and in the white paper, and Okabe-Ito series, told apart by readers with any colour vision. Letters are large
enough for a phone (a 12 pt letter on a figure 5.6 inches wide is still 10 px on a screen of 360).
"""

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from itertools import cycle
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slmlib.core import io, paths, tables
from slmlib.engines.base import numbers
from slmlib.evaluation.results import TIERS, Result, Row, machine
from slmlib.tasks.edgejson.scoring import FAILURES
from slmlib.training import packing

THEME = paths.ROOT / "site" / "theme.css"


def tokens(theme: Path = THEME) -> dict[str, str]:
    """The site's named colours, by name: `{"page": "#0a0a0a", ...}`; the first meaning of a name holds."""
    named = re.findall(r"^\s*--([a-z-]+): (#[0-9a-f]{6});", theme.read_text("utf-8"), re.MULTILINE)
    return dict(reversed(named))


COLOUR = tokens()
GROUND, TEXT, MUTED, RULE = (COLOUR[name] for name in ("page", "text", "muted", "line"))
SERIES = tuple(COLOUR[name] for name in ("blue", "orange", "purple", "yellow", "green", "red"))
BLUE, ORANGE, PURPLE, YELLOW, GREEN, RED = SERIES
FAILURE_COLOURS = (MUTED, YELLOW, ORANGE, BLUE, PURPLE, RED, COLOUR["navy"], COLOUR["violet"], TEXT)
WIDTH = 5.6  # inches
Counted = Callable[[object], Iterable[str]]  # a case -> what it counts for

STYLE = {
    "figure.facecolor": GROUND,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.12,
    "axes.facecolor": GROUND,
    "axes.edgecolor": RULE,
    "axes.labelcolor": TEXT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": RULE,
    "text.color": TEXT,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "ytick.major.pad": 8,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine has it
    "font.size": 12,
    "axes.labelsize": 12,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "legend.fontsize": 11,
    "legend.frameon": False,
    "legend.handletextpad": 0.5,
    "savefig.facecolor": GROUND,
    "svg.fonttype": "path",
    "svg.hashsalt": "slmbench",
}


def styled(draw):
    """Run a function in the house style, whatever the reader's own matplotlib settings are."""

    @functools.wraps(draw)
    def wrapped(*args, **options):
        with plt.style.context(["default", STYLE]):
            drawn, interactive = draw(*args, **options), plt.isinteractive()
        mpl.interactive(interactive)  # the first figure in JupyterLab turns it on, the context's end off
        return drawn

    return wrapped


def new_axes(height: float) -> Axes:
    """Axes of a new figure of the house width; `height` in inches."""
    return plt.subplots(figsize=(WIDTH, height))[1]


@styled
def save(figure: Figure, name: str, *, folder: Path = paths.FIGURES) -> Path:
    """Write `figure` to `folder/name.svg`: no date, fixed ids, the same bytes for the same data."""
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    path = Path(folder) / f"{name}.svg"
    io.write_bytes(path, buffer.getvalue())
    return path


@styled
def plot_leaderboard(rows: Sequence[Row], *, metric: str = "json_exact", ax: Axes | None = None) -> Axes:
    """One line per run: mean and 95 % interval; controls are hollow and grey.

    Args:
        rows: the leaderboard, best first.
        metric: a metric that every result has.
        ax: where to draw; a new figure by default.
    """
    ax = ax or new_axes(1.1 + 0.5 * len(rows))
    for y, row in enumerate(rows):
        value = row.result.metrics[metric]
        _interval(ax, y, value, metric, **_mark(row.result, BLUE, MUTED))
        _note(ax, y, tables.number(metric, value["mean"]))
    _name_rows(ax, [_name(row.result) for row in rows])
    _score_axis(ax, metric)
    return ax


@styled
def plot_tiers(results: Sequence[Result], *, metric: str = "json_exact", ax: Axes | None = None) -> Axes:
    """Score by tier with 95 % intervals: one band per tier, one mark per run."""
    values = [{tier: result.by_tier.get(tier, {}).get(metric) for tier in TIERS} for result in results]
    return _bands(results, values, TIERS, metric, ax)


@styled
def plot_splits(results: Sequence[Result], *, metric: str = "json_exact", ax: Axes | None = None) -> Axes:
    """Score by split with 95 % intervals: one band per split, one mark per model.

    Args:
        results: runs of one task, of several splits.
        metric: a metric that every result has.
        ax: where to draw; a new figure by default.
    """
    splits = tuple(dict.fromkeys(result.split for result in results))
    models = {result.label: result for result in results}
    values = [{r.split: r.metrics[metric] for r in results if r.label == label} for label in models]
    return _bands(list(models.values()), values, splits, metric, ax)


def _bands(
    results: Sequence[Result], values: Sequence[Mapping], names: Sequence[str], metric: str, ax: Axes | None
) -> Axes:
    """One band per name, and in it a mark for each result that has a value there."""
    ax = ax or new_axes(1.9 + 0.3 * len(names) * len(results))
    for i, (mark, found) in enumerate(zip(_marks(results), values, strict=True)):
        for band, name in enumerate(names):
            if found.get(name):
                _interval(ax, band * (len(results) + 1) + i, found[name], metric, **mark)
        ax.plot([], [], linestyle="", markersize=8, label=_name(results[i]), **mark)
    middles = [band * (len(results) + 1) + (len(results) - 1) / 2 for band in range(len(names))]
    _name_rows(ax, names, at=middles)
    _score_axis(ax, metric)
    _legend_below(ax, columns=2)
    return ax


@styled
def plot_engines(
    families: Sequence[Sequence[Result]], *, metric: str = "field_f1", ax: Axes | None = None
) -> Axes:
    """One line per engine and type of number, with the size of the weights; one colour per model.

    Args:
        families: for each model its runs, which differ in engine and type of number only.
        metric: a metric that every result has.
        ax: where to draw; a new figure by default.
    """
    runs = [(run, colour) for family, colour in zip(families, cycle(SERIES), strict=False) for run in family]
    ax = ax or new_axes(1.6 + 0.45 * len(runs))
    for y, (run, colour) in enumerate(runs):
        _interval(ax, y, run.metrics[metric], metric, **_mark(run, colour, MUTED))
        _note(ax, y, tables.number(metric, run.metrics[metric]["mean"]))
    for family, colour in zip(families, cycle(SERIES), strict=False):
        ax.plot([], [], linestyle="", markersize=8, label=family[0].label, **_mark(family[0], colour, MUTED))
    _name_rows(ax, [f"{run.engine['name']}, {numbers(run.engine)}" for run, _ in runs])
    _score_axis(ax, metric)
    _legend_below(ax, columns=1)
    return ax


@styled
def plot_differences(
    series: Mapping[str, Mapping[str, Mapping]], *, metric: str = "field_f1", ax: Axes | None = None
) -> Axes:
    """One band for each difference, in it a mark with its interval for each series, and a line at zero.

    Args:
        series: by label, such as a split, {name: {mean, low, high}}: differences of scores on the same
            cases; each series has the same names.
        metric: the score that they are of.
        ax: where to draw; a new figure by default.
    """
    names = list(next(iter(series.values())))
    step = len(series) + 0.6
    ax = ax or new_axes(1.6 + 0.3 * step * len(names))
    ax.axvline(0, color=MUTED, linewidth=1)
    for i, ((label, changes), colour, shape) in enumerate(zip(series.items(), SERIES, "osD^", strict=False)):
        mark = {"marker": shape, "color": colour}
        for band, name in enumerate(names):
            _interval(ax, band * step + i, changes[name], metric, **mark)
            _note(ax, band * step + i, tables.signed(metric, changes[name]["mean"]))
        ax.plot([], [], linestyle="", markersize=8, label=label, **mark)
    _name_rows(ax, names, at=[band * step + (len(series) - 1) / 2 for band in range(len(names))])
    ax.set_xlabel(f"{tables.title(metric)}, difference, 95 % interval")
    _legend_below(ax, columns=2)
    return ax


@styled
def plot_prompts(
    families: Sequence[Sequence[Result]], *, metric: str = "field_f1", ax: Axes | None = None
) -> Axes:
    """One line per model, and on it a mark for each prompt; that of the leaderboard is full.

    Args:
        families: for each model its runs, which differ in the prompt only; the first is the leaderboard's.
        metric: a metric that every result has.
        ax: where to draw; a new figure by default.
    """
    ax = ax or new_axes(1.2 + 0.5 * len(families))
    scale = 100 if tables.is_percent(metric) else 1
    for y, family in enumerate(families):
        values = [scale * run.metrics[metric]["mean"] for run in family]
        ax.plot([min(values), max(values)], [y, y], color=RULE, linewidth=2)
        ax.plot(values[1:], [y] * (len(values) - 1), "o", color=BLUE, markerfacecolor=GROUND, markersize=7)
        ax.plot(values[0], y, "o", color=BLUE, markersize=8, zorder=3)
    _name_rows(ax, [family[0].label for family in families])
    _score_axis(ax, metric)
    ax.set_xlabel(tables.title(metric))
    return ax


@styled
def plot_failures(results: Sequence[Result], *, ax: Axes | None = None) -> Axes:
    """What became of every case: one stacked bar per run, right answers first, then each class."""
    ax = ax or new_axes(2.0 + 0.55 * len(results))
    left, total = [0] * len(results), max((result.n for result in results), default=1)
    for name, colour in zip(("right", *FAILURES), (GREEN, *FAILURE_COLOURS), strict=True):
        counts = [result.right if name == "right" else result.failures.get(name, 0) for result in results]
        if any(counts):
            _stack(ax, counts, left, total=total, color=colour, label=tables.label(name))
            left = [a + b for a, b in zip(left, counts, strict=True)]
    ax.set_xlim(0, total)
    ax.set_xlabel("Cases")
    _name_rows(ax, [_name(result) for result in results])
    _legend_below(ax, columns=3)
    return ax


@styled
def plot_throughput(results: Sequence[Result], *, ax: Axes | None = None) -> Axes:
    """Generated tokens per second, one bar per run of a model; the settings stand in the bar's name."""
    ax = ax or new_axes(1.1 + 0.9 * max(1, len(results)))
    speeds = [result.throughput["tokens_per_second"] for result in results]
    ax.barh(range(len(results)), speeds, color=BLUE, height=0.5)
    for y, speed in enumerate(speeds):
        ax.annotate(f"{speed:.1f}", (speed, y), (6, 0), textcoords="offset points", va="center")
    _name_rows(ax, [f"{result.label}\n{_settings(result)}\n{machine(result)}" for result in results])
    ax.set_xlim(0, 1.15 * max(speeds, default=1) or 1)
    ax.set_xlabel("Generated tokens per second")
    ax.grid(False)  # the bars carry their numbers
    return ax


def registers_of(example) -> list[str]:
    """What `plot_counts` counts where nothing else is asked for: the kind of text."""
    return [example.meta["register"]]


@styled
def plot_counts(
    examples: Sequence, by: Counted = registers_of, *, unit: str = "Cases", ax: Axes | None = None
) -> Axes:
    """Bars of what occurs in a data set, stacked by tier; the most frequent on top.

    Args:
        examples: cases.
        by: names what a case counts for; it may name several, or one several times.
        unit: what is counted.
        ax: where to draw; a new figure by default.
    """
    totals = Counter(name for example in examples for name in by(example))
    names = sorted(totals, key=lambda name: (-totals[name], name))
    ax = ax or new_axes(1.5 + 0.35 * len(names))
    left = [0] * len(names)
    for tier, colour in zip(TIERS, SERIES, strict=False):
        found = Counter(name for example in examples if example.tier == tier for name in by(example))
        counts = [found[name] for name in names]
        ax.barh(range(len(names)), counts, left=left, color=colour, height=0.6, label=tier)
        left = [a + b for a, b in zip(left, counts, strict=True)]
    _name_rows(ax, [tables.label(name) for name in names])
    ax.set_xlabel(unit)
    return ax


@styled
def plot_lengths(examples: Sequence, *, ax: Axes | None = None) -> Axes:
    """Length of the text against length of the answer, in characters, both on log scales."""
    ax = ax or new_axes(3.6)
    for tier, colour in zip(TIERS, SERIES, strict=False):
        chosen = [example for example in examples if example.tier == tier]
        texts = [len(example.input["text"]) for example in chosen]
        answers = [len(json.dumps(example.target, ensure_ascii=False)) for example in chosen]
        ax.plot(texts, answers, "o", color=colour, markersize=3, alpha=0.7, label=tier, mew=0)
    ax.set(xscale="log", yscale="log", xlabel="Text, characters", ylabel="Answer, characters")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ticker.ScalarFormatter())
        axis.set_minor_locator(ticker.NullLocator())
    return ax


@styled
def plot_data(examples: Sequence, panels: Mapping[str, Counted] | None = None) -> Figure:
    """Portrait of a data set: panels of counts, and the lengths of text and answer below.

    Args:
        examples: cases.
        panels: unit -> what is counted; by default the cases of each register.
    """
    panels = panels or {"Cases": registers_of}
    heights = [1.2 + 0.33 * len({n for e in examples for n in by(e)}) for by in panels.values()]
    figure, axes = plt.subplots(
        len(panels) + 1, 1, figsize=(WIDTH, sum(heights) + 3.9), height_ratios=[*heights, 3.6]
    )
    for ax, (unit, by) in zip(axes, panels.items(), strict=False):
        plot_counts(examples, by, unit=unit, ax=ax)
    plot_lengths(examples, ax=axes[-1])
    _legend_below(axes[-1], columns=3, markerscale=2.5)
    return figure


@styled
def save_card(path: Path) -> None:
    """Write the picture that social networks show beside a link: 1200 × 630 pixels, words only."""
    figure = plt.figure(figsize=(12, 6.3), layout="none")
    figure.text(0.07, 0.6, "SLMBench – Edge Pack", fontsize=56, fontweight="bold")
    figure.text(0.07, 0.46, "CycleCore Technologies", fontsize=30, color=MUTED)
    figure.text(0.07, 0.2, "Small language models on the structured tasks of edge devices", fontsize=24)
    figure.add_artist(mpl.lines.Line2D([0.07, 0.22], [0.36, 0.36], color=COLOUR["accent"], linewidth=6))
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    io.write_bytes(path, buffer.getvalue())


def _interval(ax: Axes, y: float, value: dict, metric: str, **mark) -> None:
    scale = 100 if tables.is_percent(metric) else 1
    ends = [scale * value["low"], scale * value["high"]]
    ax.plot(ends, [y, y], color=mark["color"], linewidth=2)
    ax.plot(scale * value["mean"], y, markersize=8, clip_on=False, zorder=3, **mark)


def _mark(result: Result, colour: str, grey: str, shape: str = "o") -> dict:
    """A full mark in colour for a model, a hollow grey one for a control."""
    if result.control:
        return {"marker": shape, "color": grey, "markerfacecolor": GROUND}
    return {"marker": "o", "color": colour, "markerfacecolor": colour}


def _marks(results: Sequence[Result]) -> list[dict]:
    """A mark for each run: models differ in colour, controls in grey and shape."""
    controls = iter((("#d0d0d0", "s"), (MUTED, "^"), ("#808080", "D")) * len(results))
    colours = iter(SERIES * len(results))
    return [_mark(r, "", *next(controls)) if r.control else _mark(r, next(colours), "") for r in results]


def _name(result: Result) -> str:
    return result.label + (" (control)" if result.control else "")


def _note(ax: Axes, y: float, text: str) -> None:
    """A number at the right end of a row, outside the axes."""
    place = ax.get_yaxis_transform()
    ax.annotate(text, (1, y), (12, 0), xycoords=place, textcoords="offset points", va="center")


def _name_rows(ax: Axes, names: Sequence[str], *, at: Sequence[float] | None = None) -> None:
    """Name the rows from the top down; names are text, so a `$` starts no formula."""
    at = range(len(names)) if at is None else at
    ax.set_yticks(list(at), names, parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.margins(y=0.08)
    if not ax.yaxis_inverted():
        ax.invert_yaxis()


def _score_axis(ax: Axes, metric: str) -> None:
    percent = tables.is_percent(metric)
    ax.set_xlim(0, 100 if percent else 1)
    ax.set_xlabel(tables.title(metric) + (", % of cases" if percent else "") + ", 95 % interval")


def _stack(ax: Axes, counts: list[int], left: list[int], *, total: int, **options) -> None:
    """One segment in each bar, with its number where there is room for it."""
    bars = ax.barh(range(len(counts)), counts, left=left, edgecolor=GROUND, height=0.6, **options)
    numbers = [str(count) if count >= 0.05 * total else "" for count in counts]
    ax.bar_label(bars, numbers, label_type="center", color=GROUND, fontsize=11)


def _legend_below(ax: Axes, *, columns: int, **options) -> None:
    """A legend under the axes, in as many of these columns as the figure is wide enough for."""
    handles, labels = ax.get_legend_handles_labels()
    labels = [label.replace("$", r"\$") for label in labels]
    for count in range(columns, 0, -1):
        legend = ax.figure.legend(handles, labels, loc="outside lower center", ncols=count, **options)
        if count == 1 or legend.get_window_extent().width < ax.figure.bbox.width:
            return
        legend.remove()


def _settings(result: Result) -> str:
    engine = result.engine
    return f"batch {engine['batch_size']}, {engine['dtype']}, {engine['threads']} threads"


@styled
def plot_pack(pack, *, ax: Axes | None = None) -> Axes:
    """Which token of a training sequence sees which: a row for each token, marked where it sees a column.

    Args:
        pack: a `packing.Pack`.
        ax: where to draw; a new figure by default.
    """
    ax = ax or new_axes(WIDTH)
    seen = packing.mask(pack)[0, 0].numpy()
    colours = mpl.colors.ListedColormap([GROUND, BLUE])
    ax.imshow(seen, cmap=colours, interpolation="nearest", vmin=0, vmax=1)
    ax.set_xlabel("Token that is seen")
    ax.set_ylabel("Token that sees")
    ax.grid(False)
    return ax


@styled
def plot_learning(record: Mapping, *, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
    """Losses over the steps of a training run, and under them the scores on the slice of `val`.

    Args:
        record: `training.json`.
        axes: two axes; a new figure by default, with one where nothing was answered.
    """
    scored = [line for line in record["validation"] if "json_exact" in line]
    if axes is None:
        rows = 2 if scored else 1
        axes = plt.subplots(rows, figsize=(WIDTH, 2.8 * rows), sharex=True, squeeze=False)[1][:, 0]
    steps = [line["step"] for line in record["loss"]]
    axes[0].plot(steps, [line["loss"] for line in record["loss"]], color=BLUE, lw=1, label="training")
    checked = [line["step"] for line in record["validation"]]
    losses = [line["loss"] for line in record["validation"]]
    axes[0].plot(checked, losses, "o-", color=ORANGE, label="validation")
    axes[0].set_ylabel("Loss of an answer's token")
    axes[0].set_ylim(bottom=0)
    axes[0].legend()
    for name, colour in (("json_exact", GREEN), ("field_f1", PURPLE)) if scored else ():
        values = [line[name] for line in scored]
        axes[1].plot([line["step"] for line in scored], values, "o-", color=colour, label=tables.title(name))
    if scored:
        axes[1].set_ylim(0, 1)
        axes[1].set_ylabel(f"{scored[0]['answers']} cases of val")
        axes[1].legend()
    axes[-1].set_xlabel("Step")
    return axes
