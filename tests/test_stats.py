"""The statistics against scipy and statsmodels, by simulation, and on degenerate input: if one of
these fails, an interval or a ranking on the leaderboard claims more than the cases can tell."""

import numpy as np
import pytest
from scipy import stats as reference
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from slmlib import stats
from slmlib.stats import (
    Interval,
    cluster_bootstrap,
    cluster_bootstrap_ratio,
    holm,
    mcnemar_exact,
    minimum_detectable_effect,
    paired_cluster_bootstrap,
    tie_groups,
    wilson,
)


def clustered(rng, *, clusters: int = 24, size: int = 5, mean: float = 0.5, between: float = 2.0):
    """0/1 scores whose clusters have rates from a beta distribution around `mean`, and the labels."""
    rates = rng.beta(between * mean, between * (1 - mean), clusters)
    values = rng.random((clusters, size)) < rates[:, None]
    return values.ravel().astype(float), np.repeat(np.arange(clusters), size)


# Against independent implementations ---------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 100, 1000])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_agrees_with_scipy_and_statsmodels(n, confidence):
    for successes in {0, 1, n // 3, n // 2, n}:
        found = wilson(successes, n, confidence=confidence)
        other = reference.binomtest(successes, n).proportion_ci(confidence, method="wilson")
        assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=1e-12)
        other = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
        assert (found.low, found.high) == pytest.approx(other, abs=1e-12)
        assert 0 <= found.low <= found.mean <= found.high <= 1 and found.n == n


def test_mcnemar_agrees_with_statsmodels():
    rng = np.random.default_rng(1)
    for _ in range(50):
        a, b = rng.integers(0, 2, (2, 60))
        table = [[np.sum((a == i) & (b == j)) for j in (0, 1)] for i in (0, 1)]
        assert mcnemar_exact(a, b) == pytest.approx(mcnemar(table, exact=True).pvalue)
        assert mcnemar_exact(a, b) == mcnemar_exact(b, a)


def test_holm_agrees_with_statsmodels():
    rng = np.random.default_rng(2)
    for size in (1, 2, 5, 30):
        p = rng.random(size) ** 3
        p[-1] = p[0]
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_bootstrap_agrees_with_the_t_interval_of_cluster_means():
    """For many equal clusters both estimate the same spread."""
    values, groups = clustered(np.random.default_rng(3), clusters=60, size=8)
    found = cluster_bootstrap(values, groups)
    means = values.reshape(60, 8).mean(axis=1)
    half = reference.t.ppf(0.975, 59) * reference.sem(means)
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.015)


def test_paired_p_agrees_with_the_t_test_of_cluster_means():
    rng = np.random.default_rng(4)
    for shift in (0.0, 0.03, 0.06):
        a = rng.random((40, 6))
        b = np.clip(a + rng.normal(shift, 0.1, a.shape), 0, 1)
        found = paired_cluster_bootstrap(a.ravel(), b.ravel(), np.repeat(np.arange(40), 6))
        assert found.p == pytest.approx(reference.ttest_1samp((a - b).mean(axis=1), 0).pvalue, abs=0.03)


def test_minimum_detectable_effect_by_simulation():
    """At the effect it names, a z test of two proportions finds a difference about as often as asked."""
    rng = np.random.default_rng(5)
    n, baseline = 500, 0.5
    effect = minimum_detectable_effect(n, baseline=baseline)
    a = rng.binomial(n, baseline - effect / 2, 4000) / n
    b = rng.binomial(n, baseline + effect / 2, 4000) / n
    z = (b - a) / np.sqrt((a * (1 - a) + b * (1 - b)) / n)
    assert np.mean(z > reference.norm.ppf(0.975)) == pytest.approx(0.8, abs=0.03)


def test_minimum_detectable_effect_scales():
    assert minimum_detectable_effect(1000) == pytest.approx(0.0626, abs=1e-3)
    assert minimum_detectable_effect(4000) == pytest.approx(minimum_detectable_effect(1000) / 2)
    assert minimum_detectable_effect(1000, correlation=0.75) == pytest.approx(minimum_detectable_effect(4000))
    assert minimum_detectable_effect(4000, design_effect=4) == pytest.approx(minimum_detectable_effect(1000))
    assert minimum_detectable_effect(1) == 1.0


# By simulation -------------------------------------------------------------------------------


@pytest.mark.parametrize("clusters", [10, 24])
def test_coverage_under_clustering(clusters):
    """95 % intervals hold the truth in about 95 % of samples; the ordinary ones miss it far more.

    The band is four standard errors of the 600 simulated samples, and two points for skewness.
    """
    rng = np.random.default_rng(6)
    hits = naive = 0
    for trial in range(600):
        values, groups = clustered(rng, clusters=clusters, size=8, mean=0.4)
        found = cluster_bootstrap(values, groups, draws=500, seed=trial)
        hits += found.low <= 0.4 <= found.high
        plain = wilson(values.sum(), len(values))
        naive += plain.low <= 0.4 <= plain.high
    assert 0.91 <= hits / 600 <= 0.985
    assert naive < 0.85 * 600


def test_false_alarms_under_clustering():
    """Two equal models on clustered cases: about 5 % of the p-values fall below 0.05."""
    rng = np.random.default_rng(7)
    p = []
    for trial in range(400):
        effect = np.repeat(rng.normal(0, 0.2, 15), 6)
        a, b = rng.random((2, 90))
        found = paired_cluster_bootstrap(
            a, np.clip(b + effect, 0, 1), np.repeat(np.arange(15), 6), draws=500, seed=trial
        )
        p.append(found.p)
    assert 0.015 <= np.mean(np.array(p) < 0.05) <= 0.09


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
        (0.480515464, 0.448381741, 0.517279168), abs=1e-8
    )
    found = wilson(3, 100)
    assert (found.low, found.high) == pytest.approx((0.010254, 0.084519), abs=1e-6)
    assert mcnemar_exact([1] * 8 + [0] * 2, [0] * 8 + [1] * 2) == pytest.approx(0.109375)
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
    assert cluster_bootstrap_ratio(values, np.ones(len(values)), groups) == cluster_bootstrap(values, groups)


