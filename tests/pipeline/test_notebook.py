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


@pytest.mark.parametrize("injected", ['model = "oracle"', "limit = None", "limit = 20", "rate = 1", ""])
def test_good_parameters_pass(injected):
    compare_parameters(declared=DECLARED, injected=f"# Parameters\n{injected}\n")


def test_a_misspelt_parameter_is_refused_with_the_valid_ones():
    with pytest.raises(
        UnknownName, match=r"unknown parameter 'modle'; did you mean 'model'\? Valid: model, limit"
    ):
        compare_parameters(declared=DECLARED, injected='# Parameters\nmodle = "oracle"\n')


@pytest.mark.parametrize("injected", ['limit = "many"', "model = 3", "limit = True", "model = None"])
def test_a_wrong_type_is_refused(injected):
    with pytest.raises(ParameterError, match=r"parameter \w+ takes .*, got "):
        compare_parameters(declared=DECLARED, injected=f"# Parameters\n{injected}\n")


def test_the_command_of_a_notebook_runs_it_with_the_same_parameters(monkeypatch):
    """It is what a run that was stopped is told to go on by."""
    ran = []
    monkeypatch.setattr(notebook, "run", lambda *given: ran.append(given))
    parameters = {"recipe": "ablations/rank-8", "seed": 2, "profile": "a b", "publish_as": ""}
    words = shlex.split(notebook.command("03_train", parameters))
    assert words[:3] == ["python", "-m", "slmlib.pipeline.notebook"]
    notebook.main(words[3:])
    assert ran == [("03_train", Path("OUT.ipynb"), {k: v for k, v in parameters.items() if v != ""})]


def test_an_unknown_notebook_lists_the_valid_ones(tmp_path):
    with pytest.raises(UnknownName, match=r"unknown notebook '02_evalute'; did you mean '02_evaluate'\?"):
        notebook.run("02_evalute", tmp_path / "out.ipynb", {})


def test_the_runner_refuses_an_unknown_parameter_before_it_runs(tmp_path):
    with pytest.raises(UnknownName, match=r"'modle'; did you mean 'model'"):
        notebook.run("02_evaluate", tmp_path / "out.ipynb", {"modle": "rules"})
    assert not list(tmp_path.iterdir())


def test_a_failing_notebook_is_one_line_on_the_command_line(tmp_path):
    command = [sys.executable, "-m", "slmlib.pipeline.notebook", "02_evaluate", str(tmp_path / "out.ipynb")]
    done = subprocess.run([*command, "-p", "model", "gpt-9"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "error: UnknownName: unknown model 'gpt-9'" in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.failed.ipynb"]


def test_plain_papermill_refuses_it_too_from_any_folder(tmp_path):
    source = paths.NOTEBOOKS / "02_evaluate.ipynb"
    command = [sys.executable, "-m", "papermill", str(source), "out.ipynb", "-p", "modle", "rules"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert "unknown parameter 'modle'; did you mean 'model'? Valid: task, model, split" in done.stderr
