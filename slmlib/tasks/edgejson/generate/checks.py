"""The gates: what must be true of the data set before anybody may use it.

`prove` runs every gate and returns a table of checks; `require` refuses the data set if one has
failed. A gate says how many things it looked at and names each failure with its case and rule.
Gates share no state with the makers: evidence is found again in the finished text and read back
by `normalise`, cross-field rules are recomputed by `crossrules`.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from slmlib.core import io
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import composer, field_rules, grammars, samplers
from slmlib.tasks.edgejson.scoring import leaves
from slmlib.textgen import lexicon, near_duplicates, noise, parsers, phrase_tables, templates

Rows = dict[str, list[dict]]  # split -> rows
UNSEEN, NOISY = "test_unseen", "test_noisy"
SIZES = {"train": 800, "val": 100, "test": 100, UNSEEN: 500, NOISY: 500}
TIER_SHARES = {"simple": 2, "medium": 2, "complex": 1}  # in five
MAX_TARGET_TOKENS = 360
MAX_LIST_SHARE = 0.2  # of a split's texts, those that look like Key: value lists
MIN_REGISTERS, MIN_GROUP_REGISTERS, MIN_UNSEEN_SCHEMAS = 12, 5, 100
CANARY = (
    "slmbench-edgejson-canary-6f0d2b7e-3c41-4a58-9e17-5d8a40c2b91f"  # find it in a corpus, and it was copied
)
COMMON = frozenset(
    lexicon.words(
        "the a an to of in on at for and is was it i we you he she they that this with from by not be are as "
        "my our his her has have had will please no yes one so but or if your"
    )
)
MIN_PHRASE = 4  # letters of what can tell a choice that should be absent
SENTENCES = ("email", "call", "minutes", "report", "letter")
MIN_COMMON = 0.06  # of the words of texts in sentences; receipts, notes and logs have few


@dataclass(frozen=True)
class Check:
    """A row of the proof table: a gate, how much it looked at, and what failed."""

    name: str
    count: int
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.failures


def prove(
    rows: Rows, *, tokenizers: dict[str, Callable[[str], int]], limit: int = MAX_TARGET_TOKENS, sizes=None
) -> list[Check]:
    """Run every gate.

    Args:
        rows: Split -> rows.
        tokenizers: Model -> length of a string under its tokenizer.
        limit: The most tokens a target may have, as models write it.
        sizes: Split -> number of cases that must be there; default `SIZES`.
    """
    first = contract(rows)
    if not first.ok:
        return [first]  # the other gates read rows, so they wait for this one
    gates = [
        schema_files, lambda rows: sizes_of(rows, sizes or SIZES), tiers, groups, unseen_apart,
        exact_duplicates, no_near_duplicates, skeletons, held_out_names,
        lambda rows: lengths(rows, tokenizers, limit), list_likeness, register_coverage, noises, canary,
    ]  # fmt: skip
    return [first, *per_case(rows), *(gate(rows) for gate in gates)]


def per_case(rows: Rows) -> list[Check]:
    """The gates that prove a case by itself: its target, rules, evidence, grammar and language."""
    return [gate(rows) for gate in (targets, cross_field, evidence, untold, grammar, language)]


def require(checks: list[Check]) -> None:
    """Refuse the data set unless every gate is passed.

    Raises:
        DataError: names the failed gates and the first failures of each.
    """
    failed = [
        f"{c.name}: {len(c.failures)} of {c.count}: " + "; ".join(c.failures[:3]) for c in checks if not c.ok
    ]
    if failed:
        raise io.DataError(
            "the data set is refused.\n  "
            + "\n  ".join(failed)
            + "\nFix the generator; nothing was published."
        )


def _all(rows: Rows) -> Iterator[dict]:
    for cases in rows.values():
        yield from cases


def _each(name: str, rows: Rows, fault: Callable[[dict], str | None]) -> Check:
    """A gate that looks at every row by itself."""
    found = [(row, _tried(fault, row)) for row in _all(rows)]
    return Check(name, len(found), tuple(f"{row.get('id', '?')}: {why}" for row, why in found if why))


def _tried(fault: Callable[[dict], str | None], row: dict) -> str | None:
    """A target of the wrong type may stop a check in any way: that is a failure, not a crash."""
    try:
        return fault(row)
    except Exception as error:
        return f"cannot be checked: {error!r}"


def contract(rows: Rows) -> Check:
    """Every row keeps the row contract, stands in its split and has an id of its own."""
    uses = Counter(row.get("id") for row in _all(rows))
    splits = {id(row): split for split, cases in rows.items() for row in cases}

    def fault(row: dict) -> str | None:
        error = best_match(io.validator(io.EXAMPLE).iter_errors(row))
        if error:
            return f"{error.json_path}: {error.message[:120]}"
        if row["split"] != splits[id(row)]:
            return f"split is {row['split']}, the file is {splits[id(row)]}"
        return "id is not unique" if uses[row["id"]] > 1 else None

    return _each("row contract", rows, fault)


def schema_files(rows: Rows) -> Check:
    """Every schema keeps the house rules, is what it says it is, and is no renaming of another."""
    used = {row["group"]: row for row in _all(rows)}
    failures = [f"{row['id']}: {fault}" for row in _all(rows) if (fault := _strange(row))]
    failures += [
        f"{group}: {fault}" for group, row in used.items() for fault in schemas.faults(row["input"]["schema"])
    ]
    shapes = defaultdict(list)
    for group, row in used.items():
        shapes[schemas.shape(row["input"]["schema"])].append(group)
    failures += [f"{', '.join(same)}: renamings of one another" for same in shapes.values() if len(same) > 1]
    return Check("schemas", len(used), tuple(failures))


def _strange(row: dict) -> str | None:
    """What is wrong with a row's schema: it must be the published one, or be composed again from its seed."""
    schema, meta = row["input"]["schema"], row["meta"]
    if row["tier"] != schemas.tier_of(schema):
        return f"the schema is {schemas.tier_of(schema)}, the row says {row['tier']}"
    if "composed" in meta:
        again = _composed(meta["composed"], row["tier"], row["split"] == UNSEEN)
        return None if schema == again else f"not the schema composed from {meta['composed']!r}"
    known = row["group"] in schemas.groups() and schema == schemas.load(row["group"])
    return None if known else "not the published schema"


