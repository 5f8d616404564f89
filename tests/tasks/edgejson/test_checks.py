"""Each of EdgeJSON's checks is broken on purpose and must fail: only then it proves anything."""

import pickle

import pytest

from slmlib.core import io
from slmlib.models import weights
from slmlib.tasks import data_checks, datasets
from slmlib.tasks.data_checks import every
from slmlib.tasks.edgejson.generate import checks, data_card, dataset
from slmlib.textgen import lexicon

GERMAN = (
    "Liebe Kollegen, unser Lieferwagen steht wieder beim Händler, die Reparatur dauert drei Tage. "
    "Bitte plant eure Touren ohne ihn und gebt mir Bescheid, sobald etwas dazwischenkommt."
)
LIST = "Name: Ann\nCity: Leeds\nDate: 4 May 2026\nTotal: 12.00"


def tokens(text: str) -> int:
    """A stand-in for a tokenizer."""
    return len(text) // 3


def case(index: int, split: str = "test"):
    """Choose a case by its place."""
    return lambda rows: rows[split][index]


def first(group: str, condition=lambda target: True, split: str = "test"):
    """Choose the first case of a schema whose target meets a condition."""
    return lambda rows: next(
        row
        for row in [*rows[split], *rows["train"]]
        if row["group"] == group and condition(row["target"])
    )


def lacking(group: str, *path: str):
    """Choose the first training case whose target lacks the last key of a path."""

    def lacks(target: dict) -> bool:
        for key in path[:-1]:
            target = target[key]
        return path[-1] not in target

    return first(group, lacks, "train")


def composed(rows) -> dict:
    """Choose the first composed case."""
    return next(r for r in rows["test_unseen"] if r["slices"]["origin"] == "composed")


def whole(rows):
    """Choose the whole data set."""
    return rows


def say(words: str, pointer: str = "", rule: str = "verbatim"):
    """Append words to the text, as the evidence of a leaf if one is given."""

    def change(row: dict) -> None:
        row["input"]["text"] += " " + words
        end = len(row["input"]["text"])
        if pointer:
            place = {"start": end - len(words), "end": end, "rule": rule}
            row["meta"]["evidence"][pointer] = place

    return change


def leak(*path: str):
    """Give a training case what only unseen cases have at a path."""

    def change(rows) -> None:
        source, target = composed(rows), rows["train"][0]
        for key in path[:-1]:
            source, target = source[key], target[key]
        target[path[-1]] = source[path[-1]]

    return change


def copy_text(change):
    """Give a test case a text of training with a change."""

    def copied(rows) -> None:
        text = max((row["input"]["text"] for row in rows["train"]), key=len)
        rows["test"][0]["input"]["text"] = change(text)

    return copied


def copy_structure(rows) -> None:
    """The same words around other values: not a near duplicate, but one template."""
    source = next(row for row in rows["train"] if len(row["meta"]["evidence"]) >= 4)
    text, evidence, last = "", {}, 0
    places = sorted(source["meta"]["evidence"].items(), key=lambda item: item[1]["start"])
    for pointer, place in places:
        text += source["input"]["text"][last : place["start"]]
        start, last = len(text), place["end"]
        text += "quite other words here"
        evidence[pointer] = {"start": start, "end": len(text), "rule": "verbatim"}
    rows["test"][0]["input"]["text"] = text + source["input"]["text"][last:]
    rows["test"][0]["meta"]["evidence"] = evidence


