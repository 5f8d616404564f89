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

TEST, NOISY, UNSEEN = (simulated.DESIGNS[name] for name in ("60 × 1–2", "60 × 8", "120 × 4–5"))


def clustered(seed: int, *, clusters: int = 24, size: int = 5, mean: float = 0.5):
    """0/1 scores with a correlation of 1/3 in clusters, and the labels of these."""
    rng, sizes = np.random.default_rng(seed), [size] * clusters
    return simulated.binary(rng, sizes, mean, 1 / 3), simulated.labels(sizes)


def ends(interval) -> tuple[float, float]:
    return interval.low, interval.high


# Against independent implementations ---------------------------------------------------------


def test_wilson_and_holm_agree_with_statsmodels():
    for n in (1, 7, 100, 1000):
        for successes in {0, 1, n // 3, n // 2, n}:
            other = proportion_confint(successes, n, alpha=0.05, method="wilson")
            assert ends(wilson(successes, n)) == pytest.approx(other, abs=1e-12), (successes, n)
    rng = np.random.default_rng(2)
    for size in (1, 2, 5, 30):
        p = rng.random(size) ** 3
        p[-1] = p[0]
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def cluster_robust_variance(values, groups) -> float:
    """Variance of the mean by statsmodels: a regression on a constant, its errors clustered."""
    model = sm.OLS(values, np.ones(len(values)))
    return float(model.fit(cov_type="cluster", cov_kwds={"groups": groups}).bse[0] ** 2)


def test_cluster_wilson_agrees_with_wilson_on_the_effective_number_of_cases():
    """The variance from statsmodels, the interval from statsmodels, the quantile from scipy."""
    for clusters, size, mean in ((60, 8, 0.4), (24, 5, 0.1), (12, 20, 0.7)):
        values, groups = clustered(14, clusters=clusters, size=size, mean=mean)
        p, variance = values.mean(), cluster_robust_variance(values, groups)
        squares = (values.reshape(clusters, size) - p).sum(axis=1) ** 2
        freedom = min(clusters - 1, 2 * squares.mean() ** 2 / squares.var() * clusters)
        effective = p * (1 - p) / variance
        alpha = 2 * reference.norm.sf(reference.t.ppf(0.975, freedom))
        other = proportion_confint(p * effective, effective, alpha=alpha, method="wilson")
        assert ends(cluster_wilson(values, groups)) == pytest.approx(other, abs=1e-9), clusters


def test_cluster_wilson_is_wilson_where_every_case_is_its_own_cluster():
    for values in ([0, 1, 1, 0, 1, 0, 0], [0, 0, 0], [1, 1, 1, 1], [1], [0]):
        plain = wilson(sum(values), len(values))
        assert cluster_wilson(values, range(len(values))) == plain
        assert cluster_wilson(values, ["one"] * len(values)) == plain


def test_design_effect_is_that_of_statsmodels_and_of_the_correlation_in_clusters():
    values, groups = clustered(15, size=10)
    plain = sm.OLS(values, np.ones(len(values))).fit().bse[0] ** 2
    expected = cluster_robust_variance(values, groups) / plain
    assert design_effect(values, groups) == pytest.approx(expected)
    rng, sizes = np.random.default_rng(16), [6] * 50
    groups = simulated.labels(sizes)
    found = [design_effect(simulated.binary(rng, sizes, 0.4, 0.3), groups) for _ in range(200)]
    assert np.mean(found) == pytest.approx(1 + 5 * 0.3, abs=0.1)
    assert design_effect([0.5] * 6, [0, 0, 1, 1, 2, 2]) == 1
    assert design_effect([1, 0, 1], "abc") == design_effect([1, 0, 1], "aaa") == pytest.approx(1)


def test_minimum_detectable_effect_is_found_as_often_as_asked():
    """With the design effect of the differences, the paired test finds it in 80 % of samples."""
    sizes, groups = [8] * 60, simulated.labels([8] * 60)
    for icc in (0.0, 0.3):
        rng = np.random.default_rng(17)
        pilot = [np.subtract(*simulated.two_models(rng, sizes, 0.4, icc)) for _ in range(40)]
        cost = np.mean([design_effect(difference, groups) for difference in pilot])
        options = {"gap": minimum_detectable_effect(480, baseline=0.4, design_effect=cost)}
        options |= {"samples": 250, "seed": 18}
        found = simulated.alarms(paired_cluster_test, sizes, 0.4, icc, **options)
        assert found == pytest.approx(0.8, abs=0.08), icc
    quarter = pytest.approx(minimum_detectable_effect(4000))
    assert minimum_detectable_effect(1000) / 2 == quarter
    assert minimum_detectable_effect(1000, correlation=0.75) == quarter
    assert minimum_detectable_effect(16000, design_effect=4) == quarter
    assert minimum_detectable_effect(1) == 1.0


# By simulation -------------------------------------------------------------------------------


def bootstrapped(values, groups, trial):
    return cluster_bootstrap(values, groups, draws=399, seed=trial)


def test_coverage():
    """95 % intervals hold the truth in 93 to 97 % of samples; their error is 0.6 points."""

    def proportion(values, groups, trial):
        return cluster_wilson(values, groups)

    for interval, draw, sizes, icc, mean in (
        (proportion, simulated.binary, TEST, 0.5, 0.5),
        (proportion, simulated.binary, NOISY, 0.1, 0.1),
        (proportion, simulated.binary, NOISY, 0.5, 0.8),
        (proportion, simulated.binary, UNSEEN, 0.3, 0.05),
        (bootstrapped, simulated.inflated, TEST, 0.3, 0.3),
        (bootstrapped, simulated.inflated, NOISY, 0.3, 0.05),
        (bootstrapped, simulated.smooth, NOISY, 0.3, 0.1),
    ):
        options = {"samples": 1500, "seed": 19}
        found = simulated.coverage(interval, draw, sizes, mean, icc, **options)
        assert 0.93 <= found <= 0.97, (interval, draw, icc, mean, found)


def test_coverage_of_micro_f1():
    """A ratio of sums, its denominators random too."""
    rng, groups, hits = np.random.default_rng(21), simulated.labels(NOISY), 0
    for trial in range(500):
        leaves = rng.integers(4, 20, len(groups))
        right = leaves * simulated.inflated(rng, NOISY, 0.3, 0.2)
        found = cluster_bootstrap_ratio(right, leaves, groups, draws=399, seed=trial)
        hits += found.low <= 0.3 <= found.high
    assert 0.93 <= hits / 500 <= 0.97


def test_widest_interval_is_that_of_one_case_per_cluster():
    """Also where the variance is unknown."""
    groups = [i // 10 for i in range(200)]
    for right in (0, 1, 10, 100, 199, 200):
        found = cluster_wilson([1] * right + [0] * (200 - right), groups)
        one = wilson(right / 10, 20)
        assert one.low - 1e-12 <= found.low <= right / 200 <= found.high <= one.high + 1e-12
        if right % 10 == 0:  # every cluster is all right or all wrong
            assert ends(found) == pytest.approx(ends(one))
    assert ends(cluster_bootstrap([1.0] * 200, groups)) == pytest.approx((wilson(20, 20).low, 1.0))
    two = wilson(0.8, 2)
    assert ends(cluster_bootstrap([0.2, 0.2, 0.6, 0.6], "aabb")) == pytest.approx(ends(two))


def test_cluster_wilson_is_nowhere_narrower_than_wilson():
    rng = np.random.default_rng(23)
    for _ in range(200):
        sizes = rng.integers(1, 6, rng.integers(2, 30))
        values = simulated.binary(rng, sizes, rng.choice([0.05, 0.5, 0.9]), 0.0)
        found, plain = (
            cluster_wilson(values, simulated.labels(sizes)),
            wilson(sum(values), len(values)),
        )
        assert found.low <= plain.low + 1e-12 and found.high >= plain.high - 1e-12


def test_false_alarms_under_clustering():
    """Two equal models differ by chance in at most 5 % of samples, for the test that ranks."""
    for sizes, icc in ((TEST, 0.5), (NOISY, 0.3)):
        found = simulated.alarms(paired_cluster_test, sizes, 0.4, icc, samples=1000, seed=24)
        assert 0.02 <= found <= 0.065, icc


def test_interval_of_a_paired_difference_holds_the_truth():
    rng, sizes, hits = np.random.default_rng(7), [6] * 15, 0
    for trial in range(400):
        a, b = simulated.two_models(rng, sizes, 0.4, 0.3, gap=0.1)
        found = paired_cluster_bootstrap(a, b, simulated.labels(sizes), draws=500, seed=trial)
        hits += found.low <= 0.1 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


# Paired by cluster ---------------------------------------------------------------------------


def by_all_signs(sums) -> float:
    """The paired cluster test by its definition: every choice of signs."""
    signs = np.array(list(product((-1, 1), repeat=len(sums))))
    return float(np.mean(np.abs(signs @ sums) >= abs(sum(sums)) - 1e-9))


def test_paired_cluster_test_counts_every_choice_of_signs():
    """Rounding graded differences may raise the p-value a little, and never lowers it."""
    rng = np.random.default_rng(26)
    for size in (1, 3, 7):
        a, b = (rng.random((2, 10 * size)) < 0.5).astype(float)
        exact = by_all_signs((a - b).reshape(10, size).sum(axis=1))
        assert paired_cluster_test(a, b, np.repeat(range(10), size)) == pytest.approx(exact)
    for digits in [1, 12] * 10:
        a, b = np.round(rng.random((2, 24)), digits)
        exact = by_all_signs((a - b).reshape(12, 2).sum(axis=1))
        assert exact - 1e-9 <= paired_cluster_test(a, b, np.repeat(range(12), 2)) <= exact + 0.02


def test_paired_cluster_test_of_single_cases_is_mcnemar():
    rng = np.random.default_rng(28)
    for _ in range(30):
        a, b = rng.integers(0, 2, (2, 40))
        table = [[np.sum((a == i) & (b == j)) for j in (0, 1)] for i in (0, 1)]
        exact = mcnemar(table, exact=True).pvalue
        assert paired_cluster_test(a, b, range(40)) == pytest.approx(exact)


def test_paired_difference_has_a_sign_and_mirrors():
    (a, groups), (b, _) = clustered(12, mean=0.7), clustered(13, mean=0.2)
    one, other = paired_cluster_bootstrap(a, b, groups), paired_cluster_bootstrap(b, a, groups)
    assert one.mean == pytest.approx(a.mean() - b.mean()) and one.low > 0 and one.p < 0.05
    assert (other.mean, *ends(other)) == pytest.approx((-one.mean, -one.high, -one.low))
    assert one.p == other.p == paired_cluster_test(a, b, groups)


# Ties ----------------------------------------------------------------------------------------


def places(values, groups) -> dict[str, tuple[int, int]]:
    """Best and worst places by the mean of scores and the paired cluster test of every pair."""
    p = {
        (a, b): paired_cluster_test(values[a], values[b], groups)
        for a, b in combinations(values, 2)
    }
    return rank_intervals({name: float(np.mean(column)) for name, column in values.items()}, p)


def test_places_are_those_that_the_cases_allow():
    ones, zeros = [1.0] * 100, [0.0] * 100
    near, low = [0.0] * 2 + [1.0] * 98, [1.0] * 3 + [0.0] * 97
    groups = [f"g{i % 12}" for i in range(100)]
    found = places({"no-op": zeros, "oracle": ones, "near": near, "low": low}, groups)
    assert list(found.items()) == [
        ("oracle", (1, 2)), ("near", (1, 2)), ("low", (3, 4)), ("no-op", (3, 4)),
    ]  # fmt: skip
    many = {f"no-op {i}": zeros for i in range(8)} | {"oracle": ones}
    assert places(many, groups)["oracle"] == (1, 1), "a table of many still tells all from nothing"
    assert places({"only": [0, 1, 1]}, "abc") == {"only": (1, 1)}
    graded = np.clip(np.random.default_rng(13).normal(0.8, 0.1, 100), 0, 1)
    values = {"b": graded, "a": graded, "worse": np.clip(graded - 0.4, 0, 1)}
    found = places(values, np.repeat(np.arange(20), 5))
    assert list(found.items()) == [("a", (1, 2)), ("b", (1, 2)), ("worse", (3, 3))]


def test_places_are_corrected_for_the_size_of_the_table():
    """A difference that is significant alone is not among many comparisons."""
    best, other, groups = [1.0] * 7 + [0.0] * 43, [0.0] * 50, range(50)
    assert places({"a": best, "b": other}, groups) == {"a": (1, 1), "b": (2, 2)}
    many = {"a": best} | {f"m{i}": other for i in range(6)}
    assert set(places(many, groups).values()) == {(1, 7)}


def test_places_allow_for_clusters():
    """Ten wins, all in one of twelve clusters, are one piece of evidence and not ten."""
    groups = [i // 10 for i in range(120)]
    a, b = [1.0] * 10 + [0.0] * 110, [0.0] * 120
    assert places({"a": a, "b": b}, groups) == {"a": (1, 2), "b": (1, 2)}


def test_order_is_transitive_and_ties_are_not():
    a, b, c = [1] * 12 + [0] * 88, [1] * 7 + [0] * 93, [1] * 2 + [0] * 98
    found = places({"a": a, "b": b, "c": c}, range(100))
    assert found == {"a": (1, 2), "b": (1, 3), "c": (2, 3)}
    # not shown by its own test, but by a third model that is between
    p = {("a", "b"): 0.001, ("b", "c"): 0.001, ("a", "c"): 0.9}
    assert rank_intervals({"a": 3, "b": 2, "c": 1}, p) == {"a": (1, 1), "b": (2, 2), "c": (3, 3)}


def test_places_of_equal_models_are_all_possible():
    """No model of five equal ones is placed before another in 95 % of clustered samples."""
    rng, groups, wrong = np.random.default_rng(32), simulated.labels(NOISY), 0
    for _ in range(200):
        values = {f"m{i}": simulated.binary(rng, NOISY, 0.4, 0.3) for i in range(5)}
        wrong += set(places(values, groups).values()) != {(1, 5)}
    assert wrong / 200 <= 0.065


# Macro means ---------------------------------------------------------------------------------


def confusion(rng, n=240, classes=4, right=0.7):
    """Gold and predicted classes of n cases in clusters of four."""
    gold = rng.integers(0, classes, n)
    answers = np.where(rng.random(n) < right, gold, rng.integers(0, classes, n))
    return gold, answers, np.arange(n) // 4


def f1_counts(gold, answers, classes=4):
    """Numerators 2·TP and denominators 2·TP + FP + FN of each class, by case."""
    given, chosen = np.eye(classes)[gold], np.eye(classes)[answers]
    return 2 * given * chosen, given + chosen


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


# Fixed values, degenerate and wrong input ----------------------------------------------------


def test_known_numbers():
    """Another platform or a change of method must not move published intervals."""
    cases = range(100)
    found = cluster_bootstrap([(i * i % 97) / 97 for i in cases], [i % 12 for i in cases])
    expected = 0.480515464, 0.449260739, 0.521076224
    assert (found.mean, *ends(found)) == pytest.approx(expected, abs=1e-8)
    thirds, groups = [i % 3 == 1 for i in cases], [i * i % 13 for i in cases]
    expected = 0.245631, 0.426947
    assert ends(cluster_wilson(thirds, groups)) == pytest.approx(expected, abs=1e-6)
    assert paired_cluster_test(thirds, [i % 5 == 1 for i in cases], groups) == 0.03125


def test_bootstrap_depends_on_the_seed_and_not_on_labels_or_memory(monkeypatch):
    values, groups = np.random.default_rng(9).random(120), np.repeat(np.arange(24), 5)
    first = cluster_bootstrap(values, groups, seed=3)
    assert cluster_bootstrap(values, groups, seed=4) != first
    assert cluster_bootstrap(list(values), [str(g) for g in groups], seed=3) == first
    monkeypatch.setattr(stats, "CHUNK", 24 * 7)
    assert cluster_bootstrap(values, groups, seed=3) == first


def test_ratio_weights_cases_by_their_denominator():
    found = cluster_bootstrap_ratio([1, 0, 6], [2, 2, 8], ["a", "a", "b"])
    assert found.mean == pytest.approx(7 / 12) and found.n == 3
    assert found.low <= 1 / 4 and found.high >= 3 / 4


def test_degenerate_input_claims_nothing():
    assert ends(cluster_bootstrap([0.4], "a")) == pytest.approx(ends(wilson(0.4, 1)))
    found = paired_cluster_bootstrap([1], [0], "a")
    assert (*ends(found), found.p) == (-1, 1, 1)
    values = [0, 0.5, 1, 0.5, 0.25]
    assert cluster_bootstrap(values, "aaaaa") == cluster_bootstrap(values, range(5))
    for value, width in ((0.0, wilson(0, 3).high), (0.3, 0), (1.0, wilson(0, 3).high)):
        found = cluster_bootstrap([value] * 12, [0, 1, 2] * 4)
        assert found.high - found.low == pytest.approx(width), value
        found = paired_cluster_bootstrap([value] * 12, [value] * 12, [0, 1, 2] * 4)
        assert (found.mean, *ends(found), found.p) == (0, 0, 0, 1)
    ones, groups = np.ones((24, 2)), np.arange(24) // 2
    perfect, wrong = (macro_bootstrap(x, ones, groups) for x in (ones, 0 * ones))
    assert perfect.low < 1 == perfect.high and wrong.low == 0 < wrong.high
    assert holm([]) == []


def test_wrong_input_is_refused_with_the_rule():
    order, bounds = "in the same order; got", r"scores must lie in \[0, 1\]"
    for call, message in (
        (lambda: cluster_bootstrap([], []), "at least one case"),
        (lambda: cluster_bootstrap([1, 0], "a"), order),
        (lambda: cluster_bootstrap([float("nan")], "a"), bounds),
        (lambda: cluster_bootstrap([2], "a"), bounds),
        (lambda: cluster_bootstrap_ratio([1], [0], "a"), "denominator"),
        (lambda: cluster_bootstrap_ratio([3], [2], "a"), "numerator"),
        (lambda: cluster_wilson([0.5, 1], "ab"), "cluster_bootstrap"),
        (lambda: cluster_wilson([0, 1], "a"), order),
        (lambda: paired_cluster_test([1, 0], [1], "ab"), order),
        (lambda: paired_cluster_bootstrap([1], [1, 0], "a"), order),
        (lambda: paired_cluster_test([2], [1], "a"), bounds),
        (lambda: macro_bootstrap([[2, 1]], [[1, 1]], "a"), "numerator"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