@lru_cache(maxsize=256)
def _composed(seed: str, tier: str, reserved: bool) -> dict:
    return composer.compose(seed, tier=tier, reserved=reserved).schema


def targets(rows: Rows) -> Check:
    """Every target is valid under its schema, formats included; moments carry a zone."""

    def fault(row: dict) -> str | None:
        schema = row["input"]["schema"]
        checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        error = best_match(checker.iter_errors(row["target"]))
        return f"{error.json_path}: {error.message[:120]}" if error else _zoneless(row)

    return _each("targets valid", rows, fault)


def _zoneless(row: dict) -> str | None:
    """Some validators do not check `date-time` at all, others want a zone: so we want it."""
    for pattern, node in schemas.leaves(row["input"]["schema"]).items():
        for at, value in field_rules.find(row["target"], pattern).items():
            if node.get("format") == "date-time" and not _is_moment(value):
                return f"{at}: {value!r} is not a date-time with a zone"
    return None


def _is_moment(value: str) -> bool:
    try:
        return "T" in value and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def cross_field(rows: Rows) -> Check:
    """Every cross-field rule of every schema holds."""
    return _each(
        "cross-field rules",
        rows,
        lambda row: "; ".join(field_rules.broken(row["input"]["schema"], row["target"])),
    )


def evidence(rows: Rows) -> Check:
    """Every leaf has a place in the text, and the named normalisation turns it into the value."""
    failures, count = [], 0
    for row in _all(rows):
        wanted, given = dict(leaves(row["target"])), row["meta"]["evidence"]
        count += len(wanted)
        failures += [f"{row['id']}: {at}: evidence for no leaf" for at in given.keys() - wanted.keys()]
        failures += [
            f"{row['id']}: {at}: {why}" for at, v in wanted.items() if (why := _unproved(row, at, v))
        ]
    return Check("evidence", count, tuple(failures))


