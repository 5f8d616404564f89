"""Reading completions: a mistake here passes a malformed answer, refuses a good one, or stalls."""

import json

from hypothesis import given
from hypothesis import strategies as st
from json_values import checked, targets

from slmlib.tasks.edgejson.parsing import Parsed, parse, parse_lenient

REFUSED = [
    *("", " \n\t", "``````", "nothing", "01", "\ufeff{}", "\u00a0{}"),
    *('{"a": 1', "{'a': 1}", '{"a": 1,}', '{"a": "\n"}', '{"a": 1} and', "{}{}"),
    *("```json\n{}", "```json\n{}\n``` ok", "```JSON\n{}\n```"),
    "```json\n{}\n```\n```json\n{}\n```",
    *('{"a": 1, "a": 1}', '[{"b": {"a": 1, "\\u0061": 2}}]'),  # a key twice
    *("NaN", "[-Infinity]", "[1e999999]", "[-1e400]"),
    *("[" + "9" * 65 + "]", "[0." + "9" * 65 + "]"),
    *('["\\ud800"]', '{"\\udc00": 1}', '["\ud800"]'),  # lone surrogates
    *("[" * 65 + "]" * 65, "[" + "0," * 5000 + "0]", " " * 1_000_001),
]
ACCEPTED = [
    ("null", None),
    (' {"a": [1, 2.5, true]}\n', {"a": [1, 2.5, True]}),
    ("```json\n{}\n```", {}),
    ("```\n[]\n```\n", []),
    ('```json {"a": "```"} ```', {"a": "```"}),
    ('"[[[[ {{{{"', "[[[[ {{{{"),
    ('"\\ud83d\\ude00"', "\U0001f600"),
    ('"\\\\ud800"', "\\ud800"),
    ('["' + "[" * 100 + '"]', ["[" * 100]),
]
LENIENT = [
    ('Sure! {"a": 1}', {"a": 1}),
    ('{"a": "}"} trailing {"b": 2}', {"a": "}"}),
    ('Say "{ hello" first: {"a": 1}} ', None),
    ('[see below] {"a": 1}', {"a": 1}),
    ('```json\n{"a": 1}', {"a": 1}),
    ('{"items": [{"a": 1}, {"a": ', None),
    ('{"a": "\\"}"} x', {"a": '"}'}),
    ("no value", None),
]


def test_malformed_completions_are_refused_with_a_reason():
    for completion in REFUSED:
        parsed = parse(completion)
        assert not parsed.ok and parsed.value is None and parsed.error, completion[:80]


def test_json_is_accepted_bare_or_in_one_fence():
    for completion, value in ACCEPTED:
        assert parse(completion) == Parsed(value), completion
    assert parse("[" * 64 + "]" * 64).ok


def test_lenient_reading_takes_the_first_complete_value():
    for completion, value in LENIENT:
        parsed = parse_lenient(completion)
        assert (parsed.value if parsed.ok else None) == value, completion


@checked
@given(
    targets,
    st.sampled_from([None, 0, 2]),
    st.sampled_from(["{}", " {}\n", "```json\n{}\n```", "```{}```"]),
)
def test_a_value_that_was_written_is_read_back(target, indent, frame):
    text = frame.replace("{}", json.dumps(target, indent=indent, ensure_ascii=False))
    assert parse(text) == Parsed(target)


@checked
@given(st.text())
def test_lenient_reading_accepts_whatever_strict_reading_accepts(text):
    for part in (text, '{"a": ' + text + "}", json.dumps(text), f'```json\n"{text}"\n```'):
        assert parse_lenient(part).ok >= parse(part).ok
