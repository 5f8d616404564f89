"""The composer: sound schemas, true records, texts that prove every value, reproducible by seed."""

import json
from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from slmlib.core import io
from slmlib.tasks import data_checks
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import (
    case_sources,
    checks,
    composer,
    dataset,
    entities,
    field_rules,
    samplers,
)
from slmlib.tasks.edgejson.generate.composer import (
    command,
    documents,
    entity_lint,
    entity_parser,
    instances,
    sentences,
    text_plan,
)
from slmlib.textgen import templates
from slmlib.textgen.sampling_context import SamplingContext

HUT_STAY = """=== entity
title: Hut stay
thing: the stay | the hut stay
roles: stay
=== fields
hut | hut_name, lodge | {"type": "string", "maxLength": 30} | Name of the hut
arrival | arrives_on, first_night | {"type": "string", "format": "date"} | Day of arrival
leaving | leaves_on, last_morning | {"type": "string", "format": "date"} | Day of leaving
nights | night_count, number_of_nights | {"type": "integer", "minimum": 1, "maximum": 20} | Nights
dog? | with_dog, brings_dog | {"type": "boolean"} | Whether a dog comes along
guest | visitor, walker | @person | Who comes
meals? | suppers, dinners | [@meal, 1, 2] | What they eat
=== rules
{"rule": "days", "from": "arrival", "to": "leaving", "is": "nights"}
=== sentences
[{^~thing}|It] is at {hut}.
The hut is called {hut}.
They arrive on {arrival}.
The first day is {arrival}.
They leave on {leaving}.
The last morning is {leaving}.
The stay is {nights} nights long.
There are {nights} nights to pay.
The dog {dog:clause}.
As to the dog, it {dog:clause}.
{guest.name} stays at {hut} from {arrival} to {leaving}<, so {nights} nights>.
For supper there is {meals}.
They eat {meals}.
=== notes
{hut}
from {arrival}
until {leaving}
{nights} nights
{dog}
supper: {meals}
=== labels
hut: Hut
arrival: From
leaving: To
nights: Nights
dog: Dog
guest: Guest
meals: Meals
=== items
{hut}<, from {arrival}>< to {leaving}>< ({nights} nights)><, {dog}>
"""
DOG = {"": {True: ["with dog"], False: ["no dog"]}, "clause": {True: ["comes"], False: ["stays"]}}


def case(blueprint, register: str, key: str, split: str = "train", index: int = 0) -> dict:
    """A row of a composed case."""
    return dataset.case(key, split, index, case_sources.composed(blueprint, register))


def draw(blueprint: composer.Blueprint, seed: str) -> tuple[dict, composer.Instance, Random]:
    """A record, its instance, and the random generator as the text gets it."""
    ctx = SamplingContext(Random(seed), "train")
    return *composer.sample(blueprint, ctx), ctx.rng


@pytest.fixture
def hut_stay(tmp_path):
    """Reads the entity `hut_stay`, with one part of its file replaced."""

    def read(old: str = "", new: str = "") -> entity_parser.Entity:
        assert old in HUT_STAY
        path = tmp_path / "hut_stay.txt"
        path.write_text(HUT_STAY.replace(old, new) if old else HUT_STAY, "utf-8")
        return entity_parser.read(path, "toys")

    return read


@pytest.fixture(scope="module")
def blueprints() -> list[composer.Blueprint]:
    """198 blueprints of all tiers; every second one has a reserved root."""
    return [
        composer.compose(f"test/{index}", tier=tier, reserved=reserved)
        for index in range(33)
        for tier in schemas.TIERS
        for reserved in (False, True)
    ]


@pytest.fixture(scope="module")
def rows(blueprints) -> list[dict]:
    """300 cases in all registers that suit their blueprints."""
    cases = []
    for index in range(300):
        at = index % len(blueprints)
        registers, split = composer.registers(blueprints[at]), ("train", "test_unseen")[at % 2]
        register = registers[index % len(registers)]
        cases.append(case(blueprints[at], register, f"case/{index}", split, index))
    return cases


