"""Statistics of a benchmark: intervals, paired tests, and ranks with the uncertainty they have.

Cases of one group resemble each other, so every interval and test here counts clusters (Miller
2024, arXiv 2411.00640); comparisons are paired on the same cases; a table of comparisons is
corrected together (Holm 1979). Randomness is seeded. All intervals are of 95 %.

An interval of a mean m in [0, 1] is the set of m that a score test does not reject: Wilson's
(1927) with an effective number of cases m(1 - m)/variance instead of n (Kish 1965; Dean and Pagano
2015, J. Surv. Stat. Methodol. 3:484), the variance taken over clusters, each residual scaled for
its leverage (CR2, Bell and McCaffrey 2002). It never counts for less than one case per cluster,
the worst that clustering can do; so a mean of 0 or 1, for which the variance is zero, has an
interval with a width.

Coverage of these intervals by simulation (24 to 120 clusters of 1 to 8 cases, intraclass
correlations from 0 to 0.5, means from 0.02 to 0.5, binary or graded) is 93–97 % in 215 of 240
settings and 92.0–98.9 % in all; the rest are means of 0.1 and less, where the intervals are mostly
too wide. With 12 to 15 clusters of up to 8 cases it ranges from 90 to 99 %.
`python tests/performance/coverage.py` prints such a table.

Groups are labels of clusters, one per case; a single cluster is read as one cluster per case.
Intervals and tests raise `ValueError` for no cases, unequal lengths, and scores outside [0, 1].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np
from scipy import special
from scipy import stats as distributions

CONFIDENCE = 0.95
Z = float(special.ndtri((1 + CONFIDENCE) / 2))
DRAWS = 10_000  # resamples of a bootstrap, and exchanges of a randomisation test
CHUNK = 500_000  # resampled clusters held in memory at once
BEYOND = 1e6  # stands for infinitely many standard errors
STEPS = 2**15  # resolution of the paired test for graded scores

Values = Sequence[float]  # one for each case
Groups = Sequence[Any]  # the cluster of each case


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval, all in [0, 1]; n is the number of cases."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Difference:
    """A paired difference of means (a - b, in [-1, 1]), its interval and two-sided p-value."""

    mean: float
    low: float
    high: float
    p: float
    n: int


# Intervals -----------------------------------------------------------------------------------


def wilson(successes: float, n: int) -> Interval:
    """Score interval of a proportion of independent cases (Wilson 1927, JASA 22:209).

    Under clustering it is too narrow: in 60 clusters of 8 it covers 79 % with an intraclass
    correlation of 0.2. Use `cluster_wilson`.
    """
    return _interval(successes / n, Z**2 / n, Z**2 / n, int(n))


def cluster_wilson(values: Values, groups: Groups) -> Interval:
    """Mean of 0/1 values with Wilson's interval for clustered cases; see the module's docstring.

    The normal quantile gives way to that of t, with as many degrees of freedom as the spread of
    the clusters' squared residuals allows (Pan and Wall 2002, Stat. Med. 21:1429), at most C - 1
    for C clusters. The interval is nowhere narrower than `wilson`'s, and equals it where every
    case is its own cluster.
    """
    values, ones = _checked(values, np.ones(len(values)), groups)
    if not np.isin(values, (0, 1)).all():
        raise ValueError("cluster_wilson takes 0/1 values; use cluster_bootstrap for others")
    above, below = _totals(groups, values, ones)
    count, n, mean = len(above), len(values), float(values.mean())
    freedom = 1.0
    if count > 1 and _variance(above, below):
        squares = _residuals(above, below)
        excess = (squares**2).sum() - squares.sum() ** 2 / count
        spread_out = excess > 1e-12 * squares.sum() ** 2
        freedom = np.clip(2 * squares.sum() ** 2 / excess if spread_out else np.inf, 1, count - 1)
    reach = special.stdtrit(float(freedom), (1 + CONFIDENCE) / 2)
    spread = min(max(reach**2 * _relative_variance(above, below), Z**2 / n), _widest(below))
    return _interval(mean, spread, spread, n)


def cluster_bootstrap(
    values: Values, groups: Groups, *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Mean of one score in [0, 1] per case with a bootstrap interval that resamples whole clusters.

    The score test of the module's docstring, its quantiles taken from the studentised bootstrap
    (Efron and Tibshirani 1993, chapter 12): each resample is tested against the mean of the
    sample, which allows for skewness and for the uncertainty of the variance. Where all cluster
    means are equal, and neither 0 nor 1, the interval has no width.
    """
    return cluster_bootstrap_ratio(values, np.ones(len(values)), groups, draws=draws, seed=seed)


