"""Runs of the toy tasks for tests of reports."""

import pytest
from toy_results import predictions, write_all, write_run

from slmlib.core import io
from slmlib.evaluation import comparisons, results, run
from slmlib.report import leaderboard

HOSTILE = "<script>alert(1)</script> {{< include /etc/passwd >}} ``` </details> $x$ <img onerror=y>"


@pytest.fixture
def runs(toy_task, tmp_path):
    """One model, free and constrained, one with a hostile name, the controls, an incomplete run."""
    write_all(tmp_path)
    rows = predictions(6, completion=HOSTILE)
    write_run(tmp_path, rows, run="toy-1m-test-constrained-1", mode="constrained")
    return results.load_all(tmp_path, "toy")


@pytest.fixture
def rows(toy_task, runs):
    """The board of those runs."""
    return leaderboard.boards(comparisons.representative_runs(runs), toy_task)


@pytest.fixture
def every_task(toy_tasks, tmp_path):
    """For each toy task its results: all controls, and two "models" that answer as controls do."""
    by_task = {}
    for name, task in toy_tasks.items():
        for place, control in enumerate(task.controls):
            path = run.evaluate(task, model=control, out=tmp_path / "results")
            record, rows = io.read_json(path), results.load(path).rows
            record["run"] = f"{name}-{place + 1}m"
            record["model"] |= {"source": "wheel", "parameters": 10**6, "name": record["run"]}
            run.write(path.with_name(f"{record['run']}.json"), record, rows)
        by_task[name] = results.load_all(tmp_path / "results", name)
    return by_task
