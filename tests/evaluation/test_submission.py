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


def write(path, record=None, rows=None):
    """Write what a test has changed."""
    if record is not None:
        io.write_json(path, record)
    if rows is not None:
        io.write_jsonl(path.with_suffix(PREDICTIONS), rows)


def refused(path, *words):
    problems = submission.check(path)
    assert problems and all(any(word in line for line in problems) for word in words), problems


def test_published_run_is_accepted(entry, capsys):
    assert submission.check(entry[0]) == []
    assert submission.main([str(entry[0])]) == 0
    assert "accepted" in capsys.readouterr().out


def test_damaged_predictions_are_refused_with_the_place(entry):
    path, _, rows = entry
    packed = path.with_suffix(PREDICTIONS)
    whole, lines = packed.read_bytes(), [io.dumps(row) for row in rows]
    lines[41] = lines[41][:-5]
    broken = {k: v for k, v in rows[3].items() if k != "turns"}
    for content, words in (
        (gzip.compress("\n".join(lines).encode()), (":42: not JSON",)),
        (
            gzip.compress("\n".join([*lines[:3], io.dumps(broken)]).encode()),
            (":4:", "'turns' is a required"),
        ),
        (whole[:-300], ("truncated or corrupt",)),
        (b"<html>not found</html>", ("truncated or corrupt",)),
    ):
        packed.write_bytes(content)
        refused(path, *words)
    packed.unlink()
    refused(path, "missing. Submit both files")


def test_small_file_that_unpacks_to_a_large_one_is_not_read(entry, monkeypatch):
    monkeypatch.setattr(submission, "LARGEST", 1_000_000)
    bomb = gzip.compress(b" " * 3_000_000)
    assert len(bomb) < 10_000
    entry[0].with_suffix(PREDICTIONS).write_bytes(bomb)
    refused(entry[0], "more than 1000000 bytes")


def test_file_that_is_not_a_result_is_refused(entry, tmp_path, capsys):
    for text in ("{", "[" * 100_000, '{"run": 1}', "\x00", ""):
        entry[0].write_text(text)
        assert submission.check(entry[0]), text[:9]
    assert (
        submission.main([str(tmp_path / "none.json"), str(paths.RESULTS / "result.schema.json")])
        == 1
    )
    shown = capsys.readouterr().err
    assert shown.count("refused") == 2 and "not a result" in shown


def test_wrong_hash_is_refused(entry, tmp_path):
    path, record, _ = entry
    for part, words in (("dataset", "data has the hash"), ("prompt", "prompt has the hash")):
        write(path, record | {part: record[part] | {"sha256": "0" * 64}})
        refused(path, words)
    path, record, _ = published(tmp_path, "smollm2-135m-instruct")
    record["model"]["weights_sha256"] = "0" * 64
    write(path, record)
    refused(path, "weights has the hash 000000000000")
    path, record, _ = published(tmp_path, "cyclecore-mlm-135m-json")
    assert submission.check(path) == []
    write(path, record | {"model": record["model"] | {"adapter": "0" * 64}})
    refused(path, "adapter has the hash 000000000000")


def test_missing_cases_are_refused_though_all_numbers_fit(entry):
    path, record, rows = entry
    write(path, record | metrics.judge(tasks.get("edgejson"), rows[:97]), rows[:97])
    refused(path, "3 of 100 cases have no answer")


def test_answer_to_an_unknown_case_and_two_answers_to_one_are_refused(entry):
    path, _, rows = entry
    write(path, rows=[rows[0] | {"id": "edgejson-test-9999"}, *rows[1:]])
    refused(path, "1 of 100 cases have no answer", "1 answers belong to no case")
    write(path, rows=[rows[0], rows[0], *rows[2:]])
    refused(path, "occurs twice")


def test_inflated_numbers_are_refused(entry, tmp_path):
    path, record, answers = entry
    record["metrics"]["json_exact"]["mean"] = 0.5
    write(path, record)
    refused(path, "a mean is that of its cases")
    # the oracle's result, complete and consistent, over answers that are not the oracle's
    path, _, rows = published(tmp_path, "oracle")
    turns = {row["id"]: row["turns"] for row in answers}
    write(path, rows=[{**row, "turns": turns[row["id"]]} for row in rows])
    refused(path, "scored again it differs")


def test_constraint_that_constrained_nothing_is_refused(entry):
    path, record, _ = entry
    record["decoding"]["mode"] = "constrained"
    write(path, record)
    refused(path, "break the constraint that they were decoded under")


def test_name_folder_split_and_control_are_those_of_the_task(entry, tmp_path):
    path, record, _ = entry
    other = path.with_name("best-model.json")
    shutil.copy(path, other)
    shutil.copy(path.with_suffix(PREDICTIONS), other.with_suffix(PREDICTIONS))
    refused(other, "a result's file is named after its run")
    write(path, record | {"model": record["model"] | {"name": "house-rules"}})
    refused(path, "house-rules is not a control")
    link = path.with_name("link.json")
    link.symlink_to(path)
    refused(link, "a symbolic link")


def test_unknown_model_is_pointed_out_to_the_reviewer(tmp_path, capsys):
    path, record, _ = published(tmp_path, "smollm2-135m-instruct")
    record["model"]["name"] = "my-model"
    write(path, record)
    assert submission.main([str(path)]) == 0
    assert "my-model is not registered" in capsys.readouterr().out


def test_workflow_scores_with_the_code_of_the_main_branch():
    text = (paths.ROOT / ".github/workflows/submission.yml").read_text("utf-8")
    assert "slmbench check" in text and "pull_request:" in text
    assert "pull_request_target" not in text and "contents: read" in text
    assert "ref: ${{ github.event.pull_request.base.sha }}" in text