# Schemas and records


def test_entities_are_sound_and_suffice():
    """A fault in an entity would spoil every schema with it; the composer promises 80 entities."""
    names = entity_parser.names()
    assert {name: faults for name in names if (faults := entity_lint.faults(name))} == {}
    domains = Counter(map(entities.domain, names))
    assert sum(domains.values()) >= 80 and domains[entities.SHARED] >= 16
    for tier in schemas.TIERS:
        assert composer.roots(True, tier) and composer.roots(False, tier), tier


def test_schemas_keep_house_rules_tier_and_domain(blueprints):
    """Schemas are as strict as hand-designed ones; no reserved domain may reach training."""
    for index, blueprint in enumerate(blueprints):
        assert schemas.faults(blueprint.schema) == []
        assert schemas.tier_of(blueprint.schema) == blueprint.tier
        assert blueprint.domain != entities.SHARED
        assert (blueprint.domain in samplers.RESERVED) == bool(index % 2)
    assert not set(composer.roots(True)) & set(composer.roots(False))
    root = composer.roots(True)[-1]
    assert composer.compose("a", tier="simple", reserved=True, root=root).root == root


def test_root_without_a_list_gives_no_complex_schema():
    """An error that names the entity instead of an endless search."""
    flat = next(n for n in composer.roots(False) if n not in composer.roots(False, "complex"))
    with pytest.raises(io.DataError, match=f"{flat}: .* drafts gave no complex schema"):
        composer.compose("a", tier="complex", reserved=False, root=flat)


def test_seed_decides_schema_record_and_text(blueprints):
    """The same seed must give the same bytes, and a name must stand for one schema."""
    blueprint = blueprints[2]
    again = composer.compose(blueprint.seed, tier=blueprint.tier, reserved=False)
    assert again == blueprint
    one, two = (case(b, "email", "k/1") for b in (blueprint, again))
    assert json.dumps(one) == json.dumps(two)
    assert case(blueprint, "email", "k/2")["input"]["text"] != one["input"]["text"]
    texts = {b.name: schemas.compact(b.schema) for b in blueprints}
    assert len(texts) == len({schemas.compact(b.schema) for b in blueprints})


def test_schemas_differ():
    """Of 1,000 seeds at most 5 may repeat structure and names, and no complex one."""
    shapes = Counter()
    for index in range(1000):
        tier = ("simple", "medium", "simple", "medium", "complex")[index % 5]
        schema = composer.compose(f"differ/{index}", tier=tier, reserved=bool(index % 3)).schema
        pointers = tuple(sorted(pointer for pointer, _ in schemas.walk(schema)))
        shapes[schemas.shape(schema), pointers, tier] += 1
    assert sum(count - 1 for count in shapes.values()) <= 5
    assert all(count == 1 for (*_, tier), count in shapes.items() if tier == "complex")


def test_schemas_vary(blueprints):
    """Key styles, descriptions, optional parts, rules and lists all occur; none is everywhere."""
    texts = [schemas.compact(blueprint.schema) for blueprint in blueprints]
    for mark in ('"x-rules"', '"items"', '"x-order"', "YYYY-MM-DD"):
        assert 0 < sum(mark in text for text in texts) < len(texts), mark
    keys = [key for blueprint in blueprints for key in blueprint.schema["properties"]]
    assert any("_" in key for key in keys) and any(key != key.lower() for key in keys)
    full = [set(b.schema["required"]) == set(b.schema["properties"]) for b in blueprints]
    assert 0.1 < sum(full) / len(full) < 0.9


