"""Submissions that should not pass: each is a published run with one thing made wrong."""

import gzip
import shutil

import pytest

from slmlib.core import io, paths
from slmlib.evaluation import run, submission
from slmlib.evaluation.results import PREDICTIONS
from slmlib.tasks import base as tasks


def published(folder, name):
    """A copy of a published run, of several the first: the path of its result, its record and its rows."""
    original = min((paths.RESULTS / "edgejson").glob(f"{name}-test-free-*.json"))
    copy = folder / "edgejson" / original.name
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(original, copy)
    packed = original.stem + PREDICTIONS
    shutil.copy(original.with_name(packed), copy.with_name(packed))
    return copy, io.read_json(copy), io.read_jsonl(copy.with_name(packed))


@pytest.fixture
def entry(tmp_path):
    return published(tmp_path, "rules")


def write(path, record=None, rows=None):
    """Write what a test has changed."""
    if record is not None:
        io.write_json(path, record)
    if rows is not None:
        io.write_jsonl(path.with_name(path.stem + PREDICTIONS), rows)


def refused(path, *words):
    problems = submission.check(path)
    assert problems and all(any(word in line for line in problems) for word in words), problems


def test_a_published_run_is_accepted(entry, capsys):
    assert submission.check(entry[0]) == []
    assert submission.main([str(entry[0])]) == 0
    assert "accepted" in capsys.readouterr().out


def test_a_malformed_line_is_named(entry):
    path, _, rows = entry
    packed = path.with_name(path.stem + PREDICTIONS)
    lines = [io.dumps(row) for row in rows]
    lines[41] = lines[41][:-5]
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    refused(path, ":42: not JSON")


def test_a_row_that_breaks_the_contract_is_named(entry):
    path, _, rows = entry
    del rows[3]["completion"]
    write(path, rows=rows)
    refused(path, ":4:", "'completion' is a required property")


def test_a_truncated_file_is_refused(entry):
    packed = entry[0].with_name(entry[0].stem + PREDICTIONS)
    packed.write_bytes(packed.read_bytes()[:-300])
    refused(entry[0], "truncated or corrupt")


def test_predictions_that_are_no_gzip_are_refused(entry):
    entry[0].with_name(entry[0].stem + PREDICTIONS).write_bytes(b"<html>not found</html>")
    refused(entry[0], "truncated or corrupt")


def test_missing_predictions_are_refused(entry):
    entry[0].with_name(entry[0].stem + PREDICTIONS).unlink()
    refused(entry[0], "missing. Hand in both files")


def test_a_small_file_that_unpacks_to_a_large_one_is_not_read(entry, monkeypatch):
    monkeypatch.setattr(submission, "LARGEST", 1_000_000)
    bomb = gzip.compress(b" " * 3_000_000)
    assert len(bomb) < 10_000
    entry[0].with_name(entry[0].stem + PREDICTIONS).write_bytes(bomb)
    refused(entry[0], "more than 1000000 bytes")


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"run": 1}', "\x00", ""])
def test_a_result_that_is_none_is_refused(entry, text):
    entry[0].write_text(text)
    assert submission.check(entry[0])


@pytest.mark.parametrize(
    ("part", "words"),
    [(("dataset", "sha256"), "data has the hash"), (("prompt", "sha256"), "prompt has the hash")],
)
def test_a_wrong_hash_is_refused(entry, part, words):
    path, record, _ = entry
    record[part[0]][part[1]] = "0" * 64
    write(path, record)
    refused(path, words)


def test_weights_other_than_the_registered_ones_are_refused(tmp_path):
    path, record, _ = published(tmp_path, "smollm2-135m-instruct")
    record["model"]["weights_sha256"] = "0" * 64
    write(path, record)
    refused(path, "weights has the hash 000000000000")


def test_missing_cases_are_refused_though_all_numbers_fit(entry):
    path, record, rows = entry
    task = tasks.get("edgejson")
    examples = task.load("test")[:97]
    kept = {row["id"]: row for row in rows}
    rows = [kept[example.id] for example in examples]
    scores = [task.score(e, kept[e.id]["completion"], kept[e.id]["finish"]) for e in examples]
    write(path, record | run.judged(task, examples, scores), rows)
    refused(path, "3 of 100 cases have no answer")


def test_an_answer_to_no_case_is_refused(entry):
    path, _, rows = entry
    rows[0]["id"] = "edgejson-test-9999"
    write(path, rows=rows)
    refused(path, "1 of 100 cases have no answer", "1 answers are to no case")


def test_two_answers_to_a_case_are_refused(entry):
    path, _, rows = entry
    rows[1] = rows[0]
    write(path, rows=rows)
    refused(path, "occurs twice")


def test_an_inflated_mean_is_refused(entry):
    path, record, _ = entry
    record["metrics"]["json_exact"]["mean"] = 0.5
    write(path, record)
    refused(path, "a mean is that of its cases")


def test_inflated_scores_are_refused_though_all_numbers_fit(entry, tmp_path):
    """The oracle's result, whole and consistent, over answers that are not the oracle's."""
    _, _, answers = entry
    path, _, rows = published(tmp_path, "oracle")
    texts = {row["id"]: row["completion"] for row in answers}
    write(path, rows=[{**row, "completion": texts[row["id"]]} for row in rows])
    refused(path, "graded again it differs")


def test_a_constraint_that_constrained_nothing_is_refused(entry):
    path, record, _ = entry
    record["decoding"]["mode"] = "schema"
    write(path, record)
    refused(path, "are not valid, such as")


def test_a_run_under_another_name_is_refused(entry):
    other = entry[0].with_name("best-model.json")
    shutil.copy(entry[0], other)
    shutil.copy(entry[0].with_name(entry[0].stem + PREDICTIONS), other.with_name("best-model" + PREDICTIONS))
    refused(other, "a result's file is named after its run")


def test_a_control_of_ones_own_is_refused(entry):
    path, record, _ = entry
    record["model"]["name"] = "house-rules"
    write(path, record)
    refused(path, "house-rules is no control")


def test_an_unknown_model_is_told_to_the_reader(tmp_path, capsys):
    path, record, _ = published(tmp_path, "smollm2-135m-instruct")
    record["model"]["name"] = "my-model"
    write(path, record)
    assert submission.main([str(path)]) == 0
    assert "my-model is not registered here" in capsys.readouterr().out


def test_a_link_is_not_followed(entry, tmp_path):
    link = entry[0].with_name("link.json")
    link.symlink_to(entry[0])
    refused(link, "a link")


def test_what_is_no_result_is_refused(tmp_path, capsys):
    assert submission.main([str(tmp_path / "none.json"), str(paths.RESULTS / "result.schema.json")]) == 1
    told = capsys.readouterr().err
    assert told.count("refused") == 2 and "not a result" in told


def test_the_workflow_grades_with_the_code_of_the_main_branch():
    text = (paths.ROOT / ".github/workflows/submission.yml").read_text("utf-8")
    assert "python -m slmlib.evaluation.submission" in text and "pull_request:" in text
    assert "pull_request_target" not in text and "contents: read" in text
    assert "ref: ${{ github.event.pull_request.base.sha }}" in text
