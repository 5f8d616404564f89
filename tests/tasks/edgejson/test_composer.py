"""The composer: sound schemas, true records, texts that prove every value, the same on every run."""

import json
from collections import Counter
from random import Random

import pytest

from slmlib.core import io
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import checks, composer, dataset, entities, field_rules, samplers
from slmlib.tasks.edgejson.generate.case_sources import Composed
from slmlib.tasks.edgejson.generate.composer import __main__ as command
from slmlib.tasks.edgejson.generate.composer import (
    documents,
    entity_lint,
    entity_parser,
    schema_generator,
    sentences,
    text_plan,
)
from slmlib.textgen import templates
from slmlib.textgen.sampling_context import SamplingContext

TOY = """=== entity
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
warden | host, keeper | @person | Who keeps the hut
meals? | suppers, dinners | [@meal, 1, 2] | What they eat
=== rules
{"rule": "order", "of": ["arrival", "leaving"]}
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
warden: Warden
meals: Meals
=== items
{hut}<, from {arrival}>< to {leaving}>< ({nights} nights)><, {dog}>
=== phrases dog
true: with dog
false: no dog
=== phrases dog:clause
true: comes along | is with them
false: stays at home
"""


def case(blueprint: composer.Blueprint, register: str, key: str, split: str) -> dict:
    """A row of a composed case."""
    return dataset.case(key, split, 0, dataset.Slot(Composed(blueprint, register)))


@pytest.fixture
def toy(tmp_path):
    """Reads the toy entity, with parts of its file replaced."""

    def read(*changes: tuple[str, str]) -> entity_parser.Entity:
        text = TOY
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "hut_stay.txt"
        path.write_text(text, "utf-8")
        return entity_parser.read(path, "toys")

    return read


@pytest.fixture(scope="module")
def made() -> list[composer.Blueprint]:
    """200 blueprints of all tiers, from reserved roots and from the others."""
    return [
        composer.compose(f"test/{index}", tier=tier, reserved=reserved)
        for index in range(34)
        for tier in schemas.TIERS
        for reserved in (False, True)
    ][:200]


@pytest.fixture(scope="module")
def rows(made) -> list[dict]:
    """300 cases, in all registers that suit their blueprints."""
    found = []
    for index in range(300):
        blueprint = made[index % len(made)]
        suited = composer.registers(blueprint)
        split = "test_unseen" if blueprint.reserved else "train"
        found.append(case(blueprint, suited[index % len(suited)], f"case/{index}", split))
    return found


def by_split(rows: list[dict]) -> dict[str, list[dict]]:
    return {split: [row for row in rows if row["split"] == split] for split in {row["split"] for row in rows}}


def test_entities_are_sound():
    """A fault in any entity's file or sampler would spoil every schema that it stands in."""
    assert {name: faults for name in entity_parser.names() if (faults := entity_lint.faults(name))} == {}


def test_entities_are_many():
    """The composer promises at least 80 typed entities, the shared ones among them."""
    domains = Counter(entities.domain(name) for name in entity_parser.names())
    assert sum(domains.values()) >= 80 and domains[entities.SHARED] >= 16
    assert all(composer.roots(True, tier) and composer.roots(False, tier) for tier in schemas.TIERS)


def test_schemas_keep_the_house_rules(made):
    """A composed schema is as strict as a hand-designed one, and of the tier that was asked for."""
    for blueprint in made:
        assert schemas.faults(blueprint.schema) == []
        assert schemas.tier_of(blueprint.schema) == blueprint.tier
        assert blueprint.name.startswith(f"{blueprint.root}-")


def test_roots_stay_in_their_domains(made):
    """A reserved domain may never reach training, nor a shared entity be a root."""
    for blueprint in made:
        assert blueprint.domain != entities.SHARED
        assert blueprint.reserved == (blueprint.domain in samplers.RESERVED)
    assert {blueprint.reserved for blueprint in made} == {True, False}
    assert not set(composer.roots(True)) & set(composer.roots(False))


