"""Constraints: would break if a grammar allowed what a constraint forbids, or forbade the rest."""

import calendar
import json
import random
import re

import numpy as np
import pytest
import xgrammar
from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer

from slmlib.engines import constraints
from slmlib.engines.base import Choice, JsonSchema, ToolCalls, UnsupportedConstraint
from slmlib.engines.chat import calls_text
from slmlib.engines.openvino_grammar import ebnf
from slmlib.tasks import base as tasks

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
NULL = {"type": "null"}
COUNT = {"type": "integer", "minimum": 1, "maximum": 99}
POINT = {"type": "object", "required": ["x"], "properties": {"x": {"anyOf": [COUNT, NULL]}}}


def having(part, *, required: bool = True) -> dict:
    """A schema of an object with one property."""
    schema = {"type": "object", "additionalProperties": False, "properties": {"a": part}}
    return schema | ({"required": ["a"]} if required else {})


class UnderLlguidance:
    """A completion of single bytes under the grammar that transformers and llama.cpp follow."""

    def __init__(self, constraint):
        self.state = LLMatcher(LLTokenizer("byte"), constraints.lark(constraint))
        self.accept, self.complete = self.state.consume_token, self.state.is_accepting

    def allowed(self) -> np.ndarray:
        return np.frombuffer(self.state.compute_bitmask(), np.uint8)


class UnderXgrammar:
    """A completion of single bytes under the grammar that OpenVINO follows."""

    END = 256

    def __init__(self, constraint):
        tokens = [bytes([byte]) for byte in range(self.END)] + [b"</s>"]
        info = xgrammar.TokenizerInfo(tokens, vocab_size=len(tokens), stop_token_ids=[self.END])
        compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
        self.state = xgrammar.GrammarMatcher(compiler.compile_grammar(ebnf(constraint)))
        self.accept = self.state.accept_token
        self.bits = xgrammar.allocate_token_bitmask(1, len(tokens))

    def allowed(self) -> np.ndarray:
        self.state.fill_next_token_bitmask(self.bits)
        return self.bits.numpy().view(np.uint8)[0]

    def complete(self) -> bool:
        return bool(np.unpackbits(self.allowed(), bitorder="little")[self.END])


GRAMMARS = (UnderLlguidance, UnderXgrammar)


def wander(matcher, seed: int) -> str:
    """A random completion: any of the allowed bytes, and where a string may end, often its end."""
    draw, written = random.Random(seed), bytearray()
    while not matcher.complete():
        allowed = np.flatnonzero(np.unpackbits(matcher.allowed(), bitorder="little")[:256])
        if written.endswith(b"\xed"):  # no surrogates, which no text has
            allowed = allowed[allowed < 0xA0]
        ends = ord('"') in allowed and draw.random() < 0.15
        written.append(ord('"') if ends else int(draw.choice(allowed)))
        assert matcher.accept(written[-1]) and len(written) < 50_000
    return written.decode(errors="replace")  # as tokenizers do


def follows(matcher, text: str) -> bool:
    """Whether a text is a complete completion under a grammar."""
    return all(matcher.accept(byte) for byte in text.encode()) and matcher.complete()


def assert_both(constraint, text: str, allowed: bool) -> None:
    for grammar in GRAMMARS:
        assert follows(grammar(constraint), text) == allowed, (grammar.__name__, text)
    assert constraints.follows(constraint, text, whole=True) == allowed, text


# --- JSON Schemas: what is refused --------------------------------------------------------------


