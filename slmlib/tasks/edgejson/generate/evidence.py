"""Locate the values of a record in a text whose writer did not mark them.

A template knows where it puts a value; a language model does not say. So every mention is read from
the text first: the record's own strings, phrases of its tables, e-mail addresses, dates, times,
telephone numbers, numbers and currencies, each by a rule of `textgen.parsers`. Then each leaf of
the record is assigned a mention of its own. A mention that can be read in two ways (`4:15`,
`3/5/2026`, a phrase after a negation) is not evidence, and a mention that no leaf explains is a
fault, because a reader would answer with it.

Evidence proves that a text states a value, not in which role: two dates of a record may have
changed places. Only items of a list must come in their order.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import NamedTuple

from slmlib.tasks.data_checks import COMMON
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import field_rules
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.tasks.edgejson.scoring import leaves
from slmlib.textgen import formats, parsers, templates
from slmlib.textgen.parsers import CURRENCIES, MONTHS, PHRASE, TENS, UNITS

UNDECIDED = object()  # the value of a mention that can be read in more than one way
SMALL = 12  # numbers up to this, in words, may be part of the language: `the two of us`
FUNCTION_WORDS = COMMON | {"all", "off", "ok", "okay", "out", "up"}  # do not state a value alone
NEGATION = re.compile(r"(?:\b(?:not|no|never|without|nor|cannot)|n't)(?:\s+\w+){0,2}\s+$", re.I)
AFTERNOON = re.compile(r" (?:in the (?:afternoon|evening)|at night|tonight)\b", re.I)

_MONTH = "(?:" + "|".join(rf"{name}|{name[:3]}\.?" for name in MONTHS) + r"|sept\.?)"
_NTH = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = (
    rf"(?:(?:the )?\b{_NTH}(?: day)?(?: of)? {_MONTH},? \d{{4}}\b"
    rf"|\b{_MONTH} (?:the )?{_NTH},? \d{{4}}\b"
    r"|(?<![\w./])\d{1,2}[./]\d{1,2}[./]\d{4}(?![\w/]))"
)
_DIGIT, _TENS = "|".join(UNITS[:10]), "|".join(TENS[2:])
_BELOW_100 = rf"(?:(?:{_TENS})(?:[- ](?:{_DIGIT}))?\b|(?:{'|'.join(UNITS)})\b)"
_BELOW_1000 = rf"{_BELOW_100}(?: hundred\b(?:(?: and)? {_BELOW_100})?)?"
_CARDINAL = rf"{_BELOW_1000}(?: thousand\b(?:(?: and)? {_BELOW_1000})?)?"
_POINT, _MONEY = rf" point(?: (?:{_DIGIT})\b){{1,6}}", "(?:euro|pound|dollar)s?"
_NOT_ONE = r"(?!one\b(?! hundred| thousand| point| times?\b))"  # rarely a number: `one of them`
_YEAR = rf"(?:{_BELOW_100} (?:oh )?{_BELOW_100}|{_CARDINAL})"
_PAST = rf"(?:half|quarter|{_BELOW_100}) (?:past|to) {_BELOW_100}"
_HOUR = rf"(?:{_PAST}|{_BELOW_100}(?: o'clock|(?: oh)? {_BELOW_100})?)"
_BEFORE = r"(?:(?<![\w.,])|(?<=\bx))(?:(?<![\w.,)])-)?"
_AFTER = r"(?!\d|(?:st|nd|rd|th)\b)(?=[a-z°%]{0,4}(?!\w))"  # a unit may touch a number
_DOTTED = r"(?<![\w.,€£$])\d\d\.\d\d(?!\w|[.,]\d)"
_SPACED = rf"{_BEFORE}\d{{1,3}}(?: \d{{3}})+(?:\.\d+)?{_AFTER}"
UNCERTAIN = (_DOTTED, _SPACED)  # count only if the record has the value
FORMS = (  # kind, rule and pattern, by precedence: the digits of a date are not a number
    ("moment", "verbatim", r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    ("moment", "utc", r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d ?(?:Z|UTC)\b"),
    ("moment", "utc", rf"{_DATE},? (?:at )?\d\d:\d\d(?: hours)? UTC\b"),
    ("date", "verbatim", r"(?<![\w-])\d{4}-\d\d-\d\d(?!-|(?!T\d)\w)"),
    ("date", "day", _DATE),
    ("date", "day_words", rf"\bthe [a-z-]{{3,20}} of (?:{'|'.join(MONTHS)}) {_YEAR}"),
    ("date without year", "day", rf"\b{_NTH}(?: of)? {_MONTH}\b|\b{_MONTH} {_NTH}\b"),
    ("phone", "phone", r"(?<![\w+])\+\d[\d ()-]{6,18}\d(?!\w)"),
    ("time", "clock", r"(?<![\w:.,-])\d{1,2}(?:[:.]\d\d)? ?[ap](?:\.m\.|m\b\.?)"),
    ("time", "clock", r"(?:(?<=\dT)|(?<![\w:.,]))\d{1,2}:\d\d(?!\w|:\d)"),
    ("time", "clock", r"(?<!\w)\d{4}h\b"),
    ("time", "clock", _DOTTED),
    ("time", "clock_words", rf"\b{_HOUR} in the (?:morning|afternoon|evening)\b"),
    ("time", "clock_words", r"\b(?:noon|midday|midnight)\b"),
    ("number", "amount_words", rf"\b{_CARDINAL} {_MONEY}\b(?:(?: oh)? {_BELOW_100})?"),
    ("number", "number", _SPACED),
    ("number", "number", rf"{_BEFORE}\d+(?:[.,]\d+)*{_AFTER}"),
    ("number", "number_words", rf"\b(?:minus )?{_NOT_ONE}{_CARDINAL}(?:{_POINT}| times\b)?"),
    ("number", "number_words", r"\btwice\b"),
)  # fmt: skip
CURRENCY = re.compile(rf"[€£$]|(?<![a-z])(?:{'|'.join(filter(str.isalpha, CURRENCIES))})(?![a-z])")
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+")


class Leaf(NamedTuple):
    """A value of the record and its kind, which is that of the mentions that may state it."""

    pointer: str
    kind: str
    value: object


class Mention(NamedTuple):
    """A place in the text, and the value that a rule reads there."""

    start: int
    end: int
    kind: str
    rule: str
    value: object


class Fault(NamedTuple):
    """A reason why a text does not prove its record, and a sentence about it."""

    reason: str
    detail: str


def locate(text: str, row: dict) -> tuple[dict[str, dict], list[Fault]]:
    """Locate every value of a row's target in another text.

    Args:
        text: The text to search.
        row: A row of EdgeJSON. Its target and schema are read and, to know which phrases belong to
            which field, its group and the evidence of its own text.

    Returns:
        Evidence in the form of `meta.evidence`, and the faults of the text: `missing`, `invented`,
        `weekday` or `order`. Without faults the evidence covers every leaf.
    """
    possible = kinds(row)
    record = [Leaf(at, possible[general(at)], value) for at, value in leaves(row["target"])]
    found = mentions(text, record, set(possible.values()))
    places, faults = _assign(record, found)
    faults += _unexplained(text, found, record, set(possible.values()))
    faults += _weekdays(text, found)
    faults += _disorder(row["input"]["schema"], row["target"], places)
    evidence = {at: {"start": m.start, "end": m.end, "rule": m.rule} for at, m in places.items()}
    return dict(sorted(evidence.items())), faults


def general(pointer: str) -> str:
    """A pointer with a star for each position in a list, as in `schemas.leaves`."""
    return re.sub(r"/\d+(?=/|$)", "/*", pointer)


def kinds(row: dict) -> dict[str, str]:
    """The kind of every leaf of a row's schema; `phrase.<table>` if a table has its phrases.

    Absent leaves have one too: a text that states a value for such a leaf would mislead.
    """
    rules = {general(at): place["rule"] for at, place in row["meta"]["evidence"].items()}
    result = {}
    for at, node in schemas.leaves(row["input"]["schema"]).items():
        named = row["group"] + at.replace("/*", "").replace("/", ".")
        used = rules.get(at, "").rpartition("+")[2].removeprefix(PHRASE)
        table = next((name for name in (used, named) if name in PHRASES), None)
        if table:
            result[at] = PHRASE + table
        elif node.get("enum") and set(node["enum"]) <= set(CURRENCIES.values()):
            result[at] = "currency"
        elif node.get("format") == "email":
            result[at] = "email"
        elif node.get("pattern", "").startswith("^\\+"):
            result[at] = "phone"
        else:
            result[at] = templates.kind_of(node).replace("integer", "number")
    return result


# Mentions


def mentions(text: str, record: list[Leaf], possible: set[str]) -> list[Mention]:
    """Everything in the text that may state a value, in the order of the text.

    The first reader to claim a place keeps it. Only a phrase of two tables is a mention of each,
    and a currency may lie within the words of an amount.
    """
    found: list[Mention] = []
    claimed, phrases = bytearray(len(text)), set()
    tables = {kind for kind in possible if kind.startswith(PHRASE)}
    readers = _strings(text, record), _phrases(text, tables, record), _forms(text, record)
    for mention in chain.from_iterable(readers):
        span, is_phrase = slice(*mention[:2]), mention.kind in tables
        if any(claimed[span]) and not (is_phrase and mention[:2] in phrases):
            continue
        claimed[span] = b"\1" * (mention.end - mention.start)
        if is_phrase:
            phrases.add(mention[:2])
        found.append(mention)
    found += (_read(match, "currency", "currency") for match in CURRENCY.finditer(text.lower()))
    return sorted(found, key=lambda mention: mention[:2])


def _read(match: re.Match, kind: str, rule: str, year: str = "") -> Mention:
    try:
        value = parsers.apply(rule, match[0] + year, PHRASES)
    except Exception:  # a rule may fail in any way on a span that it cannot read
        value = UNDECIDED
    return Mention(match.start(), match.end(), kind, rule, value)


def _strings(text: str, record: list[Leaf]) -> Iterator[Mention]:
    """E-mail addresses, then the record's strings, longest first: a street may contain its town."""
    yield from (_read(match, "email", "verbatim") for match in EMAIL.finditer(text))
    values = {x.value for x in record if x.kind == "string" and isinstance(x.value, str)}
    for value in sorted(values, key=lambda value: (-len(value), value)):
        before, after = r"(?:(?<!\w)(?<!\d[.,:/-])|(?<=\bv)(?=\d))", r"(?!\w)(?![.,:/-]\d)"
        for match in re.finditer(before + re.escape(value) + after, text):
            yield _read(match, "string", "verbatim")
        if value[:1].islower():
            capital = re.escape(value[0].upper() + value[1:])
            for match in re.finditer(rf"(?:(?<=[.!?:\n] )|(?<=\n)|\A){capital}(?!\w)", text):
                yield _read(match, "string", "lower_first")
        if re.fullmatch(r"(?=.*\d)\w{4,}", value):  # a code that is read out
            for match in re.finditer(rf"(?<!\w){' ?'.join(value)}(?!\w)", text):
                yield _read(match, "string", "compact")


