"""Schema-constrained decoding: only valid answers can be written, whatever the model wants."""

import calendar
import json
import random
import re

import numpy as np
import pytest
import xgrammar
from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer

from slmlib.core import paths
from slmlib.engines import constraints
from slmlib.engines.base import Request
from slmlib.engines.transformers import Transformers
from slmlib.tasks.edgejson import schemas, scoring
from slmlib.tasks.edgejson.generate import grammars

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
    text = constraints.grammar_text(SCHEMA)
    assert "x-" not in text
    assert json.loads(text)["properties"]["tags"]["items"] == {"enum": ["a", "b"]}


def test_a_keyword_that_would_be_dropped_is_refused():
    """In silence, `multipleOf` would turn into any number."""
    schema = SCHEMA | {"properties": {"n": {"type": "number", "multipleOf": 0.5}}}
    with pytest.raises(constraints.UnsupportedSchema, match="cannot enforce multipleOf"):
        constraints.grammar_text(schema)


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
        ({"type": "string", "format": "email", "maxLength": 9}, "a length beside a pattern or format"),
        ({"type": "string", "format": "date", "pattern": "^2"}, "a format beside a pattern"),
        ({"type": "object", "properties": {"b": {"type": "number", "exclusiveMinimum": 0}}}, "exclusiveMin"),
        ({"enum": ["a", "bc"], "maxLength": 1}, "a bound beside enum"),
        ({"minimum": 3}, "a bound without a type"),
        ({"type": "string", "pattern": r"^a|[(|]b$"}, "whose choice is not in brackets"),
    ],
)
def test_what_a_grammar_would_drop_is_refused_wherever_it_stands(part, words):
    """Each is a legal schema, and some grammar would pass over it in silence."""
    schema = {"type": "object", "properties": {"a": part}}
    with pytest.raises(constraints.UnsupportedSchema, match=words):
        constraints.grammar_text(schema)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "integer", "minimum": 5, "maximum": 1},
        {"type": "string", "pattern": "^(?=a)b$"},
        {"type": "integer", "const": "a"},
    ],
)
def test_a_schema_that_nothing_satisfies_is_refused(part):
    """llama.cpp says nothing where it cannot read a grammar: it answers free."""
    schema = {"type": "object", "required": ["a"], "additionalProperties": False, "properties": {"a": part}}
    with pytest.raises(constraints.UnsupportedSchema, match=r"cannot be made|a choice of another type"):
        constraints.lark(schema)


def test_a_choice_in_brackets_is_no_choice_of_patterns():
    for pattern in (r"^(a|(b|c))$", r"^[|]\|\($"):
        constraints.grammar_text({"type": "string", "pattern": pattern})


@pytest.mark.parametrize(
    ("answer", "begins", "stands"),
    [
        ('{"on": "2026-05-03", "kind": "red"}', True, True),
        ('{"on": "2026-05', True, False),
        ('{"on": "3 May', False, False),
    ],
)
def test_whether_an_answer_follows_its_grammar(answer, begins, stands):
    """Whole, cut off at the limit, or gone astray."""
    assert constraints.follows(SCHEMA, answer, whole=False) == begins
    assert constraints.follows(SCHEMA, answer, whole=True) == stands


def test_numbers_end_under_every_grammar():
    """Zeros without an end are valid decimals, and a model that starts them may never stop."""
    for kind in ("number", ["number", "null"]):
        bounded = {"type": kind, "minimum": 0, "maximum": 99}
        schema = {"type": "object", "required": ["a"], "additionalProperties": False}
        matcher = LLMatcher(LLTokenizer("byte"), constraints.lark(schema | {"properties": {"a": bounded}}))
        written = b'{"a": 1.' + b"0" * 50
        assert matcher.try_consume_tokens(list(written)) < len(written)


def test_a_property_may_have_the_name_of_a_keyword():
    """Names are the schema's own: only keywords are checked."""
    names = ("contains", "x-y", "default", "examples", "readOnly", "$id", "anyOf", "$ref")
    schema = {"type": "object", "properties": {name: {"type": "integer"} for name in names}}
    assert tuple(json.loads(constraints.grammar_text(schema))["properties"]) == names