def test_what_a_grammar_would_drop_or_read_differently_is_refused_by_name():
    """Each is a legal schema of which some engine would silently enforce something else."""
    for part, fault in [
        ({"type": "number", "multipleOf": 0.5}, "multipleOf"),
        ({"type": "array", "items": True}, "a schema that is not an object"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "additionalProp"),
        ({"type": "string", "format": "phone"}, "format phone"),
        ({"type": "string", "pattern": "^a+$", "maxLength": 3}, "a length beside a pattern"),
        (
            {"type": "string", "format": "email", "maxLength": 9},
            "a length beside a pattern or format",
        ),
        ({"type": "string", "format": "date", "pattern": "^2"}, "a format beside a pattern"),
        (having({"type": "number", "exclusiveMinimum": 0}), "exclusiveMin"),
        ({"enum": ["a", "bc"], "maxLength": 1}, "a bound beside enum"),
        ({"minimum": 3}, "a bound without a type"),
        ({"type": "string", "pattern": r"^a|[(|]b$"}, "whose alternatives are not in brackets"),
        ({"type": "string", "pattern": "b"}, "the pattern b, which does not go from ^ to $"),
        ({"type": "string", "pattern": r"^a\sb$"}, r"contains \s"),
        ({"type": "string", "enum": ["a", 1]}, "a choice of another type"),
        ({"type": "integer", "const": "x"}, "a choice of another type"),
        ({"enum": [{"b": 1}, "a"]}, "a choice that is an object or a list"),
        ({"type": "object"}, "an object without properties"),
        ({"type": ["object", "null"]}, "an object without properties"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "anyOf"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}, NULL]}, "anyOf"),
        ({"anyOf": [{"type": "string"}]}, "anyOf"),
        ({"anyOf": [NULL, NULL]}, "anyOf"),
        ({"anyOf": [{}, NULL]}, "anyOf"),
        ({"anyOf": [True, NULL]}, "anyOf"),
        ({"anyOf": [{"$ref": "#"}, NULL]}, "anyOf"),
        ({"anyOf": [{"type": "string"}, NULL | {"enum": ["a"]}]}, "anyOf"),
        ({"anyOf": [{"enum": ["a"], "const": "b"}, NULL]}, "anyOf"),
        ({"anyOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}, NULL]}, "anyOf"),
        ({"anyOf": [{"type": "string"}, NULL], "type": "string"}, "anyOf"),
        ({"anyOf": [{"type": "string"}, NULL], "enum": ["a"]}, "anyOf"),
        ({"anyOf": [{"type": "string", "format": "phone"}, NULL]}, "format phone"),
    ]:
        for schema in (having(part), having({"type": "array", "items": part})):
            with pytest.raises(UnsupportedConstraint, match="cannot enforce") as refusal:
                constraints.lark(JsonSchema(schema))
            assert fault in str(refusal.value), part


def test_a_refusal_says_what_to_do():
    for keyword, fix in (
        ("oneOf", 'or use unconstrained decoding: decoding="free" in an evaluation.'),
        ("$ref", "Inline definitions: replace each $ref"),
        ("$defs", "Inline definitions: replace each $ref"),
        ("anyOf", 'anyOf is supported only as [{"type": …}, {"type": "null"}]'),
    ):
        with pytest.raises(UnsupportedConstraint, match=re.escape(fix)):
            constraints.simplify(SCHEMA | {keyword: []})


def test_a_schema_that_nothing_satisfies_is_refused():
    """llama.cpp says nothing where it cannot read a grammar: it decodes without."""
    for schema in (
        having({"type": "integer", "minimum": 5, "maximum": 1}),
        having({"type": "string", "pattern": "^(?=a)b$"}),
        having({"type": "integer"}) | {"required": ["b"]},
    ):
        for grammar in (constraints.lark, ebnf):
            with pytest.raises(UnsupportedConstraint, match="cannot be compiled"):
                grammar(JsonSchema(schema))


def test_a_pattern_that_needs_escapes_has_no_grammar_in_openvino():
    """Spelt out as rules it would match a bare quote."""
    with pytest.raises(UnsupportedConstraint, match="may match a quote"):
        ebnf(JsonSchema(having({"type": "string", "pattern": "^[^x]{2}$"})))


# --- JSON Schemas: what is enforced -------------------------------------------------------------


def test_what_demands_nothing_is_left_out_of_the_grammar():
    """At any depth; a default is a value, in which nothing is a keyword."""
    silent = {"$id": "https://a.example/b", "$comment": "c", "default": {"oneOf": 1}, "x-y": 1}
    silent |= {"examples": [None], "deprecated": True, "readOnly": False, "writeOnly": True}
    tags = SCHEMA["properties"]["tags"]
    noted = SCHEMA["properties"] | {"tags": tags | silent | {"items": tags["items"] | silent}}
    schema = SCHEMA | silent | {"properties": noted}
    Draft202012Validator.check_schema(schema)
    text = constraints.grammar_text(schema)
    assert text == constraints.grammar_text(SCHEMA) and "x-" not in text


def test_a_property_may_have_the_name_of_a_keyword():
    names = ("contains", "x-y", "default", "examples", "readOnly", "$id", "anyOf", "$ref")
    schema = {"type": "object", "properties": dict.fromkeys(names, COUNT)}
    assert tuple(json.loads(constraints.grammar_text(schema))["properties"]) == names


def test_alternatives_in_brackets_are_one_pattern():
    for pattern in (r"^(a|(b|c))$", r"^[|]\|\($"):
        constraints.grammar_text({"type": "string", "pattern": pattern})


def test_the_beginning_of_a_completion_follows_its_grammar():
    constraint = JsonSchema(SCHEMA)
    for text, begins, complete in (
        ('{"on": "2026-05-03", "kind": "red"}', True, True),
        ('{"on": "2026-05', True, False),
        ('{"on": "3 May', False, False),
    ):
        assert constraints.follows(constraint, text, whole=False) == begins
        assert constraints.follows(constraint, text, whole=True) == complete


def test_dates_are_those_of_the_calendar():
    """Every day of two centuries, and nothing like a day that does not exist."""
    pattern = re.compile(constraints.FORMATS["date"])
    for year in (*range(1890, 2110), 1, 4, 400, 999, 2000, 2400, 9999):
        for month in range(14):
            days = calendar.monthrange(year, month)[1] if 1 <= month <= 12 else 0
            for day in range(33):
                assert bool(pattern.fullmatch(f"{year:04}-{month:02}-{day:02}")) == (
                    1 <= day <= days
                )
    assert not pattern.fullmatch("0000-01-01")


def test_moments_are_those_of_the_calendar():
    schema = having({"type": "string", "format": "date-time"})
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for moment, exists in (
        ("2024-02-29T23:59:59Z", True),
        ("2023-02-29T12:00:00Z", False),
        ("2026-05-01T24:00:00Z", False),
        ("2026-05-01T08:30:00.25+02:00", True),
        ("2026-05-01T08:30:00", False),
    ):
        assert_both(JsonSchema(schema), json.dumps({"a": moment}), exists)
        assert validator.is_valid({"a": moment}) == exists, moment


def test_what_a_schema_leaves_open_is_closed():
    """Numbers end, so that a model cannot write zeros for ever, and there are no unknown keys."""
    schema = {"type": "object", "required": ["a"]}
    schema["properties"] = {"a": {"type": "integer"}, "n": {"type": ["number", "null"]}}
    for text, allowed in (
        ('{"a": 12, "n": -0.25}', True),
        ('{"a": 12, "n": 1e999}', False),
        ('{"a": ' + "9" * 60 + "}", False),
        ('{"a": 12, "n": 0.' + "0" * 60 + "1}", False),
        ('{"a": 12, "n": 1.' + "0" * 60 + "}", False),
        ('{"a": 12, "b": 1}', False),
        ('{"a":12}', False),
    ):
        assert_both(JsonSchema(schema), text, allowed)


def cases_of_each_schema() -> list[tasks.Sample]:
    """The first published case of every schema."""
    task, cases = tasks.get("edgejson"), {}
    for split in ("train", "test_unseen"):
        for sample in task.load(split):
            cases.setdefault(sample.group, sample)
    return list(cases.values())


def test_both_grammars_allow_the_same_for_every_published_schema():
    """Each accepts what can be written under the other, the target, and no other white space; all
    of it is valid to a validator, formats included."""
    checker, failures = Draft202012Validator.FORMAT_CHECKER, []
    for sample in cases_of_each_schema():
        schema, target = sample.input["schema"], json.dumps(sample.target, ensure_ascii=False)
        constraint, validator = (
            JsonSchema(schema),
            Draft202012Validator(schema, format_checker=checker),
        )
        for one, other in (GRAMMARS, GRAMMARS[::-1]):
            for seed in range(2):
                text = wander(one(constraint), seed)
                if not (follows(other(constraint), text) and validator.is_valid(json.loads(text))):
                    failures.append((sample.group, text))
            for text, allowed in (
                (target, True),
                (target[:-1] + ", ", False),
                (target.replace(": ", ":"), False),
            ):
                if follows(one(constraint), text) != allowed:
                    failures.append((sample.group, one.__name__, text))
    assert not failures


def test_null_may_stand_beside_a_schema():
    """As Pydantic writes `Optional`: both grammars are the same, and a validator agrees."""
    for part, values in [
        ({"type": "string", "minLength": 1, "maxLength": 3, "title": "S"}, ['"abc"']),
        ({"type": "string", "format": "date"}, ['"2024-02-29"']),
        ({"type": "string", "pattern": "^[a-z]{2}$"}, ['"ab"']),
        ({"type": "number"}, ["-1.5"]),
        ({"type": ["boolean", "null"]}, ["true"]),
        ({"type": "string", "enum": ["ab", "ac"], "default": "ab"}, ['"ac"']),
        ({"enum": ["ab", 1, None]}, ['"ab"', "1"]),
        ({"type": "string", "const": "ab"}, ['"ab"']),
        (POINT | {"additionalProperties": False}, ['{"x": null}', '{"x": 1}']),
        ({"type": "array", "maxItems": 2, "items": {"anyOf": [NULL, POINT]}}, ['[{"x": 1}, null]']),
        ({"anyOf": [COUNT, NULL]}, ["5"]),
    ]:
        optional = {"anyOf": [part, NULL | {"title": "None"}], "title": "A", "default": None}
        schema = having(optional | {"x-y": 1})
        validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        for value in ("null", *values):
            assert_both(JsonSchema(schema), f'{{"a": {value}}}', True)
        for value in ('"null"', "{}", "nul"):
            assert_both(JsonSchema(schema), f'{{"a": {value}}}', False)
        for one, other in (GRAMMARS, GRAMMARS[::-1]):
            text = wander(one(JsonSchema(schema)), 0)
            assert follows(other(JsonSchema(schema)), text), text
            assert validator.is_valid(json.loads(text)), text


def test_strings_have_the_same_characters_under_both_grammars():
    """Quotes and control characters are escaped, all others are not; no half of a character."""
    allowed = ('\\"', "\\\\", "\\n", "\\u001f", "\x85é字")
    forbidden = ("\t", "\x7f", '"', "\\", "\\x", "\\ud800", "\\u00e9")
    for bounds in ({}, {"minLength": 1, "maxLength": 4}):
        constraint = JsonSchema(having({"type": "string"} | bounds))
        for inner in (*allowed, *forbidden):
            assert_both(constraint, f'{{"a": "{inner}"}}', inner in allowed)


def test_names_and_choices_may_have_any_characters():
    """In OpenVINO "°C" must not be read as one character, nor "ng/l" end like "g/dl"."""
    choices = ["°C", "°F", "bär", "字", 'a "b"', "a\\b", "a\\xb0", "g/dl", "g/l", "ng/l"]
    schema = {"type": "object", "required": ["naïve", "n"], "additionalProperties": False}
    schema["properties"] = {"naïve": {"enum": choices}, "n": {"enum": [1, 12, 3]}}
    for choice in (*choices, "C", "ng/dl", ""):
        for number in (1, 12, 2):
            text = json.dumps({"naïve": choice, "n": number}, ensure_ascii=False)
            assert_both(JsonSchema(schema), text, choice in choices and number != 2)
    assert r'("g/" (("dl\"") | ("l\"")))' in ebnf(JsonSchema(schema))


def test_digits_are_spelt_out_for_servers():
    """Inside a class and outside; an escaped backslash before a d is none."""
    schema = having({"type": "string", "pattern": r"^[A\d]\d\.\\d$"})
    assert constraints.portable(schema)["properties"]["a"]["pattern"] == r"^[A0-9][0-9]\.\\d$"
    formatted = constraints.portable(SCHEMA)
    assert formatted["properties"]["on"] == {
        "type": "string",
        "pattern": formatted["properties"]["on"]["pattern"],
    }


# --- choices and tool calls ---------------------------------------------------------------------


def test_a_choice_is_one_label_whole():
    """A label that begins another one may end, or go on."""
    labels = ("light", "light_on", "light_off", "°C", 'say "hi"', "a\\b", "two\nlines", "light")
    for text in (*labels, "light_", "light_ono", "", "C", " light", "Light"):
        assert_both(Choice(labels), text, text in labels)
    for nothing in ((), ("a", "")):
        with pytest.raises(UnsupportedConstraint, match="a choice needs"):
            constraints.lark(Choice(nothing))


def tool(name: str, parameters: dict | None = None) -> dict:
    function = {"name": name} | ({"parameters": parameters} if parameters else {})
    return {"type": "function", "function": function}


TOOLS = (
    tool("get", having(COUNT)),
    tool("get_all", having({"type": "string", "format": "date"}, required=False)),
    tool("now"),
)


@pytest.mark.parametrize("notation", ["hermes", "json"])
def test_tool_calls_have_known_names_and_valid_arguments(notation):
    good = [[("get", '{"a": 3}')], [("get_all", "{}")], [("get_all", '{"a": "2024-02-29"}')]]
    good += [[("now", "{}"), ("get", '{"a": 99}'), ("now", "{}")]]
    bad = [[], [("get", "{}")], [("get", '{"a": 100}')], [("get_al", "{}")], [("now", '{"a": 1}')]]
    bad += [[("get_all", '{"a": "2023-02-29"}')], [("now", "{}"), ("get", '{"a": "3"}')]]
    for text in (True, False):
        constraint = ToolCalls(TOOLS, notation, text)
        for calls in (*good, *bad):
            assert_both(constraint, calls_text(calls, notation), calls in good)
        assert_both(constraint, calls_text(good[0], notation) + "\nDone.", False)


def test_plain_text_is_allowed_where_a_call_cannot_begin():
    shared = ("It is done.", "Zoë: 21 °C\n\nand more")
    plain = {"hermes": ("1 < 2, <b>", "{}", "[1]"), "json": ("1 [2]", "<tool_call>")}
    never = {"hermes": ("<", "<tool_call>\nhi", "So: <tool_call>"), "json": ("{", "[", "So: {")}
    for notation in ("hermes", "json"):
        for text in (*shared, *plain[notation]):
            assert_both(ToolCalls(TOOLS, notation), text, True)
            assert_both(ToolCalls(TOOLS, notation, text=False), text, False)
        for text in ("", " hi", *never[notation]):
            assert_both(ToolCalls(TOOLS, notation), text, False)


def test_a_tool_that_cannot_be_enforced_is_named():
    for tools, words in (
        ((), "at least one tool"),
        ((tool("f", {"oneOf": []}),), "tool f: .* oneOf"),
    ):
        for grammar in (constraints.lark, ebnf):
            with pytest.raises(UnsupportedConstraint, match=words):
                grammar(ToolCalls(tools))