def _unproved(row: dict, pointer: str, value) -> str | None:
    place = row["meta"]["evidence"].get(pointer)
    if place is None:
        return "no evidence"
    span = row["input"]["text"][place["start"] : place["end"]]
    if len(span) != place["end"] - place["start"]:
        return "the evidence lies outside the text"
    try:
        found = parsers.apply(place["rule"], span)
    except Exception as error:  # a rule may fail in any way on a span that it does not read
        return f"{place['rule']} cannot read {span!r}: {error!r}"
    if place["rule"] == "day" and re.fullmatch(r"(0?[1-9]|1[0-2])[./]\d+[./]\d+", span):
        return f"{span!r} does not decide which number is the month"
    same = found == value and isinstance(found, bool) == isinstance(value, bool)
    return None if same else f"{place['rule']}({span!r}) is {found!r}, the target has {value!r}"


def untold(rows: Rows) -> Check:
    """No text of a hand-designed schema tells a choice that its target leaves out.

    Looked for is every value of an enumeration and every way its phrase table has of saying one, or of
    saying yes and no, outside the evidence of other fields; dates, numbers and names say by themselves
    too little of what they are. A field that a composed case leaves out is dropped before it is
    written, so that no sentence has it; a test looks there.
    """
    failures, count = [], 0
    for row in _all(rows):
        if "composed" in row["meta"]:
            continue
        for pointer, node in schemas.leaves(row["input"]["schema"]).items():
            ways = _ways(row["group"], pointer, frozenset(str(value) for value in node.get("enum", ())))
            if ways and not field_rules.find(row["target"], pointer):
                count += 1
                failures += [f"{row['id']}: {pointer}: {said!r} tells it" for said in _told(row, ways)]
    return Check("absent choices untold", count, tuple(failures))


def _told(row: dict, ways: re.Pattern) -> list[str]:
    """What is said in one of these ways, outside of all evidence."""
    spans = [(place["start"], place["end"]) for place in row["meta"]["evidence"].values()]
    found = ways.finditer(row["input"]["text"])
    return [m[0] for m in found if not any(start <= m.start() and m.end() <= end for start, end in spans)]


@cache
def _ways(group: str, pointer: str, values: frozenset[str]) -> re.Pattern | None:
    """What finds the values and phrases of a field; short ones ("no", "ok") mean too many other things."""
    table = templates.fields(group).tables.get(pointer, "")
    said, forms = {value.replace("_", " ") for value in values}, phrase_tables.PHRASES.get(table, {}).values()
    said |= {way for form in forms for ways in form.values() for way in ways}
    said = sorted((way for way in said if len(way) >= MIN_PHRASE), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, said))})(?!\w)", re.IGNORECASE) if said else None


def grammar(rows: Rows) -> Check:
    """Every target can be written under the grammars that two engines compile from its schema."""

    def fault(row: dict) -> str | None:
        return grammars.refusal(row["input"]["schema"], row["target"])

    return _each("targets within grammars", rows, fault)


def exact_duplicates(rows: Rows) -> Check:
    """No text occurs twice but for case, punctuation and white space, in a split or across."""
    cases = defaultdict(list)
    for row in _all(rows):
        cases[near_duplicates.plain(row["input"]["text"])].append(row["id"])
    same = tuple(" = ".join(ids) for ids in cases.values() if len(ids) > 1)
    return Check("exact duplicates", sum(map(len, cases.values())), same)


def no_near_duplicates(rows: Rows) -> Check:
    """No two texts share four fifths of their word triples, in a split or across."""
    texts = [(row["id"], near_duplicates.plain(row["input"]["text"])) for row in _all(rows)]
    return Check("near duplicates", len(texts), tuple(f"{a} ~ {b}" for a, b in near_duplicates.pairs(texts)))


def skeletons(rows: Rows) -> Check:
    """No test text has the skeleton of a training text: its structure is new, not only its values."""
    index = near_duplicates.Index()
    for row in rows.get("train", ()):
        index.add(row["id"], near_duplicates.skeleton(row))
    tests = [row for split, cases in rows.items() if split.startswith("test") for row in cases]
    found = ((row["id"], index.like(near_duplicates.skeleton(row))) for row in tests)
    alike = tuple(f"{case}: the skeleton of {', '.join(same[:3])}" for case, same in found if same)
    return Check("skeletons, train to tests", len(tests), alike)


