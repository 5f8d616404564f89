"""Figures of published results and data, for any task, as SVG with reproducible bytes.

The colours are tokens of the site's theme: a dark ground, so that a figure looks the same on the
site and in the paper, and the Okabe-Ito series, distinguishable with any colour vision. Type is
large enough for a phone (12 pt on a figure 5.6 inches wide is 10 px on a screen of 360).
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, cycle
from pathlib import Path

from slmlib import tasks
from slmlib.core import io
from slmlib.core.optional import require
from slmlib.engines import launch
from slmlib.evaluation.results import Result, Row
from slmlib.report.tables import graded, headline, machine, name, opponents
from slmlib.tasks.base import Estimate, Metric, Sample, Slice
from slmlib.training import packing

mpl, plt, ticker = (
    require(f"matplotlib{part}", extra="site") for part in ("", ".pyplot", ".ticker")
)
Axes, Figure = plt.Axes, plt.Figure
COLOURS = {  # as in site/theme.css
    "page": "#0a0a0a", "text": "#e8e8e8", "muted": "#a0a0a0", "line": "#2a2a2a",
    "blue": "#56b4e9", "orange": "#e69f00", "purple": "#cc79a7", "yellow": "#f0e442",
    "green": "#009e73", "red": "#d55e00", "navy": "#0072b2", "violet": "#7a5cc2",
}  # fmt: skip
GROUND, TEXT, MUTED, RULE, *_SERIES, NAVY, VIOLET = COLOURS.values()
SERIES = BLUE, ORANGE, PURPLE, YELLOW, GREEN, RED = tuple(_SERIES)
# of failure classes, in the order of those that occur
WRONG = MUTED, YELLOW, ORANGE, BLUE, PURPLE, RED, NAVY, VIOLET, TEXT
WIDTH, ROW = 5.6, 0.62  # inches: of a figure, and the height of a row with its name above
STYLE = Path(__file__).with_name("figures.mplstyle")


def styled(draw):
    """Run a function in this style, whatever the reader's own matplotlib settings are."""

    @functools.wraps(draw)
    def wrapped(*args, **options):
        with plt.style.context(["default", STYLE]):
            drawn, interactive = draw(*args, **options), plt.isinteractive()
        mpl.interactive(interactive)  # the first figure in JupyterLab turns it on, the context off
        return drawn

    return wrapped


@styled
def save(figure: Figure | Axes, name: str, *, folder: Path) -> Path:
    """Write `folder/name.svg`, without a date and with fixed ids: the same data, the same bytes."""
    figure = figure.figure if isinstance(figure, Axes) else figure
    path = folder / f"{name}.svg"
    with io.atomic_write(path) as file:
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return path


@styled
def plot_intervals(
    metric: Metric,
    bands: Sequence[tuple[str, Mapping[str, Estimate]]],
    marks: Mapping[str, Mapping],
    *,
    difference: bool = False,
    notes: bool = False,
    legend: bool = True,
) -> Axes:
    """Means with 95 % intervals: a band for each label, and in it a line for each series.

    Args:
        metric: what the values are of.
        bands: label and {series: mean, low, high} of each band, from the top down.
        marks: how each series is drawn: options of `Axes.plot`.
        difference: whether values are differences, around a line at zero, rather than scores.
        notes: whether the means are written beside the lines.
        legend: whether the series are named below the axes, or the bands above their lines.
    """
    lines, ticks, y = [], [], 0.0
    gap = 0.8 * any(len(series) > 1 for _, series in bands)
    for _, series in bands:
        lines += [(y + i, *item) for i, item in enumerate(series.items())]
        ticks.append(y + (len(series) - 1) / 2)
        y += len(series) + gap
    step = 0.3 if gap else 0.47 if legend else ROW
    ax = _new_axes(1.1 + step * (y - gap) + legend * 0.27 * len(marks))
    scale = 100 if metric.percent else 1
    for place, series, value in lines:
        mark = marks[series]
        ends = [scale * value["low"], scale * value["high"]]
        ax.plot(ends, [place, place], color=mark["color"], linewidth=2)
        ax.plot(scale * value["mean"], place, markersize=8, clip_on=False, zorder=3, **mark)
        if notes:
            text = (metric.signed if difference else metric.number)(value["mean"])
            options = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points"}
            ax.annotate(text, (1, place), (12, 0), va="center", **options)
    names = [label for label, _ in bands]
    if legend:
        _name_rows(ax, names, at=ticks)
    else:
        _name_rows_above(ax, names, 0.2)
    ax.set_ylim(y - gap - 0.3, -0.7)
    if difference:
        ax.axvline(0, color=MUTED, linewidth=1, zorder=1)
        unit = ", difference" + " in points" * metric.percent
    else:
        ax.set_xlim(0, scale)
        unit = ", % of cases" * metric.percent
    ax.set_xlabel(f"{metric.title}{unit}, 95 % interval")
    if legend:
        for series, mark in marks.items():
            ax.plot([], [], linestyle="", markersize=8, label=series, **mark)
        _legend_below(ax, columns=2)
    return ax


