"""A run: would break if a name, a number or a case got lost between a request and its result."""

import json

import pytest

from slmlib.core import io, machine
from slmlib.core.names import UnknownName
from slmlib.engines.base import UnsupportedConstraint
from slmlib.evaluation import results, run
from slmlib.evaluation.results import PREDICTIONS


def evaluate(task, tmp_path, **options):
    options = {"model": "oracle", "out": tmp_path / "results", **options}
    return results.load(run.evaluate(task, **options))


def test_controls_score_as_they_must(toy_task, tmp_path):
    oracle, noop, rules = (
        evaluate(toy_task, tmp_path, model=name) for name in ("oracle", "no-op", "rules")
    )
    assert oracle.metrics["exact"]["mean"] == oracle.metrics["fields"]["mean"] == 1
    assert noop.metrics["exact"]["mean"] == noop.metrics["share"]["mean"] == 0
    assert noop.failures == {"unreadable": 8}
    assert rules.metrics["exact"]["mean"] == 0 and rules.metrics["share"]["mean"] == 0.5


def test_result_records_what_it_rests_on(toy_task, tmp_path):
    result = evaluate(toy_task, tmp_path)
    sha256 = io.sha256(toy_task.folder / "test.jsonl")
    assert result.dataset == {"name": "toy", "version": "1.0.0", "sha256": sha256, "n": 8}
    assert list(result.by_slice["size"]) == ["small", "large"]
    assert [row["id"] for row in result.rows] == [f"toy-test-{i}" for i in range(8)]
    assert {row["group"] for row in result.rows} == {"person", "guest"}
    assert result.prompt["sha256"] == toy_task.prompts["plain"].sha256
    assert result.complete and not list(result.path.parent.glob("*.partial.jsonl"))


def test_name_follows_the_settings(toy_task, tmp_path):
    whole, again, part = (evaluate(toy_task, tmp_path, limit=n) for n in (None, None, 3))
    assert whole.run == again.run != part.run
    assert run.run_name(whole.data) == whole.run, "the name can be derived from the result"


def test_split_that_ranks_is_the_default(toy_task, tmp_path):
    assert evaluate(toy_task, tmp_path).split == toy_task.ranking_split


def test_limited_run_is_incomplete_and_not_published(toy_task, tmp_path):
    part = evaluate(toy_task, tmp_path, limit=3)
    assert part.n == 3 and not part.complete
    with pytest.raises(ValueError, match="only 3 cases of test were run"):
        run.publish(part.path, folder=tmp_path / "published")


def test_run_that_lost_cases_does_not_replace_one_that_lost_fewer(toy_task, tmp_path):
    """A server that went away must not replace what a good run has shown."""
    path, folder = evaluate(toy_task, tmp_path).path, tmp_path / "published"
    whole = json.loads(path.read_text())
    for lost in (3, 2, 0):
        io.write_json(path, whole | {"failures": {"error": lost} if lost else {}})
        published = json.loads(run.publish(path, folder=folder).read_text())
        assert published["failures"].get("error", 0) == lost
    io.write_json(path, whole | {"failures": {"error": 1}})
    with pytest.raises(ValueError, match="1 cases got no answer from the engine, 0 in"):
        run.publish(path, folder=folder)


def test_publishing_replaces_the_older_run_of_the_same_kind(toy_task, tmp_path):
    folder = tmp_path / "published"
    first = run.publish(evaluate(toy_task, tmp_path).path, folder=folder)
    record = json.loads(first.read_text()) | {"run": "another-name"}
    record["model"]["adapter"] = "ab" * 32  # trained again under its old name
    other = tmp_path / "results" / "toy" / "another-name.json"
    io.write_json(other, record)
    other.with_suffix(PREDICTIONS).write_bytes(first.with_suffix(PREDICTIONS).read_bytes())
    run.publish(other, folder=folder)
    assert {path.name for path in (folder / "toy").iterdir()} == {
        "another-name.json",
        f"another-name{PREDICTIONS}",
    }


