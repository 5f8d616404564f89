"""EdgeJSON's gates: each is broken on purpose and must fail, and only then does it prove anything."""

import copy

import pytest

from slmlib.core import io
from slmlib.models import registry as models
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import checks, dataset


@pytest.fixture(scope="module")
def sound():
    return dataset.make()


@pytest.fixture
def rows(sound):
    """The data set with every row free to be changed."""
    return {split: [copy.deepcopy(row) for row in cases] for split, cases in sound.items()}


def tokens(text: str) -> int:
    return len(text) // 3


GATES = {
    "row contract": checks.contract,
    "targets valid": checks.targets,
    "cross-field rules": checks.cross_field,
    "evidence": checks.evidence,
    "absent choices untold": checks.untold,
    "targets within grammars": checks.grammar,
    "English": checks.language,
    "schemas": checks.schema_files,
    "sizes": lambda rows: checks.sizes_of(rows, checks.SIZES),
    "tiers 40/40/20": checks.tiers,
    "schemas evenly": checks.groups,
    "unseen kept apart": checks.unseen_apart,
    "exact duplicates": checks.exact_duplicates,
    "near duplicates": checks.no_near_duplicates,
    "skeletons, train to tests": checks.skeletons,
    "names held out": checks.held_out_names,
    "targets within 360 tokens": lambda rows: checks.lengths(rows, {"thirds": tokens}, 360),
    "Key: value share": checks.list_likeness,
    "register coverage": checks.register_coverage,
    "noise named": checks.noises,
    "canary": checks.canary,
}


def first(rows, group, *, having=None, split="test"):
    """The first case of a group, which test may lack with the wanted part; then train has one."""
    cases = rows[split] + rows["train"]
    return next(r for r in cases if r["group"] == group and (having is None or having in r["target"]))


def test_the_data_set_passes_every_gate(sound):
    """The gates must hold for what is published, and each must have looked at something."""
    gates = checks.prove(sound, tokenizers={"thirds": tokens})
    assert [gate for gate in gates if not gate.ok] == []
    assert all(gate.count for gate in gates)
    assert [gate.name for gate in gates] == list(GATES)
    checks.require(gates)


def _drop_key(rows):
    del rows["test"][3]["tier"]


def _wrong_split(rows):
    rows["test"][3]["split"] = "val"


def _same_id(rows):
    rows["test"][3]["id"] = rows["train"][8]["id"]


def _loosen_schema(rows):
    rows["test"][3]["input"]["schema"]["additionalProperties"] = True


def _rename_schema(rows):
    row, twin = first(rows, "fuel_stop"), first(rows, "lost_item")
    last = [r for r in checks._all(rows) if r["group"] == "lost_item"][-1]
    for case in (twin, last):
        case["input"]["schema"] = row["input"]["schema"] | {"title": "Another name"}


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
    row = next(r for r in rows["train"] if r["group"] == "lost_item" and "colour" not in r["target"])
    row["target"]["colour"] = "red"


def _tell_an_absent_value(rows):
    row = next(r for r in rows["train"] if r["group"] == "kitchen_timer" and "sound" not in r["target"])
    row["input"]["text"] += " Not the buzzer."


def _tell_an_absent_value_in_other_words(rows):
    row = next(r for r in rows["train"] if r["group"] == "shift_swap" and "approved" not in r["target"])
    row["input"]["text"] += " The supervisor has agreed."


def _tell_a_nested_one(rows):
    bookings = (r for r in rows["train"] if r["group"] == "hotel_booking")
    row = next(r for r in bookings if "breakfast" not in r["target"]["room"])
    row["input"]["text"] += " It is breakfast included."


def _tell_an_absent_list(rows):
    checks = (r for r in rows["train"] if r["group"] == "quality_check")
    next(r for r in checks if "defects" not in r["target"])["input"]["text"] += " One has scratches."


def _moved_span(rows):
    place = first(rows, "lost_item")["meta"]["evidence"]["/lost_on"]
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
    row["input"]["text"] += " 1"
    place = row["meta"]["evidence"]["/stops/0/parcels"]
    place["end"] = len(row["input"]["text"])
    place["start"], place["rule"] = place["end"] - 1, "number"


def _undecided_month(rows):
    row = first(rows, "lost_item")
    row["input"]["text"] += " 03/04/2026"
    row["target"]["lost_on"] = "2026-04-03"
    place = row["meta"]["evidence"]["/lost_on"]
    place["end"] = len(row["input"]["text"])
    place["start"], place["rule"] = place["end"] - 10, "day"


