"""EdgeJSON as a task: prompts, controls and scores of whole cases."""

import json
import re
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from slmlib import tasks
from slmlib.tasks.base import MODES, Sample
from slmlib.tasks.edgejson import prompts, rules, schemas
from slmlib.tasks.edgejson.task import TASK


@pytest.fixture(scope="module")
def samples():
    return TASK.load("test")


def test_task_is_found_by_its_name_and_is_of_its_data():
    """A task that names another version than its data would file results under the wrong one."""
    assert tasks.get("edgejson") is TASK
    assert TASK.version == TASK.manifest()["version"]


def test_prompt_holds_schema_rule_and_text_whatever_the_text_is(samples):
    """Texts are data: `{name}` in one is not a field of the template."""
    text, schema = "{schema} {0} }{", samples[0].input["schema"] | {"x-rules": []}
    odd = replace(samples[0], input={"text": text, "schema": schema})
    system, user = TASK.prompts["zero-shot-rules"].messages(odd)
    assert system["role"] == "system"
    for part in (schemas.for_prompt(schema), text, "Leave out", "YYYY-MM-DD"):
        assert part in user["content"], part
    assert "x-rules" not in user["content"]


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
    assert len({prompt.sha256 for prompt in TASK.prompts.values()}) == len(TASK.prompts) == 16
    for name, prompt in TASK.prompts.items():
        assert prompt.name == name and len(prompt.shots) == prompts.SHOTS[name.partition("-")[0]]
        assert prompt.chat == (not name.endswith("-bare"))


def test_controls_behave(samples):
    """If the truth does not score 1, no model can; rules that score nothing are a straw man."""
    scores = {name: [] for name in TASK.controls}
    for sample in samples:
        for name, control in TASK.controls.items():
            scores[name].append(TASK.score_text(sample, control(sample, ())).scores)
    assert all(score["json_exact"] == 1 for score in scores["oracle"])
    assert all(score["json_exact"] == score["field_f1"] == 0 for score in scores["no-op"])
    assert 0 < sum(score["json_exact"] for score in scores["rules"]) / len(samples) <= 0.3
    assert sum(score["field_f1"] for score in scores["rules"]) / len(samples) > 0.4


READ = [  # schema of the field, text, value
    ({"type": "string", "format": "date"}, "Sent 3 May 2026, due 1 May 2026.", "2026-05-01"),
    ({"type": "number"}, "net 10.50, due 12.60", 12.6),
    ({"enum": ["EUR", "GBP"]}, "It was £12.", "GBP"),
    ({"type": "string", "pattern": "^[A-Z]{2}\\d{4}$"}, "meter AB 12 34 in the hall", "AB1234"),
    ({"type": "string", "maxLength": 9}, "Due: study\nFan: on", "study"),
    (
        {"type": "string", "format": "date-time"},
        "2026-01-02 03:04:05Z up",
        "2026-01-02T03:04:05Z",
    ),
    ({"type": "boolean"}, "fragile: yes", True),
    ({"type": "string"}, "nobody here", None),
]


def test_rules_read_everyday_formats_and_never_fail(samples):
    """The rules know formats, not the generator, and answer whatever they are given."""
    for node, text, value in READ:
        schema = {"type": "object", "properties": {"due": node}, "required": ["due"]}
        sample = replace(samples[0], input={"text": text, "schema": schema})
        assert json.loads(rules.extract(sample)).get("due") == value, text
    for text in ("", "{}[]\\", "31.02.2026 99:99 +", "\ud7ff" * 50):
        for sample in samples[:15]:
            json.loads(rules.extract(replace(sample, input={**sample.input, "text": text})))


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
