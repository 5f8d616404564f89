"""EdgeJSON: schemas, records, words and back, and the data set as published."""

import json
import os
import subprocess
import sys
from random import Random

import pytest
from jsonschema import Draft202012Validator

from slmlib.core import io, paths
from slmlib.models import registry as models
from slmlib.tasks.edgejson import schemas, task
from slmlib.tasks.edgejson.generate import checks, data_card, dataset, field_rules, samplers
from slmlib.tasks.edgejson.generate.case_sources import Written
from slmlib.textgen import formats, lexicon, parsers, templates
from slmlib.textgen.phrase_tables import PHRASES
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


@pytest.fixture(scope="module")
def made():
    return dataset.make()


@pytest.fixture(scope="module")
def count():
    """Tokens of the card's tokenizer."""
    tokenizer = models.tokenizer(data_card.TOKENIZER)
    return lambda text: len(tokenizer.encode(text))


# Schemas


@pytest.mark.parametrize(("reserved", "wanted"), [(False, (24, 24, 12)), (True, (5, 5, 2))])
def test_schemas_in_three_tiers(reserved, wanted):
    """A schema file that is lost, or drifts into another tier, would change the balance."""
    groups = [group for group in schemas.groups() if samplers.reserved(group) == reserved]
    assert tuple(sum(schemas.tier(g) == tier for g in groups) for tier in schemas.TIERS) == wanted


def test_schemas_cover_the_domains():
    """At least twelve domains for training, and none of them reserved."""
    domains = {samplers.domain(group) for group in schemas.groups()}
    assert set(samplers.RESERVED) < domains
    assert len(domains - set(samplers.RESERVED)) >= 12


@pytest.mark.parametrize("group", schemas.groups())
def test_schema_keeps_its_bounds(group):
    """Leaves and length of a schema must fit its tier, or prompts outgrow small models."""
    schema, tier = schemas.load(group), schemas.tier(group)
    assert len(schemas.for_prompt(schema)) <= {"simple": 900, "medium": 1800, "complex": 3200}[tier]
    assert "x-rules" not in schemas.for_prompt(schema)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"additionalProperties": True}, "additionalProperties"),
        ({"required": ["z"]}, "unknown property"),
        ({"properties": {"a": {"type": "string", "format": "email", "maxLength": 9}}}, "beside a format"),
        ({"properties": {"a": {"type": "string", "maxLength": 9}}}, "1 leaves; a simple schema has 3 to 5"),
        ({"type": "objekt"}, "not a JSON Schema"),
        ({"properties": {"a": {"type": "string"}}}, "unbounded string"),
        ({"properties": {"a": {"type": "integer", "minimum": 1}}}, "minimum and maximum"),
        ({"properties": {"a": {}}}, "neither type nor enum"),
        ({"properties": {"a": {"type": "array", "items": {"enum": [1]}}}}, "no maxItems"),
        ({"properties": {"a": {"enum": ["x"], "description": "y" * 81}}}, "over 80"),
        ({"x-rules": [{"rule": "sums", "of": [], "is": "/a"}]}, "unknown rule"),
        ({"x-rules": [{"rule": "sum", "of": []}]}, "needs exactly"),
    ],
)
def test_house_rules_are_enforced(change, fault):
    """A schema that breaks a house rule must not be loaded."""
    assert not schemas.faults(SCHEMA)
    assert fault in "; ".join(schemas.faults(SCHEMA | change))


def test_a_broken_schema_file_is_named(tmp_path):
    """The message must say which file and what to do."""
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(SCHEMA | {"title": ""}))
    with pytest.raises(io.DataError, match=r"bad\.json.*no title"):
        schemas.read(path)


def test_no_two_schemas_are_renamings():
    """Renamed copies would count twice as independent clusters."""
    shapes = [schemas.shape(schemas.load(group)) for group in schemas.groups()]
    assert len(set(shapes)) == len(shapes)


