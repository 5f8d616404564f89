"""Comparisons: would break if two runs were compared that differ in two things, or one were lost."""

import pytest
from toy_results import predictions, write_run

from slmlib.evaluation import comparisons, results

FULL = {"engine": "openvino", "dtype": "float32", "prompt": "plain"}
GGUF = {"engine": "llamacpp", "prompt": "plain"}


@pytest.fixture
def runs(toy_task, tmp_path):
    """One model: its representative run, other prompts, other engines, and constrained."""
    for name, right, options in (
        ("a-usual", 10, FULL),
        ("b-bare", 6, FULL | {"prompt": "bare"}),
        ("c-other", 12, FULL | {"prompt": "other"}),
        ("d-q8", 9, GGUF | {"dtype": "q8_0", "weights": "q8_0", "weights_bytes": 1400}),
        ("e-q4", 4, GGUF | {"dtype": "source", "weights": "q4_k_m"}),
        ("e-f16", 10, GGUF | {"dtype": "f16", "weights": "f16"}),
        ("f-bf16", 3, FULL | {"dtype": "bfloat16"}),
        ("g-constrained", 14, FULL | {"mode": "constrained"}),
        ("h-constrained-bare", 12, FULL | {"mode": "constrained", "prompt": "bare"}),
    ):
        write_run(tmp_path, predictions(right), run=name, **options)
    part = predictions(20, n=10)
    write_run(tmp_path, part, run="i-part", n=20, **FULL | {"prompt": "third"})
    return {result.run: result for result in results.load_all(tmp_path)}


def names(found) -> list[str]:
    return [result.run for result in found]


def test_default_prompt_in_the_preferred_engine_represents_the_model(runs):
    representative = comparisons.representative_runs(reversed(runs.values()))
    assert set(names(representative)) == {"a-usual", "g-constrained"}


def test_falls_back_to_another_complete_run(runs):
    assert names(comparisons.representative_runs([runs["e-q4"], runs["i-part"]])) == ["e-q4"]


def test_prompts_are_compared_with_all_else_equal(runs):
    """Other engines, the constraint and an incomplete run stay out."""
    found = comparisons.over_prompts(runs["a-usual"], runs.values())
    assert names(found) == ["a-usual", "b-bare", "c-other"]


def test_engines_are_listed_from_high_to_low_precision_behind_the_representative(runs):
    found = comparisons.over_engines(runs["a-usual"], runs.values())
    assert names(found) == ["a-usual", "e-f16", "f-bf16", "d-q8", "e-q4"]


def test_agreement_counts_texts_and_verdicts(runs):
    """Of the ten right answers of F16, nine are right in Q8_0; all texts of the toy are the same."""
    found = comparisons.agreement(runs.values())
    assert found == {"toy-1m": {"answers": "20 of 20", "verdicts": "19 of 20"}}
    assert comparisons.agreement([r for name, r in runs.items() if name != "d-q8"]) == {}


def test_free_and_constrained_runs_are_paired_with_default_prompts_then_the_same(runs, tmp_path):
    other = FULL | {"mode": "constrained", "dtype": "bfloat16"}
    write_run(
        tmp_path, predictions(20), run="j-constrained-bf16", **other
    )  # another dtype is no pair
    pairs = comparisons.decoding_pairs(results.load_all(tmp_path))
    assert [names(pair) for pair in pairs] == [["a-usual", "g-constrained"]]
    # of a model whose free default differs, the run with the same prompt follows
    free = FULL | {"model": "other-1m", "prompt": "bare"}
    write_run(tmp_path, predictions(2), run="k-free-bare", **free)
    write_run(
        tmp_path,
        predictions(3),
        run="l-constrained",
        **free | {"prompt": "plain", "mode": "constrained"},
    )
    write_run(tmp_path, predictions(3), run="m-constrained-bare", **free | {"mode": "constrained"})
    pairs = comparisons.decoding_pairs(results.load_all(tmp_path))
    assert [names(pair) for pair in pairs[1:]] == [
        ["k-free-bare", "l-constrained"],
        ["k-free-bare", "m-constrained-bare"],
    ]


def test_times_are_compared_on_the_same_machine_only(runs, tmp_path):
    a, b = runs["a-usual"], runs["g-constrained"]
    assert comparisons.same_machine(a, b)
    machine = {"cpu": "Toy CPU", "cores": 2, "features": ["avx2"]}
    other = results.Result({**b.data, "environment": b.environment | {"machine": machine}}, b.path)
    assert not comparisons.same_machine(a, other)


def test_trained_models_are_compared_with_models_decoded_alike_and_with_controls(runs, tmp_path):
    write_run(tmp_path, predictions(19), run="n-tuned", model="tuned", adapter="ab" * 32, **FULL)
    write_run(tmp_path, predictions(5), run="o-rules", model="rules", control=True)
    found = {result.run: result for result in results.load_all(tmp_path)}
    chosen = [found[name] for name in ("n-tuned", "a-usual", "g-constrained", "o-rules")]
    pairs = comparisons.training_pairs(chosen)
    assert [names(pair) for pair in pairs] == [["n-tuned", "a-usual"], ["n-tuned", "o-rules"]]
