"""The journal of a run: what has been finished, on disk before it is reported.

The first line holds the run's settings, then comes a line for each finished case and one for each
finished batch. Lines are written through to the disk one by one. Whatever stops a run, the journal
holds whole batches up to some point and then perhaps a part of one, which is cut off when the run
goes on.
"""

import fcntl
import json
import os
from pathlib import Path

from slmlib.contracts import DataError


class Busy(RuntimeError):
    """Another process is working on the same run."""


class Journal:
    """An open journal, locked for this process; use it in a `with` statement.

    Attributes:
        done: the cases of each finished batch, by the batch's number.
        seconds: the time that these batches took.
    """

    def __init__(self, path: Path, settings: dict):
        self.path, self.settings = path, settings
        self.done: dict[int, list[dict]] = {}
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

    def case(self, record: dict) -> None:
        """Write a finished case down."""
        self._append({"case": record})

    def batch(self, number: int, seconds: float) -> None:
        """Mark a batch, the cases since the last mark, as finished."""
        self._append({"batch": number, "seconds": seconds})

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
            raise DataError(f"{self.path}:1: belongs to another run. Delete it and start again.")
        cases, keep = [], records[0][1]
        for record, end in records[1:]:
            if "case" in record:
                cases.append(record["case"])
                continue
            self.done[record["batch"]], cases, keep = cases, [], end
            self.seconds += record["seconds"]
        os.ftruncate(self._file, keep)

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
