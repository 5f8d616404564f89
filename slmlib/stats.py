"""Statistics of a benchmark: intervals, paired tests, and which models cannot be told apart.

Cases made from one schema resemble each other, so means other than simple proportions are
resampled by cluster (Miller 2024, arXiv 2411.00640); comparisons are paired on the same cases; a
table of comparisons is corrected together (Holm 1979). Randomness is a seeded NumPy generator: the
same input gives the same numbers on every machine, up to floating-point rounding.

With C clusters a bootstrap distribution is too narrow by sqrt((C - 1)/C), and its percentiles
ignore that the spread is itself estimated. Both are mended as in Hesterberg (2015, The American
Statistician 69:371, "expanded percentile interval"): the percentile taken is that of a normal
distribution at sqrt(C/(C - 1)) times the t quantile with C - 1 degrees of freedom. Below about ten
clusters any such interval is a rough guide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np
from scipy import stats as distributions

CHUNK = 2_000_000  # resampled clusters held in memory at once


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval, all in [0, 1] and unrounded; n is the number of cases."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f}–{self.high:.3f}, n = {self.n})"


@dataclass(frozen=True)
class Difference:
    """A paired difference of means (a - b, in [-1, 1]), its interval and two-sided p-value."""

    mean: float
    low: float
    high: float
    p: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ({self.low:+.3f} to {self.high:+.3f}, p = {self.p:.3g}, n = {self.n})"


@dataclass(frozen=True)
class Tied:
    """A model's row in a ranking.

    Attributes:
        name: the model.
        mean: its mean over the cases.
        rank: place of the best model that it cannot be told apart from; equal ranks are ties.
        p: adjusted p-value against that model; 1.0 for that model itself.
    """

    name: str
    mean: float
    rank: int
    p: float


# Intervals -----------------------------------------------------------------------------------


def wilson(successes: float, n: int, *, confidence: float = 0.95) -> Interval:
    """Score interval of a proportion (Wilson 1927, JASA 22:209).

    It holds for independent cases; under clustering it is too narrow.

    Args:
        successes: number of right cases, 0 to n.
        n: number of cases, at least 1.
        confidence: between 0 and 1.

    Returns:
        The proportion and its interval, within [0, 1].

    Raises:
        ValueError: no cases, or successes outside 0 to n.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"wilson needs 0 <= successes <= n and n >= 1, got {successes} of {n}")
    z = _z(confidence)
    p, spread = successes / n, z * z / n
    centre = (p + spread / 2) / (1 + spread)
    half = z * sqrt(p * (1 - p) / n + spread / (4 * n)) / (1 + spread)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(p, low, high, int(n))


