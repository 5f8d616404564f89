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
)
from slmlib.tasks.edgejson.generate.composer.planner import Planner
from slmlib.textgen import templates
from slmlib.textgen.sampling_context import SamplingContext

VISA = "visa_application"


def case(blueprint, register: str, key: str, split: str = "train", index: int = 0) -> dict:
    """A row of a composed case."""
    return dataset.case(key, split, index, case_sources.composed(blueprint, register))


def draw(blueprint: composer.Blueprint, seed: str) -> tuple[dict, composer.Instance, Random]:
    """A record, its instance, and the random generator as the text gets it."""
    ctx = SamplingContext(Random(seed), "train")
    return *composer.sample(blueprint, ctx), ctx.rng


@pytest.fixture
def visa(tmp_path, monkeypatch):
    """Reads the file of an entity, with one part of it replaced, and makes it the file in use."""
    load = entity_parser.load
    monkeypatch.setattr(entity_parser, "field_at", entity_parser.field_at.__wrapped__)

    def read(old: str = "", new: str = "") -> entity_parser.Entity:
        text, path = (entities.FOLDER / f"{VISA}.txt").read_text("utf-8"), tmp_path / f"{VISA}.txt"
        assert old in text
        path.write_text(text.replace(old, new) if old else text, "utf-8")
        entity = entity_parser.read(path, "travel")
        monkeypatch.setattr(entity_parser, "load", lambda n: entity if n == VISA else load(n))
        return entity

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
    """180 cases in all registers that suit their blueprints."""
    cases = []
    for index in range(180):
        blueprint, split = blueprints[index % 90], ("train", "test_unseen")[index % 2]
        registers = composer.registers(blueprint)
        register = registers[index % len(registers)]
        cases.append(case(blueprint, register, f"case/{index}", split, index))
    return cases


# Schemas and records


def test_entities_are_sound_and_suffice():
    """A fault in an entity would spoil every schema with it; the composer promises 80 entities."""
    names = entities.samplers()
    assert {name: faults for name in names if (faults := entity_lint.faults(name))} == {}
    domains = Counter(map(entities.domain, names))
    assert sum(domains.values()) >= 80 and domains[entities.SHARED] >= 16


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


def test_schemas_vary(blueprints):
    """Key styles, optional parts, rules and lists all occur, none everywhere; hardly any repeat."""
    texts = [schemas.compact(blueprint.schema) for blueprint in blueprints]
    for mark in ('"x-rules"', '"items"', '"x-order"', "YYYY-MM-DD"):
        assert 0 < sum(mark in text for text in texts) < len(texts), mark
    keys = [key for blueprint in blueprints for key in blueprint.schema["properties"]]
    assert any("_" in key for key in keys) and any(key != key.lower() for key in keys)
    full = [set(b.schema["required"]) == set(b.schema["properties"]) for b in blueprints]
    assert 0.1 < sum(full) / len(full) < 0.9
    assert len(set(texts)) == len({b.name for b in blueprints})
    keys = {tuple(sorted(pointer for pointer, _ in schemas.walk(b.schema))) for b in blueprints}
    assert len(keys) >= len(blueprints) - 1


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
    """The text proves every value; no gap or mark remains; a fifth at most are `Key: value`."""
    splits = {split: [r for r in rows if r["split"] == split] for split in ("train", "test_unseen")}
    for check in (data_checks.contract(splits, checks.SAMPLE), *checks.per_case(splits)):
        assert check.failures == (), check.name
    for row in rows:
        text = row["input"]["text"]
        assert text == text.strip() and " ." not in text.replace(" ..", "") and " ," not in text
        assert not set(text) & set("{}\ue000\ue001\ue002\ue003\ue004")
    assert {row["slices"]["register"] for row in rows} == set(templates.TEXT_STYLES)
    lists = sum(checks.looks_like_list(row["input"]["text"]) for row in rows)
    assert 0 < lists <= 0.2 * len(rows)