def test_what_demands_nothing_is_left_out_of_the_grammar():
    """At any depth; a default is a value, in which nothing is a keyword."""
    silent = {"$id": "https://a.example/b", "$comment": "c", "default": {"oneOf": 1}, "examples": [None]}
    silent |= {"deprecated": True, "readOnly": False, "writeOnly": True, "contentMediaType": "text/plain"}
    tags = SCHEMA["properties"]["tags"]
    noted = SCHEMA["properties"] | {"tags": tags | silent | {"items": tags["items"] | silent}}
    schema = SCHEMA | silent | {"properties": noted}
    Draft202012Validator.check_schema(schema)
    assert constraints.grammar_text(schema) == constraints.grammar_text(SCHEMA)


@pytest.mark.parametrize(
    ("keyword", "fix"),
    [
        ("oneOf", 'decode free: constrained=False in Extractor, decoding="free" in an evaluation'),
        ("$ref", r"Inline definitions: write each in the place of its \$ref"),
        ("$defs", r"Inline definitions: write each in the place of its \$ref"),
        ("anyOf", r'Of anyOf only \[{"type": …}, {"type": "null"}\] can be held'),
    ],
)
def test_a_refusal_says_what_to_do(keyword, fix):
    with pytest.raises(
        constraints.UnsupportedSchema, match=rf"cannot enforce {re.escape(keyword)}\. .*{fix}"
    ):
        constraints.bare(SCHEMA | {keyword: []})


def test_dates_are_those_of_the_calendar():
    """Every day of four centuries, and nothing like a day that there is not."""
    pattern = re.compile(constraints.FORMATS["date"])
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
    assert constraints.grammar_text(schemas.load(group))


def one_of_each() -> list[dict]:
    """The first published case of every schema, hand-designed and composed."""
    found = {}
    for split in ("train", "test_unseen"):
        for line in (paths.DATA / "edgejson" / f"{split}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            found.setdefault(row["group"], row)
    return list(found.values())


class UnderLlguidance:
    """An answer of single bytes under the grammar that transformers and llama.cpp follow."""

    def __init__(self, schema):
        self.state = LLMatcher(LLTokenizer("byte"), constraints.lark(schema))
        self.take, self.complete = self.state.consume_token, self.state.is_accepting

    def allowed(self) -> np.ndarray:
        return np.frombuffer(self.state.compute_bitmask(), np.uint8)


class UnderXgrammar:
    """An answer of single bytes under the grammar that OpenVINO follows."""

    END = 256

    def __init__(self, schema):
        tokens = [bytes([byte]) for byte in range(self.END)] + [b"</s>"]
        info = xgrammar.TokenizerInfo(tokens, vocab_size=len(tokens), stop_token_ids=[self.END])
        compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
        self.state = xgrammar.GrammarMatcher(compiler.compile_grammar(constraints.ebnf(schema)))
        self.take, self.bits = self.state.accept_token, xgrammar.allocate_token_bitmask(1, len(tokens))

    def allowed(self) -> np.ndarray:
        self.state.fill_next_token_bitmask(self.bits)
        return self.bits.numpy().view(np.uint8)[0]

    def complete(self) -> bool:
        return bool(np.unpackbits(self.allowed(), bitorder="little")[self.END])


def wander(matcher, seed: int) -> str:
    """A random answer: of the bytes that are allowed any, and where a string may end, often its end."""
    draw, written = random.Random(seed), bytearray()
    while not matcher.complete():
        allowed = np.flatnonzero(np.unpackbits(matcher.allowed(), bitorder="little")[:256])
        if written.endswith(b"\xed"):  # no surrogates, which no text has
            allowed = allowed[allowed < 0xA0]
        ends = ord('"') in allowed and draw.random() < 0.15
        written.append(ord('"') if ends else int(draw.choice(allowed)))
        assert matcher.take(written[-1]) and len(written) < 50_000
    return written.decode(errors="replace")  # as tokenizers do


def follows(matcher, written: str) -> bool:
    """Whether an answer can be written under a grammar, and may end there."""
    return all(matcher.take(byte) for byte in written.encode()) and matcher.complete()


@pytest.mark.parametrize("row", one_of_each(), ids=lambda row: row["group"])
def test_both_grammars_are_the_same(row):
    """Each takes what can be written under the other, the target, and not a space more or less; and all
    of it is valid to the validator that scores it, formats included."""
    schema, target = row["input"]["schema"], json.dumps(row["target"], ensure_ascii=False)
    for one, other in ((UnderLlguidance, UnderXgrammar), (UnderXgrammar, UnderLlguidance)):
        for seed in range(3):
            written = wander(one(schema), seed)
            assert follows(other(schema), written), written
            score = scoring.score_json(written, target=row["target"], schema=schema)
            assert score.scores["schema_compliance"] == 1, written
        assert follows(one(schema), target)
        assert not follows(one(schema), target[:-1] + ", ")
        assert not follows(one(schema), target.replace(": ", ":"))


STRINGS = {"type": "object", "required": ["a"], "additionalProperties": False}
NULL = {"type": "null"}
COUNT = {"type": "integer", "minimum": 1, "maximum": 99}
POINT = {"type": "object", "required": ["x"], "properties": {"x": {"anyOf": [COUNT, NULL]}}}


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ({"type": "string", "minLength": 1, "maxLength": 3, "title": "S"}, ['"abc"']),
        ({"type": "string", "format": "date"}, ['"2024-02-29"']),
        ({"type": "string", "pattern": "^[a-z]{2}$"}, ['"ab"']),
        (COUNT, ["5"]),
        ({"type": "number"}, ["-1.5"]),
        ({"type": ["boolean", "null"]}, ["true"]),
        ({"type": "string", "enum": ["ab", "ac"], "default": "ab"}, ['"ac"']),
        ({"enum": ["ab", 1, None]}, ['"ab"', "1"]),
        ({"type": "string", "const": "ab"}, ['"ab"']),
        (POINT | {"additionalProperties": False}, ['{"x": null}', '{"x": 1}']),
        ({"type": "array", "maxItems": 2, "items": {"anyOf": [NULL, POINT]}}, ['[{"x": 1}, null]', "[]"]),
        ({"anyOf": [COUNT, NULL]}, ["5"]),
    ],
)
def test_null_may_stand_beside_a_schema(part, values):
    """As Pydantic writes `Optional`: both grammars are the same, and the validator agrees with them."""
    optional = {"anyOf": [part, NULL | {"title": "None"}], "title": "A", "default": None, "x-y": 1}
    schema = STRINGS | {"properties": {"a": optional}}
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for one, other in ((UnderLlguidance, UnderXgrammar), (UnderXgrammar, UnderLlguidance)):
        for value in ("null", *values):
            assert follows(one(schema), f'{{"a": {value}}}'), value
        for value in ('"null"', "{}", "nul"):
            assert not follows(one(schema), f'{{"a": {value}}}'), value
        for seed in range(3):
            written = wander(one(schema), seed)
            assert follows(other(schema), written), written
            assert validator.is_valid(json.loads(written)), written


