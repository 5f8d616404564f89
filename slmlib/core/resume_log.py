"""The resume log of a long computation: each finished item is on disk before it is reported.

The first line holds what the computation depends on; then follows a line for each finished item,
written through to the disk. Whatever stops the computation, the log holds whole lines up to some
point and then perhaps a part of one, which is cut off when the computation is resumed. A log that
was begun with other settings is set aside.
"""

import json
import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

from slmlib.core import io

Key = str | int | tuple


class ResumeLog:
    """An open log, locked for this process; use it in a `with` statement.

    Attributes:
        done: records of the finished items, by key.
        seconds: the time that they took.
    """

    def __init__(self, path: Path, depends_on: dict):
        self.path, self.depends_on = path, depends_on  # settings under which it can be resumed
        self.done: dict[Key, dict] = {}
        self.seconds = 0.0

    def __enter__(self) -> "ResumeLog":
        with ExitStack() as stack:
            stack.enter_context(io.lock(self.path, what="this run"))
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            stack.callback(os.close, self._file)
            self._resume()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error) -> None:
        self._stack.close()

    def add(self, key: Key, record: dict, seconds: float) -> None:
        """Write a finished item down, with the time since the one before it."""
        self._append({"key": key, "seconds": seconds, "record": record})
        self.seconds += seconds

    def discard(self) -> None:
        """Delete the log of a computation whose result is written."""
        self.path.unlink()

    def _append(self, record: dict) -> None:
        line = (json.dumps(record) + "\n").encode("ascii")
        while line:
            line = line[os.write(self._file, line) :]
        os.fsync(self._file)

    def _resume(self) -> None:
        records, end = [], 0  # whole records, and where the last of them ends
        for line in self.path.read_bytes().splitlines(keepends=True):
            try:
                record = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or not isinstance(record, dict):
                break
            records.append(record)
            end += len(line)
        os.ftruncate(self._file, end)
        if not records:
            self._append({"depends_on": self.depends_on})
            return
        before = records[0].get("depends_on") or {}
        now = json.loads(json.dumps(self.depends_on))
        changed = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
        if changed:
            old = self.path.with_suffix(".old")
            shutil.copy2(self.path, old)
            os.ftruncate(self._file, 0)
            why = f"{self.path.name} was begun with other settings ({', '.join(changed)})"
            print(f"{why}: it is kept as {old}, and the run begins again.", file=sys.stderr)
            self._append({"depends_on": self.depends_on})
            return
        for record in records[1:]:
            key = record["key"]
            self.done[tuple(key) if isinstance(key, list) else key] = record["record"]
            self.seconds += record["seconds"]
