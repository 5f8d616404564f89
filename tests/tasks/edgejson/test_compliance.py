"""Validation: a mistake here accepts what is not valid, or stalls on a hostile string."""

import random

import pytest
from bounded import bounded
from json_values import at, edited, places, published, put, remove

from slmlib.tasks.edgejson import compliance
from slmlib.tasks.edgejson.compliance import MAX_FORMATTED, is_compliant, violation

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
    ("time", "12:30:00+01:00", "23:59:60Z"),  # there are no leap seconds
    ("date", "2024-02-29", "0000-01-01"),
    ("date", "2024-02-29", "2024-0+-29"),
    ("date-time", "2026-01-04T08:10:00Z", "2026-01-04T08:1+:00Z"),
    ("email", "ann.b@mail.example.org", '"a b"@example.org'),
    ("email", "ann.b@mail.example.org", "ann@[127.0.0.1]"),
    ("email", "ann.b@mail.example.org", "Ann <ann@example.org>"),
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


def test_formats_are_checked_and_long_strings_have_none():
    for name, good, bad in FORMATS:
        schema = {"type": "string", "format": name}
        assert is_compliant(good, schema), (name, good)
        assert not is_compliant(bad, schema), (name, bad)
        assert not is_compliant(good + "0" * MAX_FORMATTED, schema), name
    assert is_compliant("a" * MAX_FORMATTED, {"pattern": "^a+$"})
    assert not is_compliant("a" * (MAX_FORMATTED + 1), {"pattern": "^a+$"})


def test_patterns_have_the_meaning_of_ecma_262():
    for pattern, good, bad in PATTERNS:
        assert is_compliant(good, {"pattern": pattern}), (pattern, good)
        assert not is_compliant(bad, {"pattern": pattern}), (pattern, bad)


def test_multiples_are_exact_in_decimal():
    for value, factor, multiple in MULTIPLES:
        assert is_compliant(value, {"multipleOf": factor}) == multiple, (value, factor)


def test_a_violation_names_place_and_rule():
    schema = {"properties": {"room": {"type": "integer", "maximum": 99}}}
    assert violation({"room": 120}, schema).startswith("$.room: 120 is greater than")
    assert violation({"room": 12}, schema) is None


def test_a_missing_format_checker_is_an_error(monkeypatch):
    """It would let every value pass and silently move scores."""
    checkers = {name: c for name, c in compliance._Formats.checkers.items() if name != "date-time"}
    monkeypatch.setattr(compliance._Formats, "checkers", checkers)
    with pytest.raises(ImportError, match=r"date-time: pip install 'jsonschema\[format-nongpl\]'"):
        is_compliant({}, {"title": "not compiled before"})


def wrong(node, rng):
    """A value like another one."""
    if isinstance(node, str):
        return rng.choice([node[: len(node) // 2], node * 9, None])
    if isinstance(node, bool):
        return rng.choice([not node, int(node), "true"])
    if isinstance(node, int | float):
        return rng.choice([node + 1, -node, node * 1000, float(node), node + 0.005, 1e19])
    return rng.choice([[], {}, [node, node], None])


def doubled(container, step):
    """A list item once more; a property under another name."""
    if isinstance(container, list):
        container.insert(step, container[step])
    else:
        container[f"{step}2"] = container[step]


def test_a_second_validator_agrees_on_answers_near_the_targets():
    validators = pytest.importorskip("jsonschema_rs")
    rng, verdicts = random.Random(3), []
    for row in published():
        value, schema = row["target"], row["input"]["schema"]
        second = validators.Draft202012Validator(schema, validate_formats=True)
        for _ in range(3):
            verdicts.append(is_compliant(value, schema))
            assert second.is_valid(value) == verdicts[-1], (value, schema)
            inner = [path for path, _ in places(value) if path]
            if inner:
                path = rng.choice(inner)
                edit = rng.choice([remove, doubled, put(wrong(at(value, path), rng))])
                value = edited(value, path, edit)
    assert 0.3 < sum(verdicts) / len(verdicts) < 0.7


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
        assert node.get("format", "date") in {name for name, *_ in FORMATS}, node
        schemas += node.get("properties", {}).values()
        schemas += [node["items"]] if "items" in node else []
        patterns |= {node["pattern"]} if "pattern" in node else set()
    with bounded():
        for pattern in patterns:
            for piece in ("a", "A", "0", "a ", "Aa ", "0-", "a1", "a.", " ", "-", "+", "Á"):
                is_compliant(piece * (1990 // len(piece)) + "\x00", {"pattern": pattern})
