"""Runs of the toy task for tests of reports."""

import pytest
from toy_results import predictions, write_all, write_run

from slmlib.evaluation import comparisons, results
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
def ranked(rows):
    """The complete runs of the board."""
    return [row.result for row in rows if row.result.complete]