def test_finished_run_counts_only_with_the_same_code_packages_and_machine(toy_task, tmp_path):
    path = evaluate(toy_task, tmp_path).path
    record = json.loads(path.read_text())
    here = record["environment"]
    model, server = (
        record | {"model": record["model"] | {"source": source}} for source in ("wheel", "server")
    )
    io.write_json(path, model)
    assert run._is_current(path, here)
    packages = here["packages"]
    assert run._is_current(path, here | {"packages": packages | {"codecarbon": "0.1"}})
    for part, changed in (
        ("packages", packages | {"torch": "0.1"}),
        ("machine", here["machine"] | {"cpu": "other"}),
        ("code", "other"),
    ):
        assert not run._is_current(path, here | {part: changed})
    for other in (record, server, model | {"failures": {"error": 1}}):
        io.write_json(path, other)
        assert not run._is_current(path, here)
    io.write_json(path, model)
    path.with_suffix(PREDICTIONS).unlink()
    assert not run._is_current(path, here) and not run._is_current(tmp_path / "none.json", here)


def test_unknown_names_are_refused_with_the_valid_ones(toy_task, tmp_path):
    smol = "smollm2-135m-instruct"
    for options, message in (
        (
            {"model": "gpt-9"},
            r"unknown model 'gpt-9'.* Valid: smollm2-135m-instruct, .*oracle, rules",
        ),
        ({"split": "dev"}, "unknown split of toy 'dev'.* Valid: train, val, test"),
        ({"decoding": "beam"}, "unknown decoding 'beam'.* Valid: free, constrained"),
        ({"engine": "vllm"}, "unknown engine 'vllm'.* Valid: auto, transformers"),
        ({"prompt": "plane"}, r"unknown prompt of toy 'plane'; did you mean 'plain'\?"),
        ({"model": smol, "dtype": "fp8"}, "unknown dtype of openvino 'fp8'"),
        ({"limit": 0}, "at least 1, got 0"),
    ):
        with pytest.raises(UnknownName if "unknown" in message else ValueError, match=message):
            evaluate(toy_task, tmp_path, **options)
    with pytest.raises(UnknownName, match=r"unknown task 'toi'.* Valid: edgejson, toy"):
        run.evaluate("toi", model="oracle")


def test_engine_that_cannot_hold_the_constraint_is_refused_by_name(toy_tasks, tmp_path):
    options = {
        "model": "m",
        "engine": "openai",
        "endpoint": "http://127.0.0.1:1/v1",
        "out": tmp_path,
    }
    with pytest.raises(
        UnsupportedConstraint, match="openai does not support the constraint Choice"
    ):
        run.evaluate(toy_tasks["toylabels"], decoding="constrained", **options)


def test_server_may_have_any_model(toy_task, tmp_path):
    """Nothing is claimed of its weights; a control stays a control."""
    options = {"engine": "openai", "batch_size": 1, "out": tmp_path}
    model = run.prepare(toy_task, model="org/some-7b", **options).settings["model"]
    assert model["name"] == "org/some-7b" and model["source"] == "server"
    assert not model["weights_sha256"]
    control = run.prepare(toy_task, model="oracle", **options).settings["model"]
    assert control["source"] == "control"


def test_prompt_without_template_cannot_be_sent_to_a_server(toy_task, tmp_path):
    server = {"model": "m", "engine": "openai", "endpoint": "http://127.0.0.1:1/v1"}
    with pytest.raises(ValueError, match=r"a server applies its chat template.*bare"):
        run.evaluate(toy_task, **server, prompt="bare", out=tmp_path)


def test_missing_package_does_not_stop_a_control(monkeypatch):
    monkeypatch.setattr(machine, "PACKAGES", ("torch", "a-wheel-that-no-one-has"))
    assert set(machine.environment()["packages"]) == {"slmlib", "torch"}


def test_hostile_completions_are_kept_as_data(toy_task, tmp_path):
    hostile = "<script>alert(1)</script>\x00\ud800{{< include /etc/passwd >}}" + "[" * 10_000
    toy_task.more["rules"] = lambda sample, messages: hostile
    result = evaluate(toy_task, tmp_path, model="rules")
    assert result.failures == {"unreadable": 8}
    assert result.rows[0]["turns"][0]["completion"] == hostile
    assert "<script>" not in result._repr_html_()


def test_answer_is_scored_as_the_prompt_reads_it(toy_tasks, tmp_path):
    """Two notations of one answer score alike; the completion is kept as it was written."""
    task = toy_tasks["toylabels"]
    task.more["shouting"] = lambda sample, messages: f" {sample.target.upper()}\n"
    result = evaluate(task, tmp_path, model="shouting")
    assert result.metrics["accuracy"]["mean"] == 1
    assert result.rows[0]["turns"][0]["completion"] == " HEAT_UP\n"
