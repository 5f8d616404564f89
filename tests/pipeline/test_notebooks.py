"""The notebooks, read and run as a person does: would break with a default, a path or an output."""

import os
import shutil
import statistics
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import papermill
import pytest

from slmlib.core import io, paths
from slmlib.evaluation import results

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return nbformat.read(path, as_version=4).cells


def code(cells) -> list:
    return [cell for cell in cells if cell.cell_type == "code"]


# --- as they are committed ----------------------------------------------------------------------


def test_parameters_come_first_and_are_typed_explained_and_checked(path, cells):
    first, second = code(cells)[:2]
    assert "parameters" in first.metadata.get("tags", []) and "check_parameters()" in second.source
    for name, parameter in papermill.inspect_notebook(str(path)).items():
        assert parameter["inferred_type_name"] != "None" and parameter["help"], name


def test_cells_are_short_and_explained(path, cells):
    for before, cell in pairwise(cells):
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 20, cell.source
            assert before.cell_type == "markdown", f"no prose before:\n{cell.source}"
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    assert words >= sum(len(cell.source.splitlines()) for cell in code(cells))
    assert words >= 1800 or path.stem != "00_walkthrough"


def test_outputs_are_committed_and_scrubbed(path, cells):
    """They are pages of the site, from `make notebooks`; scrubbed, so that they differ little."""
    assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"
    outputs = [output for cell in code(cells) for output in cell.outputs]
    assert any("text/html" in output.get("data", {}) for output in outputs)
    for output in outputs:
        assert output.output_type != "error" and output.get("name") != "stderr", output
    for cell in code(cells):
        assert not cell.execution_count and not {"papermill", "execution"} & cell.metadata.keys()
    for place in (paths.ROOT, Path.home(), "/tmp/"):
        assert str(place) not in path.read_text("utf-8"), f"names a folder of a machine: {place}"


# --- as they run --------------------------------------------------------------------------------


def walkthrough(runs: Path) -> None:
    checks = io.read_json(runs / "walkthrough" / "checks.json")
    assert len(checks) >= 7 and [step for step in checks if not checks[step]["agree"]] == []


def generated(runs: Path) -> None:
    for name in ("manifest.json", "README.md"):
        made, published = runs / "quick" / "edgejson" / name, paths.DATA / "edgejson" / name
        assert made.read_bytes() == published.read_bytes()


def evaluated(runs: Path) -> None:
    (result,) = results.load_all(runs / "quick" / "results", "edgejson")
    assert result.n == 2 and not result.complete and result.split == "test_unseen"
    (published,) = paths.RESULTS.glob(
        "edgejson/smollm2-135m-instruct-test-unseen-constrained-*.json"
    )
    theirs = {row["id"]: results.texts(row) for row in results.load(published).rows}
    assert {row["id"]: results.texts(row) for row in result.rows}.items() <= theirs.items()


def trained(runs: Path) -> None:
    """The toy training lowers its loss visibly: by a third at least, over its few steps."""
    (record,) = (runs / "quick" / "training").glob("*/training.json")
    losses = [line["loss"] for line in io.read_json(record)["loss"]]
    assert len(losses) >= 6 and statistics.mean(losses[-3:]) < statistics.mean(losses[:3]) * 2 / 3


def analysed(runs: Path) -> None:
    """Every figure, table, number and page is the published one, to the byte."""
    made = [path for path in (runs / "analysis").rglob("*") if path.is_file()]
    names = {path: path.relative_to(runs / "analysis") for path in made}
    published = {path: (paths.ROOT / name).read_bytes() for path, name in names.items()}
    assert len(made) > 30
    assert [str(names[path]) for path in made if path.read_bytes() != published[path]] == []


SMALL = {  # parameters that make a run short, and what to look for in runs/ afterwards
    "00_walkthrough": ({"draws": 2000}, walkthrough),
    "01_generate": ({}, generated),
    "02_evaluate": (
        {"decoding": "constrained", "limit": 2, "by_hand": 1, "device_cases": 0},
        evaluated,
    ),
    "03_train": ({"by_hand": 1}, trained),
    "04_analyze": ({}, analysed),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A copy of what notebooks read and might write."""
    copy = tmp_path_factory.mktemp("home")
    for name in ("data", "figures", "notebooks", "site"):
        shutil.copytree(paths.ROOT / name, copy / name)
    for file in paths.ROOT.glob("*.*"):
        shutil.copy(file, copy) if file.is_file() else None
    return copy


def tree(home: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of every file outside of runs/."""
    files = (f for f in home.rglob("*") if f.is_file() and home / "runs" not in f.parents)
    return {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


@pytest.mark.model
def test_it_runs_and_writes_to_runs_only(path, home, tmp_path):
    """From another folder, as papermill's users do; the repository stays as it was."""
    parameters, look = SMALL[path.stem]
    before = tree(home)
    options = [word for item in parameters.items() for word in ("-p", *map(str, item))]
    command = [sys.executable, "-m", "slmlib", "notebook", path.stem, str(tmp_path / "out.ipynb")]
    environment = os.environ | {"SLMBENCH_HOME": str(home)}
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    look(home / "runs")
    assert tree(home) == before
