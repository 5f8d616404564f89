"""Checks of EdgeJSON's data: what must be true before anybody may use them.

`dataset.prove` runs every check, those of all tasks (`data_checks`) and those here. They share no
code with the makers: evidence is located again in the finished text and read back by
`textgen.parsers`, cross-field rules are computed by `field_rules`.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, lru_cache

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from slmlib.engines import constraints
from slmlib.engines.base import JsonSchema
from slmlib.engines.openvino_grammar import ebnf
from slmlib.tasks import data_checks
from slmlib.tasks.base import Check
from slmlib.tasks.data_checks import every, row_check
from slmlib.tasks.datasets import Rows
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import case_sources, composer, field_rules, samplers
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.tasks.edgejson.scoring import leaves
from slmlib.textgen import near_duplicates, noise, parsers

UNSEEN, NOISY = "test_unseen", "test_noisy"
SIZES = {"train": 800, "val": 100, "test": 100, UNSEEN: 500, NOISY: 500}
SAMPLE = schemas.FOLDER.parent / "sample.schema.json"  # of a row
TIER_SHARES = {"simple": 2, "medium": 2, "complex": 1}  # in five
MAX_TARGET_TOKENS = 360
MAX_LIST_SHARE = 0.2  # of a split's texts, those that look like `Key: value` lists
MIN_REGISTERS, MIN_GROUP_REGISTERS, MIN_UNSEEN_SCHEMAS = 12, 5, 100
CANARY = "slmbench-edgejson-canary-6f0d2b7e-3c41-4a58-9e17-5d8a40c2b91f"  # shows copies in a corpus
END = 0  # the only token of a vocabulary that just says where an answer may end
MIN_PHRASE = 4  # letters of a value or phrase that is searched for where it should be absent
SENTENCES = "email", "call", "minutes", "report", "letter"  # others may lack common words


def role(split: str) -> str:
    """train, val or test: which names and templates a split uses."""
    return split.partition("_")[0]


def text(row: dict) -> str:
    """The text of a case."""
    return row["input"]["text"]


def masked(row: dict) -> str:
    """The text of a case without its values, as structures are compared."""
    spans = ((place["start"], place["end"]) for place in row["meta"]["evidence"].values())
    return near_duplicates.masked(text(row), spans)


def per_case(rows: Rows) -> list[Check]:
    """The checks that prove a case by itself: target, rules, evidence, grammar and language."""
    checks = (targets, cross_field, evidence, absent_choices, grammar, language)
    return [check(rows) for check in checks]


# Each case by itself


@row_check("targets valid")
def targets(row: dict) -> str | None:
    """Every target is valid under its schema, formats included.

    Validators differ on `date-time`: some do not check it, others require a zone. So it has one.
    """
    schema, formats = row["input"]["schema"], Draft202012Validator.FORMAT_CHECKER
    errors = Draft202012Validator(schema, format_checker=formats).iter_errors(row["target"])
    if error := best_match(errors):
        return f"{error.json_path}: {error.message[:120]}"
    for pattern, node in schemas.leaves(schema).items():
        if node.get("format") == "date-time":
            for at, value in field_rules.find(row["target"], pattern).items():
                if "T" not in value or datetime.fromisoformat(value).tzinfo is None:
                    return f"{at}: {value!r} is not a date-time with a zone"
    return None


@row_check("cross-field rules")
def cross_field(row: dict) -> str:
    """Every cross-field rule of every schema holds."""
    return "; ".join(field_rules.broken(row["input"]["schema"], row["target"]))


def evidence(rows: Rows) -> Check:
    """Every leaf has a place in the text, and the rule of the evidence reads the value there."""
    failures, count = [], 0
    for row in every(rows):
        values, places = dict(leaves(row["target"])), row["meta"]["evidence"]
        count += len(values)
        reasons = dict.fromkeys(places.keys() - values.keys(), "evidence for no leaf")
        reasons |= {at: _unproved(text(row), places.get(at), v) for at, v in values.items()}
        failures += [f"{row['id']}: {at}: {reason}" for at, reason in reasons.items() if reason]
    return Check("evidence", count, tuple(failures))


def _unproved(text: str, place: dict | None, value) -> str | None:
    if place is None:
        return "no evidence"
    span, rule = text[place["start"] : place["end"]], place["rule"]
    if len(span) != place["end"] - place["start"]:
        return "the evidence lies outside the text"
    try:
        result = parsers.apply(rule, span, PHRASES)
    except Exception as error:  # a rule may fail in any way on a span that it cannot read
        return f"{rule} cannot read {span!r}: {error!r}"
    if rule == "day" and re.fullmatch(r"(0?[1-9]|1[0-2])[./]\d+[./]\d+", span):
        return f"{span!r} does not decide which number is the month"
    same = result == value and isinstance(result, bool) == isinstance(value, bool)
    return None if same else f"{rule}({span!r}) is {result!r}, the target has {value!r}"


def absent_choices(rows: Rows) -> Check:
    """No text of a hand-designed schema mentions a choice that its target omits.

    The check searches for every value of an enumeration, and every phrase for one or for yes and
    no, outside the evidence of other fields. Dates, numbers and names say too little by themselves
    of what they are. A field that a composed case omits is dropped before the case is written, so
    that no sentence has it; a test covers that.
    """
    failures, count = [], 0
    for row in every(rows):
        if row["slices"]["origin"] == "composed":
            continue
        spans = [(place["start"], place["end"]) for place in row["meta"]["evidence"].values()]
        for pointer, node in schemas.leaves(row["input"]["schema"]).items():
            pattern = _mentions(row["group"], pointer, tuple(map(str, node.get("enum", ()))))
            if pattern is None or field_rules.find(row["target"], pointer):
                continue
            count += 1
            for match in pattern.finditer(text(row)):
                if not any(a <= match.start() and match.end() <= b for a, b in spans):
                    failures.append(f"{row['id']}: {pointer}: {match[0]!r} mentions it")
    return Check("absent choices not mentioned", count, tuple(failures))


@cache
def _mentions(group: str, pointer: str, values: tuple[str, ...]) -> re.Pattern | None:
    """Matches values and phrases of a field; short ones ("no", "ok") mean too much else."""
    table = case_sources.fields(group).tables.get(pointer, "")
    words = {value.replace("_", " ") for value in values}
    for form in PHRASES.get(table, {}).values():
        words |= {phrase for phrases in form.values() for phrase in phrases}
    words = [word for word in words if len(word) >= MIN_PHRASE]
    return data_checks.any_of(words) if words else None


@row_check("targets within grammars")
def grammar(row: dict) -> str | None:
    """Every target can be written under the grammars that two engines compile from its schema.

    They differ from a validator in what they accept, and a target that one of them refuses could
    never be generated under it. Both read text here, so that the check holds for any tokenizer.
    """
    written = json.dumps(row["target"], ensure_ascii=False, separators=constraints.SEPARATORS)
    xgrammar, llguidance = _matchers(json.dumps(row["input"]["schema"]))
    xgrammar.reset()
    if not (xgrammar.accept_string(written) and xgrammar.accept_token(END)):
        return "xgrammar refuses it"
    llguidance.reset()
    accepted = llguidance.try_consume_tokens(list(written.encode())) == len(written.encode())
    return None if accepted and llguidance.is_accepting() else "llguidance refuses it"


@lru_cache(maxsize=128)
def _matchers(schema: str) -> tuple:
    """The matchers of xgrammar and llguidance; making them costs more than resetting them."""
    import xgrammar  # brings torch
    from llguidance import LLMatcher, LLTokenizer

    constraint = JsonSchema(json.loads(schema))
    tokens = xgrammar.TokenizerInfo([b"</s>"], vocab_size=1, stop_token_ids=[END])
    compiler = xgrammar.GrammarCompiler(tokens, max_threads=1, cache_enabled=False)
    matcher = xgrammar.GrammarMatcher(compiler.compile_grammar(ebnf(constraint)))
    return matcher, LLMatcher(LLTokenizer("byte"), constraints.lark(constraint))


def language(rows: Rows) -> Check:
    """Texts are English."""
    return data_checks.english(rows, text, lambda row: row["slices"]["register"] in SENTENCES)


def lengths(rows: Rows, tokenizers: Mapping[str, Callable[[str], int]]) -> Check:
    """Every target, as models write it, is within the limit under every tokenizer."""

    @row_check(f"targets within {MAX_TARGET_TOKENS} tokens")
    def check(row: dict) -> str | None:
        written = json.dumps(row["target"], ensure_ascii=False)
        for model, count in tokenizers.items():
            if (tokens := count(written)) > MAX_TARGET_TOKENS:
                return f"{tokens} tokens of {model}; the limit is {MAX_TARGET_TOKENS}"
        return None if tokenizers else "no tokenizer to measure with"

    return check(rows)


# Schemas and balance


def schema_files(rows: Rows) -> Check:
    """Every schema follows the house rules, has its tier and origin, and is no renamed copy."""
    failures, first, shapes = [], {}, defaultdict(list)
    for row in every(rows):
        first.setdefault(row["group"], row["input"]["schema"])
        if fault := _schema_fault(row):
            failures.append(f"{row['id']}: {fault}")
    for group, schema in first.items():
        failures += [f"{group}: {fault}" for fault in schemas.faults(schema)]
        shapes[schemas.shape(schema)].append(group)
    failures += [f"{', '.join(g)}: renamed copies" for g in shapes.values() if len(g) > 1]
    return Check("schemas", len(first), tuple(failures))


def _schema_fault(row: dict) -> str | None:
    """A row's schema must be the published one, or the one that its seed composes again."""
    schema, seed, slices = row["input"]["schema"], row["meta"].get("composed"), row["slices"]
    if slices["tier"] != schemas.tier_of(schema):
        return f"the schema is {schemas.tier_of(schema)}, the row says {slices['tier']}"
    if slices["origin"] != ("composed" if seed else "designed"):
        return f"the origin is not {slices['origin']}"
    if seed:
        same = schema == _composed(seed, slices["tier"], row["split"] == UNSEEN)
        return None if same else f"not the schema composed from {seed!r}"
    published = row["group"] in schemas.groups() and schema == schemas.load(row["group"])
    return None if published else "not the published schema"


