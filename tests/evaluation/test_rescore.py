"""Rescoring: would break if a new scorer left old numbers standing, moved them without saying so, or
scored a run with other data than its own."""

import json

import pytest

from slmlib.core import io
from slmlib.core.io import DataError
from slmlib.core.names import UnknownName
from slmlib.engines.base import Completion
from slmlib.engines.control import Control
from slmlib.evaluation import rescore, results, run
from slmlib.evaluation.results import PREDICTIONS
from slmlib.tasks.base import Score


@pytest.fixture
def runs(toy_task, tmp_path):
    """Results of two controls on the toy task."""
    return {
        model: run.evaluate(toy_task, model=model, out=tmp_path / "results")
        for model in ("oracle", "rules")
    }


@pytest.fixture
def harsher(toy_task, monkeypatch):
    """The next version of the scorer: no answer about Ann is right, and what is wrong is unreadable."""
    before = type(toy_task).score

    def score(self, sample, transcript):
        old = before(self, sample, transcript)
        exact = old.scores["exact"] if sample.target["name"] != "Ann" else 0.0
        return Score(old.scores | {"exact": exact}, old.counts, None if exact else "unreadable")

    monkeypatch.setattr(type(toy_task), "score", score)
    monkeypatch.setattr(type(toy_task), "scorer_version", "9.0.0")


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_scorer_moves_nothing(runs, tmp_path):
    before = files(tmp_path)
    for path in runs.values():
        again = rescore.rescore(path, write=True)
        assert not again.changed and not again.moved
        assert (again.verdicts, again.classes, again.scores, again.cases) == (0, 0, 0, 8)
        assert again.text().endswith("no metric moved\n")
    assert files(tmp_path) == before


def test_new_scorer_is_reported_case_by_case_and_nothing_is_written(runs, harsher, tmp_path):
    before = files(tmp_path)
    oracle, rules = (rescore.rescore(runs[model]) for model in ("oracle", "rules"))
    assert (oracle.verdicts, oracle.classes, oracle.scores) == (1, 1, 1)
    old, new = oracle.metrics["exact"]
    assert (old["mean"], new["mean"]) == (1, 0.875) and set(oracle.moved) == {"exact"}
    assert (rules.verdicts, rules.classes, rules.scores) == (0, 8, 0) and not rules.moved
    text = oracle.text()
    assert "9.0.0" in text and "of 8 cases changed: verdict 1, failure class 1, any score 1" in text
    assert "100.0 % [" in text and "87.5 % [" in text
    assert files(tmp_path) == before


def test_rescored_result_is_what_a_run_would_write(runs, harsher, toy_task, tmp_path):
    """Except for times and memory."""
    rescore.rescore(runs["oracle"], write=True)
    fresh = results.load(run.evaluate(toy_task, model="oracle", out=tmp_path / "fresh"))
    again = results.load(runs["oracle"])
    assert list(again.data) == list(fresh.data) and again.scorer == {"version": "9.0.0"}
    for name in ("metrics", "by_slice", "failures", "scorer", "run", "dataset"):
        assert again.data[name] == fresh.data[name]
    assert again.rows == fresh.rows
    assert not rescore.rescore(runs["oracle"]).changed


def test_several_turns_are_scored_again(toy_tasks, tmp_path):
    path = run.evaluate(toy_tasks["toytools"], model="oracle", out=tmp_path)
    assert not rescore.rescore(path).changed


def test_scores_by_log_probability_are_scored_again_as_they_are_written(
    toy_tasks, tmp_path, monkeypatch
):
    """Log-probabilities are rounded when they are written; the score is that of the rounded ones."""
    task = toy_tasks["toylabels"]
    before = type(task).score

    def score(self, sample, transcript):
        old = before(self, sample, transcript)
        confidence = transcript.last.label_logprobs["none"]
        return Score({**old.scores, "confidence": confidence}, old.counts, old.failure)

    def generate(self, batch, on_tokens=None):
        for request in batch:
            logprobs = {"none": -1 / 3}
            yield Completion(request.id, "none", "stop", 1, 1, 0.1, 0.1, label_logprobs=logprobs)

    monkeypatch.setattr(type(task), "score", score)
    monkeypatch.setattr(Control, "generate", generate)
    path = run.evaluate(task, model="majority", out=tmp_path)
    assert results.load(path).rows[0]["turns"][0]["label_logprobs"] == {"none": -0.3333}
    assert not rescore.rescore(path).changed


