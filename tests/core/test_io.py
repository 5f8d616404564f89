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


def test_rows_survive_writing_and_reading(tmp_path, schema):
    for name in ("rows.jsonl", "rows.jsonl.gz"):
        io.write_jsonl(tmp_path / name, ROWS)
        assert io.read_jsonl(tmp_path / name, schema=schema) == ROWS


def test_same_rows_give_the_same_gzip_bytes(tmp_path, monkeypatch):
    io.write_jsonl(tmp_path / "a.jsonl.gz", ROWS)
    monkeypatch.setattr("time.time", lambda: 0)
    io.write_jsonl(tmp_path / "b.jsonl.gz", ROWS)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_bad_row_is_named_by_file_line_and_rule(tmp_path, schema):
    io.write_jsonl(tmp_path / "rows.jsonl", [*ROWS[:2], ROWS[2] | {"n": "two"}])
    with pytest.raises(
        DataError, match=r"rows\.jsonl:3: \$\.n: 'two' is not of .*row\.schema\.json"
    ):
        io.read_jsonl(tmp_path / "rows.jsonl", schema=schema)


def test_damaged_gzip_is_refused(tmp_path):
    whole = gzip.compress(b'{"id": "a"}\n' * 500)
    for length in (5, 40, len(whole) - 1):
        (tmp_path / "torn.jsonl.gz").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"torn\.jsonl\.gz.*(corrupt|not JSON)"):
            io.read_jsonl(tmp_path / "torn.jsonl.gz")


def test_malformed_line_is_named(tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"id": "a"}\n{"id": \n')
    with pytest.raises(DataError, match=r"bad\.jsonl:2: not JSON"):
        io.read_jsonl(tmp_path / "bad.jsonl")


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    io.write_json(path, {"kept": True})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*file\.json: No space left"):
        io.write_json(path, {"kept": False})
    assert io.read_json(path) == {"kept": True}
    assert list(tmp_path.iterdir()) == [path]


def test_remedy_is_make_clean_for_runs_and_git_checkout_for_published_files(tmp_path, monkeypatch):
    monkeypatch.setattr(io.paths, "RUNS", tmp_path / "runs")
    for folder, fix in (("runs", "make clean"), ("data", "git checkout")):
        with pytest.raises(
            DataError, match=rf"{folder}/x\.json: No such file or directory\. .*{fix}"
        ):
            io.read_json(tmp_path / folder / "x.json")


def test_folder_instead_of_a_file_is_refused(tmp_path):
    for read in (io.read_json, io.read_jsonl, lambda path: io.verify_sha256(path, "")):
        with pytest.raises(DataError, match="Is a directory"):
            read(tmp_path)


def test_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model"
    for content in ("old", "new"):
        with io.atomic_folder(target) as scratch:
            (scratch / "weights").write_text(content)
            io.write_manifest(scratch)
    with pytest.raises(RuntimeError), io.atomic_folder(target) as scratch:
        (scratch / "weights").write_text("half")
        raise RuntimeError
    assert (target / "weights").read_text() == "new" and list(tmp_path.iterdir()) == [target]
    assert io.folder_fault(target) is None


def test_changed_or_incomplete_folder_is_recognised(tmp_path):
    with io.atomic_folder(tmp_path / "model") as scratch:
        (scratch / "weights").write_text("1")
        io.write_manifest(scratch)
    (tmp_path / "model" / "weights").write_text("2")
    assert io.folder_fault(tmp_path / "model") == "weights changed since it was written"
    (tmp_path / "model" / "weights").unlink()
    assert "incomplete" in io.folder_fault(tmp_path / "model")


def test_rest_of_a_killed_process_is_swept_away_and_nothing_else(tmp_path):
    for name in ("model", ".model-77", ".model-77-older", ".models-77", ".modelling"):
        (tmp_path / name).mkdir()
    io.sweep(tmp_path / "model")
    assert {path.name for path in tmp_path.iterdir()} == {"model", ".models-77", ".modelling"}


def test_kill_between_the_two_renames_loses_no_finished_folder(tmp_path):
    """The older folder has been moved aside then, and the new one is not in its place yet."""
    target, code = (
        tmp_path / "model",
        """
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
""",
    )
    assert subprocess.run([sys.executable, "-c", code, target]).returncode == -9
    with pytest.raises(RuntimeError), io.atomic_folder(target):
        raise RuntimeError
    assert (target / "weights").read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_lock_is_exclusive_and_released(tmp_path):
    with io.lock(tmp_path / "lock"), pytest.raises(io.Busy, match="another process"):
        with io.lock(tmp_path / "lock"):
            pass
    with io.lock(tmp_path / "lock"):
        pass