@lru_cache(maxsize=256)
def _composed(seed: str, tier: str, reserved: bool) -> dict:
    return composer.compose(seed, tier=tier, reserved=reserved).schema


def tiers(rows: Rows) -> Check:
    """Tiers are 40/40/20 in every split."""
    failures = []
    for split, cases in rows.items():
        counts = Counter(row["slices"]["tier"] for row in cases)
        for tier, share in TIER_SHARES.items():
            if counts[tier] * 5 != share * len(cases):
                percent = f"{counts[tier]} {tier} of {len(cases)}, not {20 * share} %"
                failures.append(f"{split}: {percent}")
    return Check("tiers 40/40/20", 3 * len(rows), tuple(failures))


def groups(rows: Rows) -> Check:
    """In every split the schemas of a tier have the same number of cases, give or take one."""
    failures, looked = [], 0
    seen = {g: schemas.tier(g) for g in schemas.groups() if not samplers.reserved(g)}
    for split, cases in rows.items():
        expected, tally = seen, Counter(row["group"] for row in cases)
        if split == UNSEEN:
            expected = {row["group"]: row["slices"]["tier"] for row in cases}
            if len(expected) < MIN_UNSEEN_SCHEMAS:
                least = f"{len(expected)} schemas, the minimum is {MIN_UNSEEN_SCHEMAS}"
                failures.append(f"{split}: {least}")
        looked += len(expected)
        for tier in schemas.TIERS:
            counts = [tally[group] for group, its_tier in expected.items() if its_tier == tier]
            if counts and max(counts) - min(counts) > 1:
                spread = f"{min(counts)} to {max(counts)}"
                failures.append(f"{split}: {tier} schemas have {spread} cases")
    return Check("schemas evenly", looked, tuple(failures))


