"""A run: would break if a name, a number or a case got lost between a request and its result."""

import json

import pytest

from slmlib.core import io, machine
from slmlib.core.names import UnknownName
from slmlib.evaluation import results
from slmlib.evaluation import run as running
from slmlib.evaluation.run import publish


def run(task, tmp_path, **options):
    return results.load(running.evaluate(task, out=tmp_path / "results", **{"model": "oracle", **options}))


def test_controls_score_as_they_must(toy_task, tmp_path):
    oracle, noop, rules = (run(toy_task, tmp_path, model=name) for name in ("oracle", "no-op", "rules"))
    assert oracle.metrics["json_exact"]["mean"] == oracle.metrics["field_f1_micro"]["mean"] == 1
    assert noop.metrics["json_exact"]["mean"] == noop.metrics["field_f1"]["mean"] == 0
    assert noop.failures == {"no_json": 8}
    assert rules.metrics["json_exact"]["mean"] == 0 < rules.metrics["field_f1"]["mean"] < 1


def test_a_result_says_what_it_rests_on(toy_task, tmp_path):
    result = run(toy_task, tmp_path)
    assert result.dataset == {"name": "toy", "version": "1.0.0", "n": 8,
                              "sha256": io.sha256(toy_task.folder / "test.jsonl")}  # fmt: skip
    assert set(result.by_tier) == {"simple", "medium"} and set(result.by_group) == {"person", "guest"}
    assert [row["id"] for row in result.predictions()] == [f"toy-test-{i}" for i in range(8)]
    assert result.prompt["sha256"] == toy_task.prompts["zero-shot"].sha256
    assert result.complete and not list(result.path.parent.glob("*.partial.jsonl"))


def test_the_name_follows_the_settings(toy_task, tmp_path):
    whole, again, part = (run(toy_task, tmp_path, limit=limit).run for limit in (None, None, 3))
    assert whole == again != part


def test_a_limited_run_is_incomplete_and_not_published(toy_task, tmp_path):
    part = run(toy_task, tmp_path, limit=3)
    assert part.n == 3 and not part.complete
    with pytest.raises(ValueError, match="not all cases of test were run"):
        publish(part.path, folder=tmp_path / "published")


def test_a_run_that_lost_cases_does_not_replace_one_that_did_not(toy_task, tmp_path):
    """A server that went away must not take the place of what a good run has shown."""
    path, folder = run(toy_task, tmp_path).path, tmp_path / "published"
    whole = json.loads(path.read_text())
    for lost in (3, 2, 0):  # each better than the one before it
        io.write_json(path, whole | {"failures": {"error": lost} if lost else {}})
        assert json.loads(publish(path, folder=folder).read_text())["failures"].get("error", 0) == lost
    io.write_json(path, whole | {"failures": {"error": 1}})
    with pytest.raises(ValueError, match="1 cases got no answer from the engine, more than in"):
        publish(path, folder=folder)


def test_a_result_stands_only_for_the_same_code_and_surroundings(toy_task, tmp_path):
    path = run(toy_task, tmp_path).path
    record, here = json.loads(path.read_text()), machine.environment()
    of_a_model, of_a_server = (
        record | {"model": record["model"] | {"source": s}} for s in ("wheel", "server")
    )
    io.write_json(path, of_a_model)
    assert running._stands(path, here)
    for part in ("packages", "machine", "code"):
        assert not running._stands(path, here | {part: "other"})
    for other in (record, of_a_server, of_a_model | {"failures": {"error": 1}}):
        io.write_json(path, other)
        assert not running._stands(path, here)
    io.write_json(path, of_a_model)
    path.with_suffix(".predictions.jsonl.gz").unlink()
    assert not running._stands(path, here) and not running._stands(tmp_path / "none.json", here)


def test_the_hash_of_the_code_is_that_of_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.slmlib, "__file__", str(tmp_path / "__init__.py"))
    found = {machine.code()}
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.py", "2"), ("b.pyc", "3")):
        (tmp_path / name).write_text(text)
        found.add(machine.code())
    assert len(found) == 4


