"""EdgeJSON as a task: prompts, controls and scores of whole cases."""

import json
import re

import pytest
from jsonschema import Draft202012Validator

from slmlib import tasks
from slmlib.tasks.base import MODES, Sample
from slmlib.tasks.edgejson import prompts, rules, schemas
from slmlib.tasks.edgejson.task import TASK


@pytest.fixture(scope="module")
def samples():
    return TASK.load("test")


def answer(sample, control: str) -> str:
    """The answer of a control."""
    return TASK.controls[control](sample, TASK.prompts["one-shot"].messages(sample))


def test_task_is_found_by_its_name_and_ranks_by_unseen_schemas():
    assert tasks.get("edgejson") is TASK
    assert (TASK.ranking_metric.name, TASK.ranking_split) == ("json_exact", "test_unseen")


def test_versions_agree():
    """A task that names another version than its data would file results under the wrong one."""
    assert TASK.version == TASK.manifest()["version"]


def test_prompt_holds_schema_rule_and_text(samples):
    """A model can only be judged on what it was shown."""
    system, user = TASK.prompts["zero-shot-rules"].messages(samples[0])
    assert system["role"] == "system"
    assert schemas.for_prompt(samples[0].input["schema"]) in user["content"]
    assert samples[0].input["text"] in user["content"]
    assert "x-rules" not in user["content"]
    assert "Leave out" in user["content"]
    assert "YYYY-MM-DD" in user["content"]


def test_braces_in_a_text_do_not_break_the_prompt(samples):
    """Texts are data: `{name}` in one is not a field of the template."""
    row = samples[0]
    odd = Sample(**{**vars(row), "input": {**row.input, "text": "{schema} {0} }{"}})
    assert "{schema} {0} }{" in TASK.prompts["zero-shot-rules"].messages(odd)[1]["content"]


def test_worked_samples_are_right():
    """A model shown a wrong answer would learn it; and none is of a domain of the data."""
    for schema, text, target in prompts.EXAMPLES:
        assert not list(Draft202012Validator(schema).iter_errors(target)), schema["title"]
        assert list(target) == [key for key in schema["properties"] if key in target] and text
    assert len({schema["title"] for schema, *_ in prompts.EXAMPLES}) == 3


def test_prompts_differ_and_name_what_they_are():
    """Shots and wording are in the name; two prompts of one hash would be one."""
    assert set(TASK.default_prompts) == set(MODES) and set(TASK.default_prompts.values()) <= set(
        TASK.prompts
    )
    assert len({prompt.sha256 for prompt in TASK.prompts.values()}) == len(TASK.prompts) == 13
    for name, prompt in TASK.prompts.items():
        assert prompt.name == name and len(prompt.shots) == prompts.SHOTS[name.partition("-")[0]]
        assert prompt.chat == (not name.endswith("-bare"))


def test_oracle_is_right_everywhere(samples):
    """If the truth does not score 1, no model can."""
    for sample in samples:
        assert TASK.score_text(sample, answer(sample, "oracle")).scores["json_exact"] == 1


def test_no_answer_is_never_right(samples):
    """A case that an empty answer passes would reward silence."""
    for sample in samples:
        for completion in ("", "{}", "null"):
            scores = TASK.score_text(sample, completion).scores
            assert scores["json_exact"] == scores["field_f1"] == 0


def test_rules_are_an_honest_opponent(samples):
    """Rules that score nothing are a straw man; rules that score well mean dull texts."""
    scores = [TASK.score_text(sample, answer(sample, "rules")).scores for sample in samples]
    assert 0 < sum(s["json_exact"] for s in scores) / len(scores) <= 0.3
    assert sum(s["field_f1"] for s in scores) / len(scores) > 0.4


@pytest.mark.parametrize(
    ("properties", "text", "expected"),
    [
        (
            {"paid_on": {"type": "string", "format": "date"}},
            "Sent 3 May 2026, paid on 1 May 2026.",
            {"paid_on": "2026-05-01"},
        ),
        ({"total": {"type": "number"}}, "net 10.50, total 12.60", {"total": 12.6}),
        ({"currency": {"enum": ["EUR", "GBP"]}}, "It was £12.", {"currency": "GBP"}),
        (
            {"code": {"type": "string", "pattern": "^[A-Z]{2}\\d{4}$"}},
            "meter AB 12 34 in the hall",
            {"code": "AB1234"},
        ),
        ({"room": {"type": "string", "maxLength": 9}}, "Room: study\nFan: on", {"room": "study"}),
        (
            {"at": {"type": "string", "format": "date-time"}},
            "2026-01-02 03:04:05Z up",
            {"at": "2026-01-02T03:04:05Z"},
        ),
        ({"on": {"type": "boolean"}}, "fragile: yes", {"on": True}),
        ({"name": {"type": "string"}}, "nobody here", {}),
    ],
)
def test_rules_read_everyday_formats(properties, text, expected):
    """The rules know formats, not the generator."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    sample = Sample("x", "edgejson", "test", "g", {}, {"text": text, "schema": schema}, {}, {})
    assert json.loads(rules.extract(sample)) == expected


PARTS = {"type": "array", "x-order": "set", "items": {"type": "object"}}
NUMBERS = {"mass": {"type": "number"}, "parts": PARTS, "note": {"type": "string"}}


def judged(target: dict, answer: dict) -> tuple[Sample, dict]:
    """A case of `NUMBERS` and its prediction row."""
    given = {"text": "", "schema": {"type": "object", "properties": NUMBERS}}
    sample = Sample("x", "edgejson", "test", "g", {}, given, target, {"evidence": {}})
    text = json.dumps(answer)
    score, turns = TASK.score_text(sample, text), [{"completion": text}]
    return sample, {"id": "x", "turns": turns, "failure": score.failure, "scores": score.scores}


def test_outcomes_shown_are_those_of_the_scorer():
    """4 is 4.0 where the schema says number, and items of a set are matched wherever they are."""
    target = {"mass": 4.0, "parts": [{"id": "a", "n": 1}, {"id": "b"}]}
    shown = TASK.render_score(*judged(target, {"mass": 4, "parts": target["parts"][::-1]}))
    assert shown.count("| right |") == 4 and "wrong value" not in shown
    assert '| parts/0/id → parts/1/id | "a" | "a" | right |' in shown
    shown = TASK.render_score(*judged(target, {"mass": True, "parts": [{"id": "b"}], "note": "c"}))
    outcomes = re.findall(r"\| ([a-z ]+) \|$", shown, re.MULTILINE)
    assert sorted(outcomes) == ["invented", "omitted", "omitted", "right", "wrong value"]


def test_answers_without_a_wrong_value_are_counted_by_the_scorer_s_matching():
    """Also where the first item of a list is missing, but not where an object has become text."""
    target = {"mass": 4.0, "parts": [{"id": "a"}, {"id": "b"}], "note": "x"}
    lacking = {"mass": 4.0, "parts": [{"id": "b"}]}
    answers = [(lacking, 1), (target | {"mass": 5}, 0), (target | {"parts": "a, b"}, 0)]
    for answer, count in [*answers, ({"mass": 4}, 1), ({"mass": True}, 0)]:
        sample, row = judged(target, answer)
        numbers = TASK.report.run_numbers({"x": sample}, [row])
        assert numbers["presence_only_n"] == count, answer


def test_rules_never_fail(samples):
    """The control must answer whatever it is given."""
    for text in ("", "{}[]\\", "31.02.2026 99:99 +", "\ud7ff" * 50):
        for sample in samples[:15]:
            json.loads(
                rules.extract(Sample(**{**vars(sample), "input": {**sample.input, "text": text}}))
            )
