"""The extractor: would break if what it returns were not valid, or an error did not say why."""

import json
import subprocess
import sys

import pytest

import slmlib
from slmlib.core import paths
from slmlib.engines.base import Completion
from slmlib.engines.constraints import UnsupportedSchema
from slmlib.models import registry as models
from slmlib.tasks.edgejson import extractor, schemas
from slmlib.tasks.edgejson.extractor import ExtractionError, InvalidSchema, InvalidText

SCHEMA = {
    "type": "object",
    "required": ["name", "room"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 30},
        "room": {"type": "integer", "minimum": 1, "maximum": 99},
    },
}
TEXT = "Ana Ruiz has room 12 from Monday on."
ANSWER = '{"name": "Ana", "room": 12}'


class Engine:
    """Always answers alike, and keeps what it was asked."""

    def __init__(self, text: str, finish: str):
        self.text, self.finish, self.asked = text, finish, []

    def batches(self, requests):
        return [requests]

    def generate(self, batch):
        self.asked += batch
        return [Completion(r.id, self.text, self.finish, 10, 5, 0.1, 0.1) for r in batch]


@pytest.fixture
def answering(monkeypatch):
    """An extractor whose model writes what it is told to."""

    def made(text: str, finish: str = "stop", **options) -> extractor.Extractor:
        monkeypatch.setattr(extractor.engines, "start", lambda *_, **__: Engine(text, finish))
        return slmlib.Extractor("smollm2-135m-instruct", **options)

    return made


@pytest.fixture(scope="module")
def extract():
    return slmlib.Extractor("smollm2-135m-instruct")


@pytest.mark.model
def test_what_comes_back_is_valid(extract):
    found = extract(TEXT, SCHEMA)
    assert set(found) == {"name", "room"} and 1 <= found["room"] <= 99 and isinstance(found["name"], str)


@pytest.mark.model
def test_a_schema_that_no_grammar_holds_is_refused_by_name(extract):
    with pytest.raises(UnsupportedSchema, match="cannot enforce oneOf"):
        extract(TEXT, {"oneOf": [SCHEMA]})


@pytest.mark.model
def test_a_text_that_is_too_long_has_an_error_in_its_place(extract):
    (fault,) = extract.batch([("word " * 9000, SCHEMA)])
    assert isinstance(fault, ExtractionError) and "do not fit the context" in str(fault)


@pytest.mark.model
def test_what_is_no_text_is_refused(extract):
    with pytest.raises(TypeError, match="a text and a schema are needed, not NoneType and dict"):
        extract(None, SCHEMA)


@pytest.mark.parametrize(
    ("text", "finish", "told"),
    [
        ('{"name": "Ana', "length", "longer than 400 tokens"),
        ("I cannot do that.", "stop", "no JSON object"),
        ('["Ana"]', "stop", "no JSON object"),
        ('{"name": "Ana", "room": 120}', "stop", r"breaks its schema: \$.room: 120 is greater than"),
    ],
)
def test_a_bad_answer_is_an_error_that_says_why(answering, text, finish, told):
    """A model that answers freely may write anything; what it wrote is kept."""
    with pytest.raises(ExtractionError, match=told) as caught:
        answering(text, finish, constrained=False)(TEXT, SCHEMA)
    assert caught.value.completion == text


def having(part) -> dict:
    return {"type": "object", "properties": {"a": part}}


BROKEN = [
    ({"type": "strng"}, r"^\$\.type: unknown type 'strng'; did you mean 'string'\?.* Mend this place"),
    (having({"type": ["string", "nul"]}), r"^\$\.properties\.a\.type: unknown type \['string', 'nul'\]"),
    (having({"minLength": -1}), r"^\$\.properties\.a\.minLength: -1 is less than the minimum of 0\. Mend"),
    (having({"pattern": "("}), r"^\$\.properties\.a\.pattern: '\(' is not a 'regex'"),
    (having({"readOnly": "yes"}), r"^\$\.properties\.a\.readOnly: 'yes' is not of type 'boolean'"),
    ({"type": "array", "items": {"type": "string"}}, r"^\$\.type: .* not \"array\"\. Make it a property"),
    ({"type": "string"}, r"^\$\.type: .* not \"string\"\. Make it a property"),
    ({"anyOf": [SCHEMA, {"type": "null"}]}, r"^\$: .* names no type\. Add \"type\": \"object\""),
    ({"properties": {}}, r"^\$: .* names no type\. Add \"type\": \"object\""),
    (having({"enum": ["\ud800"]}), "cannot be written as JSON: .*surrogates not allowed"),
    (having({"enum": {1}}), "cannot be written as JSON: Object of type set"),
    (having({"type": "integer", "minimum": float("nan")}), "cannot be written as JSON: Out of range"),
]