def sizes_of(rows: Rows, sizes: dict[str, int]) -> Check:
    """Every split has exactly the cases that it should."""
    found = {split: len(cases) for split, cases in rows.items()}
    failures = [
        f"{s}: {found.get(s, 0)} cases, not {sizes.get(s, 0)}"
        for s in {**sizes, **found}
        if found.get(s) != sizes.get(s)
    ]
    return Check("sizes", len(sizes), tuple(failures))


def tiers(rows: Rows) -> Check:
    """Tiers stand 40/40/20 in every split."""
    failures = []
    for split, cases in rows.items():
        found = Counter(row["tier"] for row in cases)
        for tier, share in TIER_SHARES.items():
            if found[tier] * 5 != share * len(cases):
                failures.append(f"{split}: {found[tier]} {tier} of {len(cases)}, not {20 * share} %")
    return Check("tiers 40/40/20", 3 * len(rows), tuple(failures))


def groups(rows: Rows) -> Check:
    """In every split the schemas of a tier have the same number of cases, give or take one."""
    failures, looked = [], 0
    for split, cases in rows.items():
        found = {row["group"]: row["tier"] for row in cases}
        every = found if split == UNSEEN else {g: schemas.tier(g) for g in _seen()}
        if split == UNSEEN and len(every) < MIN_UNSEEN_SCHEMAS:
            failures.append(f"{split}: {len(every)} schemas, at least {MIN_UNSEEN_SCHEMAS} are wanted")
        tally, looked = Counter(row["group"] for row in cases), looked + len(every)
        for tier in schemas.TIERS:
            counts = [tally[group] for group, its in every.items() if its == tier]
            if counts and max(counts) - min(counts) > 1:
                failures.append(f"{split}: {tier} schemas have {min(counts)} to {max(counts)} cases")
    return Check("schemas evenly", looked, tuple(failures))


def _seen() -> list[str]:
    return [group for group in schemas.groups() if not samplers.reserved(group)]


def unseen_apart(rows: Rows) -> Check:
    """No schema, root entity or domain of the unseen split occurs in another split."""
    failures, looked = [], 0
    for what, key in (
        ("schema", lambda row: row["group"]),
        ("root entity", lambda row: row["meta"].get("root", row["group"])),
        ("domain", lambda row: row["meta"]["domain"]),
    ):
        inside = {key(row) for row in rows.get(UNSEEN, ())}
        outside = {key(row): split for split, cases in rows.items() if split != UNSEEN for row in cases}
        looked += len(inside)
        failures += [f"{what} {name} is in {outside[name]} too" for name in sorted(inside & set(outside))]
    return Check("unseen kept apart", looked, tuple(failures))


def lengths(rows: Rows, tokenizers: dict[str, Callable[[str], int]], limit: int) -> Check:
    """Every target, as models write it, fits the limit under every tokenizer."""

    def fault(row: dict) -> str | None:
        written = json.dumps(row["target"], ensure_ascii=False)
        counts = {model: count(written) for model, count in tokenizers.items()}
        over = [f"{tokens} tokens of {model}" for model, tokens in counts.items() if tokens > limit]
        return f"{', '.join(over)}; the limit is {limit}" if over else None

    found = _each(f"targets within {limit} tokens", rows, fault)
    return found if tokenizers else replace(found, failures=("no tokenizer to measure with",))


def looks_like_list(text: str) -> bool:
    """True if most lines are `Key: value` with keys of their own, or a log's `key=value` pairs.

    Speakers of a dialogue do not count: their labels come again, or what they say is a sentence.
    """
    if len(re.findall(r"\b\w+=\S", text)) >= 4:
        return True
    lines = [line for line in text.splitlines() if line.strip()]
    pairs = [m for line in lines if (m := re.fullmatch(r"\W{0,3}(\w[^:.?!]{0,24}?):\s+(\S.{0,60})", line))]
    keys = {match[1] for match in pairs}
    return len(keys) >= 3 and 2 * len(keys) >= len(lines)


