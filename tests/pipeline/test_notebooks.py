"""Every notebook, as a person runs it: would break if a default, a path or a cell did not work."""

import statistics
import subprocess
import sys

import nbformat
import papermill
import pytest

from slmlib.core import io, paths
from slmlib.evaluation import results
from slmlib.training import sft

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_it_follows_the_house_style(path, cells):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in cells) == 1
    assert "check_parameters()" in cells[1].source
    for cell in cells:
        assert len(cell.source.splitlines()) <= 20, cell.source
        assert "papermill" not in cell.metadata and not cell.metadata.get("execution")


def test_it_is_kept_with_its_outputs(cells):
    """They are pages of the site: `make notebooks` runs them and keeps what they show."""
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("text/html" in output.get("data", {}) for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)


def test_its_parameters_are_typed_and_explained(path):
    for name, parameter in papermill.inspect_notebook(str(path)).items():
        assert parameter["inferred_type_name"] != "None" and parameter["help"], name


@pytest.mark.model
def test_it_runs_with_its_defaults(path, tmp_path):
    """From another folder, as papermill users do; the working tree stays as it was."""
    before = tree_state()
    command = [sys.executable, "-m", "papermill", str(path), str(tmp_path / "out.ipynb"), "--no-progress-bar"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert any(cell.get("outputs") for cell in executed.cells)
    assert tree_state() == before


def tree_state() -> str:
    git = ["git", "-C", str(paths.ROOT), "status", "--porcelain"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout


def test_evaluate_takes_parameters(tmp_path, monkeypatch):
    command = [sys.executable, "-m", "papermill", str(paths.NOTEBOOKS / "02_evaluate.ipynb"), "out.ipynb"]
    options = ["-p", "model", "rules", "-p", "task", "edgejson", "-p", "split", "val", "-p", "limit", "20"]
    subprocess.run([*command, *options, "--no-progress-bar"], cwd=tmp_path, check=True, capture_output=True)
    found = [r for r in results.load_all(paths.RUNS / "quick" / "results", "edgejson") if r.split == "val"]
    assert any(r.n == 20 and r.model["name"] == "rules" for r in found)


@pytest.mark.model
def test_the_toy_training_lowers_its_loss():
    """Visibly: by a third at least, over its few steps."""
    record = io.read_json(sft.train("toy", out=paths.RUNS / "quick" / "training") / sft.RECORD)
    losses = [line["loss"] for line in record["loss"]]
    assert len(losses) >= 6 and statistics.mean(losses[-3:]) < statistics.mean(losses[:3]) * 2 / 3