def test_compose_obeys_root_and_reserved():
    """The arguments decide, not chance."""
    for root in (composer.roots(True)[0], composer.roots(True)[-1]):
        blueprint = composer.compose("a", tier="simple", reserved=True, root=root)
        assert (blueprint.root, blueprint.tier, blueprint.reserved) == (root, "simple", True)


def test_a_root_without_a_list_gives_no_complex_schema():
    """An error that names the entity, rather than an endless search."""
    small = next(n for n in composer.roots(False) if n not in composer.roots(False, "complex"))
    with pytest.raises(io.DataError, match=f"{small}: .* drafts gave no complex schema"):
        composer.compose("a", tier="complex", reserved=False, root=small)


def test_a_seed_decides_everything(made):
    """The same seed gives the same schema, record and text; another seed gives others."""
    blueprint = made[2]
    again = composer.compose(blueprint.seed, tier=blueprint.tier, reserved=blueprint.reserved)
    assert again == blueprint
    one, two = (case(b, "email", "k/1", "train") for b in (blueprint, again))
    assert json.dumps(one) == json.dumps(two)
    assert case(blueprint, "email", "k/2", "train")["input"]["text"] != one["input"]["text"]


def test_schemas_differ():
    """Of 1,000 seeds at most a handful may meet in structure and names at once, in none if complex."""
    seen = Counter()
    for index in range(1000):
        tier = ("simple", "medium", "simple", "medium", "complex")[index % 5]
        blueprint = composer.compose(f"differ/{index}", tier=tier, reserved=bool(index % 3))
        pointers = tuple(sorted(pointer for pointer, _ in schemas.walk(blueprint.schema)))
        seen[schemas.shape(blueprint.schema), pointers, tier] += 1
    assert sum(count - 1 for count in seen.values()) <= 5
    assert all(count == 1 for (_, _, tier), count in seen.items() if tier == "complex")


def test_schemas_vary(made):
    """Key styles, descriptions, optional parts, rules and lists all occur; none is everywhere."""
    texts = [schemas.compact(blueprint.schema) for blueprint in made]
    for mark in ('"x-rules"', '"items"', '"x-order"', "YYYY-MM-DD"):
        assert 0 < sum(mark in text for text in texts) < len(texts), mark
    named = [key for blueprint in made for key in blueprint.schema["properties"]]
    assert any("_" in key for key in named) and any(key != key.lower() for key in named)
    full = [set(b.schema["required"]) == set(b.schema["properties"]) for b in made]
    assert 0.1 < sum(full) / len(full) < 0.9


def test_records_keep_schema_and_rules(made):
    """Keys in the schema's order, rules true, optional parts really absent at times."""
    absent = 0
    for index, blueprint in enumerate(made):
        record, _ = composer.sample(blueprint, SamplingContext(Random(f"r/{index}"), "val"))
        keys = list(blueprint.schema["properties"])
        assert list(record) == [key for key in keys if key in record]
        assert field_rules.broken(blueprint.schema, record) == []
        assert len(schemas.compact(record)) <= 900
        absent += len(keys) - len(record)
    assert absent > 20


def test_rules_come_along(made):
    """A rule is carried with pointers that find its values, and only if all its fields are required."""
    rules = [(b, rule) for b in made for rule in b.schema.get("x-rules", [])]
    assert len(rules) >= 15
    for blueprint, rule in rules:
        record, _ = composer.sample(blueprint, SamplingContext(Random("rules"), "train"))
        pointers = [p for key, v in rule.items() if key != "rule" for p in ([v] if isinstance(v, str) else v)]
        assert all(field_rules.find(record, pointer) for pointer in pointers)


@pytest.mark.parametrize("gate", [checks.targets, checks.cross_field, checks.evidence])
def test_cases_pass_the_gates(rows, gate):
    """Every target is valid, every rule holds, every value is proved by the text."""
    check = gate(by_split(rows))
    assert check.failures == () and check.count >= 300


def test_cases_keep_the_row_contract(rows):
    """Ids, groups and meta are those of the data set's rows."""
    for row in rows:
        io.check(row, io.EXAMPLE, where=row["id"])