def list_likeness(rows: Rows) -> Check:
    """At most a fifth of a split's texts look like `Key: value` lists."""
    failures = []
    for split, cases in rows.items():
        share = sum(looks_like_list(row["input"]["text"]) for row in cases) / max(1, len(cases))
        if share > MAX_LIST_SHARE:
            failures.append(f"{split}: {share:.1%} look like lists, at most {MAX_LIST_SHARE:.0%} may")
    return Check("Key: value share", sum(map(len, rows.values())), tuple(failures))


def register_coverage(rows: Rows) -> Check:
    """Every split has at least 12 registers, and every schema of training at least 5."""
    failures, by_group = [], defaultdict(set)
    for split, cases in rows.items():
        found = {row["meta"]["register"] for row in cases}
        if len(found) < MIN_REGISTERS:
            failures.append(f"{split}: {len(found)} registers, at least {MIN_REGISTERS} are wanted")
    for row in _all(rows):
        if row["split"] == "train":
            by_group[row["group"]].add(row["meta"]["register"])
    failures += [
        f"{group}: {len(r)} registers" for group, r in by_group.items() if len(r) < MIN_GROUP_REGISTERS
    ]
    return Check("register coverage", len(rows) + len(by_group), tuple(failures))


def noises(rows: Rows) -> Check:
    """Every noisy case names a known noise, each kind as often in every tier, and no other case has any."""
    failures, tally = [], Counter()
    for row in _all(rows):
        named = row["meta"].get("noise", [])
        tally.update((row["tier"], kind) for kind in named)
        if not set(named) <= set(noise.KINDS) or bool(named) != (row["split"] == NOISY):
            failures.append(f"{row['id']}: noise {named}")
    for tier in schemas.TIERS:
        counts = [tally[tier, kind] for kind in noise.KINDS]
        if max(counts) - min(counts) > 1:
            failures.append(f"{NOISY}: in the {tier} tier kinds have {min(counts)} to {max(counts)} cases")
    return Check("noise named", len(rows.get(NOISY, ())), tuple(failures))


def language(rows: Rows) -> Check:
    """Texts are English in Latin letters: no stray control or private characters, and common words."""

    def fault(row: dict) -> str | None:
        text = row["input"]["text"]
        letters = set(text) - {"\n"}
        strange = sorted(c for c in letters if not c.isprintable() or (c.isalpha() and c > "\u024f"))
        if strange:
            return f"holds {strange[0]!r}"
        words = re.findall(r"[a-z']+", text.casefold())
        running = len(words) >= 12 and row["meta"]["register"] in SENTENCES
        share = sum(word in COMMON for word in words) / max(1, len(words))
        return f"{share:.0%} common English words" if running and share < MIN_COMMON else None

    return _each("English", rows, fault)


def canary(rows: Rows) -> Check:
    """Every case that judges carries the canary, no training case does."""

    def fault(row: dict) -> str | None:
        wanted = None if row["split"].startswith("train") else CANARY
        return None if row["meta"].get("canary") == wanted else f"canary is {row['meta'].get('canary')!r}"

    return _each("canary", rows, fault)


def held_out_names(rows: Rows) -> Check:
    """No surname, firm, shop or hotel of training occurs in val or a test, and none of val in a test."""
    names = {name for place in lexicon.PLACES for name in place.last} | lexicon.FIRM_NAMES
    pattern = re.compile(
        rf"(?<!\w)(?:{'|'.join(sorted(map(re.escape, names), key=len, reverse=True))})(?!\w)",
        re.IGNORECASE,  # speech noise lowers names
    )
    splits = defaultdict(set)
    for split, cases in rows.items():
        for name in {n.casefold() for row in cases for n in pattern.findall(row["input"]["text"])}:
            splits[name].add(split.partition("_")[0])
    shared = tuple(
        f"{name}: in {' and '.join(sorted(s))}" for name, s in sorted(splits.items()) if len(s) > 1
    )
    return Check("names held out", len(splits), shared)