def unseen_apart(rows: Rows) -> Check:
    """No schema, root entity or domain of the unseen split occurs in another split."""
    failures, looked = [], 0
    for kind, key in (
        ("schema", lambda row: row["group"]),
        ("root entity", lambda row: row["meta"].get("root", row["group"])),
        ("domain", lambda row: row["meta"]["domain"]),
    ):
        inside = {key(row) for row in rows.get(UNSEEN, ())}
        outside = {key(row): row["split"] for row in every(rows) if row["split"] != UNSEEN}
        looked += len(inside)
        shared = sorted(inside & outside.keys())
        failures += [f"{kind} {name} is in {outside[name]} too" for name in shared]
    return Check("unseen kept apart", looked, tuple(failures))


def looks_like_list(text: str) -> bool:
    """True if most lines are `Key: value` with different keys, or a log's `key=value` pairs.

    Dialogues do not count: speakers' labels repeat, and what follows them is a sentence.
    """
    if len(re.findall(r"\b\w+=\S", text)) >= 4:
        return True
    lines = [line for line in text.splitlines() if line.strip()]
    pairs = (re.fullmatch(r"\W{0,3}(\w[^:.?!]{0,24}?):\s+(\S.{0,60})", line) for line in lines)
    keys = {pair[1] for pair in pairs if pair}
    return len(keys) >= 3 and 2 * len(keys) >= len(lines)