def test_values_are_mentioned_once_and_entities_told_apart(blueprints):
    """A text that repeats itself gives a model two chances; sender and receiver are both people."""
    values = repeated = twins = 0
    for index, blueprint in enumerate(blueprints):
        _, instance, rng = draw(blueprint, f"once/{index}")
        planner = Planner(instance, "report", {**instance.context, "title": "x"}, rng)
        for path in planner.order():
            if path and planner.entity(path).name in planner.ambiguous:
                for line in planner.entity(path).lines["sentences"]:
                    twins += 1
                    assert not planner.is_clear(replace(line, names_role=False), path)
        assert planner.segments("sentences") and not planner.missing(())
        places = Counter(pointer for pointer, _ in planner.marks)
        values += len(places)
        repeated += sum(n > 1 for p, n in places.items() if not p.lower().endswith("curr"))
    assert repeated <= 0.1 * values and twins > 50


def test_distractors_do_not_reveal_absent_values():
    """Both dates of a visa would give away the length of a stay that the record lacks."""
    seen = set()
    for index in range(40):
        seed = f"revealing/{index}"
        blueprint = composer.compose(seed, tier="simple", reserved=False, root=VISA)
        _, instance, rng = draw(blueprint, seed)
        planner = Planner(instance, "note", dict(instance.context), rng)
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
    for second, text in (
        ("The dog stays.", "The hut is Alm, and the dog stays."),
        ("It is cold.", "The hut is Alm. It is cold."),
        ("Greta comes.", "The hut is Alm. Greta comes."),
    ):
        assert sentences.joined(["The hut is Alm.", second], 1.0, Random(1)) == text
    assert sentences.with_bullets("They eat:\n- soup\n- bread.") == "They eat:\n- soup\n- bread"
    assert sentences.casual("The dog stays.") == "the dog stays"
    assert sentences.casual("Greta comes.") == "Greta comes"
    cell = "\ue0000\ue001Alm\ue002"
    assert documents.columned([["Hut", "No"], [cell, "7"]], " | ") == f"Hut | No\n{cell} | 7"


# Entity files


def test_entity_file_is_parsed(visa):
    """Fields, bounds, rules and lines are those of the file; lines know what they mention."""
    entity = visa()
    assert entity.identifier == "application_no" and len(entity.rules) == 2
    days = entity.fields["days_of_stay"]
    assert days.optional and days.node == {"type": "integer", "minimum": 1, "maximum": 365}
    assert days.description == "Days from entry to leaving" and days.wordings[1] == "stay_days"
    assert entity.fields["stay_address"].child == "address"
    assert entity.fields["companions"].bounds == (1, 3)
    assert entity.labels["days_of_stay"] == ("Days", "Stay (days)")
    line = next(ln for ln in entity.lines["sentences"] if ("applicant", "name") in ln.required)
    assert line.required == {("applicant", "name"), ("country",), ("enters_on",), ("leaves_on",)}
    assert line.optional == {("purpose",)}


def test_lines_know_what_they_mention_and_how_they_open():
    """The planner chooses lines by their fields, by pronouns and by the entity that they name."""

    def parse(text: str) -> list[entity_parser.Line]:
        return entity_parser.parse(text, "x:1", ("the stay",))

    lines = parse("[{guest.name}|Somebody] sleeps at {hut}.")
    assert [sorted(line.required) for line in lines] == [[("guest", "name"), ("hut",)], [("hut",)]]
    for text, dangling, names_role, names_thing in (
        ("It is at {hut}.", True, False, False),
        ("[The stay|It] is at {hut}.", False, False, True),
        ("{^~role} is at {hut}.", False, True, False),
        ("The hut is {hut}.", False, False, False),
    ):
        line = parse(text)[0]
        flags = (line.dangling, line.names_role, line.names_thing)
        assert flags == (dangling, names_role, names_thing), text


def test_broken_file_is_refused(visa):
    """The error says file, line, rule and fix."""
    for old, new, message in [
        ("=== notes", "=== remarks", r"visa_application.txt:\d+: unknown block 'remarks'. Valid:"),
        ("thing: the application | the visa application\n", "", "no `thing:`"),
        ('"maximum": 365}', '"maximum": 365', r"visa_application.txt:\d+: not JSON"),
        ("[@person, 1, 3]", "[@person, 1]", r"visa_application.txt:\d+: a list is \[node or @ent"),
        ("registers: receipt", "registers: telegram", "telegram.*: unknown. Valid: receipt"),
        ("So far it] ", "So far it ", r"visa_application.txt:\d+: \[ is never closed"),
        ("state: Status", "state Status", r"visa_application.txt:\d+: 'state Status' is not `name"),
        ("@address", "@soup", r"visa_application.txt:\d+: stay_address: there is no entity 'soup'"),
    ]:
        with pytest.raises(io.DataError, match=message):
            visa(old, new)