def test_publishing_replaces_the_older_run_of_the_same_kind(toy_task, tmp_path, monkeypatch):
    folder = tmp_path / "published"
    first = publish(run(toy_task, tmp_path).path, folder=folder)
    monkeypatch.setattr("slmlib.tasks.edgejson.scoring.VERSION", "9.9.9")
    record = json.loads(first.read_text()) | {"run": "another-name"}
    record["model"]["adapter"] = "ab" * 32  # trained anew under its old name
    io.write_json(tmp_path / "results" / "toy" / "another-name.json", record)
    predictions = first.with_suffix(".predictions.jsonl.gz").read_bytes()
    (tmp_path / "results" / "toy" / "another-name.predictions.jsonl.gz").write_bytes(predictions)
    publish(tmp_path / "results" / "toy" / "another-name.json", folder=folder)
    assert {path.name for path in (folder / "toy").iterdir()} == {
        "another-name.json", "another-name.predictions.jsonl.gz"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "gpt-9"}, r"unknown model 'gpt-9'.* Valid: smollm2-135m-instruct, .*no-op, oracle, rules"),
        ({"split": "dev"}, "unknown split of toy 'dev'.* Valid: test"),
        ({"decoding": "beam"}, "unknown decoding 'beam'.* Valid: free"),
        ({"engine": "vllm"}, "unknown engine 'vllm'.* Valid: auto, transformers"),
        ({"prompt": "one-shot"}, r"unknown prompt of toy 'one-shot'; did you mean 'zero-shot'\?"),
        ({"model": "smollm2-135m-instruct", "dtype": "fp8"}, "unknown dtype of openvino 'fp8'"),
    ],
)
def test_unknown_names_are_refused_with_the_valid_ones(toy_task, tmp_path, options, message):
    with pytest.raises(UnknownName, match=message):
        run(toy_task, tmp_path, **options)


def test_a_server_may_have_any_model(toy_task, tmp_path):
    """Its name is taken as it is, and nothing is claimed of its weights; a control stays a control."""
    options = {"split": "test", "prompt": "zero-shot", "decoding": "free", "engine": "openai"}
    options |= {"dtype": "auto", "batch_size": 1, "limit": None, "out": tmp_path}
    model = running.prepare(toy_task, model="org/some-7b", **options).settings["model"]
    assert model["name"] == "org/some-7b" and model["source"] == "server" and not model["weights_sha256"]
    assert running.prepare(toy_task, model="oracle", **options).settings["model"]["source"] == "control"


def test_a_lacking_engine_does_not_stop_a_control(monkeypatch):
    """Versions are told of what is there."""
    monkeypatch.setattr(machine, "PACKAGES", ("torch", "a-wheel-that-no-one-has"))
    assert set(machine.environment()["packages"]) == {"slmlib", "torch"}


def test_a_prompt_without_template_cannot_be_asked_of_a_server(tmp_path):
    """Before the first case, and not as an error of each."""
    server = {"model": "m", "engine": "openai", "endpoint": "http://127.0.0.1:1/v1"}
    with pytest.raises(ValueError, match=r"a server applies its chat template.*one-shot-schema-bare"):
        running.evaluate("edgejson", **server, prompt="one-shot-schema-bare", out=tmp_path)


def test_a_limit_below_one_is_refused(toy_task, tmp_path):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        run(toy_task, tmp_path, limit=0)


def test_hostile_completions_are_kept_as_data(toy_task, tmp_path):
    import dataclasses

    hostile = "<script>alert(1)</script>\x00\ud800{{< include /etc/passwd >}}" + "[" * 10_000
    task = dataclasses.replace(toy_task, rules=lambda example: hostile)
    result = run(task, tmp_path, model="rules")
    assert result.failures == {"no_json": 8}
    assert "<script>" not in result._repr_html_()


def test_peak_memory_is_that_of_the_process(toy_task, tmp_path):
    peak = run(toy_task, tmp_path).throughput["peak_memory_bytes"]
    assert 0 < peak <= machine.peak_memory()