def test_few_texts_look_like_lists(rows):
    """At most a fifth may be `Key: value` lists, or a model learns labels only."""
    share = sum(checks.looks_like_list(row["input"]["text"]) for row in rows) / len(rows)
    assert 0 < share <= 0.2


def test_all_registers_are_written(rows):
    """Each of the 14 registers has frames of its own."""
    assert {row["meta"]["register"] for row in rows} == set(templates.TEXT_STYLES)


def test_texts_are_tidy(rows):
    """No gap, doubled stop, slot or mark is left by what was absent."""
    for row in rows:
        text = row["input"]["text"]
        assert text == text.strip() and " ." not in text.replace(" ..", "") and " ," not in text
        assert not set(text) & set("{}\ue000\ue001\ue002\ue003\ue004")


def test_absent_values_are_not_told(rows, made):
    """An optional value that the record lacks must not be readable in the text."""
    looked = 0
    for index, blueprint in enumerate(made):
        record, instance = composer.sample(blueprint, SamplingContext(Random(f"case/{index}"), "train"))
        gone = [part for part in blueprint.parts if not part.required and len(part.source) == 1]
        for part in (part for part in gone if part.key not in record and part.node and not part.bounds):
            looked += 1
            assert part.source[0] not in instance.values
    assert looked > 20


def test_phrases_of_entities_are_normalisations():
    """What a text says for an enumeration's value is read back through the entity's own table."""
    from slmlib.textgen import parsers

    assert parsers.apply("phrase.person.language", "Dutch") == "nl"
    assert parsers.apply("phrase.payment.cleared", "pending") is False


# Reading an entity's file.


def test_a_file_is_read(toy):
    """Fields, wordings, bounds, rules and lines are those of the file."""
    entity = toy()
    assert (
        entity.first == "hut" and entity.fields["dog"].optional and entity.fields["guest"].child == "person"
    )
    assert entity.fields["meals"].bounds == (1, 2) and len(entity.rules) == 2
    assert entity.labels["hut"] == ("Hut",) and entity.things == ("the stay", "the hut stay")
    woven = next(line for line in entity.sentences if ("guest", "name") in line.needs)
    assert woven.needs == {("guest", "name"), ("hut",), ("arrival",), ("leaving",)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("=== notes", "=== remarks"), r"hut_stay.txt:\d+: unknown block 'remarks'. Valid: entity"),
        (("thing: the stay | the hut stay\n", ""), "no thing"),
        (('"maximum": 20}', '"maximum": 20'), r"hut_stay.txt:\d+: not JSON"),
        (("[@meal, 1, 2]", "[@meal, 1]"), r"hut_stay.txt:\d+: a list is \[node or @entity, min, max\]"),
        (("roles: stay", "roles: stay\nregisters: telegram"), "telegram.* not among receipt"),
        (("[{^~thing}|It] is", "[{^~thing}|It is"), "never closed"),
    ],
)
def test_a_broken_file_is_refused(toy, change, message):
    """The error says file, line, rule and fix."""
    with pytest.raises(io.DataError, match=message):
        toy(change)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("hut_name, lodge", "arrival, lodge"), "'arrival' stands for two fields"),
        (("hut_name, lodge", "hutName, lodge"), "'hutName' is not snake_case"),
        (('"type": "string", "maxLength": 30', '"type": "string"'), "unbounded string"),
        (("They arrive on {arrival}.\n", ""), "tell arrival alone; at least 2"),
        (("The first day is", "It begins on"), "every line that tells arrival alone begins with a pronoun"),
        (("from {arrival}\nuntil", "until"), "notes: none tells arrival alone"),
        (("nights: Nights\n", ""), "labels: none for nights"),
        (("<, {dog}>", ""), "an item holds all scalars; missing: dog"),
        (("{nights} nights to pay", "{weeks} weeks to pay"), "{weeks} is no field"),
        (("supper there is {meals}", "supper there is {meals:tasty}"), "neither a style nor a form"),
        (("They eat {meals}.", "They eat {?dog=true}{meals}{/}."), "a value inside {?…}"),
        (('"from": "arrival"', '"from": "start"'), "no field 'start'"),
        (('"rule": "days"', '"rule": "weeks"'), "unknown, or not its fields"),
        (("They leave on", "they leave on"), "a sentence begins with a capital"),
        (("supper: {meals}", "supper: {meals}."), "a note has no full stop"),
        (("leaving: To", "leaving: To | From"), "labels: 'from' stands for arrival and leaving"),
        (("until {leaving}", "{leaving}"), "a bare leaving could be arrival"),
    ],
)
def test_faults_are_found(toy, monkeypatch, change, fault):
    """Each rule of an entity's file is enforced, and its breach is told with a place."""
    entity = toy(change)
    known = {
        "hut_stay": entity,
        "meal": entity_parser.load("product_line"),
        "person": entity_parser.load("person"),
    }
    monkeypatch.setattr(entity_parser, "load", known.__getitem__)
    monkeypatch.setattr(entity_parser, "names", lambda: tuple(known))
    monkeypatch.setattr(entity_parser, "field_at", entity_parser.field_at.__wrapped__)
    monkeypatch.setattr(entity_lint.wording, "proper_names", lambda name: {})
    said = {"": {True: ["with dog"], False: ["no dog"]}, "clause": {True: ["comes"], False: ["stays"]}}
    monkeypatch.setitem(entity_lint.PHRASES, "hut_stay.dog", said)
    found = entity_lint.faults("hut_stay")
    assert any(fault in text and "hut_stay.txt" in text for text in found), found