# Cross-field rules


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (
            {"rule": "sum", "of": ["/x/*", "/y"], "is": "/z"},
            {"x": [0.1, 0.2], "y": 0.3, "z": 0.6},
            {"x": [1], "z": 2},
        ),
        (
            {"rule": "product", "of": ["/l/*/q", "/l/*/p"], "is": "/l/*/a"},
            {"l": [{"q": 3, "p": 1.1, "a": 3.3}, {"q": 2, "p": 0.35, "a": 0.7}]},
            {"l": [{"q": 3, "p": 1.1, "a": 3.3}, {"q": 2, "p": 0.35, "a": 3.3}]},
        ),
        (
            {"rule": "order", "of": ["/a", "/b", "/c"]},
            {"a": "2025-01-31", "c": "2025-02-01"},
            {"a": "10:00", "b": "10:00"},
        ),
        (
            {"rule": "days", "from": "/a", "to": "/b", "is": "/n"},
            {"a": "2024-02-28", "b": "2024-03-01", "n": 2},
            {"a": "2025-02-28", "b": "2025-03-01", "n": 2},
        ),
        (
            {"rule": "product", "of": ["/q", "/p"], "is": "/a"},
            {"q": 3, "a": 5},  # a factor is absent, so the rule has nothing to say
            {"q": 3, "p": 2, "a": 5},
        ),
        (
            {"rule": "percent", "of": "/net", "rate": "/rate", "is": "/tax"},
            {"net": 10.25, "rate": 7, "tax": 0.72},
            {"net": 10.25, "rate": 7, "tax": 0.71},
        ),
        (
            {"rule": "minutes", "from": "/r/*/from", "to": "/r/*/to", "is": "/r/*/min"},
            {"r": [{"from": "08:50", "to": "10:05", "min": 75}, {"from": "11:00", "min": 3}]},
            {"r": [{"from": "08:50", "to": "10:05", "min": 75}, {"from": "08:50", "to": "10:05", "min": 15}]},
        ),
        ({"rule": "count", "of": "/x/*", "is": "/n"}, {"x": [1, 1], "n": 2}, {"x": [1, 1], "n": 1}),
        (
            {"rule": "reference", "of": "/w", "in": "/x/*/n"},
            {"x": [{"n": "A"}], "w": "A"},
            {"x": [{"n": "A"}], "w": "B"},
        ),
    ],
)
def test_cross_field_rules(rule, good, bad):
    """Each rule holds where it should, and speaks where it is broken."""
    assert not field_rules.broken({"x-rules": [rule]}, good)
    assert field_rules.broken({"x-rules": [rule]}, bad)


def test_every_kind_of_rule_is_used():
    """A rule that no schema uses is dead code."""
    used = {rule["rule"] for group in schemas.groups() for rule in schemas.load(group).get("x-rules", ())}
    assert used == set(field_rules.CHECKS) == set(schemas.RULES)


# Records


@pytest.mark.parametrize("group", schemas.groups())
def test_records_are_valid_and_keep_their_rules(group):
    """The truth itself must be sound, whatever the seed."""
    schema = schemas.load(group)
    checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for seed in range(150):
        record, _ = samplers.sample(group, SamplingContext(Random(f"{group}/{seed}"), "train"))
        assert not list(checker.iter_errors(record))
        assert not field_rules.broken(schema, record)


@pytest.mark.parametrize("group", schemas.groups())
def test_keys_stand_in_the_order_of_the_schema(group):
    """Grammars made from a schema fix this order: a target in another one could not be generated."""
    for seed in range(30):
        record, _ = samplers.sample(group, SamplingContext(Random(f"k/{group}/{seed}"), "train"))
        for pointer, node in schemas.walk(schemas.load(group)):
            for value in field_rules.find(record, pointer).values():
                wanted = [
                    key for key in node.get("properties", {}) if isinstance(value, dict) and key in value
                ]
                assert not wanted or list(value) == wanted


@pytest.mark.parametrize("group", schemas.groups())
def test_optional_fields_are_really_absent_at_times(group):
    """An optional field that is always there teaches a model to invent it."""
    drawn = [samplers.sample(group, SamplingContext(Random(f"o/{group}/{i}"), "test"))[0] for i in range(200)]
    for pointer, node in schemas.walk(schemas.load(group)):
        for key in set(node.get("properties", {})) - set(node.get("required", ())):
            parents = [p for record in drawn for p in field_rules.find(record, pointer).values()]
            present = sum(key in parent for parent in parents)
            assert 0 < present < len(parents), f"{pointer}/{key}"