def cluster_bootstrap(
    values: Sequence[float],
    groups: Sequence[Any],
    *,
    draws: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Mean with a bootstrap interval that resamples whole clusters (Efron and Tibshirani 1993).

    Expanded percentiles, see the module's docstring. A single cluster is resampled by case, which
    says nothing about other clusters; a single case gets the interval [0, 1]. Where all cluster
    means are equal the interval has no width.

    Args:
        values: one score per case, in [0, 1].
        groups: the cluster of each case, of the same length.
        draws: bootstrap resamples.
        seed: of the generator.
        confidence: between 0 and 1.

    Returns:
        The mean over cases and its interval.

    Raises:
        ValueError: no cases, unequal lengths, or a value outside [0, 1].
    """
    values = _scores(values, "values")
    _same_length({"values": values, "groups": groups})
    options = {"draws": draws, "seed": seed, "confidence": confidence}
    return cluster_bootstrap_ratio(values, np.ones_like(values), groups, **options)


def cluster_bootstrap_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    groups: Sequence[Any],
    *,
    draws: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Ratio of two sums, such as micro F1, with a cluster bootstrap interval.

    Args:
        numerators: one number per case, between 0 and its denominator.
        denominators: one positive number per case.
        groups: the cluster of each case.
        draws: bootstrap resamples.
        seed: of the generator.
        confidence: between 0 and 1.

    Returns:
        sum(numerators)/sum(denominators) and its interval; see `cluster_bootstrap`.

    Raises:
        ValueError: no cases, unequal lengths, or a ratio outside [0, 1].
    """
    above, below = _column(numerators, "numerators"), _column(denominators, "denominators")
    _same_length({"numerators": above, "denominators": below, "groups": groups})
    if (below <= 0).any() or (above < 0).any() or (above > below).any():
        raise ValueError("every denominator must be above 0 and every numerator between 0 and it")
    mean, n = float(above.sum() / below.sum()), len(above)
    if n == 1:
        return Interval(mean, 0.0, 1.0, 1)
    clusters = _clusters(groups)
    resampled = _resample(above, below, clusters, draws=draws, seed=seed)
    low, high = np.quantile(resampled, _expanded(clusters.max() + 1, confidence))
    return Interval(mean, float(max(0.0, low)), float(min(1.0, high)), n)


def minimum_detectable_effect(
    n: int,
    *,
    baseline: float = 0.5,
    correlation: float = 0.0,
    design_effect: float = 1.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float:
    """Smallest difference of two proportions that n cases can be expected to show.

    Normal approximation with the variance at the baseline for both (Miller 2024, section 5):
    (z(1 - alpha/2) + z(power)) · sqrt(2·p·(1 - p)·(1 - correlation)·design_effect / n).

    Args:
        n: cases, the same for both models.
        baseline: proportion of right cases, between 0 and 1, both excluded.
        correlation: of the two models' scores over the cases; 0 for unpaired samples.
        design_effect: 1 + (cases per cluster - 1)·intraclass correlation.
        alpha: two-sided level of the test.
        power: chance of finding a difference of this size.

    Returns:
        The difference, at most 1.

    Raises:
        ValueError: an argument outside its range.
    """
    if n < 1 or not 0 < baseline < 1 or not -1 <= correlation < 1 or design_effect <= 0:
        raise ValueError(
            "minimum_detectable_effect needs n >= 1, 0 < baseline < 1, -1 <= correlation < 1 and "
            f"design_effect > 0, got n={n}, {baseline=}, {correlation=}, {design_effect=}"
        )
    reach = _z(1 - alpha) + float(distributions.norm.ppf(power))
    variance = 2 * baseline * (1 - baseline) * (1 - correlation) * design_effect / n
    return min(1.0, reach * sqrt(variance))


# Paired comparisons --------------------------------------------------------------------------


def mcnemar_exact(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided exact p-value that two models are right equally often (McNemar 1947).

    Of the cases where exactly one of them is right, each should win half: a binomial test. It
    holds for independent cases.

    Args:
        a: 0 or 1 per case.
        b: 0 or 1 for the same cases in the same order.

    Returns:
        The p-value; 1.0 when the models never differ.

    Raises:
        ValueError: no cases, unequal lengths, or a value that is neither 0 nor 1.
    """
    a, b = _column(a, "a"), _column(b, "b")
    _same_length({"a": a, "b": b})
    if not (_binary(a) and _binary(b)):
        raise ValueError("mcnemar_exact compares 0/1 values; use paired_cluster_bootstrap for others")
    wins, losses = int((a > b).sum()), int((a < b).sum())
    if wins + losses == 0:
        return 1.0
    return float(distributions.binomtest(wins, wins + losses, 0.5).pvalue)


def paired_cluster_bootstrap(
    a: Sequence[float],
    b: Sequence[float],
    groups: Sequence[Any],
    *,
    draws: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Difference:
    """Mean difference of two models on the same cases, resampled by whole clusters.

    The p-value is the smallest level whose expanded percentile interval excludes zero: with q the
    share of resampled differences on the far side of zero, counted as (count + 1)/(draws + 1), it
    is twice the tail of t with C - 1 degrees of freedom beyond -z(q)·sqrt((C - 1)/C). Where no
    resample reaches zero, -z(q) gives way to the distance of zero in standard errors, if that is
    larger, and p is at least 2^(1 - C), the least that flipping the signs of C clusters can give.
    A single cluster is resampled by case; a single case gets the interval [-1, 1] and p = 1.

    Args:
        a: one score per case, in [0, 1].
        b: the other model's scores for the same cases in the same order.
        groups: the cluster of each case.
        draws: bootstrap resamples.
        seed: of the generator.
        confidence: between 0 and 1.

    Returns:
        The difference a - b.

    Raises:
        ValueError: no cases, unequal lengths, or a value outside [0, 1].
    """
    a, b = _scores(a, "a"), _scores(b, "b")
    _same_length({"a": a, "b": b, "groups": groups})
    difference = a - b
    mean, n = float(difference.mean()), len(difference)
    if n == 1:
        return Difference(mean, -1.0, 1.0, 1.0, 1)
    clusters = _clusters(groups)
    resampled = _resample(difference, np.ones(n), clusters, draws=draws, seed=seed)
    low, high = np.quantile(resampled, _expanded(clusters.max() + 1, confidence))
    return Difference(mean, float(low), float(high), _two_sided(resampled, clusters.max() + 1), n)


def holm(pvalues: Sequence[float]) -> list[float]:
    """Adjusted p-values of a family of tests (Holm 1979, Scand. J. Statist. 6:65).

    The k-th smallest of m is multiplied by m - k + 1, and none may fall below a smaller one's.

    Args:
        pvalues: in any order, each in [0, 1].

    Returns:
        Adjusted values in the same order, at most 1.

    Raises:
        ValueError: a value outside [0, 1].
    """
    p = np.asarray(pvalues, dtype=float)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"holm needs p-values in [0, 1], got {list(pvalues)}")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted.tolist()


def tie_groups(
    values: Mapping[str, Sequence[float]],
    groups: Sequence[Any],
    *,
    alpha: float = 0.05,
    draws: int = 10_000,
    seed: int = 0,
) -> list[Tied]:
    """Rank models by mean and say which the cases cannot tell apart.

    Every pair is tested on the same cases by the paired cluster bootstrap. Where both have only
    zeros and ones the exact McNemar test is made too, and the larger p-value counts: McNemar takes
    clustered cases for independent, the bootstrap is rough where few cases differ. All p-values
    are adjusted together by Holm.
    From the best mean down, a model shares the rank of the best group leader from which its
    adjusted p-value is not below alpha; one that differs from every leader so far leads its own
    group, with its place in the order as rank. A tie means "not shown to differ from the leader";
    two members of a group may still differ from each other.

    Args:
        values: one score per case for each model, in [0, 1], all for the same cases in the same order.
        groups: the cluster of each case.
        alpha: level of the family of tests.
        draws: bootstrap resamples.
        seed: of the generator.

    Returns:
        One row per model, best mean first, equal means by name.

    Raises:
        ValueError: no cases, unequal lengths, or a value outside [0, 1].
    """
    columns = {name: _scores(column, name) for name, column in values.items()}
    _same_length({**columns, "the groups": groups})
    ordered = sorted(columns, key=lambda name: (-columns[name].mean(), name))
    p = _pairwise(columns, ordered, groups, draws=draws, seed=seed)
    leaders: dict[str, int] = {}
    rows = []
    for place, name in enumerate(ordered, 1):
        leader = next((leader for leader in leaders if p[leader, name] >= alpha), name)
        rank = leaders.setdefault(leader, place)
        rows.append(Tied(name, float(columns[name].mean()), rank, p.get((leader, name), 1.0)))
    return rows


def _pairwise(columns: Mapping[str, np.ndarray], ordered: list[str], groups, **options) -> dict:
    """Adjusted p-value of each pair of models, the better one first."""
    pairs = list(combinations(ordered, 2))
    raw = [_p_value(columns[a], columns[b], groups, **options) for a, b in pairs]
    return dict(zip(pairs, holm(raw), strict=True))


def _p_value(a: np.ndarray, b: np.ndarray, groups, **options) -> float:
    p = paired_cluster_bootstrap(a, b, groups, **options).p
    return max(p, mcnemar_exact(a, b)) if _binary(a) and _binary(b) else p


# Resampling ----------------------------------------------------------------------------------


def _resample(above, below, clusters: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Ratios of sums over clusters drawn with replacement, shape (draws,)."""
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    above, below = np.bincount(clusters, above), np.bincount(clusters, below)
    generator = np.random.default_rng(seed)
    count = len(above)
    rows = max(1, CHUNK // count)
    ratios = []
    for start in range(0, draws, rows):
        drawn = generator.integers(0, count, size=(min(rows, draws - start), count))
        ratios.append(above[drawn].sum(axis=1) / below[drawn].sum(axis=1))
    return np.concatenate(ratios)


def _clusters(groups: Sequence[Any]) -> np.ndarray:
    """Cluster number of each case, from 0 by sorted label; each case its own if there is only one."""
    labels, numbers = np.unique([str(group) for group in groups], return_inverse=True)
    return np.arange(len(groups)) if len(labels) == 1 else numbers


def _expanded(clusters: int, confidence: float) -> tuple[float, float]:
    """Lower and upper quantile to take so that few clusters are allowed for."""
    reach = sqrt(clusters / (clusters - 1)) * distributions.t.ppf((1 + confidence) / 2, clusters - 1)
    tail = float(distributions.norm.cdf(-reach))
    return tail, 1 - tail


def _two_sided(resampled: np.ndarray, clusters: int) -> float:
    tolerance = 1e-12  # sums that cancel may miss zero by rounding
    beyond = min((resampled <= tolerance).sum(), (resampled >= -tolerance).sum())
    reach = -distributions.norm.ppf(min(0.5, (beyond + 1) / (len(resampled) + 1)))
    if beyond == 0:
        spread = resampled.std()
        reach = max(reach, abs(resampled.mean()) / spread) if spread else np.inf
    tail = distributions.t.sf(reach * sqrt((clusters - 1) / clusters), clusters - 1)
    return float(min(1.0, max(2 * tail, 2.0 ** (1 - clusters) if beyond == 0 else 0.0)))


# Checks --------------------------------------------------------------------------------------


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    return float(distributions.norm.ppf((1 + confidence) / 2))


def _column(values: Sequence[float], name: str) -> np.ndarray:
    column = np.asarray(values, dtype=float)
    if column.ndim != 1 or not len(column):
        raise ValueError(
            f"{name}: one number per case and at least one case needed, got shape {column.shape}"
        )
    if not np.isfinite(column).all():
        raise ValueError(f"{name}: every number must be finite; a missing case counts as 0")
    return column


def _scores(values: Sequence[float], name: str) -> np.ndarray:
    column = _column(values, name)
    if (column < 0).any() or (column > 1).any():
        raise ValueError(f"{name}: scores lie in [0, 1], got {column.min()} to {column.max()}")
    return column


def _same_length(columns: Mapping[str, Sequence]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"one entry per case needed in each, in the same order; got {lengths}")


def _binary(column: np.ndarray) -> bool:
    return bool(np.isin(column, (0, 1)).all())