def _phrases(text: str, tables: set[str], record: list[Leaf]) -> Iterator[Mention]:
    """Phrases of the tables, longest first: `not fragile` is read before `fragile`."""
    used = {leaf.kind for leaf in record}
    pairs = [(p, t) for t in tables for p in PHRASES.meanings[t.removeprefix(PHRASE)]]
    for phrase, table in sorted(pairs, key=lambda pair: (-len(pair[0]), pair[1] not in used, pair)):
        if phrase in FUNCTION_WORDS:
            continue
        before = r"(?<!\w)" if phrase[0].isalnum() else ""
        after = r"(?!\w)" if phrase[-1].isalnum() else ""  # `%` may touch its number
        for match in re.finditer(before + re.escape(phrase) + after, text, re.I):
            negated = NEGATION.search(text[max(0, match.start() - 60) : match.start()])
            mention = _read(match, table, table)
            yield mention._replace(value=UNDECIDED) if negated else mention


def _forms(text: str, record: list[Leaf]) -> Iterator[Mention]:
    """Dates, times, telephone numbers and numbers, in figures and in words."""
    values = {(leaf.kind, leaf.value) for leaf in record}
    for kind, rule, pattern in FORMS:
        for match in re.finditer(pattern, text, re.I):
            mention = _read(match, kind, rule, " 2024" if kind == "date without year" else "")
            if pattern in UNCERTAIN and (kind, mention.value) not in values:
                continue
            yield mention._replace(value=UNDECIDED) if _is_ambiguous(match, mention) else mention