def test_splits_share_no_names():
    """A surname dealt to two splits would let a model recognise a test case."""
    for words in (lexicon.FIRMS, *(place.last for place in lexicon.PLACES)):
        hands = [set(lexicon.dealt(words, split)) for split in ("train", "val", "test")]
        assert sum(map(len, hands)) == len(set().union(*hands)) == len(words)


# Words and back


@pytest.mark.parametrize(
    ("rule", "span", "value"),
    [
        ("verbatim", "PU-12345", "PU-12345"),
        ("lower_first", "Rye loaves", "rye loaves"),
        ("number", "1,240.50", 1240.5),
        ("number", "-22.4", -22.4),
        ("number", "12", 12),
        ("number_words", "twenty-one point five", 21.5),
        ("number_words", "one hundred and twelve thousand and twenty", 112020),
        ("number_words", "minus three point oh".replace("oh", "zero"), -3.0),
        ("number_words", "twice", 2),
        ("number_words", "three times", 3),
        ("amount", "€1,249.50", 1249.5),
        ("amount", "42.00 GBP", 42.0),
        ("amount_words", "forty-two pounds fifty", 42.5),
        ("amount_words", "One dollar oh five", 1.05),
        ("currency", "pounds", "GBP"),
        ("currency", "$", "USD"),
        ("day", "3rd of May 2026", "2026-05-03"),
        ("day", "Thursday, 4 December 2025", "2025-12-04"),
        ("day", "August 4, 2025", "2025-08-04"),
        ("day", "25.02.2027", "2027-02-25"),
        ("day_words", "the thirtieth of April nineteen sixty-nine", "1969-04-30"),
        ("day_words", "the twenty-third of May twenty twenty-seven", "2027-05-23"),
        ("day_words", "the first of May two thousand and five", "2005-05-01"),
        ("clock", "2:30 pm", "14:30"),
        ("clock", "12 am", "00:00"),
        ("clock", "12:15 pm", "12:15"),
        ("clock", "0930h", "09:30"),
        ("clock", "14.05", "14:05"),
        ("clock_words", "quarter to one in the afternoon", "12:45"),
        ("clock_words", "half past nine in the evening", "21:30"),
        ("clock_words", "seven oh three in the morning", "07:03"),
        ("clock_words", "noon", "12:00"),
        ("utc", "4 Sep 2025 at 10:01 UTC", "2025-09-04T10:01:00Z"),
        ("utc", "2026-03-14 09:12:00Z", "2026-03-14T09:12:00Z"),
        ("phone", "+44 (0)20 7946-0432", "+4402079460432"),
        ("compact", "HF 77 25 15", "HF772515"),
        ("email_words", "r.lane at example dot com", "r.lane@example.com"),
        ("respaced+verbatim", "Ann  Lee\nSmith", "Ann Lee Smith"),
        ("recased+verbatim", "harbour hardware", "Harbour Hardware"),
        ("respelt+day", "3 Septernber 2026", "2026-09-03"),
        ("respelt+number_words", "twnety-one", 21),
        ("respelt+clock_words", "qaurter past nine in the evenng", "21:15"),
    ],
)
def test_normalisations(rule, span, value):
    """The proof of a case is as good as the function that reads the span."""
    found = parsers.apply(rule, span)
    assert (found, type(found)) == (value, type(value))


def test_every_normalisation_has_an_example_here():
    """A rule nobody has tried must not vouch for a target."""
    tried = {mark.args[1][i][0] for mark in test_normalisations.pytestmark for i in range(len(mark.args[1]))}
    plain = {name for name in parsers.NORMALISATIONS if not name.startswith("phrase.")}
    assert {name for name in tried if "+" not in name} == plain
    assert {name.partition("+")[0] for name in tried if "+" in name} == set(parsers.MENDS)


