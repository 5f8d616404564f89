"""Where files are, independent of the working directory.

In a clone of the repository everything is in the clone. A package that was installed without one
contains the data of tasks and models, and writes runs to a folder of the user. `SLMBENCH_HOME`
chooses another folder: a clone, or a folder for runs.
"""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


class NoRepository(RuntimeError):
    """A feature that needs a clone was used without one."""


def is_clone(folder: Path) -> bool:
    """Return whether a folder is a clone of the repository."""
    return (folder / "data" / "runs.yaml").is_file()


def _root() -> Path:
    if home := os.environ.get("SLMBENCH_HOME"):
        return Path(home).expanduser().resolve()
    if is_clone(PACKAGE.parent):
        return PACKAGE.parent
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "slmbench"


ROOT = _root()
DATA = ROOT / "data" if is_clone(ROOT) else PACKAGE / "data"
RESULTS = DATA / "results"
ADAPTERS = DATA / "adapters"
NOTEBOOKS = ROOT / "notebooks"
RUNS = ROOT / "runs"
SITE = ROOT / "_site"


def repository(purpose: str = "this") -> Path:
    """The clone of the repository; without one `NoRepository` says how to name one."""
    if is_clone(ROOT):
        return ROOT
    raise NoRepository(
        f"{purpose} needs a clone of the SLMBench repository, and {ROOT} is not one. "
        "Set SLMBENCH_HOME to a clone, or run `make setup` in it and use its .venv."
    )


def cache() -> Path:
    """Folder for converted weights: `SLMBENCH_CACHE`, else the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slmbench"
    return Path(os.environ.get("SLMBENCH_CACHE") or default)


def models() -> Path:
    """Folder searched for weight files by hash: `SLMBENCH_MODELS`, else `models/` in the cache."""
    return Path(os.environ.get("SLMBENCH_MODELS") or cache() / "models")
