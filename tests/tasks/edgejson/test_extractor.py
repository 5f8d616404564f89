"""The extractor: would break if what it returns were not valid, or an error did not say why."""

import json
import subprocess
import sys

import pytest

import slmlib
from slmlib.core import paths
from slmlib.engines.base import Completion, JsonSchema, UnsupportedConstraint
from slmlib.models import registry, weights
from slmlib.tasks.edgejson import extractor, schemas
from slmlib.tasks.edgejson.extractor import MODEL, ExtractionError, InvalidSchema, InvalidText

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

    def batches(self, requests):
        return [requests]

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


@pytest.fixture(scope="module")
def extract():
    return slmlib.Extractor("smollm2-135m-instruct")


def having(part) -> dict:
    return {"type": "object", "properties": {"a": part}}


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.model
def test_answers_of_a_model_are_valid(extract):
    """Also under a schema as Pydantic writes it."""
    answer = extract(TEXT, SCHEMA)
    assert set(answer) == {"name", "room"} and 1 <= answer["room"] <= 99
    answer = extract(TEXT, OPTIONAL)
    assert isinstance(answer["name"], str) and isinstance(answer.get("room"), int | None)


@pytest.mark.model
def test_a_text_that_is_too_long_is_an_error_in_its_place(extract):
    (fault,) = extract.batch([("word " * 9000, SCHEMA)])
    assert isinstance(fault, ExtractionError) and "context" in str(fault)


@pytest.mark.model
def test_the_published_model_reads():
    """The untuned model seldom does."""
    assert slmlib.Extractor(MODEL)(TEXT, SCHEMA) == {"name": "Ana Ruiz", "room": 12}


@pytest.mark.model
def test_the_published_model_loads_with_plain_peft():
    """And its record names the weights that are there."""
    from peft import PeftModel

    origin = weights.load("smollm2-135m-instruct").network
    before = origin.model.layers[7].mlp.down_proj.weight.clone()
    adapter = registry.get(MODEL).tuned
    loaded = PeftModel.from_pretrained(origin, adapter)
    assert weights.find(registry.get(MODEL)) == adapter
    after = loaded.merge_and_unload().model.layers[7].mlp.down_proj.weight
    assert 1e-3 < float((after - before).norm() / before.norm()) < 1


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
    with pytest.raises(UnsupportedConstraint, match=r"\$defs, .* constrained=False in Extractor"):
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
    (having({"type": ["string", "nul"]}), r"^\$\.properties\.a\.type: unknown type"),
    (having({"minLength": -1}), r"^\$\.properties\.a\.minLength: -1 is less than the minimum"),
    (having({"pattern": "("}), r"^\$\.properties\.a\.pattern: '\(' is not a 'regex'"),
    (having({"readOnly": "yes"}), r"^\$\.properties\.a\.readOnly: 'yes' is not of type 'boolean'"),
    ({"type": "array", "items": {"type": "string"}}, r"^\$\.type: .* not \"array\"\. Make it a"),
    ({"anyOf": [SCHEMA, {"type": "null"}]}, r"^\$: .* has no type.*Add \"type\": \"object\""),
    ({"properties": {}}, r"^\$: .* has no type.*Add \"type\": \"object\""),
    (having({"enum": ["\ud800"]}), "cannot be written as JSON: .*surrogates not allowed"),
    (having({"enum": {1}}), "cannot be written as JSON: Object of type set"),
    (having({"minimum": float("nan")}), "cannot be written as JSON: Out of range"),
]


def test_a_broken_schema_is_refused_before_a_model_is_asked(answering):
    """One kind of error, which says where the schema breaks which rule."""
    for constrained in (True, False):
        extract = answering(ANSWER, constrained=constrained)
        for schema, message in BROKEN:
            with pytest.raises(InvalidSchema, match=message) as caught:
                extract(TEXT, schema)
            assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)
        assert extract.engine.requests == []


def test_references_must_lead_somewhere(answering):
    extract = answering(ANSWER, constrained=False)
    with pytest.raises(InvalidSchema, match=r"the \$ref #/\$defs/Room leads nowhere"):
        extract(TEXT, having({"$ref": "#/$defs/Room"}))
    for target in ("#", "#/$defs/Room", "rooms#/$defs/Room", "#room"):
        schema = {"$id": "https://a.example/rooms", "$defs": {"Room": {"$anchor": "room"}}}
        assert extract(TEXT, schema | having({"$ref": target})) == json.loads(ANSWER)
    for schema in (  # these are followed only when an answer is validated
        {"type": "object", "$ref": "#"},
        {"type": "object", "properties": {"name": {"$ref": "#/properties/name"}}},
        {"type": "object", "properties": {"name": {"$dynamicRef": "https://a.example/nowhere"}}},
    ):
        with pytest.raises(ExtractionError, match="a reference in the schema leads to itself or"):
            extract(TEXT, schema)


def test_of_several_pairs_the_wrong_one_is_named(answering):
    extract = answering(ANSWER)
    for pair, kind, message in [
        ((TEXT, {"type": "array"}), InvalidSchema, r"^pair 2: \$\.type: "),
        ((TEXT, having({"oneOf": []})), InvalidSchema, r"^pair 2: \$\.properties\.a\.oneOf: "),
        ((TEXT, having({"not": {}})), UnsupportedConstraint, "^pair 2: .* cannot enforce not"),
        ((None, SCHEMA), TypeError, "^pair 2: expected a text and a schema, got NoneType"),
        (("caf\udce9", SCHEMA), InvalidText, r"^pair 2: the text is not valid Unicode: .* at 3\."),
    ]:
        with pytest.raises(kind, match=message):
            extract.batch([(TEXT, SCHEMA), pair])
    assert extract.engine.requests == []


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown model 'cyclecore'.*smollm2-135m-instruct"):
        slmlib.Extractor("cyclecore")


# --- the command --------------------------------------------------------------------------------


def test_a_bad_schema_file_is_named_before_a_model_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(extractor, "Extractor", None)
    path = tmp_path / "guest.json"
    for written, message in [
        ("[]", r"\$: a schema is a JSON object, not list"),
        ('{"type": "object",}', "not readable as JSON: .* line 1 column "),
        ('{"type": "strng"}', r"\$\.type: unknown type 'strng'"),
        ('{"type": "string"}', r"\$\.type: must be \"object\""),
        ('{"type": "object", "not": {}}', "constrained decoding cannot enforce "),
    ]:
        path.write_text(written)
        with pytest.raises(ValueError, match=rf"^\S+guest\.json: {message}") as caught:
            extractor.main([str(path)])
        assert "\n" not in str(caught.value)


def test_the_command_fails_with_one_line_before_a_model_is_loaded(tmp_path):
    path = tmp_path / "guest.json"
    for written, text, message in [
        ("[1]", TEXT.encode(), "error: "),
        (json.dumps(SCHEMA), b"caf\xe9", "error: standard input is not UTF-8: "),
    ]:
        path.write_text(written)
        command = [sys.executable, "-m", "slmlib", "extract", str(path), "--model", "none-such"]
        run = subprocess.run(command, capture_output=True, input=text, cwd=paths.ROOT)
        assert run.returncode == 1 and run.stdout == b""
        assert run.stderr.decode().startswith(message) and run.stderr.count(b"\n") == 1