def test_unknown_child_is_found(toy, monkeypatch):
    """A child that nobody has written is told with the line that names it."""
    entity = toy()
    monkeypatch.setattr(entity_parser, "load", lambda name: entity)
    monkeypatch.setattr(entity_parser, "names", lambda: ("hut_stay", "person"))
    assert entity_lint.faults("hut_stay") == ["hut_stay.txt:13: meals: there is no entity 'meal'"]


def test_a_sampler_is_held_to_its_file(toy):
    """A missing scalar, an unknown key, a refused value and a broken rule are each told."""
    entity = toy(("{guest.name} stays", "Somebody stays"))
    good = {"hut": "Alm", "arrival": "2026-05-02", "leaving": "2026-05-04", "nights": 2, "dog": True}
    assert list(entity_lint._sample_faults(entity, good)) == []
    for change, fault in [
        ({"dog": ...}, "no dog; a sampler returns every scalar"),
        ({"cat": 1}, "'cat' is no field"),
        ({"hut": "x" * 31}, "its node refuses"),
        ({"nights": 3}, "rule broken"),
        ({"hut": ["Alm"]}, "a list was drawn for a scalar"),
    ]:
        values = {key: value for key, value in (good | change).items() if value is not ...}
        assert any(fault in text for text in entity_lint._sample_faults(entity, values)), fault


def test_one_phrase_means_one_value():
    """A phrase for two values could not be read back."""
    table = {"": {True: ["with dog"], False: ["no dog"]}, "short": {True: ["dog"], False: ["With dog"]}}
    assert list(entity_lint._ambiguous("x", table, (True, False))) == ["x: 'With dog' means two values"]


# Telling.


def line(text: str) -> entity_parser.Line:
    return entity_parser._variants(text, "x:1", ("the stay",))[0]


def test_lines_know_how_they_open():
    """A sentence that begins with a pronoun needs one before it; a role tells two of a kind apart."""
    assert line("It is at {hut}.").dangling and not line("[The stay|It] is at {hut}.").dangling
    assert line("{^~role} is at {hut}.").says_role and not line("The stay is at {hut}.").says_role
    assert line("The stay is at {hut}.").says_thing and not line("The hut is {hut}.").says_thing
    assert not line("They call it {hut}, and it stays.").says_role


def test_alternatives_with_values_are_lines_of_their_own():
    """Which values a line tells must be known before it is chosen."""
    lines = entity_parser._variants("[{guest.name}|Somebody] sleeps at {hut}.", "x:1", ())
    assert [sorted(one.needs) for one in lines] == [[("guest", "name"), ("hut",)], [("hut",)]]


