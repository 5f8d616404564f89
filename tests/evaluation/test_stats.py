"""The statistics against scipy and statsmodels, by simulation, and on degenerate input: if one of
these fails, an interval or a ranking on the leaderboard claims more than the cases can tell."""

from itertools import combinations, product

import numpy as np
import pytest
import statsmodels.api as sm
from performance import coverage as simulated
from scipy import stats as reference
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from slmlib.evaluation import stats
from slmlib.evaluation.stats import (
    cluster_bootstrap,
    cluster_bootstrap_ratio,
    cluster_wilson,
    design_effect,
    holm,
    macro_bootstrap,
    minimum_detectable_effect,
    paired_cluster_bootstrap,
    paired_cluster_test,
    paired_macro_difference,
    rank_intervals,
    wilson,
)


def clustered(rng, *, clusters: int = 24, size: int = 5, mean: float = 0.5, between: float = 2.0):
    """0/1 scores whose clusters have rates from a beta distribution around `mean`, and the labels."""
    rates = rng.beta(between * mean, between * (1 - mean), clusters)
    values = rng.random((clusters, size)) < rates[:, None]
    return values.ravel().astype(float), np.repeat(np.arange(clusters), size)


# Against independent implementations ---------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 100, 1000])
def test_wilson_agrees_with_scipy_and_statsmodels(n):
    for successes in {0, 1, n // 3, n // 2, n}:
        found = wilson(successes, n)
        other = reference.binomtest(successes, n).proportion_ci(0.95, method="wilson")
        assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=1e-12)
        other = proportion_confint(successes, n, alpha=0.05, method="wilson")
        assert (found.low, found.high) == pytest.approx(other, abs=1e-12)
        assert 0 <= found.low <= found.mean <= found.high <= 1 and found.n == n


def test_holm_agrees_with_statsmodels():
    rng = np.random.default_rng(2)
    for size in (1, 2, 5, 30):
        p = rng.random(size) ** 3
        p[-1] = p[0]
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def cluster_robust_variance(values, groups) -> float:
    """Variance of the mean by statsmodels: a regression on a constant, its errors clustered."""
    fitted = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    return float(fitted.bse[0] ** 2)


@pytest.mark.parametrize(("clusters", "size", "mean"), [(60, 8, 0.4), (24, 5, 0.1), (12, 20, 0.7)])
def test_cluster_wilson_agrees_with_wilson_on_the_effective_number_of_cases(clusters, size, mean):
    """The variance from statsmodels, the interval from statsmodels, the quantile from scipy."""
    values, groups = clustered(np.random.default_rng(14), clusters=clusters, size=size, mean=mean)
    p, variance = values.mean(), cluster_robust_variance(values, groups)
    squares = (values.reshape(clusters, size) - p).sum(axis=1) ** 2
    freedom = min(clusters - 1, 2 * squares.mean() ** 2 / squares.var() * clusters)
    effective = p * (1 - p) / variance
    alpha = 2 * reference.norm.sf(reference.t.ppf(0.975, freedom))
    other = proportion_confint(p * effective, effective, alpha=alpha, method="wilson")
    found = cluster_wilson(values, groups)
    assert (found.low, found.high) == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize("values", [[0, 1, 1, 0, 1, 0, 0], [0, 0, 0], [1, 1, 1, 1], [1], [0]])
def test_cluster_wilson_is_wilson_where_every_case_is_its_own_cluster(values):
    plain = wilson(sum(values), len(values))
    assert cluster_wilson(values, range(len(values))) == plain
    assert cluster_wilson(values, ["one"] * len(values)) == plain


def test_bootstrap_agrees_with_wilson_on_the_effective_number_of_cases():
    """For many equal clusters both estimate the same spread."""
    values, groups = clustered(np.random.default_rng(3), clusters=60, size=8)
    found, other = cluster_bootstrap(values, groups), cluster_wilson(values, groups)
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=0.006)


def test_design_effect_agrees_with_statsmodels():
    values, groups = clustered(np.random.default_rng(15), clusters=24, size=10)
    plain = sm.OLS(values, np.ones(len(values))).fit().bse[0] ** 2
    assert design_effect(values, groups) == pytest.approx(
        cluster_robust_variance(values, groups) / plain
    )


