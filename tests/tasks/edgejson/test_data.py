"""EdgeJSON's data: schemas, records, templates, and the data set as published."""

import hashlib
import json
import os
import subprocess
import sys
from random import Random

import pytest
from jsonschema import Draft202012Validator

from slmlib.core import io, paths
from slmlib.tasks import data_checks, datasets
from slmlib.tasks.base import Check
from slmlib.tasks.edgejson import schemas, task
from slmlib.tasks.edgejson.generate import case_sources, checks, dataset, field_rules, samplers
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.textgen import noise
from slmlib.textgen.sampling_context import SamplingContext

SCHEMA = {
    "title": "T",
    "description": "D",
    "type": "object",
    "required": ["a"],
    "additionalProperties": False,
    "properties": {
        "a": {"type": "string", "maxLength": 9},
        "b": {"type": "boolean"},
        "c": {"enum": ["x", "y"]},
    },
}
FAULTS = [  # a change of the schema above, and the fault that it makes
    ({"additionalProperties": True}, "additionalProperties"),
    ({"required": ["z"]}, "unknown property"),
    ({"type": "objekt"}, "not a JSON Schema"),
    ({"x-rules": [{"rule": "sums", "of": [], "is": "/a"}]}, "unknown rule"),
    ({"x-rules": [{"rule": "sum", "of": []}]}, "needs exactly"),
    ({"properties": {"a": {"type": "string", "maxLength": 9}}}, "a simple schema has 3 to 5"),
    ({"properties": {"a": {"type": "string"}}}, "unbounded string"),
    ({"properties": {"a": {"type": "integer", "minimum": 1}}}, "minimum and maximum"),
    ({"properties": {"a": {}}}, "neither type nor enum"),
    ({"properties": {"a": {"type": "array", "items": {"enum": [1]}}}}, "no maxItems"),
    ({"properties": {"a": {"enum": ["x"], "description": "y" * 81}}}, "over 80"),
    ({"properties": {"a": {"format": "email", "maxLength": 9}}}, "beside a format"),
]
# fmt: off
RULES = [  # a rule, a record that satisfies it, and one that breaks it
    ({"rule": "sum", "of": ["/x/*", "/y"], "is": "/z"},
     {"x": [0.1, 0.2], "y": 0.3, "z": 0.6}, {"x": [1], "z": 2}),
    ({"rule": "product", "of": ["/l/*/q", "/l/*/p"], "is": "/l/*/a"},
     {"l": [{"q": 3, "p": 1.1, "a": 3.3}, {"q": 2, "p": 0.35, "a": 0.7}]},
     {"l": [{"q": 3, "p": 1.1, "a": 3.3}, {"q": 2, "p": 0.35, "a": 3.3}]}),
    ({"rule": "product", "of": ["/q", "/p"], "is": "/a"},  # without a factor it says nothing
     {"q": 3, "a": 5}, {"q": 3, "p": 2, "a": 5}),
    ({"rule": "order", "of": ["/a", "/b", "/c"]},
     {"a": "2025-01-31", "c": "2025-02-01"}, {"a": "10:00", "b": "10:00"}),
    ({"rule": "days", "from": "/a", "to": "/b", "is": "/n"},
     {"a": "2024-02-28", "b": "2024-03-01", "n": 2},
     {"a": "2025-02-28", "b": "2025-03-01", "n": 2}),
    ({"rule": "percent", "of": "/net", "rate": "/rate", "is": "/tax"},
     {"net": 10.25, "rate": 7, "tax": 0.72}, {"net": 10.25, "rate": 7, "tax": 0.71}),
    ({"rule": "minutes", "from": "/r/*/from", "to": "/r/*/to", "is": "/r/*/min"},
     {"r": [{"from": "08:50", "to": "10:05", "min": 75}, {"from": "11:00", "min": 3}]},
     {"r": [{"from": "08:50", "to": "10:05", "min": 15}]}),
    ({"rule": "count", "of": "/x/*", "is": "/n"}, {"x": [1, 1], "n": 2}, {"x": [1, 1], "n": 1}),
    ({"rule": "reference", "of": "/w", "in": "/x/*/n"},
     {"x": [{"n": "A"}], "w": "A"}, {"x": [{"n": "A"}], "w": "B"}),
]
# fmt: on