def _is_ambiguous(match: re.Match, mention: Mention) -> bool:
    """A date that may begin with its month, or a clock that may mean either half of the day."""
    if mention.kind in ("date", "moment"):
        return bool(re.match(r"(?:0?[1-9]|1[0-2])[./]", match[0]))
    if mention.kind != "time" or not re.fullmatch(r"[\d:.]+", match[0]):
        return False
    early = mention.value is not UNDECIDED and mention.value < "13:00"
    return early and (len(match[0]) < 5 or bool(AFTERNOON.match(match.string, match.end())))


# A mention for each leaf


def _assign(record: list[Leaf], found: list[Mention]) -> tuple[dict[str, Mention], list[Fault]]:
    """Assign a mention to each leaf, none of them twice; values that occur once go first.

    Leaves of one value take the mentions nearest to what else is known of their list items.
    """
    alike, candidates = defaultdict(list), defaultdict(list)
    for leaf in record:
        alike[leaf.kind, leaf.value].append(leaf)
    for mention in found:
        candidates[mention.kind, mention.value].append(mention)
    places: dict[str, Mention] = {}
    faults: list[Fault] = []
    for key, same in sorted(alike.items(), key=lambda e: len(e[1]) + len(candidates[e[0]])):
        taken = {mention[:2] for mention in places.values()}
        free = [mention for mention in candidates[key] if mention[:2] not in taken]
        if len(free) < len(same):
            missing = (f"{leaf.pointer} = {leaf.value!r}" for leaf in same[len(free) :])
            faults += [Fault("missing", f"{leaf} is not stated clearly") for leaf in missing]
            continue
        anchors = {leaf.pointer: _anchor(leaf.pointer, places) for leaf in same}
        for at, anchor in sorted(anchors.items(), key=lambda pair: pair[1] is None):
            places[at] = min(free, key=lambda m: 0 if anchor is None else abs(m.start - anchor))
            free.remove(places[at])
        for field in {general(at) for at in anchors}:  # its first item has the first place
            items = [at for at in anchors if general(at) == field]
            places |= zip(items, sorted(places[at] for at in items), strict=True)
    return places, faults


