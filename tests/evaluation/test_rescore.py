"""Rescoring: would break if a new scorer left old numbers as they were, moved them without saying
so, or scored a run with other data than its own."""

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
    names = ("oracle", "rules")
    return {name: run.evaluate(toy_task, model=name, out=tmp_path / "results") for name in names}


@pytest.fixture
def harsher(runs, toy_task, monkeypatch):
    """The next version of the scorer: no answer about Ann is right; what is wrong is unreadable."""
    before = type(toy_task).score

    def score(self, sample, transcript):
        old = before(self, sample, transcript)
        exact = old.scores["exact"] if sample.target["name"] != "Ann" else 0.0
        return Score(old.scores | {"exact": exact}, old.counts, None if exact else "unreadable")

    monkeypatch.setattr(type(toy_task), "score", score)
    monkeypatch.setattr(type(toy_task), "scorer_version", "9.0.0")


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_scorer_moves_nothing(runs, toy_tasks, tmp_path):
    """Results of tasks with several turns do not move either."""
    paths = [*runs.values(), run.evaluate(toy_tasks["toytools"], model="oracle", out=tmp_path)]
    before = files(tmp_path)
    for path in paths:
        again = rescore.rescore(path, write=True)
        assert not again.changed and again.text().endswith("no metric moved\n")
    assert files(tmp_path) == before


def test_new_scorer_is_reported_case_by_case_and_nothing_is_written(runs, harsher, tmp_path):
    before = files(tmp_path)
    oracle, rules = (rescore.rescore(path) for path in runs.values())
    old, new = oracle.moved.pop("exact")
    assert (old["mean"], new["mean"]) == (1, 0.875) and set(oracle.moved) == {"exact"}
    assert "of 8 cases changed: verdict 0, failure class 8, any score 0" in rules.text()
    assert rules.changed and not rules.moved
    text = oracle.text()
    assert "9.0.0" in text and "of 8 cases changed: verdict 1, failure class 1, any score 1" in text
    assert "100.0 % [" in text and "87.5 % [" in text
    assert files(tmp_path) == before


def test_rescored_result_is_what_a_run_would_write(runs, harsher, toy_task, tmp_path):
    """Except for times and memory; of a part of a split, too."""
    for name, limit in (("oracle", None), ("rules", 3)):
        path = run.evaluate(toy_task, model=name, limit=limit, out=tmp_path / "results")
        rescore.rescore(path, write=True)
        again = results.load(path)
        fresh = results.load(
            run.evaluate(toy_task, model=name, limit=limit, out=tmp_path / "fresh")
        )
        assert list(again.data) == list(fresh.data) and again.scorer == {"version": "9.0.0"}
        for part in ("metrics", "by_slice", "failures", "scorer", "run", "dataset"):
            assert again.data[part] == fresh.data[part]
        assert again.rows == fresh.rows and not rescore.rescore(path).changed


def test_scores_by_log_probability_are_those_of_what_is_written(toy_tasks, tmp_path, monkeypatch):
    """Log-probabilities are rounded when written; the score is that of the rounded ones."""
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


def test_kill_between_the_two_files_is_repaired(runs, harsher, monkeypatch):
    """The predictions are new and the result is old: refused, and repaired by the next run."""
    path = runs["oracle"]
    with monkeypatch.context() as patched:
        patched.setattr(io, "write_json", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rescore.rescore(path, write=True)
    with pytest.raises(DataError, match=r"exact\.mean is 1"):
        results.load(path)
    assert rescore.rescore(path, write=True).moved
    assert results.load(path).scorer == {"version": "9.0.0"}


def test_what_is_not_of_the_run_s_data_and_prompt_is_refused(runs, toy_task):
    path = runs["oracle"]
    record, rows = io.read_json(path), io.read_jsonl(path.with_suffix(PREDICTIONS))
    for spoiled, message in (
        (rows[:-1], "7 predictions for 7 cases"),
        ([*rows[:-1], rows[0]], "8 predictions for 7 cases"),
        ([{**rows[0], "id": "toy-9"}, *rows[1:]], "unknown: toy-9"),
    ):
        io.write_jsonl(path.with_suffix(PREDICTIONS), spoiled)
        with pytest.raises(DataError, match=message):
            rescore.rescore(path, write=True)
    path.with_suffix(PREDICTIONS).unlink()
    with pytest.raises(DataError, match="No such file"):
        rescore.rescore(path)
    io.write_jsonl(path.with_suffix(PREDICTIONS), rows)
    io.write_json(path, record | {"prompt": record["prompt"] | {"name": "plane"}})
    with pytest.raises(UnknownName, match="unknown prompt of toy 'plane'; did you mean 'plain'"):
        rescore.rescore(path)
    io.write_json(path, record | {"split": "dev"})
    with pytest.raises(DataError, match="has nothing"):
        rescore.rescore(path)
    io.write_json(path, record)
    changed = toy_task.build()
    changed["test"][0]["input"]["text"] += "!"
    toy_task.write(changed, toy_task.folder)
    with pytest.raises(DataError, match="a run is scored on the data it ran on"):
        rescore.rescore(path, write=True)


def test_command_prints_what_moved_and_writes_only_when_told(runs, harsher, tmp_path, capsys):
    folder, before = tmp_path / "results", files(tmp_path)
    assert rescore.main([str(folder)]) == 0 and files(tmp_path) == before
    text = capsys.readouterr().out
    assert text.count("scorer ") == 2 and "Exact" in text
    assert "2 of 2 results scored; nothing was written, use --write." in text
    io.write_json(folder / "result.schema.json", {})  # is not a result
    assert rescore.main(["--write", str(folder)]) == 0 and files(tmp_path) != before
    assert rescore.main([str(runs["oracle"])]) == 0
    assert "no metric moved" in capsys.readouterr().out


def test_command_goes_on_after_a_broken_run_and_fails(runs, tmp_path, capsys):
    runs["oracle"].write_text("{")
    assert rescore.main([str(tmp_path / "results")]) == 1
    shown = capsys.readouterr()
    assert "1 of 2 results scored" in shown.out and "not readable as JSON" in shown.err
    assert rescore.main([str(tmp_path / "data")]) == 1, "there is nothing to score"
    with pytest.raises(DataError, match="does not exist"):
        rescore.main([str(tmp_path / "nowhere")])
