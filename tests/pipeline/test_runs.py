"""The list of published runs: would break if a line stood for other runs than it says."""

import pytest

from slmlib.pipeline import runs

LIST = """
defaults: {task: toy, model: "", split: test, prompt: "", decoding: free, engine: e, dtype: f, quick: false}
runs:
  - {model: [no-op, rules], split: [test, test_noisy]}
  - {model: m-1, decoding: [free, schema], quick: true}
  - {model: m-1, engine: llamacpp, dtype: q8_0, prompt: zero-shot}
"""


def write(folder, text):
    path = folder / "runs.yaml"
    path.write_text(text)
    return path


def test_a_list_stands_for_one_run_with_each_item(tmp_path):
    found = runs.runs(write(tmp_path, LIST))
    assert list(found) == [
        "toy-test-no-op",
        "toy-test-noisy-no-op",
        "toy-test-rules",
        "toy-test-noisy-rules",
        "toy-test-m-1-free",
        "toy-test-m-1-schema",
        "toy-test-m-1-free-llamacpp-q8-0-zero-shot",
    ]
    assert found["toy-test-m-1-schema"]["quick"] and not found["toy-test-no-op"]["quick"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("  - {model: m-1}", "toy-test-m-1-free is listed twice"),
        ("  - {model: m-2, temperature: 1}", "unknown temperature. Valid: task, model"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(tmp_path, line, words):
    with pytest.raises(ValueError, match=words):
        runs.runs(write(tmp_path, LIST + line))


def test_trainings_are_named_after_recipe_and_seed(tmp_path):
    lines = "training:\n  - {recipe: toy, quick: true}\n  - {recipe: ablations/rank-8, seed: 2}\n"
    found = runs.trainings(write(tmp_path, lines))
    assert list(found) == ["toy", "ablations-rank-8-2"] and found["toy"]["quick"]
    with pytest.raises(ValueError, match=r"unknown rate. Valid: recipe, seed, publish_as"):
        runs.trainings(write(tmp_path, "training:\n  - {recipe: toy, rate: 1}\n"))
