"""Comparisons: would break if runs were compared that differ in two things."""

import pytest
from toy_results import predictions, write_run

from slmlib.evaluation import comparisons, results

FULL = {"engine": "openvino", "dtype": "float32", "prompt": "plain"}
CONSTRAINED = FULL | {"mode": "constrained"}
GGUF = {"engine": "llamacpp", "prompt": "plain"}


@pytest.fixture
def write(toy_task, tmp_path):
    """Write runs of (name, right answers, options); returns all that were written."""

    def write(*runs) -> dict[str, results.Result]:
        for name, right, options in runs:
            write_run(tmp_path, predictions(right), run=name, **options)
        return {result.run: result for result in results.load_all(tmp_path)}

    return write


@pytest.fixture
def runs(write, tmp_path):
    """One model: its representative run, other prompts, other engines, and constrained."""
    part = predictions(20, n=10)
    write_run(tmp_path, part, run="i-part", n=20, **FULL | {"prompt": "third"})
    return write(
        ("a-usual", 10, FULL),
        ("b-bare", 6, FULL | {"prompt": "bare"}),
        ("c-other", 12, FULL | {"prompt": "other"}),
        ("d-q8", 9, GGUF | {"dtype": "q8_0", "weights": "q8_0", "weights_bytes": 1400}),
        ("e-q4", 4, GGUF | {"dtype": "source", "weights": "q4_k_m"}),
        ("e-f16", 10, GGUF | {"dtype": "f16", "weights": "f16"}),
        ("f-bf16", 3, FULL | {"dtype": "bfloat16"}),
        ("g-constrained", 14, CONSTRAINED),
        ("h-constrained-bare", 12, CONSTRAINED | {"prompt": "bare"}),
    )


def names(found) -> list[str]:
    return [result.run for result in found]


def test_default_prompt_in_the_preferred_engine_represents_the_model(runs):
    """If there is no such run, another complete one does."""
    representative = comparisons.representative_runs(reversed(runs.values()))
    assert set(names(representative)) == {"a-usual", "g-constrained"}
    assert names(comparisons.representative_runs([runs["e-q4"], runs["i-part"]])) == ["e-q4"]


def test_prompts_and_engines_are_compared_with_all_else_equal(runs):
    """Engines from high to low precision; incomplete runs stay out."""
    found = comparisons.over_prompts(runs["a-usual"], runs.values())
    assert names(found) == ["a-usual", "b-bare", "c-other"]
    found = comparisons.over_engines(runs["a-usual"], runs.values())
    assert names(found) == ["a-usual", "e-f16", "f-bf16", "d-q8", "e-q4"]


def test_agreement_counts_texts_and_verdicts(runs):
    """Nine of the ten right answers of F16 are right in Q8_0; all texts are the same."""
    found = comparisons.agreement(runs.values())
    assert found == {"toy-1m": {"answers": "20 of 20", "verdicts": "19 of 20"}}
    assert comparisons.agreement([r for name, r in runs.items() if name != "d-q8"]) == {}


def test_free_and_constrained_runs_are_paired_with_default_prompts_then_the_same(runs, write):
    free = FULL | {"model": "other-1m"}
    runs = write(
        ("j-constrained-bf16", 20, CONSTRAINED | {"dtype": "bfloat16"}),  # another dtype is no pair
        # a model whose free default differs
        ("k-free-bare", 2, free | {"prompt": "bare"}),
        ("l-constrained", 3, free | {"mode": "constrained"}),
        ("m-constrained-bare", 3, free | {"mode": "constrained", "prompt": "bare"}),
    )
    assert [names(pair) for pair in comparisons.decoding_pairs(runs.values())] == [
        ["a-usual", "g-constrained"],
        ["k-free-bare", "l-constrained"],
        ["k-free-bare", "m-constrained-bare"],
    ]


def test_times_are_compared_on_the_same_machine_only(runs):
    a, b = runs["a-usual"], runs["g-constrained"]
    assert comparisons.same_machine(a, b)
    machine = {"cpu": "Toy CPU", "cores": 2, "features": ["avx2"]}
    other = results.Result({**b.data, "environment": b.environment | {"machine": machine}}, b.path)
    assert not comparisons.same_machine(a, other)


def test_trained_models_are_compared_with_models_decoded_alike_and_with_controls(runs, write):
    tuned = FULL | {"model": "tuned", "adapter": "ab" * 32}
    runs = write(("n-tuned", 19, tuned), ("o-rules", 5, {"model": "rules", "control": True}))
    chosen = [runs[name] for name in ("n-tuned", "a-usual", "g-constrained", "o-rules")]
    pairs = comparisons.training_pairs(chosen)
    assert [names(pair) for pair in pairs] == [["n-tuned", "a-usual"], ["n-tuned", "o-rules"]]
