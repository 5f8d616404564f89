"""Notebooks on tasks of other shapes: would break if a cell assumed what only one task has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slmlib.evaluation.run import evaluate

STARTUP = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import toy
from slmlib.core import paths
paths.DATA, paths.RUNS = Path({home!r}, "data"), Path({home!r}, "runs")
toy.write(paths.DATA)
"""


@pytest.fixture
def run(tmp_path):
    """Run a notebook in a kernel that knows the toy tasks, from its start."""
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    tests = str(Path(__file__).parents[1])
    (startup / "toys.py").write_text(STARTUP.format(tests=tests, home=str(tmp_path)), "utf-8")
    environment = os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")}

    def run(name: str, **parameters) -> None:
        command = [sys.executable, "-m", "slmlib", "notebook", name, str(tmp_path / "out.ipynb")]
        options = [part for item in parameters.items() for part in ("-p", *map(str, item))]
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.mark.parametrize("name", ["toylabels", "toytools"])
def test_a_task_is_generated_and_analysed(run, toy_tasks, tmp_path, name):
    run("01_generate", task=name)
    assert (tmp_path / "runs" / "quick" / name / "manifest.json").exists()
    results = tmp_path / "results"
    for model in list(toy_tasks[name].controls)[:2]:
        evaluate(toy_tasks[name], model=model, out=results)
    run("04_analyze", task=name, results=results)
    assert (tmp_path / "runs" / "analysis" / "figures" / name / "leaderboard.md").exists()
