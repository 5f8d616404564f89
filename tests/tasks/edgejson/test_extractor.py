"""The extractor: would break if what it returns were not valid, or an error did not say why."""

import io
import json
import re

import pytest

import slmlib
from slmlib import __main__
from slmlib.engines.base import Completion, JsonSchema, UnsupportedConstraint
from slmlib.tasks.edgejson import extractor, schemas
from slmlib.tasks.edgejson.extractor import ExtractionError, InvalidInput

SCHEMA = {
    "type": "object",
    "required": ["name", "room"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 30},
        "room": {"type": "integer", "minimum": 1, "maximum": 99},
    },
}
OPTIONAL = {
    "$id": "https://a.example/guest",
    "title": "Guest",
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 30, "examples": ["Bo Li"]},
        "room": {"anyOf": [{"type": "integer", "maximum": 99}, {"type": "null"}], "default": None},
    },
}
TEXT = "Ana Ruiz has room 12 from Monday on."
ANSWER = '{"name": "Ana", "room": 12}'


class Engine:
    """Always gives the same answer, and records its requests."""

    def __init__(self, text: str, finish: str):
        self.text, self.finish, self.requests = text, finish, []

    def generate(self, batch):
        self.requests += batch
        return [Completion(r.id, self.text, self.finish, 10, 5, 0.1, 0.1) for r in batch]


@pytest.fixture
def answering(monkeypatch):
    """An extractor whose model writes a given answer."""

    def start(text: str, finish: str = "stop", **options) -> extractor.Extractor:
        monkeypatch.setattr(extractor.launch, "start", lambda *_, **__: Engine(text, finish))
        return slmlib.Extractor("smollm2-135m-instruct", **options)

    return start


def having(part) -> dict:
    return {"type": "object", "properties": {"a": part}}


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.model
def test_the_published_model_reads_but_no_text_that_is_too_long():
    """Also under a schema as Pydantic writes it."""
    extract = slmlib.Extractor()
    assert extract(TEXT, SCHEMA) == {"name": "Ana Ruiz", "room": 12}
    answer = extract(TEXT, OPTIONAL)
    assert isinstance(answer["name"], str) and isinstance(answer.get("room"), int | None)
    answer, error = extract.batch([(TEXT, SCHEMA), ("word " * 9000, SCHEMA)])
    assert answer["room"] == 12 and isinstance(error, ExtractionError) and "context" in str(error)


def test_an_invalid_answer_is_an_error_that_says_why(answering):
    """A model that decodes without constraint may write anything; what it wrote is kept."""
    for text, finish, message in [
        ('{"name": "Ana', "length", "longer than 400 tokens"),
        ("I cannot do that.", "stop", "not a JSON object"),
        ('["Ana"]', "stop", "not a JSON object"),
        ('{"name": "Ana", "room": 120}', "stop", r"\$.room: 120 is greater than"),
    ]:
        with pytest.raises(ExtractionError, match=message) as caught:
            answering(text, finish, constrained=False)(TEXT, SCHEMA)
        assert caught.value.completion == text


def test_the_model_sees_annotations_that_no_grammar_enforces(answering):
    extract = answering('{"name": "Ana", "room": null}')
    assert extract(TEXT, OPTIONAL) == {"name": "Ana", "room": None}
    (request,) = extract.engine.requests
    assert schemas.compact(OPTIONAL) in request.messages[-1]["content"]
    assert request.constraint == JsonSchema(OPTIONAL)


