"""From the scores of cases to estimates: metrics with intervals, by slice, and paired differences.

A row is a prediction row: it has `group`, `slices`, `scores` and `counts`, so that a result can be
estimated, broken down and compared from its predictions alone.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from slmlib.evaluation import stats
from slmlib.evaluation.stats import Difference, Interval
from slmlib.tasks.base import Metric, Task

Rows = Sequence[Mapping]


def values(metric: Metric, rows: Rows) -> list[float]:
    """The score of each case, for metrics that are means of scores."""
    return [row["scores"][metric.name] for row in rows]


def counts(metric: Metric, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Numerators and denominators of a ratio or macro metric, each (cases, classes)."""
    cells = [row["counts"][metric.name] for row in rows]
    if metric.kind == "ratio":
        pairs = np.array(cells, dtype=float)
        return pairs[:, :1], pairs[:, 1:]
    names = sorted({name for cell in cells for name in cell})
    classes = {name: place for place, name in enumerate(names)}
    above, below = np.zeros((2, len(rows), len(classes)))
    for i, cell in enumerate(cells):
        for name, (numerator, denominator) in cell.items():
            above[i, classes[name]], below[i, classes[name]] = numerator, denominator
    return above, below


def estimate(metric: Metric, rows: Rows) -> Interval | None:
    """A metric over rows with its 95 % interval; None where nothing in them is counted by it."""
    groups = [row["group"] for row in rows]
    if metric.kind == "proportion":
        return stats.cluster_wilson(values(metric, rows), groups)
    if metric.kind == "mean":
        return stats.cluster_bootstrap(values(metric, rows), groups)
    above, below = counts(metric, rows)
    if not below.sum():
        return None
    if metric.kind == "ratio":
        return stats.cluster_bootstrap_ratio(above[:, 0], below[:, 0], groups)
    return stats.macro_bootstrap(above, below, groups)


def means(task: Task, rows: Rows) -> dict[str, float]:
    """The metrics of a task that count something in the rows, without intervals."""
    averages = {}
    for metric in task.metrics:
        if not metric.counted:
            averages[metric.name] = math.fsum(values(metric, rows)) / len(rows)
            continue
        above, below = counts(metric, rows)
        if below.sum():
            averages[metric.name] = stats.macro_mean(above, below)
    return averages


def summarise(task: Task, rows: Rows) -> dict[str, dict]:
    """Metrics of a task with intervals: {metric: {mean, low, high, n}}, rounded to six decimals."""
    intervals = {metric.name: estimate(metric, rows) for metric in task.metrics}
    return {
        name: {end: round(float(getattr(interval, end)), 6) for end in ("mean", "low", "high")}
        | {"n": interval.n}
        for name, interval in intervals.items()
        if interval is not None
    }


def split_by(rows: Rows, name: str) -> dict[str, list[Mapping]]:
    """Rows by their value of a slice; rows without it are left out."""
    parts: dict[str, list[Mapping]] = {}
    for row in rows:
        if name in row["slices"]:
            parts.setdefault(row["slices"][name], []).append(row)
    return parts


def judge(task: Task, rows: Rows) -> dict:
    """The part of a result that follows from its rows: scorer, metrics, slices and failures."""
    by_slice = {
        each.name: {value: summarise(task, parts[value]) for value in each.ordered(parts)}
        for each in task.slices
        if (parts := split_by(rows, each.name))
    }
    failures = Counter(row["failure"] for row in rows if row["failure"])
    return {
        "scorer": {"version": task.scorer_version},
        "metrics": summarise(task, rows),
        "by_slice": by_slice,
        "failures": dict(sorted(failures.items())),
    }


# --- paired comparisons -----------------------------------------------------------------------


def paired(a: Rows, b: Rows) -> tuple[list[Mapping], list[Mapping], list[str]]:
    """The rows of the cases that both runs have, in the order of the first, and their groups."""
    theirs = {row["id"]: row for row in b}
    both = [row for row in a if row["id"] in theirs]
    return both, [theirs[row["id"]] for row in both], [row["group"] for row in both]


def difference(metric: Metric, a: Rows, b: Rows) -> Difference:
    """Difference a - b of a metric on the cases that both have, paired and over groups.

    The interval is that of a bootstrap, the p-value that of a randomisation test.
    """
    a, b, groups = paired(a, b)
    if not metric.counted:
        return stats.paired_cluster_bootstrap(values(metric, a), values(metric, b), groups)
    above, below = counts(metric, [*a, *b])  # one table of classes, so that their columns agree
    n = len(a)
    return stats.paired_macro_difference((above[:n], below[:n]), (above[n:], below[n:]), groups)


def pvalue(metric: Metric, a: Rows, b: Rows) -> float:
    """The p-value of `difference`, without its interval, which takes longer."""
    if metric.counted:
        return difference(metric, a, b).p
    a, b, groups = paired(a, b)
    return stats.paired_cluster_test(values(metric, a), values(metric, b), groups)


def differences(metric: Metric, pairs: Iterable[tuple[Rows, Rows]]) -> list[dict]:
    """`difference` of each pair as a dict, its p-value adjusted over the pairs (Holm)."""
    raw = [difference(metric, a, b) for a, b in pairs]
    return [asdict(d) | {"p": p} for d, p in zip(raw, stats.holm([d.p for d in raw]), strict=True)]


def detectable(metric: Metric, a: Rows, b: Rows, *, tests: int) -> float:
    """Minimum detectable difference of a proportion or mean, at Bonferroni's level."""
    a, b, groups = paired(a, b)
    ours, theirs = np.array(values(metric, a)), np.array(values(metric, b))
    n = len(ours)
    vary = len(set(ours)) > 1 and len(set(theirs)) > 1
    return stats.minimum_detectable_effect(
        n,
        baseline=min(max((ours.sum() + theirs.sum()) / (2 * n), 0.5 / n), 1 - 0.5 / n),
        correlation=min(float(np.corrcoef(ours, theirs)[0, 1]), 0.999) if vary else 0.0,
        design_effect=stats.design_effect(ours - theirs, groups),
        alpha=0.05 / tests,
    )