def _copy_text(rows):
    rows["test"][0]["input"]["text"] = rows["train"][0]["input"]["text"]


def _copy_text_shouted(rows):
    rows["test"][0]["input"]["text"] = rows["train"][0]["input"]["text"].upper().replace(" ", "  ") + " !"


def _copy_most_of_a_text(rows):
    text = max((row["input"]["text"] for row in rows["train"]), key=len)
    rows["test"][0]["input"]["text"] = text + " Thanks a lot."


def _copy_a_structure(rows):
    """The same words around other values: not a near duplicate, but one mould."""
    source = next(row for row in rows["train"] if len(row["meta"]["evidence"]) >= 4)
    text, shift = source["input"]["text"], 0
    for place in sorted(source["meta"]["evidence"].values(), key=lambda p: p["start"]):
        new = "quite other words here"
        text = text[: place["start"] + shift] + new + text[place["end"] + shift :]
        place["new"] = (place["start"] + shift, place["start"] + shift + len(new))
        shift += len(new) - (place["end"] - place["start"])
    places = {at: {"start": p["new"][0], "end": p["new"][1], "rule": "verbatim"} for at, p in
              source["meta"]["evidence"].items()}  # fmt: skip
    for place in source["meta"]["evidence"].values():
        del place["new"]
    rows["test"][0]["input"]["text"], rows["test"][0]["meta"]["evidence"] = text, places


def _unwritable_target(rows):
    """Valid to a validator, out of order for a grammar."""
    row = first(rows, "fuel_stop")
    row["target"] = dict(reversed(row["target"].items()))


def _another_composition(rows):
    row = next(r for r in rows["test_unseen"] if "composed" in r["meta"])
    row["meta"]["composed"] += "0"


def _unseen_schema_in_training(rows):
    rows["train"][0]["group"] = rows["test_unseen"][0]["group"]


def _unseen_domain_in_training(rows):
    rows["train"][0]["meta"]["domain"] = rows["test_unseen"][0]["meta"]["domain"]


def _few_unseen_schemas(rows):
    for row in rows["test_unseen"]:
        row["group"] = row["tier"]


def _noise_without_name(rows):
    del rows["test_noisy"][0]["meta"]["noise"]


def _noise_where_none_should_be(rows):
    rows["test"][0]["meta"]["noise"] = ["typos"]


def _one_noise_only(rows):
    for row in rows["test_noisy"]:
        row["meta"]["noise"] = ["typos"]


def _german(rows):
    row = next(row for row in rows["train"] if row["meta"]["register"] == "email")
    row["input"]["text"] = (
        "Liebe Kollegen, unser Lieferwagen steht wieder beim Händler, die Reparatur dauert drei Tage. "
        "Bitte plant eure Touren ohne ihn und gebt mir Bescheid, sobald etwas dazwischenkommt."
    )


def _control_character(rows):
    rows["test"][0]["input"]["text"] += "\u0007"


def _lost_canary(rows):
    del rows["test"][0]["meta"]["canary"]


def _canary_in_training(rows):
    rows["train"][0]["meta"]["canary"] = checks.CANARY


def _lose_a_case(rows):
    rows["val"].pop()


def _another_split(rows):
    rows["extra"] = []


def _swap_tiers(rows):
    row = next(r for r in rows["val"] if r["tier"] == "simple")
    other = next(r for r in rows["val"] if r["tier"] == "medium")
    rows["val"][rows["val"].index(row)] = other | {"id": row["id"]}


def _favour_a_schema(rows):
    for i, row in enumerate(rows["test"][:10]):
        if row["tier"] == "simple":
            rows["test"][i] = first(rows, "fuel_stop") | {"id": row["id"]}


def _long_target(rows):
    rows["test"][4]["target"] = {"customer": {"name": "x" * 1200}}


def _lists_only(rows):
    for row in rows["val"][:21]:
        row["input"]["text"] = "Name: Ann\nCity: Leeds\nDate: 4 May 2026\nTotal: 12.00"


def _few_registers(rows):
    for row in rows["test"]:
        row["meta"]["register"] = "email"


def _dull_schema(rows):
    for row in checks._all(rows):
        if row["group"] == "fuel_stop":
            row["meta"]["register"] = "note"