def plot_leaderboard(rows: Sequence[Row]) -> Axes:
    """The ranking metric of each run of the board, best first; controls are hollow and grey."""
    runs = [row.result for row in rows]
    metric = runs[0].benchmark.ranking_metric
    bands = [(_label(run), {_label(run): run.metrics[metric.name]}) for run in runs]
    return plot_intervals(metric, bands, _marks(runs, [BLUE]), notes=True, legend=False)


def plot_splits(results: Sequence[Result]) -> Axes:
    """The ranking metric by split: one band per split, one mark per run worth comparing."""
    splits = dict.fromkeys(run.split for run in results)
    return _plot_parts(results, splits, lambda run, s: run.metrics if run.split == s else None)


def plot_slices(results: Sequence[Result], each: Slice) -> Axes:
    """The ranking metric by the values of a slice: one band per value, as in `plot_splits`."""
    values = each.ordered({value for run in results for value in run.by_slice.get(each.name, ())})
    return _plot_parts(results, values, lambda run, value: run.by_slice[each.name].get(value))


def _plot_parts(results: Sequence[Result], parts: Iterable[str], scores: Callable) -> Axes:
    runs, metric = opponents(results), results[0].benchmark.ranking_metric
    bands = [
        (
            part,
            {
                _label(run): estimates[metric.name]
                for run in runs
                if (estimates := scores(run, part))
            },
        )
        for part in parts
    ]
    return plot_intervals(metric, bands, _marks(runs))


def plot_engines(families: Sequence[Sequence[Result]]) -> Axes:
    """The graded metric of families of runs by engine and precision; one colour per model."""
    metric, bands = graded(families[0][0].benchmark), []
    for family in families:
        for run in family:
            setting = f"{run.engine['name']}, {launch.precision(run.engine)}"
            bands.append((setting, {_label(family[0]): run.metrics[metric.name]}))
    return plot_intervals(metric, bands, _marks([f[0] for f in families]), notes=True)


def plot_changes(
    metric: Metric,
    by_series: Mapping[str, Mapping[str, Estimate]],
    labels: Mapping[str, str],
) -> Axes:
    """Differences around a line at zero: one band per comparison, one mark per series.

    Args:
        metric: what the differences are of.
        by_series: by series, such as a split, {comparison: mean, low, high}.
        labels: how each comparison is labelled.
    """
    bands = [
        (label, {s: changes[key] for s, changes in by_series.items() if key in changes})
        for key, label in labels.items()
    ]
    shapes = zip(by_series, SERIES, cycle("osD^"), strict=False)
    marks = {series: {"marker": shape, "color": colour} for series, colour, shape in shapes}
    return plot_intervals(metric, bands, marks, difference=True, notes=True)


@styled
def plot_prompts(families: Sequence[Sequence[Result]]) -> Axes:
    """The graded metric under each prompt: one line per model, a full mark for the board's prompt.

    The runs of a family differ in the prompt only; the board's is the first.
    """
    ax = _new_axes(1.1 + ROW * len(families))
    metric = graded(families[0][0].benchmark)
    scale = 100 if metric.percent else 1
    for y, family in enumerate(families):
        values = [scale * run.metrics[metric.name]["mean"] for run in family]
        others = {"color": BLUE, "markerfacecolor": GROUND, "markersize": 7}
        ax.plot([min(values), max(values)], [y, y], color=RULE, linewidth=2)
        ax.plot(values[1:], [y] * (len(values) - 1), "o", **others)
        ax.plot(values[0], y, "o", color=BLUE, markersize=8, zorder=3)
    _name_rows_above(ax, [_label(family[0]) for family in families], 0.2)
    ax.set_xlim(0, scale)
    ax.set_xlabel(metric.title + (", % of cases" if metric.percent else ""))
    return ax


