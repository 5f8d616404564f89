"""EdgeJSON's gates: each is broken on purpose and must fail, and only then does it prove anything."""

import copy

import pytest

from slmlib import contracts
from slmlib.edgejson import dataset, schemas, validation


@pytest.fixture(scope="module")
def sound():
    return dataset.make()


@pytest.fixture
def rows(sound):
    """The data set with every row free to be changed."""
    return {split: [copy.deepcopy(row) for row in cases] for split, cases in sound.items()}


def prove(rows):
    return {check.name: check for check in validation.prove(rows, count_tokens=lambda text: len(text) // 3)}


def first(rows, group, *, having=None, split="test"):
    return next(r for r in rows[split] if r["group"] == group and (having is None or having in r["target"]))


def test_the_data_set_passes_every_gate(sound):
    """The gates must hold for what is published, and each must have looked at something."""
    checks = prove(sound)
    assert [check for check in checks.values() if not check.ok] == []
    assert all(check.count for check in checks.values())
    validation.require(list(checks.values()))


def _drop_key(rows):
    del rows["test"][3]["tier"]


def _wrong_split(rows):
    rows["test"][3]["split"] = "val"


def _same_id(rows):
    rows["test"][3]["id"] = rows["train"][8]["id"]


def _loosen_schema(rows):
    rows["test"][3]["input"]["schema"]["additionalProperties"] = True


def _rename_schema(rows):
    row = first(rows, "fuel_stop")
    twin = rows["test"][rows["test"].index(first(rows, "lost_item"))]
    twin["input"]["schema"] = row["input"]["schema"] | {"title": "Another name"}


def _wrong_tier(rows):
    rows["test"][3]["tier"] = "complex" if rows["test"][3]["tier"] != "complex" else "simple"


def _wrong_type(rows):
    first(rows, "fuel_stop")["target"]["litres"] = "40"


def _impossible_date(rows):
    first(rows, "lost_item")["target"]["lost_on"] = "2026-02-30"


def _no_zone(rows):
    row = first(rows, "sensor_alert")
    row["target"]["reading"]["at"] = row["target"]["reading"]["at"].removesuffix("Z")


def _wrong_total(rows):
    first(rows, "store_order")["target"]["total"] += 0.01


def _wrong_nights(rows):
    first(rows, "hotel_booking")["target"]["stay"]["nights"] += 1


def _stranger_complains(rows):
    first(rows, "delivery_round", having="complaint")["target"]["complaint"]["customer"] = "Nobody & Co"


def _changed_leaf(rows):
    first(rows, "meter_reading")["target"]["reading"] += 1


def _unsaid_leaf(rows):
    row = next(r for r in rows["test"] if r["group"] == "lost_item" and "colour" not in r["target"])
    row["target"]["colour"] = "red"


def _moved_span(rows):
    place = rows["test"][0]["meta"]["evidence"]["/date"]
    place["start"], place["end"] = place["start"] + 1, place["end"] + 1


def _span_outside(rows):
    place = next(iter(rows["test"][0]["meta"]["evidence"].values()))
    place["end"] = len(rows["test"][0]["input"]["text"]) + 5


def _unknown_rule(rows):
    next(iter(rows["test"][0]["meta"]["evidence"].values()))["rule"] = "guess"


def _evidence_for_nothing(rows):
    rows["test"][0]["meta"]["evidence"]["/nothing"] = {"start": 0, "end": 1, "rule": "verbatim"}


def _true_for_one(rows):
    row = first(rows, "delivery_round")
    row["target"]["stops"][0]["parcels"] = True
    place = row["meta"]["evidence"]["/stops/0/parcels"]
    row["input"]["text"] = row["input"]["text"][: place["start"]] + "1" + row["input"]["text"][place["end"] :]
    place["end"], place["rule"] = place["start"] + 1, "number"


def _undecided_month(rows):
    row = first(rows, "lost_item")
    place = row["meta"]["evidence"]["/lost_on"]
    row["input"]["text"] = "03/04/2026 " + row["input"]["text"]
    row["target"]["lost_on"] = "2026-04-03"
    place["start"], place["end"], place["rule"] = 0, 10, "day"


def _copy_text(rows):
    rows["test"][0]["input"]["text"] = rows["train"][0]["input"]["text"]


def _copy_text_shouted(rows):
    rows["test"][0]["input"]["text"] = rows["train"][0]["input"]["text"].upper().replace(" ", "  ") + " !"


def _lose_a_case(rows):
    rows["val"].pop()


def _another_split(rows):
    rows["extra"] = []


def _swap_tiers(rows):
    row = next(r for r in rows["val"] if r["tier"] == "simple")
    other = next(r for r in rows["val"] if r["tier"] == "medium")
    rows["val"][rows["val"].index(row)] = other | {"id": row["id"]}


def _favour_a_schema(rows):
    simple = [i for i, r in enumerate(rows["test"]) if r["group"] == "lost_item"][:2]
    for i in simple:
        rows["test"][i] = first(rows, "fuel_stop") | {"id": rows["test"][i]["id"]}


def _long_target(rows):
    rows["test"][4]["target"] = {"customer": {"name": "x" * 1200}}


def _lists_only(rows):
    for row in rows["val"][:21]:
        row["input"]["text"] = "Name: Ann\nCity: Leeds\nDate: 4 May 2026\nTotal: 12.00"


def _few_registers(rows):
    for row in rows["test"]:
        row["meta"]["register"] = "email"


def _dull_schema(rows):
    for row in validation._all(rows):
        if row["group"] == "fuel_stop":
            row["meta"]["register"] = "note"


def _shared_firm(rows):
    rows["test"][0]["input"]["text"] += " Northgate Tools"
    rows["train"][0]["input"]["text"] += " Northgate Tools"


@pytest.mark.parametrize(
    ("gate", "breaks"),
    [
        ("row contract", _drop_key),
        ("row contract", _wrong_split),
        ("row contract", _same_id),
        ("schemas", _loosen_schema),
        ("schemas", _rename_schema),
        ("schemas", _wrong_tier),
        ("targets valid", _wrong_type),
        ("targets valid", _impossible_date),
        ("targets valid", _no_zone),
        ("cross-field rules", _wrong_total),
        ("cross-field rules", _wrong_nights),
        ("cross-field rules", _stranger_complains),
        ("evidence", _changed_leaf),
        ("evidence", _unsaid_leaf),
        ("evidence", _moved_span),
        ("evidence", _span_outside),
        ("evidence", _unknown_rule),
        ("evidence", _evidence_for_nothing),
        ("evidence", _true_for_one),
        ("evidence", _undecided_month),
        ("exact duplicates", _copy_text),
        ("normalised duplicates", _copy_text_shouted),
        ("sizes", _lose_a_case),
        ("sizes", _another_split),
        ("tiers 40/40/20", _swap_tiers),
        ("schemas evenly", _favour_a_schema),
        ("targets within 320 tokens", _long_target),
        ("Key: value share", _lists_only),
        ("register coverage", _few_registers),
        ("register coverage", _dull_schema),
        ("names held out", _shared_firm),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_broken_gate_fails_and_refuses(rows, gate, breaks):
    """A gate that never fails is decoration."""
    breaks(rows)
    check = prove(rows)[gate]
    assert not check.ok
    with pytest.raises(contracts.DataError, match="the data set is refused"):
        validation.require([check])


def test_every_gate_is_broken_somewhere_here(sound):
    """A new gate needs a test that breaks it."""
    broken = {value[0] for value in test_a_broken_gate_fails_and_refuses.pytestmark[0].args[1]}
    assert broken == set(prove(sound))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name: Ann\nCity: Leeds\nDate: 4 May\n", True),
        ("a=1 b=2 c=3 d=4", True),
        ("Ann: hi, are you there?\nBen: yes, what is it?\nAnn: the lamp in the study", False),
        ("Dear Ann,\n\nthe meter stood at 12.\n\nRegards\nBen", False),
    ],
)
def test_looks_like_list(text, expected):
    """A dialogue is not a list of keys and values."""
    assert validation.looks_like_list(text) is expected


def test_leaf_pointers_are_escaped():
    """RFC 6901: a key with a slash must not look like two keys."""
    assert dict(validation.leaves({"a/b": {"c~d": 1}, "e": []})) == {"/a~1b/c~0d": 1, "/e": []}


def test_compact_is_the_measured_form():
    """Lengths are those of the shortest JSON, which is also what the oracle writes."""
    assert schemas.compact({"a": [1, 2.5], "b": "é"}) == '{"a":[1,2.5],"b":"é"}'