def test_a_schema_that_no_grammar_enforces_can_be_used_without_constraint(answering):
    """Whatever the keywords, the prompt can be written, with its form."""
    properties = {
        "name": {"oneOf": [{"type": "string"}]},
        "room": {"anyOf": [{"$ref": "#/$defs/Room"}, {"type": "null"}]},
        "tags": {"type": "array"},
        "any": True,
        "kind": {"const": "x"},
        "unit": {"enum": ["a", None]},
        "more": {"type": "object"},
        "note": {"type": ["null", "string"]},
        "day": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    }
    rooms = {"Room": {"type": "integer", "maximum": 20}}
    schema = {"type": "object", "properties": properties, "$defs": rooms}
    with pytest.raises(UnsupportedConstraint, match=r"\$defs, .* Extractor\(constrained=False\)"):
        answering(ANSWER)(TEXT, schema)
    free = answering(ANSWER, constrained=False)
    assert free(TEXT, schema) == json.loads(ANSWER)
    question = free.engine.requests[0].messages[-1]["content"]
    assert schemas.compact(schema) in question
    form = {"name": "...", "room": "...", "tags": ["..."], "any": "...", "kind": "x", "unit": "a"}
    assert question.endswith(json.dumps(form | {"more": {}, "note": "...", "day": 0}))


# --- what is refused ----------------------------------------------------------------------------

BROKEN = [
    ({"type": "strng"}, r"^\$\.type: unknown type 'strng'; did you mean 'string'\?"),
    (having({"minLength": -1}), r"^\$\.properties\.a\.minLength: -1 is less than the minimum"),
    (having({"pattern": "("}), r"^\$\.properties\.a\.pattern: '\(' is not a 'regex'"),
    ({"type": "array", "items": {"type": "string"}}, r"^\$\.type: .* not \"array\"\. Make the"),
    ({"anyOf": [SCHEMA, {"type": "null"}]}, r"^\$\.type: must be \"object\", not null"),
    (True, r"^\$\.type: must be \"object\""),
    ("{}", r"^\$: '\{\}' is not of type 'object'"),
    (having({"enum": ["\ud800"]}), "cannot be written as JSON: .*surrogates not allowed"),
    (having({"enum": {1}}), "cannot be written as JSON: Object of type set"),
    (having({"minimum": float("nan")}), "cannot be written as JSON: Out of range"),
]


def test_a_broken_schema_is_refused_before_a_model_is_asked(answering):
    """One kind of error, which says where the schema breaks which rule."""
    for constrained in (True, False):
        extract = answering(ANSWER, constrained=constrained)
        for schema, message in BROKEN:
            with pytest.raises(InvalidInput, match=message) as caught:
                extract(TEXT, schema)
            assert "\n" not in str(caught.value)
        assert extract.engine.requests == []


def test_references_that_cannot_be_followed_are_errors(answering):
    extract = answering(ANSWER, constrained=False)
    for reference in ({"$ref": "#/properties/name"}, {"$dynamicRef": "https://a.example/nowhere"}):
        schema = {"type": "object", "properties": {"name": reference}}
        with pytest.raises(ExtractionError, match="a reference leads to itself or nowhere"):
            extract(TEXT, schema)


def test_a_text_that_is_not_unicode_is_refused(answering):
    with pytest.raises(InvalidInput, match=r"the text is not valid Unicode: .* at 3\."):
        answering(ANSWER)("caf\udce9", SCHEMA)


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown model 'cyclecore'.*smollm2-135m-instruct"):
        slmlib.Extractor("cyclecore")


# --- the command --------------------------------------------------------------------------------


def test_bad_input_is_named_in_one_line_before_a_model_is_loaded(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(extractor, "Extractor", None)
    path, good = tmp_path / "guest.json", json.dumps(SCHEMA)
    for written, text, message in [
        ("[]", b"", rf"{path}: \$: \[\] is not of type 'object'"),
        ('{"type": "object",}', b"", rf"{path}: not readable as JSON: .* line 1 column "),
        ('{"type": "strng"}', b"", rf"{path}: \$\.type: unknown type 'strng'"),
        ('{"type": "object", "not": {}}', b"", rf"{path}: constrained decoding cannot enforce "),
        (good, b"caf\xe9", "standard input is not UTF-8: "),
    ]:
        path.write_text(written)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert __main__.main(["extract", str(path)]) == 1
        out, err = capfd.readouterr()
        assert out == "" and re.fullmatch(f"error: {message}.*\n", err), err
