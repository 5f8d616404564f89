"""Validation: a mistake here accepts what is not valid, or stalls on a hostile string."""

import json
import random
import re
from functools import cache

import pytest
from bounded import bounded
from hypothesis import given
from json_values import at, checked, edited, places, published, put, remove, schema_for, targets
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from slmlib.tasks.edgejson import compliance
from slmlib.tasks.edgejson.compliance import MAX_FORMATTED, is_compliant, violation
from slmlib.tasks.edgejson.scoring import leaves

FORMATS = [  # format, a good value, a bad one
    ("date", "2024-02-29", "2023-02-29"),
    ("date", "0001-01-01", "٢٠٢٤-01-01"),
    ("time", "12:30:00Z", "25:00:00Z"),
    ("time", "23:59:59z", "12:30:00Z\n"),
    ("date-time", "2024-02-29T12:30:00Z", "2024-02-29 12:30"),
    ("date-time", "2024-02-29T12:30:00.5+02:00", "2024-02-29T12:30:00Z\n"),
    ("email", "ann@example.org", "ann"),
    ("email", "ann.b+c@mail.example", "ann@"),
    ("email", "o'neil@a-b.example", "ann@-b.example"),
    ("email", "ann@localhost", "ann@@localhost"),
    ("email", "a_b@x.org", "a b@x.org"),
    ("email", "a" * 64 + "@x.org", "a" * 65 + "@x.org"),
    ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
]
PATTERNS = [  # pattern, a string that matches, one that does not
    (r"^\d{3}$", "123", "123\n"),
    (r"^\d{3}$", "123", "١٢٣"),
    (r"^\w+$", "abc_1", "naïve"),
    (r"^(a|b$)", "b", "b\n"),
    (r"^[$]\d+\$$", "$5$", "$5$\n"),
    (r"x", "a x b", "y"),
]
MULTIPLES = [  # value, factor, whether it is a multiple
    *((19.99, 0.01, True), (0.3, 0.1, True), (4.35, 0.01, True), (19.995, 0.01, False)),
    *((7, 2, False), (8, 2, True), (7.5, 2.5, True), (1e300, 0.01, True), (10**40, 0.01, True)),
    *((True, 2, True), ("7", 2, True)),
]


def test_formats_are_checked():
    for name, good, bad in FORMATS:
        schema = {"type": "string", "format": name}
        assert is_compliant(good, schema), (name, good)
        assert not is_compliant(bad, schema), (name, bad)
        assert not is_compliant(good + "0" * MAX_FORMATTED, schema), name


def test_patterns_have_the_meaning_of_ecma_262():
    for pattern, good, bad in PATTERNS:
        assert is_compliant(good, {"pattern": pattern}), (pattern, good)
        assert not is_compliant(bad, {"pattern": pattern}), (pattern, bad)


def test_an_overlong_string_matches_no_pattern():
    assert is_compliant("a" * MAX_FORMATTED, {"pattern": "^a+$"})
    assert not is_compliant("a" * (MAX_FORMATTED + 1), {"pattern": "^a+$"})


def test_multiples_are_exact_in_decimal():
    for value, factor, multiple in MULTIPLES:
        assert is_compliant(value, {"multipleOf": factor}) == multiple, (value, factor)


def test_a_violation_names_place_and_rule():
    schema = {"properties": {"room": {"type": "integer", "maximum": 99}}}
    assert violation({"room": 120}, schema).startswith("$.room: 120 is greater than")
    assert violation({"room": 12}, schema) is None


def test_a_broken_schema_is_an_error():
    with pytest.raises(SchemaError):
        is_compliant({}, {"type": "no such type"})


def test_a_missing_format_checker_is_an_error(monkeypatch):
    """It would let every value pass and silently move scores."""
    checkers = {name: c for name, c in compliance._Formats.checkers.items() if name != "date-time"}
    monkeypatch.setattr(compliance._Formats, "checkers", checkers)
    with pytest.raises(ImportError, match=r"date-time: pip install 'jsonschema\[format-nongpl\]'"):
        is_compliant({}, {"title": "not compiled before"})


@checked
@given(targets, targets)
def test_verdicts_are_those_of_the_library(target, value):
    schema = schema_for(target)
    for answer in (target, value):
        assert is_compliant(answer, schema) == Draft202012Validator(schema).is_valid(answer)


# --- a second validator -------------------------------------------------------------------------

CHECKED = {
    "date": "2024-02-29",
    "time": "12:30:00+01:00",
    "date-time": "2024-02-29T12:30:00.5Z",
    "email": "ann.b@mail.example.org",
}
STRICTER = (  # refused here on purpose, but not by `jsonschema-rs`; see the module's docstring
    ("time", "23:59:60Z"),
    ("date-time", "1998-12-31T23:59:60Z"),
    ("date", "0000-01-01"),
    ("email", '"a b"@example.org'),
    ("email", "ann@[127.0.0.1]"),
    ("email", "Ann <ann@example.org>"),
    ("date", "2024-0+-29"),
    ("date-time", "2026-01-04T08:1+:00Z"),
)
DIFFERENT = re.compile(r"""[T ]?\d\d:\d\d:60|^0000-|["<\[].*@|@\[""")