@pytest.mark.parametrize(
    ("rule", "span"),
    [
        ("number", "twelve"),
        ("number", "1,24"),
        ("number_words", "blue"),
        ("day", "4 May"),
        ("clock", "25 o'clock"),
        ("currency", "yen"),
        ("respelt+day", "3 Jxxxx 2026"),
        ("respelt+day", "3 Maxx 2026"),
    ],
)
def test_normalisations_refuse_what_they_do_not_read(rule, span):
    """A rule that reads anything proves nothing."""
    with pytest.raises(Exception):  # noqa: B017 (validation takes any failure as a refusal)
        parsers.apply(rule, span)


@pytest.mark.parametrize("table", PHRASES)
def test_a_phrase_has_one_meaning(table):
    """An ambiguous phrase would make a case undecidable."""
    meanings: dict[str, set] = {}
    for form in PHRASES[table].values():
        for value, said in form.items():
            for phrase in said:
                meanings.setdefault(phrase.casefold(), set()).add(value)
    assert all(len(values) == 1 for values in meanings.values())


@pytest.mark.parametrize("table", [t for t in PHRASES if t.partition(".")[0] in schemas.groups()])
def test_phrase_tables_cover_their_enumeration(table):
    """A value without a phrase could never be written."""
    group, field = table.split(".", 1)
    leaves = {
        p.replace("/*", "").lstrip("/").replace("/", "."): n
        for p, n in schemas.leaves(schemas.load(group)).items()
    }
    wanted = set(leaves[field].get("enum", (True, False)))
    assert all(set(form) == wanted for form in PHRASES[table].values())


@pytest.mark.parametrize("name", sorted(formats.STYLES))
def test_what_is_written_can_be_read_back(name):
    """Writers and normalisations are two codes: each checks the other over many values."""
    rng = Random(name)
    for _ in range(400):
        value = _value_for(name, rng)
        words, rule = formats.write_value(value, name, rng, "EUR")
        assert parsers.apply(rule, words) == value, words


def _value_for(name: str, rng: Random):
    ctx = SamplingContext(rng, "train")
    if name in ("long", "short", "us", "weekday", "ordinal", "dots", "slash", "spoken", "iso"):
        return ctx.later(ctx.date(), -30000, 0).isoformat()
    if name in ("h24", "ampm", "hdot", "military", "said"):
        return ctx.clock(0, 24, step=1)
    if name in ("moment", "utc_prose", "utc_log"):
        return f"{ctx.date().isoformat()}T{ctx.clock(0, 24, step=1)}:00Z"
    if name == "money":
        return rng.randint(1, 99999) / 100
    if name in ("string", "spaced"):
        return ctx.code("@@######")
    return (
        rng.randint(1, 4)
        if name == "times"
        else rng.choice((rng.randint(0, 999999), rng.randint(1, 9999) / 100))
    )


# Passages

EVERY = [template for group in schemas.groups() for template in templates.templates(group)]


@pytest.mark.parametrize("template", EVERY, ids=lambda template: template.name)
def test_every_template_proves_every_leaf(template):
    """A template that forgets a field, or a field's optional words, breaks the cases it makes."""
    split = dataset.UNSEEN if samplers.reserved(template.group) else "train"
    for seed in range(20):
        row = dataset.case(f"every/{template.name}/{seed}", split, 0, dataset.Slot(Written(template)))
        text = row["input"]["text"]
        assert not checks.evidence({split: [row]}).failures, text
        assert not set(text) & set("{}\ue000\ue001\ue002"), text
        assert not any(mark in text for mark in (" ,", " .", ",,", "<", ">>")) or template.register in (
            "form", "log", "receipt", "invoice", "delivery_note",
        ), text  # fmt: skip


def test_templates_are_dealt_to_the_splits():
    """Every schema has words for each split, and no template belongs to two."""
    for group in schemas.groups():
        hands = [{t.name for t in templates.templates(group, split)} for split in ("train", "val", "test")]
        everything = {t.name for t in templates.templates(group)}
        if samplers.reserved(group):
            assert {t.name for t in templates.templates(group, dataset.UNSEEN)} == everything
        else:
            assert all(hands) and len(hands[2]) >= 2
            assert sum(map(len, hands)) == len(set().union(*hands)) == len(everything)


