"""Variants of schemas: a mistake makes targets that do not fit, or that lose values."""

from random import Random

import pytest
from jsonschema import Draft202012Validator

from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson import augment, schemas

WAYS = [{}, {"partial": True}, {"restructured": True}, {"partial": True, "restructured": True}]
LEAF = {"type": "integer", "minimum": 0, "maximum": 9}


def of(properties: dict, *required: str) -> dict:
    """The schema of an object."""
    closed = {"type": "object", "additionalProperties": False}
    return {**closed, "properties": properties, "required": list(required)}


@pytest.fixture(scope="module")
def cases():
    return tasks.get("edgejson").load("train", limit=200)


def scalars(value, path=()):
    """Path and value of the scalars of a target, without places in lists."""
    if isinstance(value, dict):
        return [each for key, part in value.items() for each in scalars(part, (*path, key))]
    if isinstance(value, list):
        return [each for part in value for each in scalars(part, path)]
    return [(path, repr(value))]


def content(target) -> list[str]:
    return sorted(value for _, value in scalars(target))


def empty_objects(value) -> int:
    if isinstance(value, dict):
        return (not value) + sum(map(empty_objects, value.values()))
    return sum(map(empty_objects, value)) if isinstance(value, list) else 0


def transformed(schema, target, rng, **ways):
    """A variant, and a target transformed and validated."""
    variant = augment.vary(schema, rng, **ways)
    result = variant.transform_target(target)
    Draft202012Validator.check_schema(variant.schema)
    Draft202012Validator(variant.schema).validate(result)
    assert empty_objects(result) == 0
    return variant.schema, result


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: "-".join(ways) or "wording")
def test_targets_fit_the_variant_and_keep_their_values(cases, ways):
    """Valid, in the variant's order, and with all values unless fields are dropped."""
    for index, case in enumerate(cases):
        schema, target = transformed(case.input["schema"], case.target, Random(index), **ways)
        assert list(target) == [key for key in schema["properties"] if key in target]
        before, after = content(case.target), content(target)
        if ways.get("partial"):
            assert all(after.count(value) <= before.count(value) for value in set(after))
        else:
            assert after == before


def test_every_object_of_a_partial_variant_has_a_required_field(cases):
    fewer = 0
    for index, case in enumerate(cases):
        schema = augment.vary(case.input["schema"], Random(index), partial=True).schema
        fewer += len(schemas.leaves(schema)) < len(schemas.leaves(case.input["schema"]))
        objects = [node for _, node in schemas.walk(schema) if node.get("type") == "object"]
        assert all(node["properties"] and node["required"] for node in objects)
    assert fewer > len(cases) / 2


def test_a_restructured_variant_has_the_same_fields_in_another_nesting(cases):
    other = 0
    for index, case in enumerate(cases):
        before = case.input["schema"]
        after = augment.vary(before, Random(index), restructured=True).schema
        assert len(schemas.leaves(after)) == len(schemas.leaves(before))
        other += schemas.shape(after) != schemas.shape(before)
    assert other > len(cases) / 3


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
        paths |= {tuple(key.lower() for key in path) for path, _ in scalars(target)}
    assert ("address_street",) in paths and ("address", "street") in paths


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


def test_the_same_seed_gives_the_same_variant(cases):
    schema, ways = cases[4].input["schema"], {"partial": True, "restructured": True}
    assert augment.vary(schema, Random("x"), **ways) == augment.vary(schema, Random("x"), **ways)


def test_styles_order_and_descriptions_change_as_often_as_stated():
    """Shares of 600 variants of one schema, whose keys are in snake case and have two words."""
    names = ("guest_name", "room_number", "arrival_date", "late_checkout", "pet_count")
    schema = {**of(dict.fromkeys(names, LEAF)), "title": "Stay", "description": "A stay."}
    variants = [augment.vary(schema, Random(seed)).schema for seed in range(600)]
    keys = [list(variant["properties"]) for variant in variants]
    styled = sum(not set(names) & set(each) for each in keys) / 600
    shuffled = (
        sum(["_".join(augment.words(key)) for key in each] != [*names] for each in keys) / 600
    )
    bare = sum("description" not in variant for variant in variants) / 600
    assert styled == pytest.approx(0.5 * 4 / 5, abs=0.06)  # one style in five is theirs
    assert shuffled == pytest.approx(0.6, abs=0.06)
    assert bare == pytest.approx(0.3, abs=0.06)
