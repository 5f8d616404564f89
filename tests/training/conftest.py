"""Fixtures of training: the toy task and network in a folder of their own."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import toy_training


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Toys are trained by one thread."""
    import torch

    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        toy_training.use_one_thread(patch)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the toy task, its data and the toy network."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        toy_training.install(folder, patch)
        yield folder


@pytest.fixture
def recipe(home, tmp_path):
    """Writes and loads the toy recipe with changes."""
    return lambda **changes: toy_training.write_recipe(tmp_path / "recipes", **changes)