def test_design_effect_is_that_of_the_correlation_in_clusters():
    """1 + (cases per cluster - 1)·intraclass correlation, in the mean over samples."""
    rng, sizes = np.random.default_rng(16), [6] * 50
    found = [
        design_effect(simulated.binary(rng, sizes, 0.4, 0.3), simulated.labels(sizes))
        for _ in range(200)
    ]
    assert np.mean(found) == pytest.approx(1 + 5 * 0.3, abs=0.1)
    assert design_effect([0.5] * 6, [0, 0, 1, 1, 2, 2]) == 1
    assert design_effect([1, 0, 1], "abc") == design_effect([1, 0, 1], "aaa") == pytest.approx(1)


def test_paired_p_agrees_with_the_t_test_of_cluster_means():
    rng = np.random.default_rng(4)
    for shift in (0.0, 0.03, 0.06):
        a = rng.random((40, 6))
        b = np.clip(a + rng.normal(shift, 0.1, a.shape), 0, 1)
        found = paired_cluster_bootstrap(a.ravel(), b.ravel(), np.repeat(np.arange(40), 6))
        assert found.p == pytest.approx(
            reference.ttest_1samp((a - b).mean(axis=1), 0).pvalue, abs=0.03
        )


def test_minimum_detectable_effect_by_simulation():
    """At the effect it names, a z test of two proportions finds a difference about as often as asked."""
    rng = np.random.default_rng(5)
    n, baseline = 500, 0.5
    effect = minimum_detectable_effect(n, baseline=baseline)
    a = rng.binomial(n, baseline - effect / 2, 4000) / n
    b = rng.binomial(n, baseline + effect / 2, 4000) / n
    z = (b - a) / np.sqrt((a * (1 - a) + b * (1 - b)) / n)
    assert np.mean(z > reference.norm.ppf(0.975)) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("icc", [0.0, 0.3])
def test_minimum_detectable_effect_under_clustering(icc):
    """With the design effect of the differences, the paired test finds the effect as often as asked."""
    rng, sizes, samples = np.random.default_rng(17), [8] * 60, 400
    groups, n = simulated.labels(sizes), 480
    pilot = [np.subtract(*simulated.two_models(rng, sizes, 0.4, icc)) for _ in range(40)]
    cost = np.mean([design_effect(difference, groups) for difference in pilot])
    gap = minimum_detectable_effect(n, baseline=0.4, design_effect=cost)
    found = simulated.alarms(
        paired_cluster_test, sizes, 0.4, icc, samples=samples, seed=18, gap=gap
    )
    assert found == pytest.approx(0.8, abs=0.08)


def test_minimum_detectable_effect_scales():
    assert minimum_detectable_effect(1000) == pytest.approx(0.0626, abs=1e-3)
    assert minimum_detectable_effect(4000) == pytest.approx(minimum_detectable_effect(1000) / 2)
    assert minimum_detectable_effect(1000, correlation=0.75) == pytest.approx(
        minimum_detectable_effect(4000)
    )
    assert minimum_detectable_effect(4000, design_effect=4) == pytest.approx(
        minimum_detectable_effect(1000)
    )
    assert minimum_detectable_effect(1) == 1.0


# By simulation -------------------------------------------------------------------------------


TEST, NOISY, UNSEEN = (simulated.DESIGNS[name] for name in ("60 × 1–2", "60 × 8", "120 × 4–5"))


@pytest.mark.parametrize(
    ("sizes", "icc", "mean"),
    [
        (TEST, 0.1, 0.3),
        (TEST, 0.5, 0.5),
        (NOISY, 0.1, 0.1),
        (NOISY, 0.3, 0.3),
        (NOISY, 0.5, 0.8),
        (UNSEEN, 0.3, 0.05),
        (UNSEEN, 0.2, 0.9),
    ],
)
def test_coverage_of_proportions(sizes, icc, mean):
    """95 % intervals hold the truth in 93 to 97 % of samples; 1,500 leave an error of 0.6 points."""
    found = simulated.coverage(
        lambda v, g, trial: cluster_wilson(v, g),
        simulated.binary,
        sizes,
        mean,
        icc,
        samples=1500,
        seed=19,
    )
    assert 0.93 <= found <= 0.97