@pytest.mark.parametrize(
    "part",
    [
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}, NULL]},
        {"anyOf": [{"type": "string"}]},
        {"anyOf": [NULL, NULL]},
        {"anyOf": [{}, NULL]},
        {"anyOf": [True, NULL]},
        {"anyOf": [{"$ref": "#"}, NULL]},
        {"anyOf": [{"type": "string"}, NULL | {"enum": ["a"]}]},
        {"anyOf": [{"enum": ["a"], "const": "b"}, NULL]},
        {"anyOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}, NULL]},
        {"anyOf": [{"type": "string"}, NULL], "type": "string"},
        {"anyOf": [{"type": "string"}, NULL], "enum": ["a"]},
    ],
)
def test_any_other_choice_is_refused(part):
    """One that is more than a schema or null, or stands beside other demands."""
    with pytest.raises(constraints.UnsupportedSchema, match=r"cannot enforce .*anyOf"):
        constraints.bare(STRINGS | {"properties": {"a": {"type": "array", "items": part}}})


def test_what_stands_beside_null_is_still_looked_at():
    with pytest.raises(constraints.UnsupportedSchema, match="cannot enforce format phone, multipleOf"):
        constraints.bare({"anyOf": [{"type": "string", "format": "phone", "multipleOf": 2}, NULL]})


@pytest.mark.parametrize("kind", [{}, {"minLength": 1, "maxLength": 4}])
@pytest.mark.parametrize(
    ("inner", "taken"),
    [
        ('\\"', True),
        ("\\\\", True),
        ("\\n", True),
        ("\\u001f", True),
        ("\x85é字", True),
        ("\t", False),
        ("\x7f", False),
        ('"', False),
        ("\\", False),
        ("\\x", False),
        ("\\ud800", False),
        ("\\u00e9", False),
    ],
)
def test_strings_have_the_same_characters_under_both_grammars(inner, taken, kind):
    """Quotes and control characters with a backslash, all others without; no half of a character."""
    schema = STRINGS | {"properties": {"a": {"type": "string"} | kind}}
    for grammar in (UnderLlguidance, UnderXgrammar):
        assert follows(grammar(schema), f'{{"a": "{inner}"}}') == taken, grammar


