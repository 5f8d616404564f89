"""Submissions that must not pass: each is a published run with one thing made wrong."""

import gzip
import shutil

import pytest

from slmlib import tasks
from slmlib.core import io, paths
from slmlib.evaluation import metrics, submission
from slmlib.evaluation.results import PREDICTIONS


def published(folder, name):
    """A copy of a published run: the path of its result, its record and its rows."""
    original = min((paths.RESULTS / "edgejson").glob(f"{name}-test-free-*.json"))
    copy = folder / "edgejson" / original.name
    copy.parent.mkdir(exist_ok=True)
    for path in (original, original.with_suffix(PREDICTIONS)):
        shutil.copy(path, copy.parent)
    return copy, io.read_json(copy), io.read_jsonl(copy.with_suffix(PREDICTIONS))


@pytest.fixture
def entry(tmp_path):
    return published(tmp_path, "rules")


def write_rows(path, rows):
    io.write_jsonl(path.with_suffix(PREDICTIONS), rows)


def refused(path, *words):
    problems = submission.check(path)
    assert problems and all(any(word in line for line in problems) for word in words), problems


def test_published_run_is_accepted(entry, tmp_path, capsys):
    assert submission.main([str(entry[0])]) == 0
    assert "accepted" in capsys.readouterr().out
    path, record, _ = published(tmp_path, "smollm2-135m-instruct")
    record["model"]["name"] = "my-model"
    io.write_json(path, record)
    assert submission.main([str(path)]) == 0
    assert "my-model is not registered" in capsys.readouterr().out, "the reviewer is told"


def test_damaged_predictions_are_refused_with_the_place(entry, monkeypatch):
    path, _, rows = entry
    packed = path.with_suffix(PREDICTIONS)
    whole, lines = packed.read_bytes(), [io.dumps(row) for row in rows]
    lines[41] = lines[41][:-5]
    broken = io.dumps({k: v for k, v in rows[3].items() if k != "turns"})
    bomb = gzip.compress(b" " * 3_000_000)
    monkeypatch.setattr(submission, "LARGEST", 1_000_000)
    for content, words in (
        (gzip.compress("\n".join(lines).encode()), (":42: not JSON",)),
        (gzip.compress("\n".join([*lines[:3], broken]).encode()), (":4:", "'turns' is a required")),
        (whole[:-300], ("truncated or corrupt",)),
        (b"<html>not found</html>", ("truncated or corrupt",)),
        (bomb, ("more than 1000000 bytes",)),
    ):
        packed.write_bytes(content)
        refused(path, *words)
    packed.unlink()
    refused(path, "missing. Submit both files")


def test_file_that_is_not_a_result_is_refused(entry, tmp_path, capsys):
    for text in ("{", "[" * 100_000, '{"run": 1}', "\x00", ""):
        entry[0].write_text(text)
        assert submission.check(entry[0]), text[:9]
    link = entry[0].with_name("link.json")
    link.symlink_to(entry[0])
    refused(link, "a symbolic link")
    schema = paths.RESULTS / "result.schema.json"
    assert submission.main([str(tmp_path / "none.json"), str(schema)]) == 1
    shown = capsys.readouterr().err
    assert shown.count("refused") == 2 and "not a result" in shown


def test_false_statements_are_refused(entry, tmp_path):
    """False hashes, names, controls and constraints are each refused by name."""
    path, record, _ = entry
    zeros = "0" * 64
    for part, changed, words in (
        ("dataset", {"sha256": zeros}, "data has the hash 000000000000"),
        ("prompt", {"sha256": zeros}, "prompt has the hash 000000000000"),
        ("model", {"name": "house-rules"}, "house-rules is not a control"),
        ("decoding", {"mode": "constrained"}, "break the constraint that they were decoded under"),
    ):
        io.write_json(path, record | {part: record[part] | changed})
        refused(path, words)
    other = path.with_name("best-model.json")
    shutil.copy(path.with_suffix(PREDICTIONS), other.with_suffix(PREDICTIONS))
    io.write_json(other, record)
    refused(other, "a result's file is named after its run")
    for name, part, what in (
        ("smollm2-135m-instruct", "weights_sha256", "weights"),
        ("cyclecore-mlm-135m-json", "adapter", "adapter"),
    ):
        path, record, _ = published(tmp_path, name)
        assert submission.check(path) == []
        record["model"][part] = zeros
        io.write_json(path, record)
        refused(path, f"{what} has the hash 000000000000")


def test_missing_unknown_and_doubled_cases_are_refused(entry):
    path, record, rows = entry
    write_rows(path, [rows[0] | {"id": "edgejson-test-9999"}, *rows[1:]])
    refused(path, "1 of 100 cases have no answer", "unknown: edgejson-test-9999")
    write_rows(path, [rows[0], rows[0], *rows[2:]])
    refused(path, "occurs twice")
    write_rows(path, rows[:97])
    io.write_json(path, record | metrics.judge(tasks.get("edgejson"), rows[:97]))
    refused(path, "3 of 100 cases have no answer")  # though all numbers fit


def test_inflated_numbers_are_refused(entry, tmp_path):
    path, record, answers = entry
    record["metrics"]["json_exact"]["mean"] = 0.5
    io.write_json(path, record)
    refused(path, "json_exact.mean is 0.5, its predictions give")
    # the oracle's result, complete and consistent, over answers that are not the oracle's
    path, _, rows = published(tmp_path, "oracle")
    turns = {row["id"]: row["turns"] for row in answers}
    write_rows(path, [{**row, "turns": turns[row["id"]]} for row in rows])
    refused(path, "scored again it differs")


def test_workflow_scores_with_the_code_of_the_main_branch():
    text = (paths.ROOT / ".github/workflows/submission.yml").read_text("utf-8")
    assert "slmbench check" in text and "pull_request:" in text
    assert "pull_request_target" not in text and "contents: read" in text
    assert "ref: ${{ github.event.pull_request.base.sha }}" in text
