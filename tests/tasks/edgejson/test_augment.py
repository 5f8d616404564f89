"""Variants of schemas: a mistake makes targets that do not fit, or that lose values."""

import json
from collections import Counter
from itertools import product
from random import Random

import pytest
from jsonschema import Draft202012Validator

from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson import augment, schemas
from slmlib.tasks.edgejson.scoring import leaves

WAYS = [{}, {"partial": True}, {"restructured": True}, {"partial": True, "restructured": True}]
LEAF = {"type": "integer", "minimum": 0, "maximum": 9}


def of(properties: dict, *required: str) -> dict:
    """The schema of an object."""
    closed = {"type": "object", "additionalProperties": False}
    return {**closed, "properties": properties, "required": list(required)}


@pytest.fixture(scope="module")
def cases():
    return tasks.get("edgejson").load("train", limit=120)


def content(target) -> list[str]:
    """The scalars of a target, without their places."""
    return sorted(repr(value) for _, value in leaves(target))


def transformed(schema, target, rng, **ways):
    """A variant, and a target transformed and validated, in which no object is empty."""
    variant = augment.vary(schema, rng, **ways)
    result = variant.transform_target(target)
    Draft202012Validator.check_schema(variant.schema)
    Draft202012Validator(variant.schema).validate(result)
    assert "{}" not in json.dumps(result)
    return variant.schema, result


def test_targets_fit_the_variant_and_keep_their_values(cases):
    """Valid, in the variant's order, and with all values unless fields are dropped."""
    changed = Counter()
    for (index, case), ways in product(enumerate(cases), WAYS):
        before, message = case.input["schema"], (case.id, ways)
        after, target = transformed(before, case.target, Random(index), **ways)
        assert list(target) == [key for key in after["properties"] if key in target], message
        objects = [node for _, node in schemas.walk(after) if node.get("type") == "object"]
        if ways == {"partial": True}:  # then no object can be empty
            assert all(node["properties"] and node["required"] for node in objects), message
        same_number = len(schemas.leaves(after)) == len(schemas.leaves(before))
        lost = Counter(content(target)) - Counter(content(case.target))
        assert not lost, message
        if "partial" in ways:
            changed["partial"] += not same_number
        else:
            assert same_number and content(target) == content(case.target), message
            changed[*ways] += schemas.shape(after) != schemas.shape(before)
    assert changed["partial"] > len(cases)  # in two ways
    assert changed["restructured",] > len(cases) / 3 and changed[()] == 0


def test_key_is_joined_when_its_object_is_flattened():
    """`street` of an optional address is `address_street`, which then is not required."""
    text = {"type": "string", "maxLength": 9}
    schema = of({"name": text, "address": of({"street": text}, "street")}, "name")
    paths = set()
    for seed in range(40):
        full = {"name": "a", "address": {"street": "b"}}
        _, target = transformed(schema, full, Random(seed), restructured=True)
        assert content(target) == ["'a'", "'b'"]
        _, alone = transformed(schema, {"name": "a"}, Random(seed), restructured=True)
        assert content(alone) == ["'a'"]
        paths |= {pointer.lower() for pointer, _ in leaves(target)}
    assert {"/address_street", "/address/street"} <= paths


def test_keys_that_would_become_equal_stay_apart():
    schema = of({"a": of({"b": LEAF}, "b"), "a_b": LEAF}, "a", "a_b")
    for seed in range(40):
        _, target = transformed(schema, {"a": {"b": 1}, "a_b": 2}, Random(seed), restructured=True)
        assert content(target) == ["1", "2"]


def test_a_new_object_is_omitted_when_its_fields_are_absent():
    """At the top, and in an object that moves up or into another one."""
    flat, grouped = of(dict.fromkeys("abcdef", LEAF), "a"), 0
    nested = of({"o": flat, **dict.fromkeys("vwxyz", LEAF)}, "o")
    for seed in range(200):
        schema, target = transformed(flat, {"a": 1}, Random(seed), restructured=True)
        assert content(target) == ["1"]
        grouped += any("properties" in node for node in schema["properties"].values())
        transformed(nested, {"o": {"a": 1}}, Random(seed), restructured=True)
    assert 50 < grouped < 150


def test_styles_order_and_descriptions_change_as_often_as_stated():
    """Shares of 600 variants of one schema, whose keys are in snake case and have two words."""
    names = ("guest_name", "room_number", "arrival_date", "late_checkout", "pet_count")
    schema = {**of(dict.fromkeys(names, LEAF)), "title": "Stay", "description": "A stay."}
    variants = [augment.vary(schema, Random(seed)).schema for seed in range(600)]
    keys = [list(variant["properties"]) for variant in variants]
    plain = [tuple("_".join(augment.words(key)) for key in each) for each in keys]
    styled = sum(not set(names) & set(each) for each in keys) / 600
    shuffled = sum(each != names for each in plain) / 600
    bare = sum("description" not in variant for variant in variants) / 600
    assert styled == pytest.approx(0.5 * 4 / 5, abs=0.06)  # one style in five is theirs
    assert shuffled == pytest.approx(0.6, abs=0.06)
    assert bare == pytest.approx(0.3, abs=0.06)