@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize(("schema", "told"), BROKEN)
def test_a_broken_schema_is_refused_before_a_model_is_asked(answering, schema, told, constrained):
    """One kind of error, which says where the schema breaks which rule."""
    extract = answering(ANSWER, constrained=constrained)
    with pytest.raises(InvalidSchema, match=told) as caught:
        extract(TEXT, schema)
    assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)
    assert extract.engine.asked == []


def test_a_reference_that_leads_nowhere_is_refused(answering):
    extract = answering(ANSWER, constrained=False)
    with pytest.raises(InvalidSchema, match=r"the \$ref #/\$defs/Room leads nowhere\. Add to \$defs"):
        extract(TEXT, having({"$ref": "#/$defs/Room"}))
    for there in ("#", "#/$defs/Room", "rooms#/$defs/Room", "#room"):
        schema = {"$id": "https://a.example/rooms", "$defs": {"Room": {"$anchor": "room"}}}
        assert extract(TEXT, schema | having({"$ref": there})) == json.loads(ANSWER)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "$ref": "#"},
        {"type": "object", "properties": {"name": {"$ref": "#/properties/name"}}},
        {"type": "object", "properties": {"name": {"$dynamicRef": "https://a.example/nowhere"}}},
    ],
)
def test_a_schema_that_cannot_be_followed_is_told(answering, schema):
    """A reference to itself, or one that is looked up only when an answer is checked."""
    with pytest.raises(ExtractionError, match="leads to itself or nowhere, so that the answer cannot be che"):
        answering(ANSWER, constrained=False)(TEXT, schema)


@pytest.mark.parametrize(
    ("pair", "kind", "told"),
    [
        ((TEXT, {"type": "array"}), InvalidSchema, r"^pair 2: \$\.type: "),
        ((TEXT, having({"oneOf": []})), InvalidSchema, r"^pair 2: \$\.properties\.a\.oneOf: "),
        ((TEXT, having({"not": {}})), UnsupportedSchema, "^pair 2: constrained decoding cannot enforce not"),
        ((None, SCHEMA), TypeError, "^pair 2: a text and a schema are needed"),
        (("caf\udce9", SCHEMA), InvalidText, r"^pair 2: the text is not Unicode: .* at 3\. Read it with"),
    ],
)
def test_of_several_pairs_the_one_that_is_wrong_is_named(answering, pair, kind, told):
    extract = answering(ANSWER)
    with pytest.raises(kind, match=told):
        extract.batch([(TEXT, SCHEMA), pair])
    assert extract.engine.asked == []


def test_a_refused_schema_may_be_asked_for_without_a_grammar(answering):
    """As the refusal says: whatever the keywords, the question can be written, with its form."""
    room = {"anyOf": [{"$ref": "#/$defs/Room"}, {"type": "null"}]}
    parts = {"name": {"oneOf": [{"type": "string"}]}, "room": room, "tags": {"type": "array"}, "any": True}
    parts |= {"kind": {"const": "x"}, "unit": {"enum": ["a", None]}, "more": {"type": "object"}}
    parts |= {"note": {"type": ["null", "string"]}, "day": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}
    schema = {"type": "object", "properties": parts, "$defs": {"Room": {"type": "integer", "maximum": 20}}}
    with pytest.raises(UnsupportedSchema, match=r"cannot enforce \$defs, .* constrained=False in Extractor"):
        answering(ANSWER)(TEXT, schema)
    free = answering(ANSWER, constrained=False)
    assert free(TEXT, schema) == json.loads(ANSWER)
    question = free.engine.asked[0].messages[-1]["content"]
    assert schemas.compact(schema) in question
    assert question.endswith(
        '{"name": "...", "room": "...", "tags": ["..."], "any": "...", "kind": "x", "unit": "a", "more": {}, '
        '"note": "...", "day": 0}'
    )


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


