"""Latency: would break if a speed were computed from another count than it says."""

import json
import subprocess
import sys

import pytest

from slmlib import tasks
from slmlib.core import io, machine
from slmlib.engines.base import Completion
from slmlib.evaluation import latency


def test_rates_and_percentiles_are_those_of_the_cases():
    """Two cases: prompts of 100 tokens in 0.5 s each, then 9 and 19 tokens in 1 and 3 s."""
    found = latency.times(
        [
            Completion("a", "", "stop", 100, 10, 1.5, 0.5),
            Completion("b", "", "stop", 100, 20, 3.5, 0.5),
        ]
    )
    assert found["prompt_tokens_per_second"] == 200
    assert found["generated_tokens_per_second"] == pytest.approx(28 / 4)
    assert found["latency_p50"] == 2.5 and found["latency_p95"] == pytest.approx(3.4)


def test_server_has_no_profile():
    with pytest.raises(ValueError, match="unknown engine with a profile 'openai'"):
        latency.measure(tasks.get("edgejson"), "smollm2-135m-instruct", engine="openai")


def test_unknown_model_is_one_line():
    command = [sys.executable, "-m", "slmlib", "profile", "gpt-9", "--engine", "llamacpp"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode and done.stderr.startswith("error: unknown model 'gpt-9'")


def test_memory_is_that_of_the_process_and_not_of_its_parent():
    """A notebook that has held gigabytes starts the process that is measured."""
    held = b"x" * 700_000_000
    code = "from slmlib.core import machine; print(machine.peak_memory())"
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
    assert 10e6 < child < 600e6 < machine.peak_memory() and held


@pytest.mark.model
def test_real_model_is_measured_in_a_fresh_process(tmp_path):
    """And the profile can be read again, and shown."""
    found = latency.profile(
        "edgejson", "smollm2-135m-instruct", engine="llamacpp", dtype="source", cases=2
    )
    assert json.dumps(found) and found["cases"] == 2 and found["engine"]["dtype"] == "source"
    assert 0 < found["first_token_p50"] <= found["latency_p50"] <= found["latency_p95"]
    assert found["peak_memory_bytes"] > found["engine"]["weights_bytes"] > 90e6
    assert found["joules_per_answer"] > 0 and found["energy"].startswith(
        ("measured", "estimated: ")
    )
    path = latency.write(found, tmp_path)
    assert path.name == "smollm2-135m-instruct-llamacpp-source-free.json"
    kept = latency.load_all(tmp_path)
    (row,) = latency.table(kept).rows
    assert row[1:3] == ("llamacpp", "q4_1") and kept[0]["environment"]["machine"]["cores"] >= 1


def test_profile_that_breaks_its_schema_is_named(tmp_path):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "a.json").write_text('{"model": "m"}')
    with pytest.raises(io.DataError, match=r"a\.json.*profile\.schema\.json"):
        latency.load_all(tmp_path)