@styled
def plot_failures(results: Sequence[Result]) -> Axes:
    """Outcomes: one stacked bar per run, right answers, then each failure class that occurs."""
    ax = _new_axes(2.2 + ROW * len(results))
    titles = results[0].benchmark.failures
    classes = [each for each in titles if any(run.failures.get(each) for run in results)]
    parts = {"right": [run.right for run in results]}
    parts |= {titles[c]: [run.failures.get(c, 0) for run in results] for c in classes}
    left, total = [0] * len(results), max(run.n for run in results)
    colours = chain([GREEN], cycle(WRONG))
    for (title, counts), colour in zip(parts.items(), colours, strict=False):
        options = {"color": colour, "label": title, "edgecolor": GROUND, "height": 0.46}
        bars = ax.barh(range(len(counts)), counts, left=left, **options)
        shown = [str(count) if count >= 0.05 * total else "" for count in counts]
        ax.bar_label(bars, shown, label_type="center", color=GROUND, fontsize=11)
        left = [a + b for a, b in zip(left, counts, strict=True)]
    ax.set_xlim(0, total)
    ax.set_xlabel("Cases")
    _name_rows_above(ax, [_label(run) for run in results], 0.25)
    _legend_below(ax, columns=3)
    return ax


@styled
def plot_throughput(results: Sequence[Result]) -> Axes:
    """Generated tokens per second: one bar per run, with its settings in the bar's name."""
    ax = _new_axes(1.1 + (ROW + 0.2) * len(results))
    speeds = [run.throughput["tokens_per_second"] for run in results]
    ax.barh(range(len(results)), speeds, color=BLUE, height=0.3)
    names = []
    for y, (run, speed) in enumerate(zip(results, speeds, strict=True)):
        ax.annotate(f"{speed:.1f}", (speed, y), (6, 0), textcoords="offset points", va="center")
        e = run.engine
        settings = f"batch {e['batch_size']}, {e['dtype']}, {e['threads']} threads, {machine(run)}"
        names.append(f"{_label(run)}\n{settings}")
    _name_rows_above(ax, names, 0.18)
    ax.set_xlim(0, 1.15 * max(speeds))
    ax.set_xlabel("Generated tokens per second")
    ax.grid(False)  # the bars carry their numbers
    return ax


@styled
def plot_data(samples: Sequence[Sample]) -> Figure:
    """Portrait of a data set: cases by the slice with most values, lengths of inputs and answers.

    Colours are the values of the task's first slice; lengths are in characters, on log scales.
    """
    task = tasks.get(samples[0].task)
    colours, counted = task.slices[0], max(task.slices, key=lambda s: len(_values(samples, s)))
    values = _values(samples, counted)
    figure, (bars, points) = plt.subplots(
        2, figsize=(WIDTH, 5.1 + 0.33 * len(values)), height_ratios=[1.2 + 0.33 * len(values), 3.6]
    )
    totals = Counter(sample.slices.get(counted.name) for sample in samples)
    order = sorted(values, key=lambda value: (-totals[value], value))
    left = [0] * len(order)
    for part, colour in zip(_values(samples, colours), cycle(SERIES), strict=False):
        chosen = [sample for sample in samples if sample.slices.get(colours.name) == part]
        counts = Counter(sample.slices.get(counted.name) for sample in chosen)
        widths = [counts[value] for value in order]
        bars.barh(range(len(order)), widths, left=left, color=colour, height=0.6, label=part)
        left = [a + b for a, b in zip(left, widths, strict=True)]
        texts = [sum(len(x) for x in s.input.values() if isinstance(x, str)) for s in chosen]
        answers = [len(task.calibration(sample)) for sample in chosen]
        points.plot(texts, answers, "o", color=colour, markersize=3, alpha=0.7, label=part, mew=0)
    _name_rows(bars, [value.replace("_", " ") for value in order])
    bars.set_xlabel(f"Cases, by {counted.title.lower()}")
    points.set(xscale="log", yscale="log", xlabel="Input, characters", ylabel="Answer, characters")
    for axis in (points.xaxis, points.yaxis):
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ticker.ScalarFormatter())
        axis.set_minor_locator(ticker.NullLocator())
    _legend_below(points, columns=3, markerscale=2.5)
    return figure


