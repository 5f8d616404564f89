"""Schemas in another guise ask for what the text still tells, and targets follow them."""

from random import Random

import pytest
from jsonschema import Draft202012Validator

from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson import augment, schemas

WAYS = [{}, {"partial": True}, {"reshaped": True}, {"partial": True, "reshaped": True}]


LEAF = {"type": "integer", "minimum": 0, "maximum": 9}


def of(properties: dict, *required: str) -> dict:
    """The schema of an object."""
    closed = {"type": "object", "additionalProperties": False}
    return {**closed, "properties": properties, "required": list(required)}


@pytest.fixture(scope="module")
def cases():
    return tasks.get("edgejson").load("train", limit=200)


def scalars(value, path=()):
    """The scalars of a target with the keys that lead there, places in lists left out."""
    if isinstance(value, dict):
        return [found for key, part in value.items() for found in scalars(part, (*path, key))]
    if isinstance(value, list):
        return [found for part in value for found in scalars(part, path)]
    return [(path, repr(value))]


def drawn(cases, **ways):
    for index, case in enumerate(cases):
        yield case, augment.redraw(case.input["schema"], Random(index), **ways)


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: "-".join(ways) or "words")
def test_a_target_is_valid_and_in_its_schemas_order(cases, ways):
    for case, new in drawn(cases, **ways):
        target = new.retell(case.target)
        Draft202012Validator.check_schema(new.schema)
        Draft202012Validator(new.schema).validate(target)
        assert list(target) == [key for key in new.schema["properties"] if key in target]


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: "-".join(ways) or "words")
def test_it_holds_the_old_values_and_all_of_them_if_nothing_is_left_out(cases, ways):
    for case, new in drawn(cases, **ways):
        before, after = (sorted(v for _, v in scalars(t)) for t in (case.target, new.retell(case.target)))
        if ways.get("partial"):
            assert all(after.count(value) <= before.count(value) for value in set(after))
        else:
            assert after == before


def test_every_object_of_a_partial_schema_asks_for_something_it_needs(cases):
    fewer = 0
    for case, new in drawn(cases, partial=True):
        fewer += len(schemas.leaves(new.schema)) < len(schemas.leaves(case.input["schema"]))
        objects = [node for _, node in schemas.walk(new.schema) if node.get("type") == "object"]
        assert all(node["properties"] and node["required"] for node in objects)
    assert fewer > len(cases) / 2


def test_a_reshaped_schema_is_nested_in_another_way_and_asks_for_as_much(cases):
    other = 0
    for case, new in drawn(cases, reshaped=True):
        before, after = case.input["schema"], new.schema
        assert len(schemas.leaves(after)) == len(schemas.leaves(before))
        other += schemas.shape(after) != schemas.shape(before)
    assert other > len(cases) / 3


def test_moved_fields_keep_their_place_in_the_meaning():
    """`street` of an optional address is `address_street`, which then nothing requires."""

    def told(new, target):
        found = new.retell(target)
        Draft202012Validator(new.schema).validate(found)
        return found

    text = {"type": "string", "maxLength": 9}
    schema = of({"name": text, "address": of({"street": text}, "street")}, "name")
    seen = set()
    for seed in range(40):
        new = augment.redraw(schema, Random(seed), reshaped=True)
        with_street = told(new, {"name": "a", "address": {"street": "b"}})
        assert sorted(v for _, v in scalars(with_street)) == ["'a'", "'b'"]
        assert [v for _, v in scalars(told(new, {"name": "a"}))] == ["'a'"]
        seen |= {tuple(part.lower() for part in path) for path, _ in scalars(with_street)}
    assert ("address_street",) in seen and ("address", "street") in seen


def test_keys_that_would_fall_together_stay_apart():
    schema = of({"a": of({"b": LEAF}, "b"), "a_b": LEAF}, "a", "a_b")
    for seed in range(40):
        new = augment.redraw(schema, Random(seed), reshaped=True)
        assert sorted(v for _, v in scalars(new.retell({"a": {"b": 1}, "a_b": 2}))) == ["1", "2"]


def test_a_group_whose_fields_are_all_absent_is_absent():
    schema = of(dict.fromkeys("abcdef", LEAF), "a")
    grouped = 0
    for seed in range(60):
        new = augment.redraw(schema, Random(seed), reshaped=True)
        target = new.retell({"a": 1})
        Draft202012Validator(new.schema).validate(target)
        assert [v for _, v in scalars(target)] == ["1"] and {} not in target.values()
        grouped += any("properties" in node for node in new.schema["properties"].values())
    assert 15 < grouped < 45


def test_nor_is_it_written_where_its_object_moves_up_or_stands_in_another(cases):
    schema = of({"o": of(dict.fromkeys("abcdef", LEAF), "a"), **dict.fromkeys("vwxyz", LEAF)}, "o")
    for seed in range(200):
        new = augment.redraw(schema, Random(seed), reshaped=True)
        assert empty(new.retell({"o": {"a": 1}})) == 0
    for case, new in drawn(cases, partial=True, reshaped=True):
        assert empty(new.retell(case.target)) == 0


def empty(value) -> int:
    """Objects without a field, at any depth."""
    if isinstance(value, dict):
        return (not value) + sum(map(empty, value.values()))
    return sum(map(empty, value)) if isinstance(value, list) else 0


def test_the_same_source_of_chance_gives_the_same(cases):
    schema = cases[4].input["schema"]
    again = [augment.redraw(schema, Random("x"), partial=True, reshaped=True) for _ in range(2)]
    assert again[0] == again[1]


def test_keys_change_in_style_and_order_and_descriptions_go_as_often_as_the_paper_says():
    """Shares of 600 guises of one schema, whose keys are in snake case and of two words."""
    names = ("guest_name", "room_number", "arrival_date", "late_checkout", "pet_count")
    schema = {**of(dict.fromkeys(names, LEAF)), "title": "Stay", "description": "A stay."}
    found = [augment.redraw(schema, Random(seed)).schema for seed in range(600)]
    keys = [list(new["properties"]) for new in found]
    styled = sum(not set(names) & set(each) for each in keys) / 600
    shuffled = sum(["_".join(augment._words(key)) for key in each] != list(names) for each in keys) / 600
    bare = sum("description" not in new for new in found) / 600
    assert styled == pytest.approx(0.5 * 4 / 5, abs=0.06)  # one style in five is theirs
    assert shuffled == pytest.approx(0.6, abs=0.06)
    assert bare == pytest.approx(0.3, abs=0.06)