def _anchor(pointer: str, places: dict[str, Mention]) -> float | None:
    """The mean position of what is known of a leaf's list item."""
    item = re.match(r".*/\d+/", pointer)
    near = [m.start for at, m in places.items() if item and at.startswith(item[0])]
    return sum(near) / len(near) if near else None


# What a text must not state


def _unexplained(
    text: str, found: list[Mention], record: list[Leaf], possible: set[str]
) -> Iterator[Fault]:
    """Mentions of the schema's kinds that are not a value of the record."""
    known = defaultdict(set)
    for leaf in record:
        known[leaf.kind].add(leaf.value)
    if "moment" in possible:
        possible = possible | {"date", "time"}
        known["date"] |= {moment[:10] for moment in known["moment"]}
        known["time"] |= {moment[11:16] for moment in known["moment"]}
    if "date" in possible:
        possible = possible | {"date without year"}
        known["date without year"] = {"2024" + day[4:] for day in known["date"]}
    years = {int(day[:4]) for day in known["date"]}

    def explained(m: Mention) -> bool:
        if m.kind not in possible or m.value in known[m.kind]:
            return True
        if m.value is UNDECIDED:
            return m.kind.startswith(PHRASE)  # negated
        small = m.rule == "number_words" and m.value <= SMALL
        return m.kind == "number" and (small or m.value in years)

    clear = {mention[:2] for mention in found if explained(mention)}
    for m in found:
        if m[:2] not in clear:
            yield Fault("invented", f"{text[m.start : m.end]!r} is not a value of the record")


def _weekdays(text: str, found: list[Mention]) -> Iterator[Fault]:
    """A weekday before a date must be that of the date."""
    weekday = re.compile(rf"\b({'|'.join(formats.WEEKDAYS)}),? (?:the )?$")
    for m in found:
        before = weekday.search(text[max(0, m.start - 20) : m.start])
        if before and m.kind == "date" and m.value is not UNDECIDED:
            right = formats.STYLES["weekday"](m.value, None)[0].partition(",")[0]
            if before[1] != right:
                yield Fault("weekday", f"{m.value} is a {right}, not a {before[1]}")


def _disorder(schema: dict, target: dict, places: dict[str, Mention]) -> Iterator[Fault]:
    """Each field must be stated in the order of a list's items, or in one order if any is allowed.

    This also notices values that have changed places: `2 lamps and 3 rugs` for three lamps and two
    rugs has the names in order and the numbers not.
    """
    arrays = {at: node for at, node in schemas.walk(schema) if node.get("type") == "array"}
    for at in (at for pointer in arrays for at in field_rules.find(target, pointer)):
        fields: dict[str, dict[int, int]] = defaultdict(dict)  # field -> item -> start
        for pointer, mention in places.items():
            if match := re.match(rf"{re.escape(at)}/(\d+)(/.*)?$", pointer):
                fields[match[2] or ""][int(match[1])] = mention.start
        rank = {item: item for starts in fields.values() for item in starts}
        if arrays[general(at)].get("x-order") == "set" and fields:
            fullest = max(fields.values(), key=len)
            rank |= {item: i for i, item in enumerate(sorted(fullest, key=fullest.get))}
        orders = ([starts[i] for i in sorted(starts, key=rank.get)] for starts in fields.values())
        if any(a >= b for order in orders for a, b in pairwise(order)):
            yield Fault("order", f"the items of {at} are not stated in one order")