@pytest.mark.parametrize("grammar", [UnderLlguidance, UnderXgrammar])
def test_names_and_choices_may_have_any_letters(grammar):
    """Degree signs, umlauts, quotes: as they are written in JSON."""
    choices = ["°C", "bär", "字", 'a "b"', "a\\b", "a\\xb0"]
    schema = STRINGS | {"properties": {"naïve": {"enum": choices}}, "required": ["naïve"]}
    for choice in choices:
        assert follows(grammar(schema), json.dumps({"naïve": choice}, ensure_ascii=False)), choice
    assert not follows(grammar(schema), '{"naïve": "C"}')


def test_a_choice_is_a_tree_of_its_beginnings():
    """Side by side, OpenVINO's xgrammar would end "ng/" of "ng/l" like "g/dl"."""
    units = ["g/dl", "g/l", "ng/l", 'q"x', "q\\y", "b°C", "b°F"]
    schema = STRINGS | {
        "properties": {"a": {"enum": units}, "n": {"enum": [1, 12, 3]}},
        "required": ["a", "n"],
    }
    rules = dict(line.split(" ::= ", 1) for line in constraints.ebnf(schema).splitlines() if " ::= " in line)
    assert r'("g/" (("dl\"") | ("l\"")))' in rules["root_prop_0"]
    assert r'("b" [°] (("C\"") | ("F\"")))' in rules["root_prop_0"]
    assert rules["root_prop_1"] == '(("1" (("") | ("2"))) | ("3"))'
    for unit in units:
        for number in (1, 12, 3):
            assert follows(UnderXgrammar(schema), json.dumps({"a": unit, "n": number}, ensure_ascii=False))
    assert not follows(UnderXgrammar(schema), '{"a": "ng/dl", "n": 1}')


def test_a_pattern_that_needs_escapes_is_not_written_out():
    """Spelt out as rules it would match a bare quote."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[^x]{2}$"}}}
    with pytest.raises(constraints.UnsupportedSchema, match="may match a quote"):
        constraints.ebnf(schema)


def test_digits_are_spelt_out_for_servers():
    """Inside a class and outside; an escaped backslash before a d is none."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": r"^[A\d]\d\.\\d$"}}}
    assert constraints.portable(schema)["properties"]["a"]["pattern"] == r"^[A0-9][0-9]\.\\d$"


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


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "string", "enum": ["a", 1]}, "a choice of another type"),
        ({"type": "integer", "const": "x"}, "a choice of another type"),
        ({"enum": [{"b": 1}, "a"]}, "a choice that is an object or a list"),
        ({"type": "string", "pattern": "b"}, r"the pattern b, which is not from \^ to \$"),
        ({"type": "string", "pattern": r"^a\sb$"}, r"has \\s"),
        ({"type": "object"}, "an object without properties"),
        ({"type": ["object", "null"]}, "an object without properties"),
    ],
)
def test_what_grammars_would_read_differently_is_refused(part, words):
    schema = {"type": "object", "additionalProperties": False, "properties": {"a": part}}
    with pytest.raises(constraints.UnsupportedSchema, match=words):
        constraints.lark(schema)
    with pytest.raises(constraints.UnsupportedSchema, match=words):
        constraints.ebnf(schema)


def test_a_required_key_that_is_no_property_is_refused_by_both():
    schema = {"type": "object", "required": ["b"], "properties": {"a": {"type": "integer"}}}
    for grammar in (constraints.lark, constraints.ebnf):
        with pytest.raises(constraints.UnsupportedSchema):
            grammar(schema)


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        ('{"a": 12, "n": -0.25}', True),
        ('{"a": 12, "n": 1e999}', False),
        ('{"a": ' + "9" * 60 + "}", False),
        ('{"a": 12, "n": 0.' + "0" * 60 + "1}", False),
        ('{"a": 12, "b": 1}', False),
    ],
)
def test_what_a_schema_leaves_open_is_closed_under_every_grammar(answer, taken):
    """Numbers without bounds end, and an object that does not speak of other keys has none."""
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    schema["properties"]["n"] = {"type": "number"}
    info = xgrammar.TokenizerInfo([bytes([i]) for i in range(256)] + [b"</s>"], stop_token_ids=[256])
    compiled = xgrammar.GrammarCompiler(info, max_threads=1).compile_grammar(constraints.ebnf(schema))
    assert constraints.follows(schema, answer, whole=taken) == taken
    assert xgrammar.GrammarMatcher(compiled).accept_string(answer) == taken
