"""Reading and writing: would break if a bad file were read, or a good one lost."""

import gzip
import os
import subprocess
import sys

import pytest

from slmlib.core import io
from slmlib.core.io import DataError

ROWS = [{"id": f"row-{i}", "text": "Ünï\u2028code", "n": i / 3} for i in range(8)]


@pytest.fixture
def schema(tmp_path):
    """A schema of the rows."""
    path = tmp_path / "row.schema.json"
    io.write_json(path, {"properties": {"n": {"type": "number"}}, "required": ["id", "n"]})
    return path


def test_rows_survive_writing_and_reading_and_give_the_same_bytes(tmp_path, schema, monkeypatch):
    for name in ("rows.jsonl", "rows.jsonl.gz"):
        io.write_jsonl(tmp_path / name, ROWS)
        assert io.read_jsonl(tmp_path / name, schema=schema) == ROWS
    monkeypatch.setattr("time.time", lambda: 0)
    io.write_jsonl(tmp_path / "later.jsonl.gz", ROWS)
    assert (tmp_path / "later.jsonl.gz").read_bytes() == (tmp_path / "rows.jsonl.gz").read_bytes()


def test_broken_rows_are_named_by_file_line_and_rule(tmp_path, schema):
    packed = gzip.compress(b'{"id": "a", "n": 1}\n' * 500)
    for name, content, message in (
        ("a.jsonl", b'{"id": "a", "n": 1}\n{"id": "", "n": "x"}', r":2: \$\.n: 'x' is not .*row\."),
        ("a.jsonl", b'{"id": "a", "n": 1}\n{"id": \n', ":2: not JSON"),
        *(("a.jsonl.gz", packed[:end], "corrupt|not JSON") for end in (5, 40, len(packed) - 1)),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"{name}.*({message})"):
            io.read_jsonl(tmp_path / name, schema=schema)


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    io.write_json(path, {"kept": True})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*file\.json: No space left"):
        io.write_json(path, {"kept": False})
    assert io.read_json(path) == {"kept": True} and list(tmp_path.iterdir()) == [path]


def test_unreadable_files_are_named_with_the_remedy(tmp_path, monkeypatch):
    """Files that were made here are made again, and published ones restored."""
    monkeypatch.setattr(io.paths, "RUNS", tmp_path / "runs")
    for read in (io.read_json, io.read_jsonl, lambda path: io.verify_sha256(path, "")):
        for folder, fix in (("runs", "Delete .*x, and run"), ("data", "git checkout")):
            with pytest.raises(
                DataError, match=rf"{folder}/x: No such file or directory\. .*{fix}"
            ):
                read(tmp_path / folder / "x")
        with pytest.raises(DataError, match="Is a directory"):
            read(tmp_path)


def test_folder_appears_whole_or_not_at_all_and_its_changes_are_recognised(tmp_path):
    """Remains of a killed process are swept first, and nothing else."""
    target, others = tmp_path / "model", {tmp_path / ".models-77", tmp_path / ".modelling"}
    for path in (target, tmp_path / ".model-77", tmp_path / ".model-77-older", *others):
        path.mkdir()
    with io.atomic_folder(target) as scratch:
        (scratch / "weights").write_text("new")
        io.write_manifest(scratch)
    with pytest.raises(RuntimeError), io.atomic_folder(target) as scratch:
        (scratch / "weights").write_text("half")
        raise RuntimeError
    assert {*tmp_path.iterdir()} == {target, *others}
    assert (target / "weights").read_text() == "new" and io.folder_fault(target) is None
    (target / "weights").write_text("other")
    assert io.folder_fault(target) == "weights changed since it was written"
    (target / "weights").unlink()
    assert "incomplete" in io.folder_fault(target)


KILLED = """
import os, signal, sys
from pathlib import Path
from slmlib.core import io
with io.atomic_folder(Path(sys.argv[1])) as scratch:
    (scratch / "weights").write_text("old")
rename = os.replace
def killed(source, target):
    rename(source, target)
    os.kill(os.getpid(), signal.SIGKILL)
os.replace = killed
with io.atomic_folder(Path(sys.argv[1])):
    pass
"""


def test_kill_between_the_two_renames_loses_no_finished_folder(tmp_path):
    """The older folder has been moved aside then, and the new one is not in its place yet."""
    target = tmp_path / "model"
    assert subprocess.run([sys.executable, "-c", KILLED, target]).returncode == -9
    with pytest.raises(RuntimeError), io.atomic_folder(target):
        raise RuntimeError
    assert (target / "weights").read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_lock_is_exclusive_and_released(tmp_path):
    for _ in range(2):
        with io.lock(tmp_path / "lock"), pytest.raises(io.Busy, match="another process"):
            io.lock(tmp_path / "lock").__enter__()