def list_likeness(rows: Rows) -> Check:
    """At most a fifth of a split's texts look like `Key: value` lists."""
    failures = []
    for split, cases in rows.items():
        share = sum(looks_like_list(text(row)) for row in cases) / max(1, len(cases))
        if share > MAX_LIST_SHARE:
            limit = f"not {MAX_LIST_SHARE:.0%} or less"
            failures.append(f"{split}: {share:.1%} look like lists, {limit}")
    return Check("Key: value share", sum(map(len, rows.values())), tuple(failures))


def register_coverage(rows: Rows) -> Check:
    """Every split has at least 12 registers, and every schema of training at least 5."""
    by_split, by_group = defaultdict(set), defaultdict(set)
    for row in every(rows):
        by_split[row["split"]].add(row["slices"]["register"])
        if row["split"] == "train":
            by_group[row["group"]].add(row["slices"]["register"])
    failures = [
        f"{name}: {len(registers)} registers, the minimum is {least}"
        for parts, least in ((by_split, MIN_REGISTERS), (by_group, MIN_GROUP_REGISTERS))
        for name, registers in parts.items()
        if len(registers) < least
    ]
    return Check("register coverage", len(by_split) + len(by_group), tuple(failures))


def noises(rows: Rows) -> Check:
    """Every noisy case names its kind of noise, evenly in each tier, and no other case has any."""
    failures, tally = [], Counter()
    for row in every(rows):
        kind = row["slices"].get("noise")
        tally[row["slices"]["tier"], kind] += 1
        if kind not in (noise.KINDS if row["split"] == NOISY else (None,)):
            failures.append(f"{row['id']}: noise {kind}")
    for tier in schemas.TIERS:
        counts = [tally[tier, kind] for kind in noise.KINDS]
        if max(counts) - min(counts) > 1:
            failures.append(f"{NOISY}: {tier} cases have {min(counts)} to {max(counts)} of a kind")
    return Check("noise named", len(rows.get(NOISY, ())), tuple(failures))
