"""The notebook runner: would break if papermill ran a misspelt parameter with the defaults."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from slmlib.core import paths
from slmlib.core.names import UnknownName
from slmlib.pipeline import notebook
from slmlib.pipeline.notebook import ParameterError, compare_parameters

DECLARED = 'model: str = "rules"\nlimit: int | None = 4\nrate: float = 0.1\n'


def test_parameters_are_checked_by_name_and_type():
    for good in ('model = "oracle"', "limit = None", "limit = 20", "rate = 1", ""):
        compare_parameters(declared=DECLARED, injected=f"# Parameters\n{good}\n")
    for wrong in ('limit = "many"', "model = 3", "limit = True", "model = None"):
        with pytest.raises(ParameterError, match=r"parameter \w+ takes .*, got "):
            compare_parameters(declared=DECLARED, injected=f"# Parameters\n{wrong}\n")


def test_printed_command_runs_the_notebook_with_the_same_parameters(monkeypatch):
    """It is printed as the way to continue a run that was stopped."""
    calls = []
    monkeypatch.setattr(notebook, "run", lambda *given: calls.append(given))
    parameters = {"recipe": "ablations/rank-8", "seed": 2, "rate": 1e-3, "resume": False}
    words = shlex.split(notebook.command("03_train", parameters | {"publish_as": ""}))
    notebook.main(words[2:])
    assert words[:2] == ["slmbench", "notebook"]
    assert calls == [("03_train", Path("OUT.ipynb"), parameters)]


def test_unknown_notebooks_and_parameters_are_refused_before_anything_runs(tmp_path):
    with pytest.raises(UnknownName, match=r"'02_evalute'; did you mean '02_evaluate'\?"):
        notebook.run("02_evalute", tmp_path / "out.ipynb", {})
    with pytest.raises(UnknownName, match=r"'modle'; did you mean 'model'"):
        notebook.run("02_evaluate", tmp_path / "out.ipynb", {"modle": "rules"})
    assert not list(tmp_path.iterdir())


def test_failing_notebook_is_one_line_on_the_command_line(tmp_path):
    words = ["notebook", "02_evaluate", str(tmp_path / "out.ipynb"), "-p", "model", "gpt-9"]
    command = [sys.executable, "-m", "slmlib", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: UnknownName: unknown model 'gpt-9'" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.failed.ipynb"]


def test_plain_papermill_refuses_a_misspelt_parameter_from_any_folder(tmp_path):
    source = paths.NOTEBOOKS / "02_evaluate.ipynb"
    command = [sys.executable, "-m", "papermill", str(source), "out.ipynb", "-p", "modle", "rules"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert "unknown parameter 'modle'; did you mean 'model'? Valid: task, model" in done.stderr
