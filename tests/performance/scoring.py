"""Prints how many predictions one core scores per second: python tests/performance/scoring.py

The cases are the published ones; the completions are what small models write: right, one value
wrong, one key missing, in a fence, after prose, cut off. Seconds are processor time, so that other
processes on the machine do not count.
"""

import json
import statistics
import time

from slmlib.tasks import base as tasks
from slmlib.tasks.base import Sample

TASK = tasks.get("edgejson")
GOAL = 5_000  # predictions per second


def completions(target: dict) -> list[str]:
    """Six completions of the kinds that small models write."""
    right = json.dumps(target, indent=2)
    first = next(iter(target))
    wrong = json.dumps(target | {first: "something else"})
    fewer = json.dumps({name: value for name, value in target.items() if name != first})
    fenced, prose = f"```json\n{right}\n```", f"Here is the JSON:\n{right}"
    return [right, wrong, fewer, fenced, prose, right[: len(right) // 2]]


def rate(samples: list[Sample]) -> float:
    """Predictions scored per second."""
    pairs = [(sample, text) for sample in samples for text in completions(sample.target)]
    start = time.process_time()
    for sample, text in pairs:
        TASK.score_text(sample, text)
    return len(pairs) / (time.process_time() - start)


if __name__ == "__main__":
    samples = [sample for split in TASK.split_names() for sample in TASK.load(split)]
    rates = [rate(samples) for _ in range(6)][1:]  # the first warms up
    print(f"{statistics.median(rates):,.0f} predictions/s, {len(samples):,} cases (goal: {GOAL:,})")