def test_schemas_cover_tiers_and_domains_and_fit_into_prompts():
    """A schema in another tier would change the balance; a long one would measure the context."""
    limits, counts = {"simple": 900, "medium": 1800, "complex": 3200}, {False: [], True: []}
    for group in schemas.groups():
        counts[samplers.reserved(group)].append(schemas.tier(group))
        text = schemas.for_prompt(schemas.load(group))
        assert len(text) <= limits[schemas.tier(group)] and "x-rules" not in text, group
    for reserved, expected in ((False, [24, 24, 12]), (True, [5, 5, 2])):
        assert [counts[reserved].count(tier) for tier in schemas.TIERS] == expected
    domains = {samplers.domain(group) for group in schemas.groups()}
    assert set(samplers.RESERVED) < domains and len(domains - set(samplers.RESERVED)) >= 12


def test_house_rules_are_enforced(tmp_path, monkeypatch):
    """A schema that breaks a house rule must not be loaded, and the message names the file."""
    assert not schemas.faults(SCHEMA)
    for change, fault in FAULTS:
        assert fault in "; ".join(schemas.faults(SCHEMA | change)), change
    monkeypatch.setattr(schemas, "FOLDER", tmp_path)
    tmp_path.joinpath("bad.json").write_text(json.dumps(SCHEMA | {"title": ""}))
    with pytest.raises(io.DataError, match=r"bad\.json.*no title"):
        schemas.load("bad")


def test_cross_field_rules_hold_and_break():
    """Each rule holds where it should, and names what breaks it; all are used by some schema."""
    for rule, good, bad in RULES:
        assert not field_rules.broken({"x-rules": [rule]}, good), rule
        assert field_rules.broken({"x-rules": [rule]}, bad), rule
    rules = [rule for group in schemas.groups() for rule in schemas.load(group).get("x-rules", ())]
    assert {rule["rule"] for rule in rules} == set(schemas.RULES) == {r["rule"] for r, *_ in RULES}


def test_records_are_sound():
    """The truth must be valid, keep its rules and the schema's order, and lack optional fields.

    Grammars fix the order of keys, and an optional field that is always present teaches to invent.
    """
    for group in schemas.groups():
        schema, present, absent = schemas.load(group), set(), set()
        checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        for seed in range(150):
            ctx = SamplingContext(Random(f"{group}/{seed}"), "train")
            record, _ = samplers.sample(group, ctx)
            assert not list(checker.iter_errors(record)), group
            assert not field_rules.broken(schema, record), group
            for pointer, node in schemas.walk(schema):
                keys = list(node.get("properties", {}))
                for value in field_rules.find(record, pointer).values() if keys else ():
                    assert list(value) == [key for key in keys if key in value], group
                    for key in set(keys) - set(node.get("required", ())):
                        (present if key in value else absent).add(f"{pointer}/{key}")
        assert present == absent, f"{group}: never present or never absent: {present ^ absent}"


def test_phrases_are_unambiguous_and_complete():
    """An ambiguous phrase would make a case undecidable, a missing one a value unwritable."""
    faults = []
    for name, table in PHRASES.items():
        meanings = {}
        for value, phrases in (item for form in table.values() for item in form.items()):
            for phrase in map(str.casefold, phrases):
                if meanings.setdefault(phrase, value) != value:
                    faults.append(f"{name}: {phrase}")
    for group in schemas.groups():
        fields = case_sources.fields(group)
        for pointer, table in fields.tables.items():
            values = set(fields.leaves[pointer].get("enum", (True, False)))
            faults += [f"{table}:{form}" for form, v in PHRASES[table].items() if set(v) != values]
    assert not faults