@pytest.mark.parametrize(
    ("draw", "sizes", "icc", "mean"),
    [
        (simulated.inflated, TEST, 0.3, 0.3),
        (simulated.inflated, NOISY, 0.3, 0.05),
        (simulated.inflated, UNSEEN, 0.1, 0.5),
        (simulated.smooth, NOISY, 0.3, 0.1),
        (simulated.smooth, UNSEEN, 0.2, 0.6),
    ],
)
def test_coverage_of_graded_scores(draw, sizes, icc, mean):
    found = simulated.coverage(
        lambda v, g, trial: cluster_bootstrap(v, g, draws=399, seed=trial),
        *(draw, sizes, mean, icc),
        samples=1500,
        seed=20,
    )
    assert 0.93 <= found <= 0.97


def test_coverage_of_micro_f1():
    """A ratio of sums, its denominators random too."""
    rng, groups, hits = np.random.default_rng(21), simulated.labels(NOISY), 0
    for trial in range(800):
        leaves = rng.integers(4, 20, len(groups))
        right = leaves * simulated.inflated(rng, NOISY, 0.3, 0.2)
        found = cluster_bootstrap_ratio(right, leaves, groups, draws=399, seed=trial)
        hits += found.low <= 0.3 <= found.high
    assert 0.93 <= hits / 800 <= 0.97


def test_plain_wilson_is_too_narrow_under_clustering():
    """Why `cluster_wilson` exists."""
    options = {"samples": 500, "seed": 22}
    plain = simulated.INTERVALS["wilson"][1]
    assert simulated.coverage(plain, simulated.binary, NOISY, 0.3, 0.3, **options) < 0.8