def test_paired_difference_has_a_sign_and_mirrors():
    rng = np.random.default_rng(12)
    a, groups = clustered(rng, mean=0.7)
    b, _ = clustered(rng, mean=0.2)
    one, other = paired_cluster_bootstrap(a, b, groups), paired_cluster_bootstrap(b, a, groups)
    assert one.mean == pytest.approx(a.mean() - b.mean()) and one.low > 0 and one.p < 0.05
    assert (other.mean, other.low, other.high) == pytest.approx((-one.mean, -one.high, -one.low))
    assert one.p == pytest.approx(other.p)


# Ties ----------------------------------------------------------------------------------------


def ranks(values, groups, **options):
    return {row.name: row.rank for row in tie_groups(values, groups, **options)}


def test_ties_of_binary_scores():
    ones, zeros = [1.0] * 100, [0.0] * 100
    near = [0.0] * 2 + [1.0] * 98
    low = [1.0] * 3 + [0.0] * 97
    groups = [f"g{i % 12}" for i in range(100)]
    found = tie_groups({"no-op": zeros, "oracle": ones, "near": near, "low": low}, groups)
    assert [(row.name, row.rank) for row in found] == [("oracle", 1), ("near", 1), ("low", 3), ("no-op", 3)]
    assert found[0].p == found[2].p == 1.0 and found[1].mean == 0.98


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
    assert mcnemar_exact(best, other) < 0.05
    assert ranks({"a": best, "b": other}, groups) == {"a": 1, "b": 2}
    many = {"a": best} | {f"m{i}": other for i in range(6)}
    assert set(ranks(many, groups).values()) == {1}


def test_ties_allow_for_clusters():
    """Ten wins, all in one of twelve clusters, are one piece of evidence and not ten."""
    groups = [i // 10 for i in range(120)]
    a, b = [1.0] * 10 + [0.0] * 110, [0.0] * 120
    assert mcnemar_exact(a, b) < 0.05
    assert set(ranks({"a": a, "b": b}, groups).values()) == {1}


def test_a_table_of_many_models_still_tells_all_from_nothing():
    groups = [f"g{i % 12}" for i in range(100)]
    models = {f"no-op {i}": [0.0] * 100 for i in range(8)} | {"oracle": [1.0] * 100}
    found = ranks(models, groups)
    assert found.pop("oracle") == 1 and set(found.values()) == {2}


def test_one_model_ranks_first():
    (row,) = tie_groups({"only": [0, 1, 1]}, ["a", "b", "c"])
    assert (row.rank, row.p) == (1, 1.0)


# Degenerate and wrong input ------------------------------------------------------------------


def test_one_case_tells_nothing():
    assert cluster_bootstrap([0.4], ["a"]) == Interval(0.4, 0.0, 1.0, 1)
    found = paired_cluster_bootstrap([1], [0], ["a"])
    assert (found.low, found.high, found.p) == (-1, 1, 1)


def test_one_cluster_is_resampled_by_case():
    values = [0, 0.5, 1, 0.5, 0.25]
    assert cluster_bootstrap(values, ["a"] * 5) == cluster_bootstrap(values, range(5))


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_equal_values_have_no_width(value):
    found = cluster_bootstrap([value] * 12, [0, 1, 2] * 4)
    assert (found.mean, found.low, found.high) == pytest.approx((value, value, value))
    found = paired_cluster_bootstrap([value] * 12, [value] * 12, [0, 1, 2] * 4)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_few_clusters_never_give_a_tiny_p():
    for count in (2, 5, 8):
        p = paired_cluster_bootstrap([1] * 40, [0] * 40, [i % count for i in range(40)]).p
        assert p >= 2.0 ** (1 - count)


def test_two_clusters_reach_from_one_to_the_other():
    found = cluster_bootstrap([0.2, 0.2, 0.6, 0.6], ["a", "a", "b", "b"])
    assert (found.low, found.high) == pytest.approx((0.2, 0.6))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson(0, 0), "n >= 1"),
        (lambda: wilson(3, 2), "got 3 of 2"),
        (lambda: wilson(1, 2, confidence=1), "confidence"),
        (lambda: cluster_bootstrap([], []), "at least one case"),
        (lambda: cluster_bootstrap([1, 0], ["a"]), "'values': 2, 'groups': 1"),
        (lambda: cluster_bootstrap([float("nan")], ["a"]), "finite"),
        (lambda: cluster_bootstrap([2], ["a"]), r"scores lie in \[0, 1\]"),
        (lambda: cluster_bootstrap([1, 0], "ab", draws=0), "draws"),
        (lambda: cluster_bootstrap_ratio([1], [0], ["a"]), "denominator"),
        (lambda: cluster_bootstrap_ratio([3], [2], ["a"]), "numerator"),
        (lambda: mcnemar_exact([], []), "at least one case"),
        (lambda: mcnemar_exact([1], [1, 0]), "same order"),
        (lambda: mcnemar_exact([0.5], [1]), "paired_cluster_bootstrap"),
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


def test_display():
    assert str(Interval(0.312, 0.28, 0.35, 100)) == "0.312 (0.280–0.350, n = 100)"
    assert (
        str(stats.Difference(0.1, -0.02, 0.2, 0.0412, 50)) == "+0.100 (-0.020 to +0.200, p = 0.0412, n = 50)"
    )