def test_every_template_proves_every_leaf():
    """A template that forgets a field, or leaves marks in the text, breaks the cases it makes.

    So does a noise that changes a value beyond repair.
    """
    tables, tried = ("form", "log", "receipt", "invoice", "delivery_note"), []
    for group in schemas.groups():
        split = dataset.UNSEEN if samplers.reserved(group) else "test"
        for source in map(case_sources.designed, case_sources.templates_of(group)):
            for kind in [*[None] * 6, *(k for k in noise.KINDS if dataset.suits(source, k))]:
                key = f"{source.meta['template']}/{kind}/{len(tried)}"
                try:
                    row = dataset.case(key, split, 0, source, kind)
                except noise.TooClean:
                    continue
                tried.append(kind)
                text = row["input"]["text"]
                assert not checks.evidence({split: [row]}).failures, text
                assert kind or not set(text) & set("{}\ue000\ue001\ue002"), text
                gaps = any(mark in text for mark in (" ,", " .", ",,", "<", ">>"))
                assert kind or not gaps or source.register in tables, text
    assert all(tried.count(kind) > 20 for kind in noise.KINDS)


def test_templates_cover_roles_and_registers():
    """Every schema has templates for each role, none for two, and at least five registers."""
    registers = set()
    for group in schemas.groups():
        every = set(case_sources.templates_of(group))
        its_registers = {template.register for template in every}
        assert len(its_registers) >= checks.MIN_GROUP_REGISTERS, group
        registers |= its_registers
        parts = [set(case_sources.templates_of(group, r)) for r in ("train", "val", "test")]
        if samplers.reserved(group):
            assert parts[2] == every, group
        else:
            assert all(parts) and len(parts[2]) >= 2, group
            assert sum(map(len, parts)) == len(set().union(*parts)) == len(every), group
    assert len(registers) >= checks.MIN_REGISTERS


@pytest.mark.model
def test_the_published_files_are_what_the_generator_writes(built, tmp_path):
    """Committed files that cannot be reproduced to the byte cannot be checked; nor can a card.

    Publishing copies what has changed, the manifest last; doing it twice changes nothing.
    """
    made, published = tmp_path / "made", tmp_path / "published"
    manifest = dataset.write(built, made)
    files = {f"{split}.jsonl" for split in dataset.SPLITS}
    assert set(manifest["files"]) == files | {f"schemas/{g}.json" for g in schemas.groups()}
    noises = manifest["counts"]["test_noisy"]["slices"]["noise"]
    assert noises == dict.fromkeys(noise.KINDS, 100)
    comparison = datasets.compare(made, dataset.PUBLISHED)
    assert [row["file"] for row in comparison if not row["same"]] == []
    assert {row["file"] for row in comparison} >= {*manifest["files"], datasets.CARD}
    assert "- 1K<n<10K\n" in (made / datasets.CARD).read_text("utf-8")
    assert 1_000 < sum(map(len, built.values())) < 10_000
    assert task.TASK.max_new_tokens > checks.MAX_TARGET_TOKENS
    changed = datasets.publish(made, published)
    assert changed[-1] == datasets.MANIFEST and "test.jsonl" in changed
    assert datasets.publish(made, published) == []
    io.write_json(made / datasets.MANIFEST, manifest | {"seed": 1})
    with pytest.raises(io.DataError, match="published with seed"):
        datasets.publish(made, published)