def test_records_keep_schema_and_rules(blueprints):
    """Keys in order, rules true with pointers that find values, optional values at times absent."""
    absent = rules = 0
    for index, blueprint in enumerate(blueprints):
        record, instance, _ = draw(blueprint, f"case/{index}")
        keys = list(blueprint.schema["properties"])
        assert list(record) == [key for key in keys if key in record]
        assert field_rules.broken(blueprint.schema, record) == []
        assert len(schemas.compact(record)) <= instances.MAX_TARGET
        for rule in blueprint.schema.get("x-rules", []):
            rules += 1
            values = [value for key, value in rule.items() if key != "rule"]
            pointers = [p for v in values for p in ([v] if isinstance(v, str) else v)]
            assert all(field_rules.find(record, pointer) for pointer in pointers), rule
        for part in blueprint.parts:
            if len(part.source) == 1 and part.node and part.key not in record:
                absent += 1
                assert part.source[0] not in instance.values, "a text could mention it"
    assert absent > 20 and rules >= 15


# Texts


def test_cases_pass_the_checks(rows):
    """Rows keep the contract, targets are valid, rules hold, and the text proves every value."""
    splits = {split: [r for r in rows if r["split"] == split] for split in ("train", "test_unseen")}
    for check in (data_checks.contract(splits, checks.SAMPLE), *checks.per_case(splits)):
        assert check.failures == (), check.name


def test_texts_are_tidy_and_of_all_registers(rows):
    """No gap, slot or mark may remain, and at most a fifth may be `Key: value` lists."""
    for row in rows:
        text = row["input"]["text"]
        assert text == text.strip() and " ." not in text.replace(" ..", "") and " ," not in text
        assert not set(text) & set("{}\ue000\ue001\ue002\ue003\ue004")
    assert {row["slices"]["register"] for row in rows} == set(templates.TEXT_STYLES)
    lists = sum(checks.looks_like_list(row["input"]["text"]) for row in rows)
    assert 0 < lists <= 0.2 * len(rows)


def test_most_values_are_mentioned_once(blueprints):
    """A text that repeats itself gives a model two chances."""
    values = repeated = 0
    for index, blueprint in enumerate(blueprints[:80]):
        _, instance, rng = draw(blueprint, f"once/{index}")
        planner = text_plan.Planner(instance, "report", {**instance.context, "title": "x"}, rng)
        assert planner.segments("sentences") and not planner.missing(())
        places = Counter(pointer for pointer, _ in planner.marks)
        values += len(places)
        repeated += sum(n > 1 for p, n in places.items() if not p.lower().endswith("curr"))
    assert repeated <= 0.1 * values


def test_two_entities_of_one_type_are_told_apart():
    """Sender and receiver are both people: each sentence about one must say which."""
    seen = 0
    for index in range(60):
        blueprint = composer.compose(f"twins/{index}", tier="complex", reserved=False)
        _, instance, rng = draw(blueprint, f"twins/{index}")
        planner = text_plan.Planner(instance, "letter", dict(instance.context), rng)
        for path in planner.order():
            if path and planner.entity(path).name in planner.ambiguous:
                for line in planner.entity(path).lines["sentences"]:
                    seen += 1
                    assert not planner.is_clear(replace(line, names_role=False), path)
    assert seen > 50


def test_distractors_do_not_reveal_absent_values():
    """Both dates of a visa would give away the length of a stay that the record lacks."""
    seen = set()
    for index in range(40):
        seed = f"revealing/{index}"
        blueprint = composer.compose(seed, tier="simple", reserved=False, root="visa_application")
        _, instance, rng = draw(blueprint, seed)
        planner = text_plan.Planner(instance, "note", dict(instance.context), rng)
        if ("leaves_on",) not in planner.targets:
            absent = "days_of_stay" not in instance.values
            assert planner.is_distractor(("leaves_on",)) != absent
            seen.add(absent)
    assert seen == {True, False}


def test_misstatements_are_corrected():
    """The wrong value is no evidence; the right one follows it."""
    corrected = 0
    for index in range(150):
        blueprint = composer.compose(f"slip/{index}", tier="simple", reserved=False)
        row = case(blueprint, "call", f"slip/{index}")
        text = row["input"]["text"]
        for phrase in ("No, wait", "that's wrong", "Correction:", "Hang on", "Sorry, "):
            if phrase in text and "Sorry, wrong" not in text:
                at, places = text.index(phrase), row["meta"]["evidence"].values()
                corrected += any(at < place["start"] < at + 40 for place in places)
    assert corrected >= 10


