"""Coverage of the intervals and false-positive rates of the tests.

    python tests/performance/coverage.py [samples]      default: 200

Clusters have rates from a beta distribution of the given mean and intraclass correlation (ICC).
Cases are right or wrong, or have graded scores: nothing for the wrong ones and a beta distribution
around 0.7 for the others, or a beta distribution around the rate of their cluster. The intervals
are symmetric, so means above 0.5 need no columns of their own. 200 samples a cell leave a standard
error of 1.5 points at 95 %.
"""

import sys
from functools import partial
from itertools import product

import numpy as np

from slmlib.evaluation import stats

DESIGNS = {
    "24 × 1–2": [1] * 8 + [2] * 16,  # a tier of the test split
    "60 × 1–2": [1] * 20 + [2] * 40,  # the test split
    "60 × 8": [8] * 60,  # the noisy split, nearly
    "120 × 4–5": [4] * 100 + [5] * 20,  # the unseen split
    "15 × 7": [7] * 15,
}
CORRELATIONS = (0.0, 0.1, 0.3, 0.5)
MEANS = (0.02, 0.05, 0.1, 0.3, 0.5)
PARTIAL = (3.5, 1.5)  # of the beta distribution of graded scores above 0; its mean is 0.7


def rates(rng, mean: float, icc: float, clusters: int) -> np.ndarray:
    """One rate per cluster."""
    if not icc:
        return np.full(clusters, mean)
    between = (1 - icc) / icc
    return rng.beta(mean * between, (1 - mean) * between, clusters)


def labels(sizes) -> np.ndarray:
    """The cluster of each case."""
    return np.repeat(np.arange(len(sizes)), sizes)


def binary(rng, sizes, mean: float, icc: float) -> np.ndarray:
    """Right or wrong."""
    rate = rates(rng, mean, icc, len(sizes))[labels(sizes)]
    return (rng.random(len(rate)) < rate).astype(float)


def inflated(rng, sizes, mean: float, icc: float) -> np.ndarray:
    """Graded, many cases at 0; means up to 0.65."""
    answered = binary(rng, sizes, mean / 0.7, icc)
    return answered * rng.beta(*PARTIAL, len(answered))


def smooth(rng, sizes, mean: float, icc: float) -> np.ndarray:
    """Graded, around the rate of the cluster."""
    rate = np.clip(rates(rng, mean, icc, len(sizes))[labels(sizes)], 1e-4, 1 - 1e-4)
    return rng.beta(4 * rate, 4 * (1 - rate))


def two_models(rng, sizes, mean: float, icc: float, *, gap: float = 0.0) -> tuple:
    """Right or wrong for two models that differ by `gap`, each with clusters of its own."""
    return binary(rng, sizes, mean + gap / 2, icc), binary(rng, sizes, mean - gap / 2, icc)


def coverage(interval, draw, sizes, mean: float, icc: float, *, samples: int, seed: int) -> float:
    """Share of samples whose interval holds the mean; `interval(values, groups, trial)`."""
    rng, groups = np.random.default_rng(seed), labels(sizes)
    found = (interval(draw(rng, sizes, mean, icc), groups, trial) for trial in range(samples))
    return sum(each.low <= mean <= each.high for each in found) / samples


def alarms(
    test, sizes, mean: float, icc: float, *, samples: int, seed: int, gap: float = 0.0
) -> float:
    """Share of samples in which a test at 5 % finds two models different; `test(a, b, groups)`."""
    rng, groups = np.random.default_rng(seed), labels(sizes)
    pairs = (two_models(rng, sizes, mean, icc, gap=gap) for _ in range(samples))
    return sum(test(*pair, groups) < 0.05 for pair in pairs) / samples


def bootstrap(values, groups, trial: int):
    return stats.cluster_bootstrap(values, groups, draws=399, seed=trial)


INTERVALS = {
    "wilson": (binary, lambda v, g, trial: stats.wilson(v.sum(), len(v))),
    "cluster_wilson": (binary, lambda v, g, trial: stats.cluster_wilson(v, g)),
    "cluster_bootstrap, right or wrong": (binary, bootstrap),
    "cluster_bootstrap, many at 0": (inflated, bootstrap),
    "cluster_bootstrap, smooth": (smooth, bootstrap),
}
TESTS = {
    "cases as clusters": lambda a, b, g: stats.paired_cluster_test(a, b, range(len(a))),
    "paired_cluster_test": stats.paired_cluster_test,
}


def table(title: str, share, *, samples: int) -> None:
    """A line for each design and ICC, a column for each mean, in percent."""
    print(f"\n{title}, %\n{'':16}" + "".join(f"{mean:>8}" for mean in MEANS))
    for (name, sizes), icc in product(DESIGNS.items(), CORRELATIONS):
        cells = (100 * share(sizes, mean, icc, samples=samples, seed=1) for mean in MEANS)
        print(f"{name:10} {icc:<5}" + "".join(f"{cell:8.1f}" for cell in cells), flush=True)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print("rows: clusters × cases, ICC; columns: the true mean")
    for name, (draw, interval) in INTERVALS.items():
        title = f"{name}: samples whose 95 % interval holds the mean"
        table(title, partial(coverage, interval, draw), samples=count)
    for name, test in TESTS.items():
        title = f"{name}: samples of two equal models with p < 0.05"
        table(title, partial(alarms, test), samples=count)
