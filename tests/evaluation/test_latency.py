"""Latency: would break if a speed were computed from another count than it says."""

import subprocess
import sys

import pytest

from slmlib import tasks
from slmlib.core import io, machine
from slmlib.engines.base import Completion
from slmlib.evaluation import latency


def test_rates_and_percentiles_are_those_of_the_cases():
    """Two cases: prompts of 100 tokens in 0.5 s each, then 9 and 19 tokens in 1 and 3 s."""
    short = Completion("a", "", "stop", 100, 10, 1.5, 0.5)
    long = Completion("b", "", "stop", 100, 20, 3.5, 0.5)
    found = latency.times([short, long])
    assert found["prompt_tokens_per_second"] == 200
    assert found["generated_tokens_per_second"] == pytest.approx(28 / 4)
    assert found["latency_p50"] == 2.5 and found["latency_p95"] == pytest.approx(3.4)


def test_what_has_no_profile_is_refused(tmp_path):
    for measure, task in ((latency.measure, tasks.get("edgejson")), (latency.profile, "edgejson")):
        with pytest.raises(ValueError, match="unknown engine with a profile 'openai'"):
            measure(task, "smollm2-135m-instruct", engine="openai")
    with pytest.raises(ValueError, match="unknown model 'gpt-9'"):
        latency.profile("edgejson", "gpt-9", engine="llamacpp")
    io.write_json(tmp_path / "profiles" / "a.json", {"model": "m"})
    with pytest.raises(io.DataError, match=r"a\.json.*profile\.schema\.json"):
        latency.load_all(tmp_path)


def test_memory_is_that_of_the_process_and_not_of_its_parent():
    """A notebook that has held gigabytes starts the process that is measured."""
    held = b"x" * 700_000_000
    code = "from slmlib.core import machine; print(machine.peak_memory())"
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
    assert 10e6 < child < 600e6 < machine.peak_memory() and held


@pytest.mark.model
def test_real_model_is_measured_in_a_new_process(tmp_path):
    """And the profile can be read again, and shown."""
    options = {"engine": "llamacpp", "dtype": "source", "cases": 2}
    found = latency.profile("edgejson", "smollm2-135m-instruct", **options)
    assert found["cases"] == 2 and found["engine"]["dtype"] == "source"
    assert 0 < found["first_token_p50"] <= found["latency_p50"] <= found["latency_p95"]
    assert found["peak_memory_bytes"] > found["engine"]["weights_bytes"] > 90e6
    assert found["joules_per_answer"] > 0 and found["energy"].startswith(("measured", "estimated"))
    path = latency.write(found, tmp_path)
    assert path.name == "smollm2-135m-instruct-llamacpp-source-free.json"
    (kept,) = latency.load_all(tmp_path)
    (row,) = latency.table([kept]).rows
    assert kept == found and row[1:3] == ("llamacpp", "q4_1")