def test_a_cluster_tells_no_less_than_one_case():
    """The widest interval is that of one case per cluster, also where the variance is unknown."""
    groups = [i // 10 for i in range(200)]
    for right in (0, 1, 10, 100, 199, 200):
        found, one = (
            cluster_wilson([1] * right + [0] * (200 - right), groups),
            wilson(right / 10, 20),
        )
        assert one.low - 1e-12 <= found.low <= right / 200 <= found.high <= one.high + 1e-12
        if right % 10 == 0:  # every cluster is all right or all wrong
            assert (found.low, found.high) == pytest.approx((one.low, one.high))
    found = cluster_bootstrap([1.0] * 200, groups)
    assert (found.low, found.high) == pytest.approx((wilson(20, 20).low, 1.0))


def test_cluster_wilson_is_nowhere_narrower_than_wilson():
    rng = np.random.default_rng(23)
    for _ in range(200):
        sizes = rng.integers(1, 6, rng.integers(2, 30))
        values = simulated.binary(rng, sizes, rng.choice([0.05, 0.5, 0.9]), 0.0)
        found, plain = (
            cluster_wilson(values, simulated.labels(sizes)),
            wilson(values.sum(), len(values)),
        )
        assert found.low <= plain.low + 1e-12 and found.high >= plain.high - 1e-12


@pytest.mark.parametrize(("sizes", "icc"), [(TEST, 0.5), (NOISY, 0.3), (UNSEEN, 0.5)])
def test_false_alarms_under_clustering(sizes, icc):
    """Two equal models differ by chance in at most 5 % of samples, for the test that ranks."""
    found = simulated.alarms(paired_cluster_test, sizes, 0.4, icc, samples=1000, seed=24)
    assert 0.02 <= found <= 0.065


def test_false_alarms_of_the_paired_bootstrap():
    rng, sizes = np.random.default_rng(7), [6] * 15
    p = []
    for trial in range(400):
        effect = np.repeat(rng.normal(0, 0.2, 15), 6)
        a, b = rng.random((2, 90))
        shifted = np.clip(b + effect, 0, 1)
        p.append(
            paired_cluster_bootstrap(a, shifted, simulated.labels(sizes), draws=500, seed=trial).p
        )
    assert 0.015 <= np.mean(np.array(p) < 0.05) <= 0.09


# Paired by cluster ---------------------------------------------------------------------------


def by_all_signs(sums) -> float:
    """The paired cluster test by its definition: every choice of signs."""
    reached = [
        abs(np.dot(signs, sums)) >= abs(sum(sums)) - 1e-9
        for signs in product((-1, 1), repeat=len(sums))
    ]
    return float(np.mean(reached))


def test_paired_cluster_test_counts_every_choice_of_signs():
    rng = np.random.default_rng(26)
    for size in (1, 3, 7):
        a, b = (rng.random((2, 10 * size)) < 0.5).astype(float)
        sums = (a - b).reshape(10, size).sum(axis=1)
        found = paired_cluster_test(a, b, np.repeat(range(10), size))
        assert found == pytest.approx(by_all_signs(sums))


def test_paired_cluster_test_agrees_with_scipy():
    rng = np.random.default_rng(27)
    a, b = (rng.random((2, 96)) < [[0.6], [0.4]]).astype(float)
    sums = (a - b).reshape(12, 8).sum(axis=1)
    other = reference.permutation_test(
        (sums, np.zeros(12)),
        lambda x, y: np.sum(x - y),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert paired_cluster_test(a, b, np.repeat(range(12), 8)) == pytest.approx(other.pvalue)


def test_paired_cluster_test_of_single_cases_is_mcnemar():
    rng = np.random.default_rng(28)
    for _ in range(30):
        a, b = rng.integers(0, 2, (2, 40))
        table = [[np.sum((a == i) & (b == j)) for j in (0, 1)] for i in (0, 1)]
        exact = mcnemar(table, exact=True).pvalue
        assert paired_cluster_test(a, b, range(40)) == pytest.approx(exact)


def test_paired_cluster_test_of_graded_scores_errs_upwards_only():
    """Rounding the differences may raise the p-value a little, and never lowers it."""
    rng = np.random.default_rng(29)
    for digits in (1, 12):
        for _ in range(20):
            a, b = np.round(rng.random((2, 24)), digits)
            exact = by_all_signs((a - b).reshape(12, 2).sum(axis=1))
            found = paired_cluster_test(a, b, np.repeat(range(12), 2))
            assert exact - 1e-9 <= found <= exact + 0.02


def test_paired_cluster_test_is_symmetric_and_bounded():
    assert paired_cluster_test([1] * 24, [0] * 24, np.repeat(range(6), 4)) == 2 / 2**6
    assert paired_cluster_test([0.5] * 8, [0.5] * 8, range(8)) == 1
    a, groups = clustered(np.random.default_rng(30))
    b = np.roll(a, 7)
    assert paired_cluster_test(a, b, groups) == paired_cluster_test(b, a, groups)


def test_p_value_and_interval_say_the_same():
    rng = np.random.default_rng(8)
    for trial in range(40):
        a, groups = clustered(rng, clusters=12)
        b, _ = clustered(rng, clusters=12, mean=0.35)
        found = paired_cluster_bootstrap(a, b, groups, seed=trial)
        excluded = found.low > 0 or found.high < 0
        assert excluded == (found.p < 0.05) or abs(found.p - 0.05) < 0.005


# Properties ----------------------------------------------------------------------------------


def test_bootstrap_depends_on_the_seed_only():
    values, groups = np.random.default_rng(9).random(120), np.repeat(np.arange(24), 5)
    first = cluster_bootstrap(values, groups, seed=3)
    assert cluster_bootstrap(list(values), [str(g) for g in groups], seed=3).mean == first.mean
    assert cluster_bootstrap(values, groups, seed=3) == first
    assert cluster_bootstrap(values, groups, seed=4) != first


def test_known_numbers():
    """Fixed values: another platform or a change of method must not move published intervals."""
    found = cluster_bootstrap([(i * i % 97) / 97 for i in range(100)], [i % 12 for i in range(100)])
    assert (found.mean, found.low, found.high) == pytest.approx(
        (0.480515464, 0.449260739, 0.521076224), abs=1e-8
    )
    thirds, groups = [i % 3 == 1 for i in range(100)], [i * i % 13 for i in range(100)]
    found = cluster_wilson(thirds, groups)
    assert (found.low, found.high) == pytest.approx((0.245631, 0.426947), abs=1e-6)
    assert paired_cluster_test(thirds, [i % 5 == 1 for i in range(100)], groups) == 0.03125
    found = wilson(3, 100)
    assert (found.low, found.high) == pytest.approx((0.010254, 0.084519), abs=1e-6)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_memory_chunks_do_not_change_the_result(monkeypatch):
    values, groups = clustered(np.random.default_rng(10))
    whole = cluster_bootstrap(values, groups, draws=1000)
    monkeypatch.setattr(stats, "CHUNK", 24 * 7)
    assert cluster_bootstrap(values, groups, draws=1000) == whole


def test_ratio_weights_cases_by_their_denominator():
    found = cluster_bootstrap_ratio([1, 0, 6], [2, 2, 8], ["a", "a", "b"])
    assert found.mean == pytest.approx(7 / 12) and found.n == 3
    assert found.low <= 1 / 4 and found.high >= 3 / 4
    values, groups = clustered(np.random.default_rng(11))
    assert cluster_bootstrap_ratio(values, np.ones(len(values)), groups) == cluster_bootstrap(
        values, groups
    )


def test_paired_difference_has_a_sign_and_mirrors():
    rng = np.random.default_rng(12)
    a, groups = clustered(rng, mean=0.7)
    b, _ = clustered(rng, mean=0.2)
    one, other = paired_cluster_bootstrap(a, b, groups), paired_cluster_bootstrap(b, a, groups)
    assert one.mean == pytest.approx(a.mean() - b.mean()) and one.low > 0 and one.p < 0.05
    assert (other.mean, other.low, other.high) == pytest.approx((-one.mean, -one.high, -one.low))
    assert one.p == pytest.approx(other.p)


# Ties ----------------------------------------------------------------------------------------


def tie_groups(values, groups):
    """Ranks by the mean of scores and the paired cluster test of every pair."""
    means = {name: float(np.mean(column)) for name, column in values.items()}
    p = {
        (a, b): paired_cluster_test(values[a], values[b], groups)
        for a, b in combinations(values, 2)
    }
    return rank_intervals(means, p)


def ranks(values, groups):
    return {row.name: row.rank for row in tie_groups(values, groups)}


def test_ties_of_binary_scores():
    ones, zeros = [1.0] * 100, [0.0] * 100
    near = [0.0] * 2 + [1.0] * 98
    low = [1.0] * 3 + [0.0] * 97
    groups = [f"g{i % 12}" for i in range(100)]
    found = tie_groups({"no-op": zeros, "oracle": ones, "near": near, "low": low}, groups)
    assert [(row.name, row.rank) for row in found] == [
        ("oracle", 1),
        ("near", 1),
        ("low", 3),
        ("no-op", 3),
    ]
    assert found[0].p == 1.0 > found[1].p > 0.05 > found[2].p and found[1].mean == 0.98


def test_ties_of_graded_scores():
    rng = np.random.default_rng(13)
    groups = np.repeat(np.arange(20), 5)
    good = np.clip(rng.normal(0.8, 0.1, 100), 0, 1)
    values = {"b": good, "a": good, "worse": np.clip(good - 0.4, 0, 1)}
    assert ranks(values, groups) == {"a": 1, "b": 1, "worse": 3}
    assert [row.name for row in tie_groups(values, groups)] == ["a", "b", "worse"]


def test_ties_are_corrected_for_the_size_of_the_table():
    """A difference that is significant alone is not among many comparisons."""
    best, other = [1.0] * 7 + [0.0] * 43, [0.0] * 50
    groups = list(range(50))
    assert ranks({"a": best, "b": other}, groups) == {"a": 1, "b": 2}
    many = {"a": best} | {f"m{i}": other for i in range(6)}
    assert set(ranks(many, groups).values()) == {1}


def test_ties_allow_for_clusters():
    """Ten wins, all in one of twelve clusters, are one piece of evidence and not ten."""
    groups = [i // 10 for i in range(120)]
    a, b = [1.0] * 10 + [0.0] * 110, [0.0] * 120
    assert set(ranks({"a": a, "b": b}, groups).values()) == {1}


def test_a_chain_of_ties_says_which_places_are_possible():
    """The first and the last differ, the one between them is tied with both."""
    a, b, c = [1] * 12 + [0] * 88, [1] * 7 + [0] * 93, [1] * 2 + [0] * 98
    found = tie_groups({"a": a, "b": b, "c": c}, range(100))
    assert [(row.name, row.rank, row.worst) for row in found] == [
        ("a", 1, 2),
        ("b", 1, 3),
        ("c", 2, 3),
    ]
    assert [row.ties for row in found] == [("b",), ("a", "c"), ("b",)]


def test_what_follows_from_two_differences_is_a_difference():
    """Not shown by its own test, but by a third model that stands between."""
    p = {("a", "b"): 0.001, ("b", "c"): 0.001, ("a", "c"): 0.9}
    assert [(row.rank, row.worst) for row in rank_intervals({"a": 3, "b": 2, "c": 1}, p)] == [
        (1, 1),
        (2, 2),
        (3, 3),
    ]


def test_no_order_is_claimed_that_the_data_does_not_bear_out():
    """Two models that cannot be told apart have places in common; two that can are named in no tie."""
    rng = np.random.default_rng(31)
    for _ in range(40):
        sizes, models = [3] * 20, rng.integers(2, 8)
        means = rng.random(models)
        values = {f"m{i}": simulated.binary(rng, sizes, mean, 0.2) for i, mean in enumerate(means)}
        rows = tie_groups(values, simulated.labels(sizes))
        for one, other in product(rows, rows):
            assert (other.name in one.ties) == (one.name in other.ties)
            if other.name in one.ties:
                assert one.rank <= other.worst and other.rank <= one.worst
        assert all(
            1 <= row.rank <= place <= row.worst <= models for place, row in enumerate(rows, 1)
        )


def test_places_of_equal_models_are_all_possible():
    """Of five equal models on clustered cases, none is placed before another in 95 % of samples."""
    rng, groups, wrong = np.random.default_rng(32), simulated.labels(NOISY), 0
    for _ in range(300):
        values = {f"m{i}": simulated.binary(rng, NOISY, 0.4, 0.3) for i in range(5)}
        wrong += any(len(row.ties) < 4 for row in tie_groups(values, groups))
    assert wrong / 300 <= 0.065


def test_a_table_of_many_models_still_tells_all_from_nothing():
    groups = [f"g{i % 12}" for i in range(100)]
    models = {f"no-op {i}": [0.0] * 100 for i in range(8)} | {"oracle": [1.0] * 100}
    found = ranks(models, groups)
    assert found.pop("oracle") == 1 and set(found.values()) == {2}


def test_one_model_ranks_first():
    (row,) = tie_groups({"only": [0, 1, 1]}, ["a", "b", "c"])
    assert (row.rank, row.p) == (1, 1.0)


# Macro means ---------------------------------------------------------------------------------


def confusion(rng, n=240, classes=4, right=0.7):
    """Gold and predicted classes of n cases in clusters of four."""
    gold = rng.integers(0, classes, n)
    answers = np.where(rng.random(n) < right, gold, rng.integers(0, classes, n))
    return gold, answers, np.arange(n) // 4


def f1_counts(gold, answers, classes=4):
    """Numerators 2·TP and denominators 2·TP + FP + FN of each class, by case."""
    above, below = np.zeros((2, len(gold), classes))
    for i, (g, a) in enumerate(zip(gold, answers, strict=True)):
        above[i, g] += 2 * (g == a)
        below[i, g] += 1
        below[i, a] += 1
    return above, below


def test_macro_f1_and_balanced_accuracy_agree_with_their_definitions():
    gold, answers, groups = confusion(np.random.default_rng(40))
    pairs = [
        (np.sum((gold == k) & (answers == k)), np.sum(gold == k), np.sum(answers == k))
        for k in range(4)
    ]
    f1 = np.mean([2 * tp / (g + a) for tp, g, a in pairs])
    assert macro_bootstrap(*f1_counts(gold, answers), groups).mean == pytest.approx(f1)
    hits = np.eye(4)[gold]
    balanced = np.mean([tp / g for tp, g, _ in pairs])
    found = macro_bootstrap(hits * (gold == answers)[:, None], hits, groups)
    assert found.mean == pytest.approx(balanced) and found.low < balanced < found.high


def test_macro_of_one_class_is_close_to_the_ratio():
    values, groups = clustered(np.random.default_rng(41), clusters=60)
    one = macro_bootstrap(values[:, None], np.ones((len(values), 1)), groups)
    ratio = cluster_bootstrap(values, groups)
    assert one.mean == pytest.approx(ratio.mean)
    assert (one.low, one.high) == pytest.approx((ratio.low, ratio.high), abs=0.02)


def test_coverage_of_macro_f1():
    """95 % intervals of macro-F1 hold the truth in 91 to 98 % of samples of 60 clusters."""
    rng, hits = np.random.default_rng(42), 0
    gold, answers, _ = confusion(rng, n=400_000)
    truth = stats.macro_mean(*f1_counts(gold, answers))
    for trial in range(300):
        gold, answers, groups = confusion(rng)
        found = macro_bootstrap(*f1_counts(gold, answers), groups, draws=399, seed=trial)
        hits += found.low <= truth <= found.high
    assert 0.91 <= hits / 300 <= 0.98


def test_perfect_and_empty_macro_have_a_width():
    ones, groups = np.ones((24, 2)), np.arange(24) // 2
    assert macro_bootstrap(ones, ones, groups).low < 1 == macro_bootstrap(ones, ones, groups).high
    assert macro_bootstrap(0 * ones, ones, groups).high > 0
    with pytest.raises(ValueError, match="numerator"):
        macro_bootstrap(2 * ones, ones, groups)


def test_paired_macro_test_keeps_its_level_and_finds_differences():
    rng, p = np.random.default_rng(43), []
    for trial in range(200):
        gold, first, groups = confusion(rng)
        second = np.where(rng.random(len(gold)) < 0.7, gold, rng.integers(0, 4, len(gold)))
        counts = f1_counts(gold, first), f1_counts(gold, second)
        p.append(paired_macro_difference(*counts, groups, draws=199, seed=trial).p)
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.09
    worse = np.where(rng.random(len(gold)) < 0.4, gold, rng.integers(0, 4, len(gold)))
    found = paired_macro_difference(f1_counts(gold, first), f1_counts(gold, worse), groups)
    other = paired_macro_difference(f1_counts(gold, worse), f1_counts(gold, first), groups)
    assert found.low > 0 and found.p < 0.01 and other.mean == pytest.approx(-found.mean)


# Degenerate and wrong input ------------------------------------------------------------------


def test_one_case_tells_nothing():
    found, one = cluster_bootstrap([0.4], ["a"]), wilson(0.4, 1)
    assert (found.low, found.high) == pytest.approx((one.low, one.high))
    found = paired_cluster_bootstrap([1], [0], ["a"])
    assert (found.low, found.high, found.p) == (-1, 1, 1)


def test_one_cluster_is_resampled_by_case():
    values = [0, 0.5, 1, 0.5, 0.25]
    assert cluster_bootstrap(values, ["a"] * 5) == cluster_bootstrap(values, range(5))


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_equal_values_have_a_width_only_at_the_ends(value):
    found = cluster_bootstrap([value] * 12, [0, 1, 2] * 4)
    assert found.high - found.low == pytest.approx(0 if value == 0.3 else wilson(0, 3).high)
    found = paired_cluster_bootstrap([value] * 12, [value] * 12, [0, 1, 2] * 4)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_few_clusters_never_give_a_tiny_p():
    for count in (2, 5, 8):
        p = paired_cluster_bootstrap([1] * 40, [0] * 40, [i % count for i in range(40)]).p
        assert p >= 2.0 ** (1 - count)


def test_two_clusters_tell_no_more_than_two_cases():
    found, two = cluster_bootstrap([0.2, 0.2, 0.6, 0.6], ["a", "a", "b", "b"]), wilson(0.8, 2)
    assert (found.low, found.high) == pytest.approx((two.low, two.high))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson(0, 0), "n >= 1"),
        (lambda: wilson(3, 2), "got 3 of 2"),
        (lambda: cluster_bootstrap([], []), "at least one case"),
        (lambda: cluster_bootstrap([1, 0], ["a"]), "'values': 2, 'groups': 1"),
        (lambda: cluster_bootstrap([float("nan")], ["a"]), "finite"),
        (lambda: cluster_bootstrap([2], ["a"]), r"scores lie in \[0, 1\]"),
        (lambda: cluster_bootstrap([1, 0], "ab", draws=0), "draws"),
        (lambda: cluster_bootstrap_ratio([1], [0], ["a"]), "denominator"),
        (lambda: cluster_bootstrap_ratio([3], [2], ["a"]), "numerator"),
        (lambda: cluster_wilson([0.5, 1], "ab"), "cluster_bootstrap"),
        (lambda: cluster_wilson([0, 1], ["a"]), "'groups': 1"),
        (lambda: paired_cluster_test([1, 0], [1], "ab"), "'b': 1"),
        (lambda: paired_cluster_test([2], [1], "a"), r"scores lie in \[0, 1\]"),
        (lambda: design_effect([1, 0], ["a"]), "'groups': 1"),
        (lambda: paired_cluster_bootstrap([1], [1, 0], ["a"]), "same order"),
        (lambda: holm([0.1, 1.2]), "p-values"),
        (lambda: holm([float("nan")]), "p-values"),
        (lambda: tie_groups({"a": [1, 0], "b": [1]}, ["x", "y"]), "'b': 1"),
        (lambda: minimum_detectable_effect(0), "n >= 1"),
        (lambda: minimum_detectable_effect(10, baseline=1), "baseline"),
    ],
)
def test_wrong_input_is_refused_with_the_rule(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_empty_table():
    assert holm([]) == []