def test_prompt_that_is_gone_is_named(runs):
    record = io.read_json(runs["oracle"])
    io.write_json(runs["oracle"], record | {"prompt": record["prompt"] | {"name": "plane"}})
    with pytest.raises(UnknownName, match="unknown prompt of toy 'plane'; did you mean 'plain'"):
        rescore.rescore(runs["oracle"])


def test_part_of_a_split_is_scored_as_a_part(runs, harsher, toy_task, tmp_path):
    path = run.evaluate(toy_task, model="rules", limit=3, out=tmp_path / "part")
    assert rescore.rescore(path, write=True).cases == 3
    assert not results.load(path).complete


def test_kill_between_the_two_files_is_repaired(runs, harsher, monkeypatch):
    """The predictions are new and the result is old: the pair is refused, the next run repairs it."""
    path = runs["oracle"]
    with monkeypatch.context() as patched:
        patched.setattr(io, "write_json", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rescore.rescore(path, write=True)
    with pytest.raises(DataError, match=r"exact\.mean is 1"):
        results.load(path)
    assert rescore.rescore(path, write=True).moved
    assert results.load(path).scorer == {"version": "9.0.0"}


def test_other_data_are_refused_with_rule_value_and_fix(runs, toy_task):
    before = io.read_json(runs["oracle"])["dataset"]["sha256"]
    rows = toy_task.build()
    rows["test"][0]["input"]["text"] += "!"
    toy_task.write(rows, toy_task.folder)
    with pytest.raises(DataError) as caught:
        rescore.rescore(runs["oracle"], write=True)
    message = str(caught.value)
    assert f"of data {before[:12]}" in message
    assert (
        "rule: a run is scored on the data it ran on" in message
        and "Run the model again" in message
    )
    io.write_json(runs["oracle"], io.read_json(runs["oracle"]) | {"split": "dev"})
    with pytest.raises(DataError, match="has nothing"):
        rescore.rescore(runs["oracle"])


def test_lost_doubled_and_unknown_cases_are_refused(runs):
    path = runs["oracle"].with_suffix(PREDICTIONS)
    rows = io.read_jsonl(path)
    for spoiled, message in (
        (rows[:-1], "7 predictions does not fit"),
        ([*rows[:-1], rows[0]], "'toy-test-0' does not fit"),
        ([{**rows[0], "id": "toy-9"}, *rows[1:]], "'toy-9' does not fit"),
    ):
        io.write_jsonl(path, spoiled)
        with pytest.raises(DataError, match=message):
            rescore.rescore(runs["oracle"], write=True)
    path.unlink()
    with pytest.raises(DataError, match="No such file"):
        rescore.rescore(runs["oracle"])


def test_command_prints_what_moved_and_writes_only_when_told(runs, harsher, tmp_path, capsys):
    folder, before = tmp_path / "results", files(tmp_path)
    (folder / "result.schema.json").write_text(json.dumps({}))  # is not a result
    assert rescore.main([str(folder)]) == 0
    text = capsys.readouterr().out
    assert text.count("scorer ") == 2 and "Exact" in text
    assert "2 of 2 results scored; nothing was written (--write does)." in text
    assert rescore.main(["--write", str(folder)]) == 0
    assert files(tmp_path) != before
    assert rescore.main([str(runs["oracle"])]) == 0
    assert "no metric moved" in capsys.readouterr().out


def test_command_goes_on_after_a_broken_run_and_fails(runs, tmp_path, capsys):
    runs["oracle"].write_text("{")
    assert rescore.main([str(tmp_path / "results")]) == 1
    shown = capsys.readouterr()
    assert "1 of 2 results scored" in shown.out and "not readable as JSON" in shown.err
    assert rescore.main([str(tmp_path / "data")]) == 1, "there is nothing to score"
    with pytest.raises(DataError, match="does not exist. Give results"):
        rescore.main([str(tmp_path / "nowhere")])
