"""Checkpoints of a training run: folders `checkpoint-<step>` with the hashes of their files."""

import shutil
from pathlib import Path

from slmlib.core import io


def path(folder: Path, step: int) -> Path:
    """Where the checkpoint after a step is."""
    return folder / f"checkpoint-{step}"


def step(checkpoint: Path) -> int:
    """The training step after which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])


def _newest_first(folder: Path) -> list[Path]:
    checkpoints = (p for p in folder.glob("checkpoint-*") if p.name.rpartition("-")[2].isdecimal())
    return sorted(checkpoints, key=step, reverse=True)


def latest(folder: Path) -> Path | None:
    """The newest intact checkpoint of a folder; a damaged one is reported and skipped."""
    for checkpoint in _newest_first(folder):
        fault = io.folder_fault(checkpoint)
        if fault is None:
            return checkpoint
        print(f"{checkpoint.name} is skipped: {fault}", flush=True)
    return None


def keep_newest(folder: Path, count: int) -> None:
    """Remove all checkpoints but the newest `count`."""
    for checkpoint in _newest_first(folder)[count:]:
        shutil.rmtree(checkpoint, ignore_errors=True)
