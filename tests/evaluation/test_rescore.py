"""Rescoring: would break if a new scorer left old numbers standing, moved them without saying so, or
graded a run with other data than its own."""

import dataclasses
import json

import pytest

from slmlib.core import io
from slmlib.core.io import DataError
from slmlib.evaluation import rescore, results, run
from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson import scoring

PREDICTIONS = ".predictions.jsonl.gz"


@pytest.fixture
def runs(toy_task, tmp_path, monkeypatch):
    """Results of two controls on the toy task, which the registry knows here."""
    monkeypatch.setattr(tasks, "get", lambda name: {"toy": toy_task}[name])
    return {
        model: run.evaluate(toy_task, model=model, out=tmp_path / "results") for model in ("oracle", "rules")
    }


@pytest.fixture
def harsher(toy_task, monkeypatch):
    """The next version of the scorer: no answer about Ann is right, and what is wrong is invented."""

    def score(example, completion, finish):
        before = toy_task.score(example, completion, finish)
        exact = before.scores["json_exact"] if example.target["name"] != "Ann" else 0.0
        return scoring.Score(
            before.scores | {"json_exact": exact}, None if exact else "invented", before.counts
        )

    task = dataclasses.replace(toy_task, score=score)
    monkeypatch.setattr(tasks, "get", lambda name: task)
    monkeypatch.setattr(scoring, "VERSION", "9.0.0")


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change(path, **values):
    io.write_json(path, io.read_json(path) | values)


def test_the_same_scorer_moves_nothing(runs, tmp_path):
    before = files(tmp_path)
    for path in runs.values():
        found = rescore.rescore(path, write=True)
        assert not found.changed and not found.moved
        assert (found.verdicts, found.classes, found.scores) == (0, 0, 0)
        assert found.before == found.after == scoring.VERSION and found.cases == 8
        assert found.text().endswith("no metric moved\n")
    assert files(tmp_path) == before


def test_a_new_scorer_is_told_case_by_case(runs, harsher):
    oracle, rules = (rescore.rescore(runs[model]) for model in ("oracle", "rules"))
    assert (oracle.verdicts, oracle.classes, oracle.scores) == (1, 1, 1)
    old, new = oracle.metrics["json_exact"]
    assert (old["mean"], new["mean"]) == (1, 0.875)
    assert set(oracle.moved) == {"json_exact"}
    assert (rules.verdicts, rules.classes, rules.scores) == (0, 8, 0) and not rules.moved
    text = oracle.text()
    assert "9.0.0" in text and "of 8 cases changed: verdict 1, failure class 1, any score 1" in text
    assert "100.0 % [" in text and "87.5 % [" in text


def test_nothing_is_written_unless_asked(runs, harsher, tmp_path):
    before = files(tmp_path)
    assert rescore.rescore(runs["oracle"]).changed
    assert files(tmp_path) == before


def test_what_is_written_is_what_a_run_would_write(runs, harsher, tmp_path):
    """A rescored result is that of a run under the new scorer, but for times and memory."""
    rescore.rescore(runs["oracle"], write=True)
    fresh = run.evaluate(tasks.get("toy"), model="oracle", out=tmp_path / "fresh")
    again, anew = (io.read_json(path) for path in (runs["oracle"], fresh))
    assert list(again) == list(anew) and again["scorer"] == {"version": "9.0.0"}
    for name in ("metrics", "by_tier", "by_group", "failures", "scorer", "run", "dataset"):
        assert again[name] == anew[name]
    rows, others = (
        [row | {"seconds": 0} for row in results.load(path).predictions()] for path in (runs["oracle"], fresh)
    )
    assert rows == others
    assert not rescore.rescore(runs["oracle"]).changed


def test_a_part_of_a_split_is_graded_as_a_part(runs, harsher, toy_task, tmp_path):
    path = run.evaluate(toy_task, model="rules", limit=3, out=tmp_path / "part")
    assert rescore.rescore(path, write=True).cases == 3
    assert not results.load(path).complete


