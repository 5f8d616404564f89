"""Where things live: every path of the repository, independent of the working directory."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
RESULTS = DATA / "results"
ADAPTERS = DATA / "adapters"
FIGURES = ROOT / "figures"
NOTEBOOKS = ROOT / "notebooks"
RUNS = ROOT / "runs"
SITE = ROOT / "_site"


def cache() -> Path:
    """Folder for converted weights: `SLMBENCH_CACHE`, else the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slmbench"
    return Path(os.environ.get("SLMBENCH_CACHE") or default)


def models() -> Path:
    """Folder searched for weight files by hash: `SLMBENCH_MODELS`, else `models/` in the cache."""
    return Path(os.environ.get("SLMBENCH_MODELS") or cache() / "models")