def test_sentences_are_joined_only_where_the_sense_stays():
    """A pronoun keeps its sentence, an initial value its capital; tables ignore evidence marks."""

    def joined(*texts: str) -> str:
        return sentences.joined(list(texts), 1.0, Random(1))

    assert joined("The hut is Alm.", "The dog stays.") == "The hut is Alm, and the dog stays."
    assert joined("The hut is Alm.", "It is cold.") == "The hut is Alm. It is cold."
    assert joined("The hut is Alm.", "Greta comes.") == "The hut is Alm. Greta comes."
    assert sentences.with_bullets("They eat:\n- soup\n- bread.") == "They eat:\n- soup\n- bread"
    assert sentences.casual("The dog stays.") == "the dog stays"
    assert sentences.casual("Greta comes.") == "Greta comes"
    cell = "\ue0000\ue001Alm\ue002"
    assert documents.columned([["Hut", "No"], [cell, "7"]], " | ") == f"Hut | No\n{cell} | 7"


# Entity files


def test_entity_file_is_parsed(hut_stay):
    """Fields, bounds, rules and lines are those of the file; lines know what they mention."""
    entity = hut_stay()
    assert entity.identifier == "hut" and entity.fields["dog"].optional and len(entity.rules) == 1
    assert entity.fields["guest"].child == "person" and entity.fields["meals"].bounds == (1, 2)
    assert entity.fields["nights"].node == {"type": "integer", "minimum": 1, "maximum": 20}
    assert entity.fields["nights"].description == "Nights"
    assert entity.labels["hut"] == ("Hut",) and entity.things == ("the stay", "the hut stay")
    line = next(ln for ln in entity.lines["sentences"] if ("guest", "name") in ln.required)
    assert line.required == {("guest", "name"), ("hut",), ("arrival",), ("leaving",)}
    assert line.optional == {("nights",)}


def test_lines_know_what_they_mention_and_how_they_open():
    """The planner chooses lines by their fields, by pronouns and by the entity that they name."""

    def parse(text: str) -> list[entity_parser.Line]:
        return entity_parser.parse(text, "x:1", ("the stay",))

    lines = parse("[{guest.name}|Somebody] sleeps at {hut}.")
    assert [sorted(line.required) for line in lines] == [[("guest", "name"), ("hut",)], [("hut",)]]
    assert parse("It is at {hut}.")[0].dangling
    assert not parse("[The stay|It] is at {hut}.")[0].dangling
    assert parse("{^~role} is at {hut}.")[0].names_role
    line = parse("The stay is at {hut}.")[0]
    assert line.names_thing and not line.names_role
    assert not parse("The hut is {hut}.")[0].names_thing


def test_broken_file_is_refused(hut_stay):
    """The error says file, line, rule and fix."""
    for old, new, message in [
        ("=== notes", "=== remarks", r"hut_stay.txt:\d+: unknown block 'remarks'. Valid: entity"),
        ("thing: the stay | the hut stay\n", "", "no `thing:`"),
        ('"maximum": 20}', '"maximum": 20', r"hut_stay.txt:\d+: not JSON"),
        ("[@meal, 1, 2]", "[@meal, 1]", r"hut_stay.txt:\d+: a list is \[node or @entity, min"),
        ("roles: stay", "roles: stay\nregisters: telegram", "telegram: unknown. Valid: receipt"),
        ("[{^~thing}|It] is", "[{^~thing}|It is", "never closed"),
    ]:
        with pytest.raises(io.DataError, match=message):
            hut_stay(old, new)