def test_a_kill_between_the_two_files_is_mended(runs, harsher, monkeypatch):
    """The predictions are new and the result is old: the pair is refused, the next run mends it."""
    path = runs["oracle"]
    with monkeypatch.context() as patched:
        patched.setattr(io, "write_json", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rescore.rescore(path, write=True)
    with pytest.raises(DataError, match=r"json_exact\.mean is 1"):
        results.load(path)
    assert rescore.rescore(path, write=True).moved
    assert results.load(path).scorer == {"version": "9.0.0"}


def test_other_data_is_refused_with_rule_value_and_fix(runs, toy_task):
    path = toy_task.folder / "test.jsonl"
    path.write_text(path.read_text().replace("Ann", "Anna"))
    manifest = io.read_json(toy_task.folder / "manifest.json")
    manifest["files"]["test.jsonl"]["sha256"] = io.sha256(path)
    io.write_json(toy_task.folder / "manifest.json", manifest)
    there = io.read_json(runs["oracle"])["dataset"]["sha256"]
    with pytest.raises(DataError) as caught:
        rescore.rescore(runs["oracle"], write=True)
    message = str(caught.value)
    assert f"of data {there[:12]}" in message and io.sha256(path)[:12] in message
    assert "rule: a run is graded on the data it ran on" in message and "Run the model again" in message


def test_a_split_that_is_gone_is_refused(runs):
    change(runs["oracle"], split="dev")
    with pytest.raises(DataError, match="holds nothing"):
        rescore.rescore(runs["oracle"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: rows[:-1], "7 predictions does not fit"),
        (lambda rows: [*rows[:-1], rows[0]], "'toy-test-0' does not fit"),
        (lambda rows: [{**rows[0], "id": "toy-9"}, *rows[1:]], "'toy-9' does not fit"),
    ],
)
def test_lost_doubled_and_unknown_cases_are_refused(runs, spoil, message):
    path = runs["oracle"].with_suffix(PREDICTIONS)
    io.write_jsonl(path, spoil(io.read_jsonl(path)))
    with pytest.raises(DataError, match=message):
        rescore.rescore(runs["oracle"], write=True)


def test_a_missing_file_is_refused(runs):
    runs["oracle"].with_suffix(PREDICTIONS).unlink()
    with pytest.raises(DataError, match="No such file"):
        rescore.rescore(runs["oracle"])


def test_command_prints_what_moved_and_writes_only_when_told(runs, harsher, tmp_path, capsys):
    folder, before = tmp_path / "results", files(tmp_path)
    assert rescore.main([str(folder)]) == 0
    text = capsys.readouterr().out
    assert text.count("scorer ") == 2 and "JSONExact" in text
    assert "2 of 2 results graded; nothing was written. To keep it: --write" in text
    assert files(tmp_path) == before
    assert rescore.main(["--write", str(folder)]) == 0
    assert files(tmp_path) != before
    assert rescore.main([str(runs["oracle"])]) == 0
    assert "no metric moved" in capsys.readouterr().out


def test_command_explains_itself(capsys):
    with pytest.raises(SystemExit, match="0"):
        rescore.main(["--help"])
    assert "--write" in capsys.readouterr().out


def test_command_goes_on_after_a_broken_run_and_fails(runs, tmp_path, capsys):
    runs["oracle"].write_text("{")
    assert rescore.main([str(tmp_path / "results")]) == 1
    shown = capsys.readouterr()
    assert "1 of 2 results graded" in shown.out and "not readable as JSON" in shown.err
    assert "Traceback" not in shown.err


def test_command_refuses_a_place_that_is_none(tmp_path, capsys):
    assert rescore.main([str(tmp_path / "nowhere")]) == 1
    assert "does not exist. Give results" in capsys.readouterr().err
    assert rescore.main([str(tmp_path)]) == 1


def test_contracts_beside_the_results_are_no_results(runs, tmp_path):
    (tmp_path / "results" / "result.schema.json").write_text(json.dumps({}))
    assert set(rescore.found([tmp_path / "results"])) == set(runs.values())
