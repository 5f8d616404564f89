"""Reading and writing: would break if a bad file were read, or a good one lost."""

import gzip
import os

import pytest
import toy

from slmlib.core import io
from slmlib.core.io import DataError


def test_rows_survive_writing_and_reading(tmp_path):
    for name in ("rows.jsonl", "rows.jsonl.gz"):
        io.write_jsonl(tmp_path / name, toy.rows())
        assert io.read_jsonl(tmp_path / name, schema=io.EXAMPLE) == toy.rows()


def test_the_same_rows_give_the_same_gzip_bytes(tmp_path, monkeypatch):
    io.write_jsonl(tmp_path / "a.jsonl.gz", toy.rows())
    monkeypatch.setattr("time.time", lambda: 0)
    io.write_jsonl(tmp_path / "b.jsonl.gz", toy.rows())
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_a_bad_row_is_named_by_file_line_and_rule(tmp_path):
    rows = toy.rows()
    rows[2]["tier"] = "hard"
    io.write_jsonl(tmp_path / "rows.jsonl", rows)
    with pytest.raises(
        DataError, match=r"rows\.jsonl:3: \$\.tier: 'hard' is not one of .*example\.schema\.json"
    ):
        io.read_jsonl(tmp_path / "rows.jsonl", schema=io.EXAMPLE)


@pytest.mark.parametrize("keep", [5, 40, 100])
def test_a_torn_gzip_is_refused(tmp_path, keep):
    whole = gzip.compress(b'{"id": "a"}\n' * 500)
    (tmp_path / "torn.jsonl.gz").write_bytes(whole[: min(keep, len(whole) - 1)])
    with pytest.raises(DataError, match=r"torn\.jsonl\.gz.*(corrupt|not JSON)"):
        io.read_jsonl(tmp_path / "torn.jsonl.gz")


def test_a_malformed_line_is_named(tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"id": "a"}\n{"id": \n')
    with pytest.raises(DataError, match=r"bad\.jsonl:2: not JSON"):
        io.read_jsonl(tmp_path / "bad.jsonl")


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    io.write_json(path, {"kept": True})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*file\.json: No space left"):
        io.write_json(path, {"kept": False})
    assert io.read_json(path) == {"kept": True}
    assert list(tmp_path.iterdir()) == [path]


def test_a_broken_file_of_this_machine_is_remade_and_a_published_one_restored(tmp_path, monkeypatch):
    monkeypatch.setattr(io.paths, "RUNS", tmp_path / "runs")
    for folder, fix in (("runs", "make clean"), ("data", "git checkout")):
        with pytest.raises(DataError, match=rf"{folder}/x\.json: No such file or directory\. .*{fix}"):
            io.read_json(tmp_path / folder / "x.json")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    for read in (io.read_json, io.read_jsonl, lambda path: io.verify_sha256(path, "")):
        with pytest.raises(DataError, match="Is a directory"):
            read(tmp_path)
