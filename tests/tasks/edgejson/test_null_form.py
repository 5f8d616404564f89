"""Answers with every key: would break if reading one back gave another answer than was written."""

import json

import jsonschema

from slmlib import tasks
from slmlib.tasks.edgejson import null_form

OPTIONAL = {
    "type": "object",
    "required": ["a", "kind"],
    "properties": {
        "a": {"type": "object", "properties": {"b": {"type": "integer"}}},
        "list": {
            "type": "array",
            "items": {"type": "object", "properties": {"c": {"enum": ["x"]}}},
        },
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "kind": {"enum": ["y", None]},
    },
}


def test_published_answers_read_back_and_are_valid_in_this_form():
    task = tasks.get("edgejson")
    for sample in (each for split in task.split_names() for each in task.load(split)):
        schema, target = sample.input["schema"], sample.target
        written = null_form.write(target, schema)
        assert null_form.read(written, schema) == target, sample.id
        jsonschema.validate(written, null_form.schema_of(schema))
        assert list(written) == list(schema["properties"]), sample.id


def test_null_is_kept_where_the_schema_allows_it():
    answer = {"a": {}, "kind": None, "list": [{}, {"c": "x"}]}
    written = null_form.write(answer, OPTIONAL)
    assert written == {
        "a": {"b": None},
        "list": [{"c": None}, {"c": "x"}],
        "maybe": None,
        "kind": None,
    }
    jsonschema.validate(written, null_form.schema_of(OPTIONAL))
    assert null_form.read(written, OPTIONAL) == answer | {"maybe": None}


def test_required_fields_may_not_be_null():
    schema = null_form.schema_of(OPTIONAL)
    assert not null_form.allows_null(schema["properties"]["a"])
    assert null_form.allows_null(schema["properties"]["list"])
    assert set(schema["required"]) == set(OPTIONAL["properties"])


def test_what_no_schema_declares_is_left_as_it_is():
    for answer in (None, 3, [1], {"new": None}, {"a": 3, "list": None, "kind": [None]}):
        assert null_form.read(answer, {"type": "object", "properties": {}}) == answer
    assert null_form.read({"a": 3, "list": None}, OPTIONAL) == {"a": 3}


def test_spans_cover_the_values_and_nothing_that_is_known():
    answer = {"a": {"b": 12}, "list": [{"c": "x"}, {}], "kind": None}
    text, spans = null_form.spans(answer, OPTIONAL)
    assert json.loads(text) == null_form.write(answer, OPTIONAL)
    pieces = [(text[start:end], optional) for start, end, optional in spans]
    assert pieces == [
        ("12", True), ("[", True), ('"x"', True), (", ", False), ("null", True), ("]", False),
        ("null", True), ("null", False),
    ]  # fmt: skip


def test_prompts_with_every_key_are_constrained_and_read_so():
    task = tasks.get("edgejson")
    sample = task.load("test", limit=1)[0]
    for name in ("zero-shot-compact-nulls", "zero-shot-schema-nulls"):
        prompt = task.prompts[name]
        schema = task.constraint(sample, prompt).schema
        written = null_form.write(sample.target, sample.input["schema"])
        jsonschema.validate(written, schema)
        assert json.loads(prompt.read(sample, json.dumps(written))) == sample.target
        assert prompt.read(sample, '{"a": ') == '{"a": '
    plain = task.constraint(sample, task.prompts["zero-shot-compact"]).schema
    assert plain == sample.input["schema"]
