"""The list of published runs: would break if a line stood for other runs than it says."""

from types import SimpleNamespace

import pytest

from slmlib.core.io import DataError
from slmlib.pipeline import runs

LIST = """
defaults: {model: "", split: test, prompt: "", decoding: free, engine: e, dtype: f, quick: false}
toy:
  training:
    - {recipe: toy/small, quick: true}
    - {recipe: toy/ablations/rank-8, seed: 2}
  runs:
    - {model: [no-op, oracle], split: [test, test_noisy]}
    - {model: m-1, decoding: [free, constrained], quick: true}
    - {model: m-1, engine: llamacpp, dtype: q8_0, prompt: zero-shot}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    controls = SimpleNamespace(controls=("no-op", "oracle"))
    monkeypatch.setattr(runs.tasks, "get", lambda name: controls)

    def write(*lines):
        path = tmp_path / "runs.yaml"
        path.write_text("\n".join([LIST, *lines]))
        return path

    return write


def test_a_list_of_values_is_one_run_for_each_item(write):
    named = runs.runs(write())
    assert list(named) == [
        "toy-test-no-op",
        "toy-test-noisy-no-op",
        "toy-test-oracle",
        "toy-test-noisy-oracle",
        "toy-test-m-1-free",
        "toy-test-m-1-constrained",
        "toy-test-m-1-free-llamacpp-q8-0-zero-shot",
    ]
    assert named["toy-test-m-1-constrained"]["quick"] and not named["toy-test-no-op"]["quick"]


def test_trainings_are_named_after_recipe_and_seed(write):
    named = runs.trainings(write())
    assert list(named) == ["toy-small", "toy-ablations-rank-8-2"] and named["toy-small"]["quick"]


def test_double_entries_and_unknown_parameters_are_refused(write):
    for read, line, message in (
        (runs.runs, "    - {model: m-1}", "toy-test-m-1-free is listed twice"),
        (runs.runs, "    - {model: m-2, heat: 1}", r"unknown heat. Valid: model, split"),
        (runs.trainings, "  training: [{recipe: a, rate: 1}]", "unknown rate. Valid: recipe, seed"),
    ):
        with pytest.raises(DataError, match=message):
            read(write(line))
