"""Constraints: would break if a grammar allowed what a constraint forbids, or forbade the rest."""

import calendar
import json
import random
import re
from functools import lru_cache

import numpy as np
import pytest
import xgrammar
from jsonschema import Draft202012Validator
from llguidance import LLMatcher

from slmlib.engines import constraints
from slmlib.engines.base import Choice, JsonSchema, ToolCalls, UnsupportedConstraint
from slmlib.engines.chat import calls_text
from slmlib.engines.openvino_grammar import ebnf
from slmlib.tasks import base as tasks

NULL = {"type": "null"}
COUNT = {"type": "integer", "minimum": 1, "maximum": 99}
POINT = {"type": "object", "required": ["x"], "properties": {"x": {"anyOf": [COUNT, NULL]}}}


def having(part, *, required: bool = True) -> dict:
    """A schema of an object with one property."""
    schema = {"type": "object", "additionalProperties": False, "properties": {"a": part}}
    return schema | ({"required": ["a"]} if required else {})


def validator(schema: dict) -> Draft202012Validator:
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


class UnderLlguidance:
    """A completion of single bytes under the grammar that transformers and llama.cpp follow."""

    def __init__(self, constraint):
        self.state = LLMatcher(constraints.BYTES, constraints.lark(constraint))
        self.accept, self.complete = self.state.consume_token, self.state.is_accepting

    def allowed(self) -> np.ndarray:
        return np.frombuffer(self.state.compute_bitmask(), np.uint8)


class UnderXgrammar:
    """A completion of single bytes under the grammar that OpenVINO follows."""

    END = 256

    def __init__(self, constraint):
        self.state = xgrammar.GrammarMatcher(self.compiled(ebnf(constraint)))
        self.accept = self.state.accept_token
        self.bits = xgrammar.allocate_token_bitmask(1, self.END + 1)

    @classmethod
    @lru_cache(maxsize=8)
    def compiled(cls, grammar: str):
        tokens = [bytes([byte]) for byte in range(cls.END)] + [b"</s>"]
        info = xgrammar.TokenizerInfo(tokens, vocab_size=len(tokens), stop_token_ids=[cls.END])
        compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
        return compiler.compile_grammar(grammar)

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
    """Return whether a text is a complete completion under a grammar."""
    return all(matcher.accept(byte) for byte in text.encode()) and matcher.complete()


def assert_both(constraint, text: str, allowed: bool) -> None:
    for grammar in GRAMMARS:
        assert follows(grammar(constraint), text) == allowed, (grammar.__name__, text)
    assert constraints.follows(constraint, text, whole=True) == allowed, text


def faults_of(schema: dict) -> list[str]:
    """Random completions under each grammar that the other one or a validator refuses."""
    constraint, faults = JsonSchema(schema), []
    for one, other in (GRAMMARS, GRAMMARS[::-1]):
        text = wander(one(constraint), seed=0)
        valid = validator(schema).is_valid(json.loads(text))
        if not (valid and follows(other(constraint), text)):
            faults.append(text)
    return faults


# --- JSON Schemas: what is refused --------------------------------------------------------------


def test_what_a_grammar_would_drop_or_read_differently_is_refused_by_name():
    """Each is a legal schema of which some engine would silently enforce something else."""
    text, number = {"type": "string"}, {"type": "integer"}
    for part, fault in [
        ({"type": "number", "multipleOf": 0.5}, "multipleOf"),
        ({"type": "array", "items": True}, "a schema that is not an object"),
        ({"type": "object", "additionalProperties": text}, "additionalProp"),
        (text | {"format": "phone"}, "format phone"),
        (text | {"pattern": "^a+$", "maxLength": 3}, "a length beside a pattern"),
        (text | {"format": "email", "maxLength": 9}, "a length beside a pattern or format"),
        (text | {"format": "date", "pattern": "^2"}, "a format beside a pattern"),
        (having({"type": "number", "exclusiveMinimum": 0}), "exclusiveMin"),
        ({"enum": ["a", "bc"], "maxLength": 1}, "a bound beside enum"),
        ({"minimum": 3}, "a bound without a type"),
        (text | {"pattern": r"^a|[(|]b$"}, "whose alternatives are not in brackets"),
        (text | {"pattern": "b"}, "the pattern b, which does not go from ^ to $"),
        (text | {"pattern": r"^a\sb$"}, r"contains \s"),
        (text | {"enum": ["a", 1]}, "a choice of another type"),
        (number | {"const": "x"}, "a choice of another type"),
        ({"enum": [{"b": 1}, "a"]}, "a choice that is an object or a list"),
        ({"type": "object"}, "an object without properties"),
        ({"type": ["object", "null"]}, "an object without properties"),
        ({"anyOf": [text, number]}, "anyOf"),
        ({"anyOf": [text, number, NULL]}, "anyOf"),
        ({"anyOf": [text]}, "anyOf"),
        ({"anyOf": [NULL, NULL]}, "anyOf"),
        ({"anyOf": [{}, NULL]}, "anyOf"),
        ({"anyOf": [True, NULL]}, "anyOf"),
        ({"anyOf": [{"$ref": "#"}, NULL]}, "anyOf"),
        ({"anyOf": [text, NULL | {"enum": ["a"]}]}, "anyOf"),
        ({"anyOf": [{"enum": ["a"], "const": "b"}, NULL]}, "anyOf"),
        ({"anyOf": [{"anyOf": [text, number]}, NULL]}, "anyOf"),
        ({"anyOf": [text, NULL], "type": "string"}, "anyOf"),
        ({"anyOf": [text, NULL], "enum": ["a"]}, "anyOf"),
        ({"anyOf": [text | {"format": "phone"}, NULL]}, "format phone"),
    ]:
        for schema in (having(part), having({"type": "array", "items": part})):
            with pytest.raises(UnsupportedConstraint, match="cannot enforce") as refusal:
                constraints.lark(JsonSchema(schema))
            assert fault in str(refusal.value), part