@styled
def plot_learning(record: Mapping) -> Sequence[Axes]:
    """Losses over the steps of `training.json`, and below them scores of the validation split."""
    scored = [line for line in record["validation"] if "tasks" in line]
    rows = 2 if scored else 1
    axes = plt.subplots(rows, figsize=(WIDTH, 2.8 * rows), sharex=True, squeeze=False)[1][:, 0]
    for key, label, style in (("loss", "training", "-"), ("validation", "validation", "o-")):
        steps, losses = ([line[part] for line in record[key]] for part in ("step", "loss"))
        colour = BLUE if key == "loss" else ORANGE
        axes[0].plot(steps, losses, style, color=colour, linewidth=1, label=label)
    axes[0].set_ylabel("Loss per answer token")
    axes[0].set_ylim(bottom=0)
    axes[0].legend()
    colours = cycle((GREEN, PURPLE, YELLOW, RED))
    for task in map(tasks.get, scored[0]["tasks"] if scored else ()):
        for metric in headline(task):
            points = [(line["step"], line["tasks"][task.name].get(metric.name)) for line in scored]
            label = f"{task.title}, {metric.title}" if len(scored[0]["tasks"]) > 1 else metric.title
            axes[1].plot(*zip(*points, strict=True), "o-", color=next(colours), label=label)
    if scored:
        axes[1].set_ylim(0, 1)
        axes[1].set_ylabel(f"Score on {scored[0]['answers']} cases")
        axes[1].legend()
    axes[-1].set_xlabel("Step")
    return axes


@styled
def plot_pack(pack: packing.Pack) -> Axes:
    """The attention mask of a packed sequence: a row per token, marked where it attends."""
    ax = _new_axes(WIDTH)
    colours = mpl.colors.ListedColormap([GROUND, BLUE])
    seen = packing.mask(pack)[0, 0].numpy()
    ax.imshow(seen, cmap=colours, interpolation="nearest", vmin=0, vmax=1)
    ax.set(xlabel="Token attended to", ylabel="Token")
    ax.grid(False)
    return ax


def _values(samples: Sequence[Sample], each: Slice) -> list[str]:
    return each.ordered({s.slices[each.name] for s in samples if each.name in s.slices})


def _new_axes(height: float) -> Axes:
    return plt.subplots(figsize=(WIDTH, height))[1]


def _label(result: Result) -> str:
    return name(result) + " (control)" * result.control


def _marks(results: Sequence[Result], colours: Iterable[str] = SERIES) -> dict[str, dict]:
    """A mark for each label: full ones in colour for models, hollow grey ones for controls."""
    shapes, colours, marks = cycle("s^D"), cycle(colours), {}
    for run in results:
        if _label(run) not in marks and run.control:
            hollow = {"color": MUTED, "markerfacecolor": GROUND}
            marks[_label(run)] = {"marker": next(shapes), **hollow}
        elif _label(run) not in marks:
            marks[_label(run)] = {"marker": "o", "color": next(colours)}
    return marks


def _name_rows(ax: Axes, names: Sequence[str], *, at: Sequence[float] | None = None) -> None:
    """Name the rows from the top down; names are text, so a `$` starts no formula."""
    ax.set_yticks(range(len(names)) if at is None else at, names, parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.margins(y=0.08)
    ax.invert_yaxis()


def _name_rows_above(ax: Axes, names: Sequence[str], lift: float) -> None:
    """Name the rows above their marks, so that long names leave the width to the data."""
    for y, text in enumerate(names):
        place = ax.get_yaxis_transform()
        ax.text(0, y - lift, text, transform=place, va="bottom", linespacing=1.1, parse_math=False)
    ax.set_yticks([])
    ax.set_ylim(len(names) - 0.5, -0.8)


def _legend_below(ax: Axes, *, columns: int, **options) -> None:
    """A legend under the axes, in as many of these columns as the figure is wide enough for."""
    handles, labels = ax.get_legend_handles_labels()
    labels = [label.replace("$", r"\$") for label in labels]
    for count in range(columns, 0, -1):
        place = {"loc": "outside lower center", "ncols": count}
        legend = ax.figure.legend(handles, labels, **place, **options)
        if count == 1 or legend.get_window_extent().width < ax.figure.bbox.width:
            return
        legend.remove()
