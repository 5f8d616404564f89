"""Schema-constrained decoding: only valid answers can be written, whatever the model wants."""

import json

import pytest
from jsonschema import Draft202012Validator

from slmlib import decoding
from slmlib.edgejson import schemas
from slmlib.engines import Request, Transformers

SCHEMA = {
    "title": "T",
    "type": "object",
    "required": ["on", "kind"],
    "additionalProperties": False,
    "properties": {
        "on": {"type": "string", "format": "date"},
        "kind": {"enum": ["red", "blue"]},
        "tags": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "x-order": "set",
            "items": {"enum": ["a", "b"]},
        },
    },
    "x-rules": [{"rule": "count", "of": "/tags/*", "is": "/n"}],
}


def test_keys_for_validation_stay_out_of_the_grammar():
    """Rules and orders are not part of what a grammar can hold."""
    text = decoding.grammar_text(SCHEMA)
    assert "x-" not in text
    assert json.loads(text)["properties"]["tags"]["items"] == {"enum": ["a", "b"]}


def test_a_keyword_that_would_be_dropped_is_refused():
    """In silence, `multipleOf` would turn into any number."""
    schema = SCHEMA | {"properties": {"n": {"type": "number", "multipleOf": 0.5}}}
    with pytest.raises(decoding.UnsupportedSchema, match="cannot enforce multipleOf"):
        decoding.grammar_text(schema)


def test_a_property_may_have_the_name_of_a_keyword():
    """Names are the schema's own: only keywords are checked."""
    schema = {"type": "object", "properties": {"contains": {"type": "integer"}, "x-y": {"type": "integer"}}}
    assert set(json.loads(decoding.grammar_text(schema))["properties"]) == {"contains", "x-y"}


@pytest.mark.parametrize("group", schemas.groups())
def test_every_schema_can_be_a_grammar(group):
    """A schema of the data that constrained decoding refuses could not be answered under it."""
    assert decoding.grammar_text(schemas.load(group))


@pytest.mark.model
def test_answers_are_valid_and_free_rows_stay_free(loaded):
    """The untuned model would not keep to the schema by itself; beside it a row without one is as ever."""
    words = [{"role": "user", "content": "It was a blue one, on 3 May 2026. Answer in JSON."}]
    engine = Transformers(loaded, batch_size=3)
    bound = Request("bound", words, 60, "json", SCHEMA)
    free = Request("free", words, 12, "json")
    together = {c.id: c for c in engine.generate([bound, free])}
    alone = {c.id: c for c in engine.generate([free])}
    answer = json.loads(together["bound"].text)
    assert not list(Draft202012Validator(SCHEMA).iter_errors(answer))
    assert together["bound"].finish == "stop"
    assert together["free"].text == alone["free"].text