def _shared_firm(rows):
    rows["test"][0]["input"]["text"] += " Northgate Tools"
    rows["train"][0]["input"]["text"] += " Northgate Tools"


def _unseen_root_in_training(rows):
    rows["train"][0]["meta"]["root"] = next(
        r["meta"]["root"] for r in rows["test_unseen"] if "root" in r["meta"]
    )


WHY = {  # part of the failure, where another rule of the same gate could fail too
    _rename_schema: "renamings of one another",
    _undecided_month: "does not decide which number is the month",
    _true_for_one: "is 1, the target has True",
    _another_composition: "not the schema composed from",
    _unseen_root_in_training: "root entity",
    _unseen_domain_in_training: "domain",
    _few_unseen_schemas: "at least 100 are wanted",
    _one_noise_only: "kinds have",
    _tell_an_absent_value: "/sound: 'buzzer' tells it",
    _tell_an_absent_value_in_other_words: "/approved: 'The supervisor has agreed' tells it",
    _tell_a_nested_one: "/room/breakfast: 'breakfast included' tells it",
    _tell_an_absent_list: "/defects/*: 'scratches' tells it",
    _german: "common English words",
    _control_character: "holds",
}


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
        ("absent choices untold", _tell_an_absent_value),
        ("absent choices untold", _tell_an_absent_value_in_other_words),
        ("absent choices untold", _tell_a_nested_one),
        ("absent choices untold", _tell_an_absent_list),
        ("exact duplicates", _copy_text),
        ("exact duplicates", _copy_text_shouted),
        ("near duplicates", _copy_most_of_a_text),
        ("skeletons, train to tests", _copy_a_structure),
        ("targets within grammars", _unwritable_target),
        ("targets within grammars", _no_zone),
        ("schemas", _another_composition),
        ("unseen kept apart", _unseen_schema_in_training),
        ("unseen kept apart", _unseen_domain_in_training),
        ("unseen kept apart", _unseen_root_in_training),
        ("schemas evenly", _few_unseen_schemas),
        ("noise named", _noise_without_name),
        ("noise named", _noise_where_none_should_be),
        ("noise named", _one_noise_only),
        ("English", _german),
        ("English", _control_character),
        ("canary", _lost_canary),
        ("canary", _canary_in_training),
        ("sizes", _lose_a_case),
        ("sizes", _another_split),
        ("tiers 40/40/20", _swap_tiers),
        ("schemas evenly", _favour_a_schema),
        ("targets within 360 tokens", _long_target),
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
    check = GATES[gate](rows)
    assert check.name == gate
    assert any(WHY.get(breaks, "") in failure for failure in check.failures)
    with pytest.raises(io.DataError, match="the data set is refused"):
        checks.require([check])


def test_every_gate_is_broken_somewhere_here():
    """A new gate needs a test that breaks it."""
    broken = {value[0] for value in test_a_broken_gate_fails_and_refuses.pytestmark[0].args[1]}
    assert broken == set(GATES)


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
    assert checks.looks_like_list(text) is expected


def test_leaf_pointers_are_escaped():
    """RFC 6901: a key with a slash must not look like two keys."""
    assert dict(checks.leaves({"a/b": {"c~d": 1}, "e": []})) == {"/a~1b/c~0d": 1, "/e": []}


def test_compact_is_what_the_oracle_writes():
    """No space between parts, letters as they are."""
    assert schemas.compact({"a": [1, 2.5], "b": "é"}) == '{"a":[1,2.5],"b":"é"}'


def test_lengths_are_of_json_as_models_write_it():
    """A space behind each comma and colon counts."""
    row = {"id": "x", "target": {"a": [1, 2], "b": 3}}
    check = checks.lengths({"test": [row]}, {"spaces": lambda text: text.count(" ")}, 3)
    assert check.failures == ("x: 4 tokens of spaces; the limit is 3",)


def test_lengths_need_a_tokenizer(sound):
    """Measured with nothing, every target would fit."""
    assert not checks.lengths(sound, {}, 360).ok


@pytest.mark.model
def test_targets_fit_under_every_tokenizer_here(sound):
    """Limits are published in tokens: those of every registered model whose weights are at hand."""
    for name in models.present():
        tokenizer = models.tokenizer(name)
        check = checks.lengths(sound, {name: lambda text, t=tokenizer: len(t.encode(text))}, 360)
        assert check.ok, check.failures[:3]