def cluster_bootstrap_ratio(
    numerators: Values, denominators: Values, groups: Groups, *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Ratio of two sums, such as micro F1, with the interval of `cluster_bootstrap`.

    Of each case one numerator and one denominator are given, 0 <= numerator <= denominator.
    """
    above, below = _checked(numerators, denominators, groups)
    n, mean = len(above), min(1.0, float(above.sum() / below.sum()))
    above, below = _totals(groups, above, below)
    widest, spread = _widest(below), _relative_variance(above, below)
    if not np.isfinite(spread):
        return _interval(mean, widest, widest, n)
    # each resample as a score test of the sample's own ratio, in standard errors
    moments = np.stack([above, below, above * above, above * below, below * below])
    y, x, yy, xy, xx = _resample(moments, draws=draws, seed=seed)
    count, center = len(above), above.sum() / below.sum()
    ratio = np.divide(y, x, out=np.full_like(y, center), where=x > 0)
    squares = (yy - 2 * ratio * xy + ratio**2 * xx) * count / (count - 1)
    known = (squares > 1e-12 * x**2) & (ratio > 1e-12) & (ratio < 1 - 1e-12)
    variance = np.where(known, squares / np.where(known, x, 1.0) ** 2, 1.0)
    variance /= np.where(known, ratio * (1 - ratio), 1.0)
    distance = ratio - center
    far = np.where(np.abs(distance) < 1e-12, 0.0, np.sign(distance) * BEYOND)
    tested = np.where(known, distance / np.sqrt(center * (1 - center) * variance), far)
    least, most = np.quantile(tested, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    low, high = (min(max(0.0, reach) ** 2 * spread, widest) for reach in (most, -least))
    return _interval(mean, low, high, n)


def macro_bootstrap(
    numerators: np.ndarray,
    denominators: np.ndarray,
    groups: Groups,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Mean over classes of ratios of sums (macro-F1, balanced accuracy) with a bootstrap interval.

    The interval is the expanded percentile interval of `paired_cluster_bootstrap`; a class without
    cases, in the sample or in a resample, is left out of its mean. A mean of 0 or 1 gets the widest
    interval that clustering allows.

    Numerators and denominators are (cases, classes), 0 <= numerator <= denominator.
    """
    above, below = _checked(numerators, denominators, groups)
    n, mean = len(above), macro_mean(above, below)
    above, below = _cluster_rows(groups, above), _cluster_rows(groups, below)
    if not 1e-12 < mean < 1 - 1e-12:
        widest = _widest(below.sum(1))
        return _interval(round(mean), widest, widest, n)
    if len(above) == 1:
        return Interval(mean, 0.0, 1.0, n)
    sums = _resample(np.concatenate([above, below], axis=1).T, draws=draws, seed=seed)
    resampled = _macro(sums[: above.shape[1]].T, sums[above.shape[1] :].T)
    low, high = np.quantile(resampled, _expanded(len(above)))
    return Interval(mean, float(min(low, mean)), float(max(high, mean)), n)


def macro_mean(numerators: np.ndarray, denominators: np.ndarray) -> float:
    """Mean over classes of ratios of sums over cases; both (cases, classes)."""
    return float(_macro(numerators.sum(0), denominators.sum(0)))


def _macro(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Mean ratio over the last axis, of the classes whose denominator is above 0, or 0."""
    ratios = np.divide(above, below, out=np.zeros_like(above, dtype=float), where=below > 0)
    return ratios.sum(-1) / np.maximum((below > 0).sum(-1), 1)


def _interval(mean: float, low: float, high: float, n: int) -> Interval:
    """Limits of the score test, from its squared quantile over the effective cases of each side."""

    def limit(spread: float, sign: int) -> float:
        half = sqrt(spread * (mean * (1 - mean) + spread / 4))
        return min(1.0, max(0.0, (mean + spread / 2 + sign * half) / (1 + spread)))

    lowest, highest = mean == 0, mean == 1
    return Interval(mean, 0.0 if lowest else limit(low, -1), 1.0 if highest else limit(high, 1), n)


# Clusters and power --------------------------------------------------------------------------


def design_effect(values: Values, groups: Groups) -> float:
    """Number of clustered cases that say as much about the mean as an independent one (Kish 1965).

    The variance of the mean over clusters, divided by that of as many independent cases; about
    1 + (cases per cluster - 1)·intraclass correlation. 1.0 where the values do not vary.
    For a paired comparison the values are the differences of two models' scores.
    """
    values = np.asarray(values, dtype=float)
    variance = float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0
    clustered = _variance(*_totals(groups, values, np.ones_like(values)))
    return clustered / variance if variance > 1e-18 and clustered > 0 else 1.0


def minimum_detectable_effect(
    n: int,
    *,
    baseline: float = 0.5,
    correlation: float = 0.0,
    design_effect: float = 1.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float:
    """Smallest difference of two proportions, at most 1, that n cases can be expected to show.

    Normal approximation with the variance at the baseline for both (Miller 2024, section 5):
    (z(1 - alpha/2) + z(power)) · sqrt(2·p·(1 - p)·(1 - correlation)·design_effect / n).

    Args:
        n: cases, the same for both models.
        baseline: proportion of right cases.
        correlation: of the two models' scores over the cases; 0 for unpaired samples.
        design_effect: as `design_effect` estimates it from the differences.
        alpha: two-sided level of the test; divide it by the number of pairs for a table.
        power: probability of finding a difference of this size.
    """
    reach = float(special.ndtri(1 - alpha / 2) + special.ndtri(power))
    variance = 2 * baseline * (1 - baseline) * (1 - correlation) * design_effect / n
    return min(1.0, reach * sqrt(variance))


# Paired comparisons --------------------------------------------------------------------------


def paired_cluster_test(a: Values, b: Values, groups: Groups) -> float:
    """Two-sided p-value that two models do equally well, with whole clusters as evidence.

    The randomisation test of Fisher (1935, section 21): if the models are alike, each cluster's
    difference could as well have had the other sign; p is the share of all 2^C signs whose sum is
    at least as far from zero. It is exact under that symmetry, for any number and size of
    clusters; where every case is its own cluster it is the exact test of McNemar (1947). The sums
    are counted, not drawn: graded differences are rounded to `STEPS` steps, always in favour of a
    larger p-value. With two equal simulated models of good and bad clusters of their own it finds
    a difference in 0–6 % of samples at the level of 5 %. Where the symmetry fails most (few cases
    right, those of one model all in a few clusters, those of the other spread evenly) it does in
    up to 10 %.

    Args:
        a, b: scores in [0, 1] of the two models for the same cases in the same order.
        groups: the cluster of each case.

    Returns:
        The p-value, at least 2^(1 - C); 1.0 when no cluster differs.
    """
    (sums,) = _totals(groups, _paired(a, b, groups))
    sums = sums[np.abs(sums) > 1e-9]
    if not len(sums):
        return 1.0
    whole = np.allclose(sums, np.rint(sums), rtol=0, atol=1e-9)
    steps = np.rint(sums if whole else sums * (STEPS / np.abs(sums).sum())).astype(int)
    observed = abs(int(steps.sum())) - (0 if whole else len(steps))
    # probability of each sum, 0 to the sum of all, of those steps whose coin shows heads
    steps = np.abs(steps)
    chances = np.zeros(steps.sum() + 1)
    chances[0] = 1.0
    for step in steps:
        heads = np.zeros_like(chances)
        heads[step:] = chances[: len(chances) - step]
        chances = (chances + heads) / 2
    reached = np.abs(2 * np.arange(len(chances)) - len(chances) + 1) >= observed
    return float(min(1.0, chances[reached].sum()))


def paired_cluster_bootstrap(
    a: Values, b: Values, groups: Groups, *, draws: int = DRAWS, seed: int = 0
) -> Difference:
    """Difference a - b of two models' means on the same cases, resampled by whole clusters.

    With C clusters a bootstrap distribution is too narrow by sqrt((C - 1)/C), and its percentiles
    ignore that the spread is itself estimated; the expanded percentile interval (Hesterberg 2015,
    The American Statistician 69:371) corrects both. That of a single case is [-1, 1]. The interval
    says how large a difference is; the p-value, of `paired_cluster_test`, whether there is one.
    """
    differences = _paired(a, b, groups)
    mean, n, p = float(differences.mean()), len(differences), paired_cluster_test(a, b, groups)
    if n == 1:
        return Difference(mean, -1.0, 1.0, p, 1)
    totals = np.stack(_totals(groups, differences, np.ones(n)))
    sums, cases = _resample(totals, draws=draws, seed=seed)
    low, high = np.quantile(sums / cases, _expanded(totals.shape[1]))
    return Difference(mean, float(low), float(high), p, n)


def paired_macro_difference(
    a: tuple[np.ndarray, np.ndarray],
    b: tuple[np.ndarray, np.ndarray],
    groups: Groups,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """Difference a - b of two models' ratios or macro means on the same cases, by whole clusters.

    The interval is the expanded percentile interval over clusters. The p-value is that of the
    randomisation test of `paired_cluster_test`, drawn rather than counted: in each draw the two
    models' answers to whole clusters are exchanged by chance; p = (count + 1) / (draws + 1).

    Each model is given by its numerators and denominators for the same cases, (cases, classes).
    """
    columns = [_cluster_rows(groups, x) for pair in (a, b) for x in _checked(*pair, groups)]
    n, clusters = len(a[0]), len(columns[0])

    def difference(sums: np.ndarray) -> np.ndarray:  # (draws, 4 × classes)
        above, below, theirs, others = np.split(sums, 4, axis=-1)
        return _macro(above, below) - _macro(theirs, others)

    mean = float(difference(np.concatenate([x.sum(0) for x in columns])))
    if clusters == 1:
        return Difference(mean, -1.0, 1.0, 1.0, n)
    sums = _resample(np.concatenate(columns, axis=1).T, draws=draws, seed=seed).T
    low, high = np.quantile(difference(sums), _expanded(clusters))
    own_side = np.random.default_rng(seed).integers(0, 2, size=(draws, clusters)).astype(float)
    swapped = [
        own_side @ x + (1 - own_side) @ y
        for x, y in zip(columns, columns[2:] + columns[:2], strict=True)
    ]
    reached = np.abs(difference(np.concatenate(swapped, axis=1))) >= abs(mean) - 1e-12
    p = float((reached.sum() + 1) / (draws + 1)) if mean else 1.0
    return Difference(mean, float(min(low, mean)), float(max(high, mean)), p, n)


def holm(pvalues: Sequence[float]) -> list[float]:
    """Adjusted p-values of a family of tests (Holm 1979, Scand. J. Statist. 6:65), in their order.

    The k-th smallest of m is multiplied by m - k + 1, and none may fall below a smaller one's.
    """
    p = np.asarray(pvalues, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted.tolist()


def rank_intervals(
    means: Mapping[str, float], pvalues: Mapping[tuple[str, str], float], *, alpha: float = 0.05
) -> dict[str, tuple[int, int]]:
    """Rank models by mean, each by the interval of places that paired tests allow it.

    A model is shown to be better than another if its mean is and the p-value of their paired test,
    adjusted by Holm over all pairs, is below alpha, or if a third model stands between them, shown
    to be worse than the one and better than the other. The probability that any model's true place
    lies outside its own interval is at most alpha (Mogstad, Romano, Shaikh and Wilhelm 2024, Rev.
    Econ. Stud. 91:476). Ties are not transitive: two models may each be tied with a third and yet
    differ.

    Args:
        means: of each model; higher is better.
        pvalues: of the paired test of each pair of models, in either order.
        alpha: level of the family of tests.

    Returns:
        By model, best mean first, equal means by name: the best place that it may have, one more
        than the models shown to be better, and the worst, all models minus those shown to be
        worse.
    """
    ordered = sorted(means, key=lambda name: (-means[name], name))
    pairs, raw = list(combinations(range(len(ordered)), 2)), []
    for i, j in pairs:
        a, b = ordered[i], ordered[j]
        raw.append(pvalues[a, b] if (a, b) in pvalues else pvalues[b, a])
    better = np.zeros((len(ordered), len(ordered)), dtype=bool)
    for pair, p in zip(pairs, holm(raw), strict=True):
        better[pair] = p < alpha
    for middle in range(len(ordered)):  # what follows from two differences is a difference
        better |= np.outer(better[:, middle], better[middle])
    return {
        name: (1 + int(better[:, i].sum()), len(ordered) - int(better[i].sum()))
        for i, name in enumerate(ordered)
    }


# Sums over clusters, resampling, checks ------------------------------------------------------


def _totals(groups: Groups, *columns: np.ndarray) -> list[np.ndarray]:
    """Columns summed over clusters, ordered by label; every case its own if there is only one."""
    labels, numbers = np.unique([str(group) for group in groups], return_inverse=True)
    clusters = np.arange(len(groups)) if len(labels) == 1 else numbers
    return [np.bincount(clusters, column) for column in columns]


def _cluster_rows(groups: Groups, columns: np.ndarray) -> np.ndarray:
    """Columns (cases, k) summed over clusters: (clusters, k)."""
    return np.stack(_totals(groups, *columns.T), axis=1)


def _residuals(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Squared residual of each cluster's total, scaled for its leverage."""
    share = below / below.sum()
    return (above - below * (above.sum() / below.sum())) ** 2 / (1 - share)


def _variance(above: np.ndarray, below: np.ndarray) -> float:
    """Variance of the ratio of the sums, estimated over clusters; 0 where it cannot be."""
    if len(above) == 1:
        return 0.0
    variance = float(_residuals(above, below).sum() / below.sum() ** 2)
    return variance if variance > 1e-18 else 0.0  # what remains is rounding


def _relative_variance(above: np.ndarray, below: np.ndarray) -> float:
    """The variance over m(1 - m): one over the effective cases; infinite if unknown."""
    mean = above.sum() / below.sum()
    if len(above) == 1 or not 1e-12 < mean < 1 - 1e-12:
        return np.inf
    return _variance(above, below) / (mean * (1 - mean))


def _widest(below: np.ndarray) -> float:
    """Squared quantile over the clusters of equal weight that say as much as these (Kish 1965)."""
    return Z**2 / float(below.sum() ** 2 / (below**2).sum())


def _resample(totals: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Sums over clusters drawn with replacement; totals (k, clusters) to sums (k, draws)."""
    generator = np.random.default_rng(seed)
    count = totals.shape[1]
    rows = max(1, CHUNK // count)
    sums = []
    for start in range(0, draws, rows):
        drawn = generator.integers(0, count, size=(min(rows, draws - start), count))
        cells = drawn + count * np.arange(len(drawn))[:, None]
        times = np.bincount(cells.ravel(), minlength=cells.size).reshape(cells.shape)
        sums.append(totals @ times.T)
    return np.concatenate(sums, axis=1)


def _expanded(clusters: int) -> tuple[float, float]:
    """Lower and upper quantile to take so that few clusters are allowed for."""
    quantile = distributions.t.ppf((1 + CONFIDENCE) / 2, clusters - 1)
    tail = float(distributions.norm.cdf(-(sqrt(clusters / (clusters - 1)) * quantile)))
    return tail, 1 - tail


def _checked(above, below, groups: Groups) -> tuple[np.ndarray, np.ndarray]:
    """Numerators and denominators as arrays: one entry, or row of entries, for each case."""
    above, below = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    if above.shape != below.shape or len(above) != len(groups) or not len(groups):
        raise ValueError(
            "at least one case needed, and one entry per case in each, in the same order; got "
            f"{above.shape}, {below.shape} and {len(groups)} groups"
        )
    if not ((above >= 0) & (above <= below)).all() or below.sum() <= 0:
        raise ValueError(
            "scores must lie in [0, 1], every numerator between 0 and its denominator, and one "
            f"denominator above 0; got {above.min()} to {above.max()}; a missing case counts as 0"
        )
    return above, below


def _paired(a: Values, b: Values, groups: Groups) -> np.ndarray:
    """Differences of the scores of two models."""
    (a, _), (b, _) = (_checked(scores, np.ones(len(scores)), groups) for scores in (a, b))
    return a - b