def test_faults_are_reported_with_their_place(visa, monkeypatch):
    """Each rule for an entity file is enforced; a phrase for two values could not be read back."""
    for old, new, fault in [
        ("reason, purpose_of", "country, purpose_of", "'country' is used twice"),
        ("reason, purpose_of", "tripReason, purpose_of", "'tripReason' is not snake_case"),
        ('"type": "string", "maxLength": 40', '"type": "string"', "unbounded string"),
        ("The return is planned for {leaves_on}.\n", "", "1 with leaves_on alone; at least 2"),
        ("exit {leaves_on}\n", "", "notes: none with leaves_on alone"),
        ("state: Status\n", "", "labels: none for state"),
        ("<, {state}><, application", "<, application", "an item has all scalars; missing: state"),
        ("passport shown was {passport_no}", "pass was {pass}", "{pass} is not a field"),
        ("travelling along are {comp", "travelling are {applicant}, {comp", "not a field with"),
        ("are {companions}", "are {companions:tasty}", "neither a style nor a form"),
        ("are {companions}.", "are {?fee}{companions}{/}.", "a value inside {?…}"),
        ("are {companions}.", "are {*companions}{.name}{/, }.", "a loop: only slots"),
        ('"from": "enters_on"', '"from": "start"', "no field 'start'"),
        ('"rule": "days"', '"rule": "weeks"', "unknown, or not its fields"),
        ("The return is", "the return is", "a sentence begins with a capital"),
        ("with {companions}", "with {companions}.", "a note has no full stop"),
        ("leaves_on: Exit", "leaves_on: Entry", "labels: 'entry' is used for enters_on and leav"),
        ("exit {leaves_on}\n", "{leaves_on}\n", "a bare leaves_on could be enters_on"),
        ("travel, trip: country", "travel, trip: city", "groups: no field 'city'"),
    ]:
        visa(old, new)
        faults = entity_lint.faults(VISA)
        assert any(fault in text and f"{VISA}.txt" in text for text in faults), (fault, faults)
    visa()
    assert entity_lint.faults(VISA) == []
    table = {"": {"refused": ["Granted"], "granted": ["granted"]}}
    monkeypatch.setattr(entity_lint, "PHRASES", {**entity_lint.PHRASES, f"{VISA}.state": table})
    faults = "\n".join(entity_lint.faults(VISA))
    assert "'granted' means two values" in faults and "the values are ['submitted'" in faults


def test_sampler_is_checked_against_its_file(visa):
    """A missing scalar, an unknown key, a rejected value and a broken rule are each reported."""
    entity, values = visa(), entities.draw(VISA, SamplingContext(Random(1), "train"))
    assert entity_lint.sample_faults(entity, values) == []
    for change, fault in [
        ({"country": None}, "country: None is not of type"),
        ({"cat": 1}, "'cat' was unexpected"),
        ({"country": "x" * 41}, "is too long"),
        ({"days_of_stay": True}, "True is not of type"),
        ({"days_of_stay": 1}, "but the days rule gives"),
        ({"country": ["Peru"]}, "is not of type"),
        ({"companions": []}, "[] "),
    ]:
        faults = entity_lint.sample_faults(entity, values | change)
        assert any(fault in text for text in faults), (fault, faults)
    del values["country"]
    assert "'country' is a required property" in entity_lint.sample_faults(entity, values)[0]


def test_commands_check_and_show(capsys):
    """The two commands print the faults of an entity, and cases with their proof."""
    assert command.main(["check", "person"]) == 0
    assert "person: 0 faults" in capsys.readouterr().out
    assert command.main(["show", "-n", "3", "--register", "letter", "--entity", "pet"]) == 0
    out = capsys.readouterr().out
    assert out.count("=> {") == 3 and "3 cases, 0 failures" in out
