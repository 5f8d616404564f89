"""The journal of a run: what has been finished, on disk before it is reported.

The first line holds the run's settings, then comes a line for each finished case. Lines are written
through to the disk one by one. Whatever stops a run, the journal holds whole lines up to some point and
then perhaps a part of one, which is cut off when the run goes on.
"""

import fcntl
import json
import os
from pathlib import Path

from slmlib.core.io import DataError


class Busy(RuntimeError):
    """Another process is working on the same run."""


class Journal:
    """An open journal, locked for this process; use it in a `with` statement.

    Attributes:
        done: what is finished, by name or number.
        seconds: the time that this took.
    """

    def __init__(self, path: Path, settings: dict):
        self.path, self.settings = path, settings
        self.done: dict[str | int, dict] = {}
        self.seconds = 0.0

    def __enter__(self) -> "Journal":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._lock()
            self._resume()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(self, *error) -> None:
        os.close(self._file)

    def case(self, name: str | int, record: dict, seconds: float) -> None:
        """Write a finished case down, with the time since the one before it."""
        self._append({"case": name, "seconds": seconds, "record": record})
        self.seconds += seconds

    def discard(self) -> None:
        """Delete the journal of a run whose result is written."""
        self.path.unlink()

    def _append(self, record: dict) -> None:
        line = (json.dumps(record) + "\n").encode("ascii")
        while line:
            line = line[os.write(self._file, line) :]
        os.fsync(self._file)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"{self.path}: another process is working on this run; wait for it or stop it."
            ) from None

    def _resume(self) -> None:
        records = self._whole_lines()
        if not records:
            os.ftruncate(self._file, 0)
            self._append({"settings": self.settings})
            return
        if records[0][0].get("settings") != self.settings:
            raise DataError(
                f"{self.path}:1: belongs to another run, to other code or other versions of packages, or to "
                "another machine. Delete it and start again."
            )
        for line, _ in records[1:]:
            self.done[line["case"]] = line["record"]
            self.seconds += line["seconds"]
        os.ftruncate(self._file, records[-1][1])

    def _whole_lines(self) -> list[tuple[dict, int]]:
        """Records up to the first torn line, each with the offset behind it."""
        records, end = [], 0
        for line in self.path.read_bytes().splitlines(keepends=True):
            end += len(line)
            try:
                record = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or not isinstance(record, dict):
                break
            records.append((record, end))
        return records
