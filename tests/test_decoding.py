"""Schema-constrained decoding: only valid answers can be written, whatever the model wants."""

import calendar
import json
import re

import pytest
import xgrammar
from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer

from slmlib import decoding, paths
from slmlib.edgejson import grammars, schemas
from slmlib.engines import Request
from slmlib.engines.transformers import Transformers

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


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "array", "items": True}, "a schema that is no object"),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            "additionalProperties that is a schema",
        ),
        ({"type": "string", "format": "phone"}, "format phone"),
        ({"type": "string", "pattern": "^a+$", "maxLength": 3}, "a length beside a pattern"),
        ({"type": "object", "properties": {"b": {"type": "number", "exclusiveMinimum": 0}}}, "exclusiveMin"),
    ],
)
def test_what_a_grammar_would_drop_is_refused_wherever_it_stands(part, words):
    """Each is a legal schema, and some grammar would pass over it in silence."""
    schema = {"type": "object", "properties": {"a": part}}
    with pytest.raises(decoding.UnsupportedSchema, match=words):
        decoding.grammar_text(schema)


def test_numbers_end_under_every_grammar():
    """Zeros without an end are valid decimals, and a model that starts them may never stop."""
    for kind in ("number", ["number", "null"]):
        bounded = {"type": kind, "minimum": 0, "maximum": 99}
        schema = {"type": "object", "required": ["a"], "additionalProperties": False}
        matcher = LLMatcher(LLTokenizer("byte"), decoding.lark(schema | {"properties": {"a": bounded}}))
        written = b'{"a": 1.' + b"0" * 50
        assert matcher.try_consume_tokens(list(written)) < len(written)


def test_a_property_may_have_the_name_of_a_keyword():
    """Names are the schema's own: only keywords are checked."""
    schema = {"type": "object", "properties": {"contains": {"type": "integer"}, "x-y": {"type": "integer"}}}
    assert set(json.loads(decoding.grammar_text(schema))["properties"]) == {"contains", "x-y"}


def test_dates_are_those_of_the_calendar():
    """Every day of four centuries, and nothing like a day that there is not."""
    pattern = re.compile(decoding.FORMATS["date"])
    for year in (*range(1890, 2110), 1, 4, 400, 999, 2000, 2400, 9999):
        for month in range(14):
            days = calendar.monthrange(year, month)[1] if 1 <= month <= 12 else 0
            for day in range(33):
                assert bool(pattern.fullmatch(f"{year:04}-{month:02}-{day:02}")) == (1 <= day <= days)
    assert not pattern.fullmatch("0000-01-01")


@pytest.mark.parametrize(
    ("moment", "taken"),
    [
        ("2024-02-29T23:59:59Z", True),
        ("2023-02-29T12:00:00Z", False),
        ("2026-05-01T24:00:00Z", False),
        ("2026-05-01T08:30:00.25+02:00", True),
        ("2026-05-01T08:30:00", False),
    ],
)
def test_moments_are_those_of_the_calendar(moment, taken):
    """Under the grammar of each engine, and for the validator."""
    schema = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    schema |= {"required": ["at"], "additionalProperties": False}
    assert (grammars.refusal(schema, {"at": moment}) is None) == taken
    checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert checker.is_valid({"at": moment}) == taken


@pytest.mark.parametrize("group", schemas.groups())
def test_every_schema_can_be_a_grammar(group):
    """A schema of the data that constrained decoding refuses could not be answered under it."""
    assert decoding.grammar_text(schemas.load(group))


def one_of_each() -> list[dict]:
    """The first published case of every schema, hand-designed and composed."""
    found = {}
    for split in ("train", "test_unseen"):
        for line in (paths.DATA / "edgejson" / f"{split}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            found.setdefault(row["group"], row)
    return list(found.values())


@pytest.mark.parametrize("row", one_of_each(), ids=lambda row: row["group"])
def test_the_grammar_written_out_is_the_same_grammar(row):
    """Engines that get it as text must take what the others take, and refuse what they refuse."""
    schema, written = row["input"]["schema"], json.dumps(row["target"], ensure_ascii=False)
    compiled = grammars._compiler().compile_grammar(decoding.ebnf(schema))
    for text, taken in ((written, True), (written[:-1] + ", ", False), (written.replace(": ", ":"), False)):
        matcher = xgrammar.GrammarMatcher(compiled)
        assert (matcher.accept_string(text) and matcher.accept_token(grammars.END)) == taken, text


def test_the_grammar_for_llama_cpp_takes_the_targets():
    """It is llguidance's own language, so llguidance can say."""
    for row in one_of_each()[:20]:
        matcher = LLMatcher(LLTokenizer("byte"), decoding.lark(row["input"]["schema"]))
        written = list(json.dumps(row["target"], ensure_ascii=False).encode())
        assert matcher.try_consume_tokens(written) == len(written) and matcher.is_accepting()


def test_a_pattern_that_needs_escapes_is_not_written_out():
    """Spelt out as rules it would match a bare quote."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[^x]{2}$"}}}
    with pytest.raises(decoding.UnsupportedSchema, match="may match a quote"):
        decoding.ebnf(schema)


def test_digits_are_spelt_out_for_servers():
    """Inside a class and outside; an escaped backslash before a d is none."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": r"^[A\d]\d\.\\d$"}}}
    assert decoding.portable(schema)["properties"]["a"]["pattern"] == r"^[A0-9][0-9]\.\\d$"


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