@pytest.mark.parametrize("template", ["{&}a{;}b", "[a|b", "{*items}x", "<a"])
def test_an_unclosed_template_is_refused(template):
    """A bracket that is forgotten must not swallow the rest of a text in silence."""
    with pytest.raises(ValueError, match="never closed"):
        templates.parse(template)


def test_registers():
    """At least twelve over the set, five for each schema."""
    registers = {group: {t.register for t in templates.templates(group)} for group in schemas.groups()}
    assert len(set().union(*registers.values())) >= checks.MIN_REGISTERS
    assert all(len(found) >= checks.MIN_GROUP_REGISTERS for found in registers.values())


# The data set


@pytest.mark.model
def test_the_published_files_are_what_the_generator_makes(made, count, tmp_path):
    """Generated files that are committed are reproduced to the byte, or nobody can check them."""
    dataset.write(made, tmp_path, count=count)
    assert [row["file"] for row in dataset.compare(tmp_path) if not row["same"]] == []


def test_bytes_do_not_depend_on_hash_seed_locale_or_time_zone():
    """What differs between machines must not differ in the data."""
    code = (
        "import hashlib; from slmlib import contracts; from slmlib.tasks.edgejson import dataset;"
        "rows = dataset.make(sizes={'train': 10, 'val': 5, 'test': 15, 'test_unseen': 15, 'test_noisy': 15});"
        "print(hashlib.sha256(io.dumps(rows).encode()).hexdigest())"
    )
    seen = set()
    for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        env = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C", "PYTHONPATH": str(paths.ROOT)}
        seen.add(
            subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout
        )
    assert len(seen) == 1


def test_the_generator_starts_without_the_heavy_libraries():
    """Who only makes cases need not wait for torch; the grammars bring it when they are asked."""
    code = "import sys; from slmlib.tasks.edgejson import dataset; print(*sys.modules)"
    env = os.environ | {"PYTHONPATH": str(paths.ROOT)}
    loaded = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, check=True, text=True
    ).stdout.split()
    assert not {"torch", "transformers", "pandas", "xgrammar"} & set(loaded)


def test_another_seed_gives_other_cases():
    """The seed must reach every case."""
    sizes = {"train": 5, "val": 5, "test": 5}
    texts = [{row["input"]["text"] for row in checks._all(dataset.make(seed=s, sizes=sizes))} for s in (1, 2)]
    assert not texts[0] & texts[1]


def test_more_training_data_moves_no_other_split():
    """Test and val are made first, so that train can grow."""
    few, many = (dataset.make(sizes={"train": n, "val": 5, "test": 10}) for n in (5, 20))
    assert few["test"] == many["test"]
    assert few["val"] == many["val"]


def test_every_prefix_is_balanced(made):
    """`limit 20` should be a small picture of the whole."""
    tiers = [row["tier"] for row in made["test"][:20]]
    assert [tiers.count(tier) for tier in schemas.TIERS] == [8, 8, 4]
    assert len({row["group"] for row in made["test"][:20]}) == 20


@pytest.mark.model
def test_the_card_tells_the_truth(made, count):
    """Numbers and samples in the card are those of the data."""
    text = (dataset.PUBLISHED / dataset.CARD).read_text("utf-8")
    assert data_card.render(text, made, count) == text
    assert data_card.statistics(made, count) in text
    assert f"- {_size_category(sum(map(len, made.values())))}\n" in text


def _size_category(cases: int) -> str:
    """As the Hugging Face hub names sizes: a card that says another one misleads its filters."""
    return "n<1K" if cases < 1_000 else "1K<n<10K" if cases < 10_000 else "10K<n<100K"


def test_an_answer_may_be_longer_than_every_target():
    """The card says so; a target beyond the limit for answers would be out of reach for any model."""
    assert task.TASK.max_new_tokens > checks.MAX_TARGET_TOKENS
    assert f"than {checks.MAX_TARGET_TOKENS} tokens" in (dataset.PUBLISHED / dataset.CARD).read_text("utf-8")