def test_every_value_is_told_once_as_a_rule(made):
    """A text that repeats itself gives a model two chances; most values stand there once."""
    told = repeated = 0
    for index, blueprint in enumerate(made[:80]):
        ctx = SamplingContext(Random(f"once/{index}"), "train")
        _, instance = composer.sample(blueprint, ctx)
        teller = text_plan.Teller(instance, "report", dict(instance.context, title="x"), ctx.rng)
        text = " ".join(bit.text for bit in teller.bits("sentences"))
        places = Counter(pointer for pointer, _ in teller.marks)
        told += len(places)
        repeated += sum(
            count > 1 for pointer, count in places.items() if not pointer.lower().endswith("curr")
        )
        assert text and not teller.need(())
    assert repeated <= 0.1 * told


def test_two_of_a_kind_are_told_apart():
    """Sender and receiver are both people: each sentence about one says which."""
    found = 0
    for index in range(60):
        blueprint = composer.compose(f"twins/{index}", tier="complex", reserved=False)
        ctx = SamplingContext(Random(f"twins/{index}"), "train")
        _, instance = composer.sample(blueprint, ctx)
        teller = text_plan.Teller(instance, "letter", dict(instance.context), ctx.rng)
        for home in (home for home in teller.homes() if teller.kinds[home] in teller.twins and home):
            for one in teller.entity(home).sentences:
                found += 1
                assert one.says_role or not teller._introduces(one, home)
    assert found > 50


def test_slips_are_corrected():
    """The wrong value is no evidence; the right one follows it."""
    seen = 0
    for index in range(150):
        blueprint = composer.compose(f"slip/{index}", tier="simple", reserved=False)
        row = case(blueprint, "call", f"slip/{index}", "train")
        text = row["input"]["text"]
        for mark in ("No, wait", "that's wrong", "Correction:", "Hang on", "Sorry, "):
            if mark in text and "Sorry, wrong" not in text:
                after = text.index(mark)
                seen += any(after < place["start"] < after + 40 for place in row["meta"]["evidence"].values())
    assert seen >= 10


def test_sentences_become_one_only_where_the_sense_stays():
    """A pronoun keeps its sentence; a value at the beginning keeps its capital."""
    always = lambda *texts: sentences.woven(list(texts), 1.0, Random(1))  # noqa: E731
    assert always("The hut is Alm.", "The dog stays.") in (
        "The hut is Alm, and the dog stays.",
        "The hut is Alm; the dog stays.",
    )
    assert always("The hut is Alm.", "It is cold.") == "The hut is Alm. It is cold."
    assert always("The hut is Alm.", "Greta comes.") == "The hut is Alm. Greta comes."
    assert sentences.listed_apart("They eat:\n- soup\n- bread.") == "They eat:\n- soup\n- bread"
    assert sentences.casual("The dog stays.") == "the dog stays"
    assert sentences.casual("Greta comes.") == "Greta comes"


def test_columns_stand_beneath_each_other():
    """Marks of evidence take no room in a table."""
    marked = "\ue0000\ue001Alm\ue002"
    assert documents.columned([["Hut", "No"], [marked, "7"]], " | ") == f"Hut | No\n{marked} | 7"
    assert documents.lay([("Hut", "Alm")], "colon", Random(1)) == "Hut: Alm"


def test_check_and_show(capsys):
    """The two commands of the module: faults of the entities, and cases to read."""
    assert command.main(["check", "person"]) == 0
    assert "person: 0 faults" in capsys.readouterr().out
    assert command.main(["show", "-n", "3", "--register", "letter"]) == 0
    out = capsys.readouterr().out
    assert out.count("=> {") == 3 and "3 cases, 0 failures" in out


def test_a_name_stands_for_a_schema(made):
    """A blueprint's name is its schema's: two equal schemas are one group."""
    names = {blueprint.name: schemas.compact(blueprint.schema) for blueprint in made}
    assert len(names) == len({schemas.compact(blueprint.schema) for blueprint in made})
    assert (
        schema_generator.compose(made[0].seed, tier=made[0].tier, reserved=made[0].reserved).name
        == made[0].name
    )