# fmt: off
BREAKS = [  # check, part of the failure, what is chosen, and how it is changed
    ("row contract", "tier", case(3), lambda r: r["slices"].pop("tier")),
    ("row contract", "the file is test", case(3), lambda r: r.update(split="val")),
    ("row contract", "not unique", case(3), lambda r: r.update(id="edgejson-train-0009")),
    ("targets valid", "litres", first("fuel_stop"), lambda r: r["target"].update(litres="40")),
    ("targets valid", "lost_on", first("lost_item"),
     lambda r: r["target"].update(lost_on="2026-02-30")),
    ("targets valid", "date-time", first("sensor_alert"),
     lambda r: r["target"]["reading"].update(at="2026-02-03T10:00:00")),
    ("targets within grammars", "refuses it", first("sensor_alert"),
     lambda r: r["target"]["reading"].update(at="2026-02-03T10:00:00")),
    ("targets within grammars", "refuses it", first("fuel_stop"),
     lambda r: r.update(target=dict(reversed(r["target"].items())))),
    ("cross-field rules", "the sum rule gives", first("store_order"),
     lambda r: r["target"].update(total=r["target"]["total"] + 0.01)),
    ("cross-field rules", "the days rule gives", first("hotel_booking"),
     lambda r: r["target"]["stay"].update(nights=99)),
    ("cross-field rules", "is not in", first("delivery_round", lambda t: "complaint" in t),
     lambda r: r["target"]["complaint"].update(customer="Nobody & Co")),
    ("evidence", "the target has", first("meter_reading"), lambda r: r["target"].update(reading=7)),
    ("evidence", "no evidence", lacking("lost_item", "colour"),
     lambda r: r["target"].update(colour="red")),
    ("evidence", "cannot read", first("lost_item"),
     lambda r: [p.update(end=p["end"] - 1) for p in r["meta"]["evidence"].values()]),
    ("evidence", "outside the text", first("lost_item"),
     lambda r: r["meta"]["evidence"]["/lost_on"].update(end=9999)),
    ("evidence", "guess cannot read", first("lost_item"),
     lambda r: r["meta"]["evidence"]["/lost_on"].update(rule="guess")),
    ("evidence", "evidence for no leaf", case(0), say("nothing", "/nothing")),
    ("evidence", "is 1, the target has True", first("delivery_round"),
     lambda r: (say("1", "/stops/0/parcels", "number")(r),
                r["target"]["stops"][0].update(parcels=True))),
    ("evidence", "does not decide which number is the month", first("lost_item"),
     lambda r: (say("03/04/2026", "/lost_on", "day")(r), r["target"].update(lost_on="2026-04-03"))),
    ("absent choices not mentioned", "/sound: 'buzzer' mentions it",
     lacking("kitchen_timer", "sound"), say("Not the buzzer.")),
    ("absent choices not mentioned", "/approved: 'The supervisor has agreed' mentions it",
     lacking("shift_swap", "approved"), say("The supervisor has agreed.")),
    ("absent choices not mentioned", "/room/breakfast: 'breakfast included' mentions it",
     lacking("hotel_booking", "room", "breakfast"), say("It is breakfast included.")),
    ("absent choices not mentioned", "/defects/*: 'scratches' mentions it",
     lacking("quality_check", "defects"), say("One has scratches.")),
    ("English", "common English words", first("lost_item", split="train"),
     lambda r: (r["input"].update(text=GERMAN), r["slices"].update(register="email"))),
    ("English", "contains", case(0), say("\u0007")),
    ("canary", "canary is None", case(0), lambda r: r["meta"].pop("canary")),
    ("canary", "slmbench", case(0, "train"), lambda r: r["meta"].update(canary=checks.CANARY)),
    ("targets within 360 tokens", "the limit is 360", case(4),
     lambda r: r.update(target={"customer": {"name": "x" * 1200}})),
    ("schemas", "not the published schema", case(3),
     lambda r: r["input"]["schema"].update(additionalProperties=True)),
    ("schemas", "fuel_stop, lost_item: renamed copies", whole,
     lambda rows: [r["input"].update(schema=first("fuel_stop")(rows)["input"]["schema"])
                   for r in every(rows) if r["group"] == "lost_item"]),
    ("schemas", "the row says complex", first("fuel_stop"),
     lambda r: r["slices"].update(tier="complex")),
    ("schemas", "the origin is not composed", case(3),
     lambda r: r["slices"].update(origin="composed")),
    ("schemas", "not the schema composed from", composed,
     lambda r: r["meta"].update(composed=r["meta"]["composed"] + "0")),
    ("sizes", "99 cases, not 100", whole, lambda rows: rows["val"].pop()),
    ("sizes", "extra: 1 cases", whole, lambda rows: rows.update(extra=[rows["val"][0]])),
    ("tiers 40/40/20", "39 simple of 100", case(0, "val"),
     lambda r: r["slices"].update(tier="medium")),
    ("schemas evenly", "simple schemas have", whole,
     lambda rows: [r.update(group="fuel_stop") for r in rows["test"] if r["group"] == "lost_item"]),
    ("schemas evenly", "the minimum is 100", whole,
     lambda rows: [r.update(group=r["slices"]["tier"]) for r in rows["test_unseen"]]),
    ("Key: value share", "look like lists", whole,
     lambda rows: [r["input"].update(text=LIST) for r in rows["val"][:21]]),
    ("register coverage", "test: 1 registers", whole,
     lambda rows: [r["slices"].update(register="email") for r in rows["test"]]),
    ("register coverage", "fuel_stop: 1 registers", whole,
     lambda rows: [r["slices"].update(register="note")
                   for r in every(rows) if r["group"] == "fuel_stop"]),
    ("noise named", "noise None", case(0, "test_noisy"), lambda r: r["slices"].pop("noise")),
    ("noise named", "noise typos", case(0), lambda r: r["slices"].update(noise="typos")),
    ("noise named", "of a kind", whole,
     lambda rows: [r["slices"].update(noise="typos") for r in rows["test_noisy"]]),
    ("unseen kept apart", "schema", whole, leak("group")),
    ("unseen kept apart", "domain", whole, leak("meta", "domain")),
    ("unseen kept apart", "root entity", whole, leak("meta", "root")),
    ("exact duplicates", " = ", whole, copy_text(str)),
    ("exact duplicates", " = ", whole,
     copy_text(lambda text: text.upper().replace(" ", "  ") + " !")),
    ("near duplicates", " ~ ", whole, copy_text(lambda text: text + " Thanks a lot.")),
    ("masked texts, train to tests", "masked like", whole, copy_structure),
    ("names held out", "northgate tools: in", whole,
     lambda rows: [say("Northgate Tools")(rows[split][0]) for split in ("train", "test")]),
]
# fmt: on
CHECKS = {
    "row contract": lambda rows: data_checks.contract(rows, checks.SAMPLE),
    "targets valid": checks.targets,
    "cross-field rules": checks.cross_field,
    "evidence": checks.evidence,
    "absent choices not mentioned": checks.absent_choices,
    "targets within grammars": checks.grammar,
    "English": checks.language,
    "canary": lambda rows: data_checks.canary(rows, checks.CANARY, checks.role),
    "targets within 360 tokens": lambda rows: checks.lengths(rows, {"thirds": tokens}),
    "schemas": checks.schema_files,
    "sizes": lambda rows: data_checks.sizes(rows, checks.SIZES),
    "tiers 40/40/20": checks.tiers,
    "schemas evenly": checks.groups,
    "Key: value share": checks.list_likeness,
    "register coverage": checks.register_coverage,
    "noise named": checks.noises,
    "unseen kept apart": checks.unseen_apart,
    "exact duplicates": lambda rows: data_checks.exact_duplicates(rows, checks.text),
    "near duplicates": lambda rows: data_checks.no_near_duplicates(rows, checks.text),
    "masked texts, train to tests": lambda rows: data_checks.masked_texts(
        rows, checks.masked, checks.role
    ),
    "names held out": lambda rows: data_checks.held_out_names(
        rows, checks.text, lexicon.held_out_names(), checks.role
    ),
}