def moment(digit: str) -> re.Pattern:
    """The dates and times that `jsonschema-rs` reads, made of such digits."""
    day = rf"{digit}{{4}}-{digit}{{2}}-{digit}{{2}}"
    zone = rf"(?:[Zz]|[+-]{digit}{{2}}:{digit}{{2}})"
    time = rf"{digit}{{2}}:{digit}{{2}}:{digit}{{2}}(?:\.{digit}+)?{zone}"
    return re.compile(rf"(?:{day})?[Tt]?(?:{time})?")


LOOSE, EXACT = moment("[-+./0-9]"), moment("[0-9]")  # it takes `+`, `-`, `.` and `/` for digits


def differ(text: str) -> bool:
    """True if the two validators treat a string differently, on purpose or by that mistake."""
    return bool(DIFFERENT.search(text) or (LOOSE.fullmatch(text) and not EXACT.fullmatch(text)))


@cache
def second(schema: str):
    """The other validator, formats checked."""
    validators = pytest.importorskip("jsonschema_rs")
    return validators.Draft202012Validator(json.loads(schema), validate_formats=True)


def agree(value, schema) -> bool:
    """Both verdicts, which must be the same."""
    ours, theirs = is_compliant(value, schema), second(json.dumps(schema)).is_valid(value)
    assert ours == theirs, (value, schema)
    return ours


def respelled(text: str, rng) -> str:
    """A string with one character changed, lost or added."""
    place = rng.randint(0, len(text))
    new = rng.choice(["", "", *"0159aZ-:.+ _@/T\n", "é", "٣"])
    return text[:place] + new + text[place + rng.randint(0, 1) :]


def near(node, rng):
    """A value like another one."""
    if isinstance(node, str):
        wrong = [respelled(node, rng), respelled(node, rng), node[: len(node) // 2], node * 9, None]
    elif isinstance(node, bool):
        wrong = [not node, int(node), "true"]
    elif isinstance(node, int | float):
        wrong = [node + 1, node - 1, -node, node * 1000, float(node), node + 0.005, 1e19, str(node)]
    else:
        wrong = [[], {}, [node, node], None]
    return rng.choice(wrong)


def twice(container, step):
    """A list item once more; a property under another name."""
    if isinstance(container, list):
        container.insert(step, container[step])
    else:
        container[f"{step}2"] = container[step]


def disturbed(target, rng):
    """A target after up to three random edits."""
    for _ in range(rng.randint(0, 3)):
        inner = [path for path, _ in places(target) if path]
        if inner:
            path = rng.choice(inner)
            changes = [put(near(at(target, path), rng)) for _ in range(3)]
            target = edited(target, path, rng.choice([remove, twice, *changes]))
    return target


def test_a_second_validator_agrees_on_instances():
    """On 10,000 instances made from the targets, of which many are valid and many are not."""
    rng, accepted, count = random.Random(3), 0, 0
    while count < 10_000:
        row = rng.choice(published())
        value = disturbed(row["target"], rng)
        if not any(isinstance(leaf, str) and differ(leaf) for _, leaf in leaves(value)):
            accepted += agree(value, row["input"]["schema"])
            count += 1
    assert 2_500 < accepted < 7_500


@pytest.mark.parametrize("name", CHECKED)
def test_a_second_validator_agrees_on_formats(name):
    """On a good value and 500 strings that are up to two characters from it."""
    schema, rng, accepted = {"type": "string", "format": name}, random.Random(4), 0
    for _ in range(500):
        text = respelled(CHECKED[name], rng)
        text = respelled(text, rng) if rng.random() < 0.5 else text
        accepted += 0 if differ(text) else agree(text, schema)
    assert agree(CHECKED[name], schema) and 0 < accepted < 500


def test_where_the_validators_differ_this_one_is_stricter():
    for name, value in STRICTER:
        schema = {"type": "string", "format": name}
        assert second(json.dumps(schema)).is_valid(value) and differ(value), value
        assert not is_compliant(value, schema), value


def test_published_schemas_use_only_what_the_grader_reads():
    """A keyword that grading does not follow, such as `$ref`, would make right answers wrong, and a
    pattern with nested repeats would take exponential time on a string that almost matches.
    """
    known = {"type", "properties", "required", "additionalProperties", "items", "enum", "format"}
    known |= {"minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum", "pattern"}
    known |= {"title", "description", "$schema", "x-order", "x-rules"}
    patterns, schemas = set(), [row["input"]["schema"] for row in published()]
    while schemas:
        node = schemas.pop()
        assert known >= set(node) and isinstance(node.get("type", ""), str), node
        assert node.get("format", "date") in CHECKED, node
        schemas += node.get("properties", {}).values()
        schemas += [node["items"]] if "items" in node else []
        patterns |= {node["pattern"]} if "pattern" in node else set()
    with bounded():
        for pattern in patterns:
            for piece in ("a", "A", "0", "a ", "Aa ", "0-", "a1", "a.", " ", "-", "+", "Á"):
                is_compliant(piece * (1990 // len(piece)) + "\x00", {"pattern": pattern})