def test_bytes_do_not_depend_on_hash_seed_locale_or_time_zone():
    """Machines must not differ; making cases need not wait for torch."""
    code = (
        "import hashlib, sys; from slmlib.core import io;"
        "from slmlib.tasks.edgejson.generate import dataset;"
        "rows = dataset.build(sizes=dict.fromkeys(dataset.SPLITS, 5));"
        "print(hashlib.sha256(io.dumps(rows).encode()).hexdigest(), *sys.modules)"
    )
    settings = {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    env = os.environ | {"PYTHONPATH": str(paths.ROOT)} | settings
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, env=env, capture_output=True, check=True, text=True).stdout
    there, *modules = out.split()
    rows = dataset.build(sizes=dict.fromkeys(dataset.SPLITS, 5))
    assert there == hashlib.sha256(io.dumps(rows).encode()).hexdigest()
    assert not {"torch", "transformers", "pandas", "xgrammar"} & set(modules)


def test_seeds_and_sizes_change_only_what_they_should(built):
    """The seed reaches every case; more training data move no other; prefixes are balanced."""
    sizes = {"train": 5, "val": 5, "test": 10}
    one, other = (dataset.build(seed=seed, sizes=sizes) for seed in (1, 2))
    texts = [{row["input"]["text"] for row in data_checks.every(rows)} for rows in (one, other)]
    assert not texts[0] & texts[1]
    larger = dataset.build(seed=1, sizes=sizes | {"train": 20})
    assert (larger["val"], larger["test"]) == (one["val"], one["test"])
    tiers = [row["slices"]["tier"] for row in built["test"][:20]]
    assert [tiers.count(tier) for tier in schemas.TIERS] == [8, 8, 4]
    assert len({row["group"] for row in built["test"][:20]}) == 20


def test_the_extended_split_is_new_and_its_beginning_stays(tmp_path):
    """More training data: unreserved domains, each text once, the same from the same seed."""
    rows = list(dataset.extend(30, seed=4))
    assert [row["id"] for row in rows[:2]] == [f"edgejson-train_extended-000{n}" for n in (1, 2)]
    assert {row["slices"]["origin"] for row in rows[:20]} == {"designed", "composed"}
    assert len({row["group"] for row in rows}) == 3
    assert len({row["input"]["text"] for row in rows}) == 30
    assert not {row["meta"]["domain"] for row in rows} & set(samplers.RESERVED)
    assert not any("canary" in row["meta"] for row in rows)
    dataset.main(["10", str(tmp_path / "extended.jsonl"), "--seed", "4"])
    assert io.read_jsonl(tmp_path / "extended.jsonl", schema=checks.SAMPLE) == rows[:10]


def test_noise_that_breaks_a_check_is_removed(monkeypatch):
    """A word of noise may mention what should be absent; a clean case that fails is an error."""
    broken = False

    def per_case(rows) -> list[Check]:
        (row,) = rows[dataset.EXTENDED]
        return [Check("absent", 1, ("mentioned",) if "noise" in row["slices"] or broken else ())]

    assert any("noise" in row["slices"] for row in dataset.extend(10, seed=4, noisy=1.0))
    monkeypatch.setattr(checks, "per_case", per_case)
    assert not any("noise" in row["slices"] for row in dataset.extend(10, seed=4, noisy=1.0))
    broken = True
    with pytest.raises(io.DataError, match="mentioned"):
        next(dataset.extend(10, seed=4, noisy=1.0))


def test_the_card_loads_with_datasets(tmp_path):
    """As a reader of the hub does: every split, with schemas and targets as they were written.

    The library's own JSON reader moves the last bit of some numbers; the card says so.
    """

    def rounded(value):
        return json.loads(json.dumps(value), parse_float=lambda digits: round(float(digits), 9))

    library = pytest.importorskip("datasets")
    splits = library.load_dataset(str(dataset.PUBLISHED), cache_dir=str(tmp_path))
    sizes = {"validation" if n == "val" else n: size for n, size in dataset.SPLITS.items()}
    assert {name: len(split) for name, split in splits.items()} == sizes
    written = io.read_jsonl(dataset.PUBLISHED / "test_unseen.jsonl")
    for row, original in zip(splits["test_unseen"], written, strict=True):
        for part in ("target", "input"):
            assert rounded(row[part]) == rounded(original[part])
            assert list(row[part]) == list(original[part])