def test_a_refusal_says_what_to_do():
    for keyword, fix in (
        ("oneOf", "or decode without a constraint"),
        ("$ref", "Inline definitions: replace each $ref"),
        ("$defs", "Inline definitions: replace each $ref"),
        ("anyOf", 'anyOf is supported only as [{"type": …}, {"type": "null"}]'),
    ):
        with pytest.raises(UnsupportedConstraint, match=re.escape(fix)):
            constraints.simplify(having(COUNT) | {keyword: []})


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
    plain = having({"type": "array", "items": {"enum": ["a", "b"]}})
    items = {"enum": ["a", "b"]} | silent
    noted = having({"type": "array", "items": items} | silent) | silent
    Draft202012Validator.check_schema(noted)
    assert constraints.grammar_text(noted) == constraints.grammar_text(plain)


def test_a_property_may_have_the_name_of_a_keyword():
    names = ("contains", "x-y", "default", "examples", "readOnly", "$id", "anyOf", "$ref")
    schema = {"type": "object", "properties": dict.fromkeys(names, COUNT)}
    assert tuple(json.loads(constraints.grammar_text(schema))["properties"]) == names


def test_alternatives_in_brackets_are_one_pattern():
    for pattern in (r"^(a|(b|c))$", r"^[|]\|\($"):
        constraints.grammar_text({"type": "string", "pattern": pattern})


def test_dates_are_those_of_the_calendar():
    """Every day of two centuries, and nothing like a day that does not exist."""
    pattern = re.compile(constraints.FORMATS["date"])
    for year in (*range(1890, 2110), 1, 4, 400, 999, 2000, 2400, 9999):
        for month in range(14):
            days = calendar.monthrange(year, month)[1] if 1 <= month <= 12 else 0
            for day in range(33):
                date = f"{year:04}-{month:02}-{day:02}"
                assert bool(pattern.fullmatch(date)) == (1 <= day <= days), date
    assert not pattern.fullmatch("0000-01-01")


def test_moments_are_those_of_the_calendar():
    schema = having({"type": "string", "format": "date-time"})
    for moment, exists in (
        ("2024-02-29T23:59:59Z", True),
        ("2023-02-29T12:00:00Z", False),
        ("2026-05-01T24:00:00Z", False),
        ("2026-05-01T08:30:00.25+02:00", True),
        ("2026-05-01T08:30:00", False),
    ):
        assert_both(JsonSchema(schema), json.dumps({"a": moment}), exists)
        assert validator(schema).is_valid({"a": moment}) == exists, moment


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


def test_both_grammars_allow_the_same_for_every_published_schema():
    """Each accepts what can be written under the other, the target, and no other white space; all
    of it is valid to a validator, formats included."""
    task, failures, cases = tasks.get("edgejson"), [], {}
    for split in ("train", "test_unseen"):
        for sample in task.load(split):
            cases.setdefault(sample.group, sample)
    for group, sample in cases.items():
        schema, target = sample.input["schema"], json.dumps(sample.target, ensure_ascii=False)
        failures += [(group, text) for text in faults_of(schema)]
        for grammar in GRAMMARS:
            for text, allowed in (
                (target, True),
                (target[:-1] + ", ", False),
                (target.replace(": ", ":"), False),
            ):
                if follows(grammar(JsonSchema(schema)), text) != allowed:
                    failures.append((group, grammar.__name__, text))
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
        for value in ("null", *values):
            assert_both(JsonSchema(schema), f'{{"a": {value}}}', True)
        for value in ('"null"', "{}", "nul"):
            assert_both(JsonSchema(schema), f'{{"a": {value}}}', False)
        assert not faults_of(schema), part


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
    formatted = constraints.portable(having({"type": "string", "format": "date"}))
    assert formatted["properties"]["a"].keys() == {"type", "pattern"}


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


def test_tool_calls_have_known_names_and_valid_arguments():
    good = [[("get", '{"a": 3}')], [("get_all", "{}")], [("get_all", '{"a": "2024-02-29"}')]]
    good += [[("now", "{}"), ("get", '{"a": 99}'), ("now", "{}")]]
    bad = [[], [("get", "{}")], [("get", '{"a": 100}')], [("get_al", "{}")], [("now", '{"a": 1}')]]
    bad += [[("get_all", '{"a": "2023-02-29"}')], [("now", "{}"), ("get", '{"a": "3"}')]]
    for text in (True, False):
        constraint = ToolCalls(TOOLS, text)
        for calls in (*good, *bad):
            assert_both(constraint, calls_text(calls), calls in good)
        assert_both(constraint, calls_text(good[0]) + "\nDone.", False)


def test_plain_text_is_allowed_where_a_call_cannot_begin():
    for text in ("It is done.", "Zoë: 21 °C\n\nand more", "1 < 2, <b>", "{}", "[1]"):
        assert_both(ToolCalls(TOOLS), text, True)
        assert_both(ToolCalls(TOOLS, text=False), text, False)
    for text in ("", " hi", "<", "<tool_call>\nhi", "So: <tool_call>"):
        assert_both(ToolCalls(TOOLS), text, False)


def test_a_tool_that_cannot_be_enforced_is_named():
    for tools, words in (
        ((), "at least one tool"),
        ((tool("f", {"oneOf": []}),), "tool f: .* oneOf"),
    ):
        for grammar in (constraints.lark, ebnf):
            with pytest.raises(UnsupportedConstraint, match=words):
                grammar(ToolCalls(tools))
