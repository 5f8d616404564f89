"""Checkpoints that are whole or not there: written aside, vouched for by hashes, moved by one rename."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slmlib.core import io

MANIFEST = "checkpoint.json"


def latest(folder: Path) -> Path | None:
    """The newest whole checkpoint of a folder; one whose files are not as they were written is skipped."""
    for path in _by_step(folder):
        fault = _fault(path)
        if fault is None:
            return path
        print(f"{path.name} is skipped: {fault}", flush=True)
    return None


def _by_step(folder: Path) -> list[Path]:
    found = (
        path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()
    )
    return sorted(found, key=lambda path: -step(path))


def step(checkpoint: Path) -> int:
    """The training step after which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])


def vouch(folder: Path) -> None:
    """Write the hashes of a checkpoint's files."""
    files = {path.name: io.sha256(path) for path in sorted(folder.iterdir())}
    io.write_json(folder / MANIFEST, {"files": files})


def intact(folder: Path) -> bool:
    """Whether a folder that was vouched for is as it was written."""
    return _fault(folder) is None


def _fault(folder: Path) -> str | None:
    """What is wrong with a folder that was vouched for."""
    try:
        listed = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
        changed = [name for name, digest in listed.items() if io.sha256(folder / name) != digest]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"it is torn ({error})"
    return f"{', '.join(changed)} changed since it was written" if changed else None


def sweep(folder: Path, name: str = "checkpoint-[0-9]+") -> None:
    """Remove what a killed process was writing; the folder, or that name in it, must be this process's alone.

    Args:
        folder: where `whole_folder` was to put something.
        name: what that was called, as a regular expression.
    """
    for rest in folder.glob(".*"):
        if re.fullmatch(rf"\.{name}-[0-9]+(-parts|-older)?", rest.name):
            shutil.rmtree(rest, ignore_errors=True)


def keep_newest(folder: Path, count: int) -> None:
    """Remove all checkpoints but the newest."""
    for path in _by_step(folder)[count:]:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder to write to that becomes `target` by one rename at the end, or leaves no trace.

    What a killed process left of the same target is removed first. An older target is moved aside for that
    rename, and removed after it.
    """
    sweep(target.parent, re.escape(target.name))
    scratch = target.with_name(f".{target.name}-{os.getpid()}")
    older = scratch.with_name(f"{scratch.name}-older")
    scratch.mkdir(parents=True)
    try:
        yield scratch
        for path in scratch.iterdir():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        if target.exists():
            os.replace(target, older)
        os.replace(scratch, target)
        shutil.rmtree(older, ignore_errors=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