def test_manifest_vouches_for_splits_and_schemas(made, count, tmp_path):
    """Data that the manifest does not name cannot be checked; the card is prose and not among them."""
    manifest = dataset.write(made, tmp_path, count=count)
    wanted = {*dataset.FILES, *(f"schemas/{group}.json" for group in schemas.groups())}
    assert set(manifest["files"]) == wanted
    assert manifest["licence"] == "CC-BY-4.0"
    assert manifest["files"]["test.jsonl"]["rows"] == 100
    for name, file in manifest["files"].items():
        io.verify_sha256(tmp_path / name, file["sha256"])


def test_a_changed_file_comes_with_its_remedy():
    """The message must hold a command that restores what is published."""
    with pytest.raises(io.DataError, match=r"test\.jsonl.*git checkout data/edgejson"):
        dataset.require_same([{"file": "test.jsonl", "same": False}, {"file": "val.jsonl", "same": True}])


def test_publish_copies_what_has_changed(made, count, tmp_path):
    """Publishing twice changes nothing the second time."""
    dataset.write(made, tmp_path / "made", count=count)
    first = dataset.publish(tmp_path / "made", tmp_path / "published")
    assert "test.jsonl" in first
    assert first[-1] == "manifest.json"
    assert dataset.publish(tmp_path / "made", tmp_path / "published") == []


def test_the_extended_split_is_new_and_its_beginning_stays():
    """More training data: from unreserved domains, every text its own, and the same from the same seed."""
    rows = list(dataset.extend(30, seed=4))
    assert [row["id"] for row in rows[:2]] == [f"edgejson-train_extended-000{n}" for n in (1, 2)]
    assert rows[:12] == list(dataset.extend(12, seed=4))
    assert len({row["group"] for row in rows}) == 3
    assert {"composed" in row["meta"] for row in rows[:20]} == {True, False}
    assert not {row["meta"]["domain"] for row in rows} & set(samplers.RESERVED)
    assert len({row["input"]["text"] for row in rows}) == 30
    assert all("canary" not in row["meta"] for row in rows)
    assert not contracts_broken(rows)


def test_noise_that_breaks_a_gate_is_taken_away(monkeypatch):
    """A word that noise put in may tell what a text must not tell; a clean case that fails is an error."""

    def gates(rows) -> list:
        (row,) = rows[dataset.EXTENDED]
        return [checks.Check("untold", 1, ("told",) if row["meta"].get("noise") or broken else ())]

    broken = False
    assert any(row["meta"].get("noise") for row in dataset.extend(10, seed=4, noisy=1.0))
    monkeypatch.setattr(checks, "per_case", gates)
    assert not any(row["meta"].get("noise") for row in dataset.extend(10, seed=4, noisy=1.0))
    broken = True
    with pytest.raises(io.DataError, match="untold"):
        next(dataset.extend(10, seed=4, noisy=1.0))


def contracts_broken(rows) -> tuple:
    return checks.contract({dataset.EXTENDED: rows}).failures


def test_the_extended_split_is_written_line_by_line(tmp_path, capsys):
    """The command must leave a file that reads back."""
    dataset.main(["10", str(tmp_path / "extended.jsonl"), "--seed", "4"])
    rows = io.read_jsonl(tmp_path / "extended.jsonl", schema=io.EXAMPLE)
    assert rows == list(dataset.extend(10, seed=4))


def test_the_card_loads_with_datasets(tmp_path):
    """What a reader of the hub does: every split, with schemas and targets as they were written.

    The library's own JSON reader moves the last bit of some numbers; the card says so.
    """
    datasets = pytest.importorskip("datasets")
    splits = datasets.load_dataset(str(dataset.PUBLISHED), cache_dir=str(tmp_path))
    assert {name: len(split) for name, split in splits.items()} == {
        "validation" if name == "val" else name: size for name, size in dataset.SPLITS.items()
    }
    written = io.read_jsonl(dataset.PUBLISHED / "test_unseen.jsonl")
    for mine, theirs in zip(splits["test_unseen"], written, strict=True):
        for wanted, found in ((theirs["target"], mine["target"]), (theirs["input"], mine["input"])):
            assert _rounded(found) == _rounded(wanted)
            assert list(found) == list(wanted)


def _rounded(value):
    return json.loads(json.dumps(value), parse_float=lambda digits: round(float(digits), 9))