def test_faults_are_reported_with_their_place(hut_stay, monkeypatch):
    """Each rule for an entity file is enforced."""
    known = {name: entity_parser.load(name) for name in ("person", "product_line")}
    known["meal"] = known.pop("product_line")
    monkeypatch.setattr(entity_parser, "load", known.__getitem__)
    monkeypatch.setattr(entity_parser, "names", lambda: tuple(known))
    monkeypatch.setattr(entity_parser, "field_at", entity_parser.field_at.__wrapped__)
    monkeypatch.setattr(entity_lint.surface, "proper_names", lambda name: {})
    monkeypatch.setattr(entity_lint, "PHRASES", {"hut_stay.dog": DOG})
    monkeypatch.setattr(entity_lint, "_draws", lambda entity: [])
    for old, new, fault in [
        ("", "", None),
        ("hut_name, lodge", "arrival, lodge", "'arrival' is used twice"),
        ("hut_name, lodge", "hutName, lodge", "'hutName' is not snake_case"),
        ('"type": "string", "maxLength": 30', '"type": "string"', "unbounded string"),
        ("They arrive on {arrival}.\n", "", "1 with arrival alone; at least 2"),
        ("The first day is", "It begins on", "all with arrival alone begin with a pronoun"),
        ("from {arrival}\nuntil", "until", "notes: none with arrival alone"),
        ("nights: Nights\n", "", "labels: none for nights"),
        ("<, {dog}>", "", "an item has all scalars; missing: dog"),
        ("{nights} nights to pay", "{weeks} weeks to pay", "{weeks} is not a field"),
        ("supper there is {meals}", "supper there is {meals:tasty}", "neither a style nor a form"),
        ("They eat {meals}.", "They eat {?dog=true}{meals}{/}.", "a value inside {?…}"),
        ("They eat {meals}.", "They eat {*meals}{.name}{/, }.", "a loop: only slots"),
        ('"from": "arrival"', '"from": "start"', "no field 'start'"),
        ('"rule": "days"', '"rule": "weeks"', "unknown, or not its fields"),
        ("They leave on", "they leave on", "a sentence begins with a capital"),
        ("supper: {meals}", "supper: {meals}.", "a note has no full stop"),
        ("leaving: To", "leaving: To | From", "labels: 'from' is used for arrival and leaving"),
        ("until {leaving}", "{leaving}", "a bare leaving could be arrival"),
        ("@meal", "@soup", "there is no entity 'soup'"),
    ]:
        known["hut_stay"] = hut_stay(old, new)
        faults = entity_lint.faults("hut_stay")
        if fault is None:
            assert faults == []
        else:
            assert any(fault in text and "hut_stay.txt" in text for text in faults), (fault, faults)


def test_sampler_is_checked_against_its_file(hut_stay):
    """A missing scalar, an unknown key, a rejected value and a broken rule are each reported."""
    entity = hut_stay("{guest.name} stays", "Somebody stays")
    dates = {"arrival": "2026-05-02", "leaving": "2026-05-04"}
    values = {"hut": "Alm", **dates, "nights": 2, "dog": True}
    assert entity_lint.sample_faults(entity, values) == []
    for change, fault in [
        ({"dog": None}, "dog: missing; a sampler returns every scalar"),
        ({"cat": 1}, "'cat' is not a field"),
        ({"hut": "x" * 31}, "its node rejects"),
        ({"nights": True}, "its node rejects"),
        ({"nights": 3}, "rule broken"),
        ({"hut": ["Alm"]}, "must return a single value"),
    ]:
        faults = entity_lint.sample_faults(entity, values | change)
        assert any(fault in text for text in faults), (fault, faults)


def test_ambiguous_phrase_is_reported():
    """A phrase for two values could not be read back."""
    table = DOG | {"short": {True: ["dog"], False: ["With dog"]}}
    faults = list(entity_lint.ambiguous_phrases("x", table, (True, False)))
    assert faults == ["x: 'With dog' means two values"]


def test_commands_check_and_show(capsys):
    """The two commands print the faults of an entity, and cases with their proof."""
    assert command.main(["check", "person"]) == 0
    assert "person: 0 faults" in capsys.readouterr().out
    assert command.main(["show", "-n", "3", "--register", "letter", "--entity", "pet"]) == 0
    out = capsys.readouterr().out
    assert out.count("=> {") == 3 and "3 cases, 0 failures" in out