def test_annotations_are_no_hindrance_and_the_model_is_shown_them(answering):
    extract = answering('{"name": "Ana", "room": null}')
    assert extract(TEXT, OPTIONAL) == {"name": "Ana", "room": None}
    (request,) = extract.engine.asked
    assert schemas.compact(OPTIONAL) in request.messages[-1]["content"] and request.schema == OPTIONAL


@pytest.mark.model
def test_a_model_answers_a_schema_as_pydantic_writes_it(extract):
    """Under the grammar that its engine makes of it."""
    found = extract(TEXT, OPTIONAL)
    assert isinstance(found["name"], str) and isinstance(found.get("room"), int | None)


FILES = [
    ("[]", r"\$: a schema is a JSON object, not list\. Give one such as"),
    ('{"type": "object",}', r"not readable as JSON: .* line 1 column .* Mend the file"),
    ('{"type": "strng"}', r"\$\.type: unknown type 'strng'"),
    ('{"type": "string"}', r"\$\.type: the schema must be of an object"),
    ('{"type": "object", "not": {}}', "constrained decoding cannot enforce "),
]


@pytest.mark.parametrize(("written", "told"), FILES)
def test_a_bad_schema_file_is_named_before_a_model_is_loaded(tmp_path, monkeypatch, written, told):
    monkeypatch.setattr(extractor, "Extractor", None)
    (tmp_path / "guest.json").write_text(written)
    with pytest.raises(ValueError, match=rf"^\S+guest\.json: {told}") as caught:
        extractor.main([str(tmp_path / "guest.json")])
    assert "\n" not in str(caught.value)


def test_the_command_prints_one_line(tmp_path):
    (tmp_path / "guest.json").write_text("[1]")
    command = [sys.executable, "-m", "slmlib.tasks.edgejson.extractor", str(tmp_path / "guest.json")]
    run = subprocess.run(command, capture_output=True, text=True, cwd=paths.ROOT, input=TEXT)
    assert run.returncode == 1 and run.stdout == ""
    assert run.stderr.startswith("error: ") and run.stderr.count("\n") == 1


def test_a_text_of_another_encoding_is_told_before_a_model_is_loaded(tmp_path):
    (tmp_path / "guest.json").write_text(json.dumps(SCHEMA))
    command = [
        sys.executable,
        "-m",
        "slmlib.tasks.edgejson.extractor",
        str(tmp_path / "guest.json"),
        "--model",
        "none-such",
    ]
    run = subprocess.run(command, capture_output=True, cwd=paths.ROOT, input=b"caf\xe9")
    assert run.returncode == 1 and run.stderr.startswith(b"error: standard input is not UTF-8: ")


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown model 'cyclecore'.*smollm2-135m-instruct"):
        slmlib.Extractor("cyclecore")


PUBLISHED = "cyclecore-mlm-135m-json"


@pytest.mark.model
def test_the_published_model_reads(capsys):
    """What the untuned model seldom does."""
    assert slmlib.Extractor(PUBLISHED)(TEXT, SCHEMA) == {"name": "Ana Ruiz", "room": 12}


@pytest.mark.model
def test_the_published_model_loads_with_plain_peft():
    """And its record names the weights that are there."""
    from peft import PeftModel

    origin = models.load("smollm2-135m-instruct").network
    before = origin.model.layers[7].mlp.down_proj.weight.clone()
    loaded = PeftModel.from_pretrained(origin, models.get(PUBLISHED).tuned)
    assert models.find(models.get(PUBLISHED)) == models.get(PUBLISHED).tuned
    after = loaded.merge_and_unload().model.layers[7].mlp.down_proj.weight
    assert 1e-3 < float((after - before).norm() / before.norm()) < 1