def test_the_published_data_pass_every_check(built):
    """The checks must hold for what is published, and each must have looked at something."""
    verdicts = dataset.prove(built, {"thirds": tokens})
    datasets.require(verdicts)
    assert all(verdict.count for verdict in verdicts)
    assert [verdict.name for verdict in verdicts] == list(CHECKS)


def test_a_broken_check_fails_and_refuses_the_data(built):
    """A check that never fails is decoration; a new one needs a case here that breaks it."""
    saved = pickle.dumps(built)
    for name, reason, choose, change in BREAKS:
        rows = pickle.loads(saved)
        change(choose(rows))
        verdict = CHECKS[name](rows)
        assert verdict.name == name
        failures = name, reason, verdict.failures[:3]
        assert any(reason in failure for failure in verdict.failures), failures
        with pytest.raises(io.DataError, match="fails its checks"):
            datasets.require([verdict])
    assert {name for name, *_ in BREAKS} == set(CHECKS)


def test_a_dialogue_is_not_a_list_of_keys_and_values():
    """A text that is only a form in disguise tests nothing."""
    assert checks.looks_like_list(LIST)
    assert checks.looks_like_list("a=1 b=2 c=3 d=4")
    dialogue = "Ann: hi, are you there?\nBen: yes, what is it?\nAnn: the lamp in the study"
    assert not checks.looks_like_list(dialogue)
    assert not checks.looks_like_list("Dear Ann,\n\nthe meter stood at 12.\n\nRegards\nBen")


def test_lengths_are_of_json_as_models_write_it(built, monkeypatch):
    """A space after each comma and colon counts; without a tokenizer every target would fit."""
    monkeypatch.setattr(checks, "MAX_TARGET_TOKENS", 3)
    row = {"id": "x", "target": {"a": [1, 2], "b": 3}}
    verdict = checks.lengths({"test": [row]}, {"spaces": lambda text: text.count(" ")})
    assert verdict.failures == ("x: 4 tokens of spaces; the limit is 3",)
    assert not checks.lengths(built, {}).ok


@pytest.mark.model
def test_targets_fit_under_every_tokenizer_here(built):
    """Limits are published in tokens: those of every registered model whose weights are present."""
    counters = {name: data_card.counter(name) for name in weights.present()}
    assert checks.lengths(built, counters).ok
