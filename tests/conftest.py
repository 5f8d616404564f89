"""Fixtures that several test modules share: the toy tasks and the embedded model, loaded once."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("GOMP_SPINCOUNT", "0")  # or PyTorch is ten times slower on busy cores

import toy

from slmlib.core import paths
from slmlib.tasks import base

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # a share of the cores, so that each process starts threads for its own alone
    number, count = int(worker.removeprefix("gw")), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))  # may be fewer than workers
        os.sched_setaffinity(0, cores[number % min(count, len(cores)) :: count])


@pytest.fixture
def toy_tasks(tmp_path, monkeypatch):
    """All toy tasks by name, registered, their data in a temporary folder."""
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    monkeypatch.setattr(base, "REGISTERED", {})
    toy.write(tmp_path / "data")
    for task in toy.TASKS:
        task.more.clear()
    return {task.name: task for task in toy.TASKS}


@pytest.fixture
def toy_task(toy_tasks):
    """The toy task of one turn with JSON answers."""
    return toy_tasks["toy"]


@pytest.fixture(scope="session")
def loaded():
    """The embedded model in fp32."""
    from slmlib.models import weights

    return weights.load("smollm2-135m-instruct")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site: a preview of the sources, or the build that `SLMBENCH_SITE` names."""
    from slmlib.pipeline import site

    if os.environ.get("SLMBENCH_SITE"):
        return Path(os.environ["SLMBENCH_SITE"]).resolve()
    return site.build(tmp_path_factory.mktemp("site") / "_site").parent
