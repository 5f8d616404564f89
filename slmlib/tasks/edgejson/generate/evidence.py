"""Locate the values of a record in a text whose writer did not mark them.

A template knows where it puts a value; a language model does not say. So every mention of a value
is read from the text first: e-mail addresses, the record's own strings, phrases of its tables, then
dates, times and numbers, each by a rule of `textgen.parsers`. Then each leaf of the record gets a
mention of its own. A mention that can be read in two ways (`4:15`, `3/5/2026`, a phrase after a
negation) is not evidence, and a mention that no leaf explains is a fault, because a reader would
answer with it. Notations that a writer is not asked for are rejected rather than read.

Evidence proves that a text states a value, not in which role: two dates of a record may have
changed places. Only items of a list must come in their order.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from slmlib.tasks.data_checks import COMMON
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.tasks.edgejson.scoring import leaves
from slmlib.textgen import parsers, templates
from slmlib.textgen.formats import WEEKDAYS
from slmlib.textgen.parsers import CURRENCIES, MONTHS, PHRASE, TENS, UNITS

UNDECIDED = object()  # the value of a mention that cannot be read, or in more than one way
SMALL = 12  # numbers up to this, in words, may be part of the language: `the two of us`
FUNCTION_WORDS = COMMON | {"all", "off", "ok", "okay", "out", "up"}  # do not state a value alone
NEGATION = re.compile(r"(?:\b(?:not|no|never|without|nor|cannot)|n't)(?:\s+\w+){0,2}\s+$", re.I)
BEFORE_DATE = re.compile(rf"\b({'|'.join(WEEKDAYS)}),? (?:the )?$")

_MONTH = "(?:" + "|".join(rf"{name}|{name[:3]}\.?" for name in MONTHS) + r"|sept\.?)"
_NTH = r"\b\d{1,2}(?:st|nd|rd|th)?"
_DAY = rf"(?:(?:the )?{_NTH}(?: day)?(?: of)? {_MONTH}|\b{_MONTH} (?:the )?{_NTH})\b"
_DATE = rf"(?:{_DAY},? \d{{4}}\b|(?<![\w./])(?:1[3-9]|2\d|3[01])[./]\d\d?[./]\d{{4}}(?![\w/]))"
_BELOW_100 = rf"(?:(?:{'|'.join(TENS[2:])})(?:[- ](?:{'|'.join(UNITS[:10])}))?|{'|'.join(UNITS)})\b"
_BELOW_1000 = rf"(?:{_BELOW_100})(?: hundred\b(?:(?: and)? (?:{_BELOW_100}))?)?"
_NUMBER = rf"{_BELOW_1000}(?: thousand\b(?:(?: and)? {_BELOW_1000})?)?"
_BEFORE = r"(?:(?<![\w.,])|(?<=\bx))(?:(?<![\w.,)])-)?"
_AFTER = r"(?!\d|(?:st|nd|rd|th)\b)(?=[a-z°%]{0,4}(?!\w))"  # a unit may touch a number
FORMS = (  # kind, rule and pattern, by precedence: the digits of a date are not a number
    ("moment", "utc", r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d ?(?:Z|UTC)\b"),
    ("moment", "utc", rf"{_DATE},? (?:at )?\d\d:\d\d(?: hours)? UTC\b"),
    ("date", "verbatim", r"(?<![\w-])\d{4}-\d\d-\d\d(?!-|(?!T\d)\w)"),
    ("date", "day", _DATE),
    ("date", "undecided", r"(?<![\w./])\d\d?[./]\d\d?[./]\d{4}(?![\w/])"),
    ("date without year", "day", _DAY),
    ("phone", "phone", r"(?<![\w+])\+\d[\d ()-]{6,18}\d(?!\w)"),
    ("time", "clock", r"(?<![\w:.,-])\d\d?(?:[:.]\d\d)? ?[ap](?:\.m\.|m\b\.?)"),
    ("time", "undecided", rf"(?:\d[:.]\d\d|\b{_NUMBER}) (?:in the (?:after|even)|at night|past )"),
    ("time", "clock", r"(?:(?<=\dT)|(?<![\w:.,]))\d\d:\d\d(?!\w|:\d)"),
    ("time", "undecided", r"(?<![\w:.,])\d:\d\d(?!\w|:\d)|\b(?:half|quarter) (?:past|to) "),
    ("time", "clock_words", r"\b(?:noon|midday|midnight)\b"),
    ("number", "number", rf"{_BEFORE}\d+(?:[.,]\d+)*{_AFTER}"),
    # `one` alone is rarely a number: `one of them`
    ("number", "number_words", rf"\b(?:minus )?(?!one\b(?! hundred| thousand)){_NUMBER}|\btwice\b"),
    ("currency", "currency", rf"[€£$]|\b(?:{'|'.join(filter(str.isalpha, CURRENCIES))})\b"),
)


class Mention(NamedTuple):
    """A place in the text, and the value that a rule reads there."""

    start: int
    end: int
    kind: str
    rule: str
    value: object


def locate(text: str, row: dict) -> tuple[dict[str, dict], list[str]]:
    """Locate every value of a row's target in another text.

    Args:
        text: The text to search.
        row: A row of EdgeJSON. Its target and schema are read and, to know which phrases belong to
            which field, its group and the evidence of its own text.

    Returns:
        Evidence in the form of `meta.evidence`, and the faults of the text, each of which begins
        with `missing`, `invented` or `order`. Without faults the evidence covers every leaf.
    """
    kind_of = kinds(row)
    record = [(at, kind_of[general(at)], value) for at, value in leaves(row["target"])]
    candidates = mentions(text, {value for _, kind, value in record if kind == "string"}, kind_of)
    places: dict[str, Mention] = {}
    starts = defaultdict(list)  # of the values of a field, in the order of the record
    faults = []
    for at, kind, value in sorted(record, key=lambda leaf: "*" not in general(leaf[0])):
        taken = {place[:2] for place in places.values()}
        free = [m for m in candidates if (m.kind, m.value) == (kind, value) and m[:2] not in taken]
        if not free:
            faults.append(f"missing: {at} = {value!r} is not stated clearly")
            continue
        order = starts[general(at)]
        places[at] = min(free, key=lambda m: (order and m.start < order[-1], m.start))
        order.append(places[at].start)
    possible, known = set(kind_of.values()), {(kind, value) for _, kind, value in record}
    if "date" in possible:
        possible.add("date without year")
        known |= {("date without year", "2024" + day[4:]) for kind, day in known if kind == "date"}
    clear = {m[:2] for m in candidates if (m.kind, m.value) in known or _is_harmless(m, possible)}
    unexplained = (text[m.start : m.end] for m in candidates if m[:2] not in clear)
    faults += [f"invented: {words!r} is not a value of the record" for words in unexplained]
    disorderly = (field for field, order in starts.items() if order != sorted(order))
    faults += [f"order: the values of {field} are not in their order" for field in disorderly]
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


def mentions(text: str, strings: set[str], kind_of: dict[str, str]) -> list[Mention]:
    """Everything in the text that may state a value, in the order of the text.

    The first pattern to claim a place keeps it; only a phrase of two tables is a mention of each.
    """
    candidates: list[Mention] = []
    claimed, phrases = bytearray(len(text)), set()
    tables = {kind for kind in kind_of.values() if kind.startswith(PHRASE)}
    for kind, rule, pattern in _patterns(strings, tables):
        for match in re.finditer(pattern, text):
            span = match.span()
            if any(claimed[slice(*span)]) and not (kind in tables and span in phrases):
                continue
            claimed[slice(*span)] = b"\1" * (span[1] - span[0])
            if kind in tables:
                phrases.add(span)
            candidates.append(Mention(*span, kind, rule, _read(match, kind, rule)))
    return sorted(candidates, key=lambda mention: mention[:2])


def _patterns(strings: set[str], tables: set[str]) -> Iterator[tuple[str, str, str]]:
    """Kind, rule and pattern of mentions, by precedence."""
    yield "email", "verbatim", r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+"
    for value in sorted(strings, key=lambda value: (-len(value), value)):  # a town is in a street
        before, after = r"(?:(?<!\w)(?<!\d[.,:/-])|(?<=\bv)(?=\d))", r"(?!\w)(?![.,:/-]\d)"
        yield "string", "verbatim", before + re.escape(value) + after
        if value[:1].islower():
            capital = re.escape(value[0].upper() + value[1:])
            yield "string", "lower_first", rf"(?:(?<=[.!?:\n] )|(?<=\n)|\A){capital}(?!\w)"
    pairs = [(p, t) for t in tables for p in PHRASES.meanings[t.removeprefix(PHRASE)]]
    for phrase, table in sorted(pairs, key=lambda pair: (-len(pair[0]), pair)):
        before = r"(?<!\w)" if phrase[0].isalnum() else ""
        after = r"(?!\w)" if phrase[-1].isalnum() else ""  # `%` may touch its number
        if phrase not in FUNCTION_WORDS:
            yield table, table, f"(?i:{before}{re.escape(phrase)}{after})"
    for kind, rule, pattern in FORMS:
        yield kind, rule, f"(?i:{pattern})"


def _read(match: re.Match, kind: str, rule: str) -> object:
    """The value of a mention; `UNDECIDED` if the words around it deny it."""
    words, before = match[0], match.string[max(0, match.start() - 60) : match.start()]
    if kind.startswith(PHRASE) and NEGATION.search(before):
        return UNDECIDED
    try:
        value = parsers.apply(rule, words + " 2024" * (kind == "date without year"), PHRASES)
    except Exception:  # a rule may fail in any way on a span that it cannot read
        return UNDECIDED
    weekday = BEFORE_DATE.search(before)
    if kind == "date" and weekday and weekday[1] != WEEKDAYS[date.fromisoformat(value).weekday()]:
        return UNDECIDED
    return value


def _is_harmless(mention: Mention, possible: set[str]) -> bool:
    """True if nobody would answer with a mention that is not a value of the record."""
    if mention.kind not in possible:
        return True
    if mention.value is UNDECIDED:
        return mention.kind.startswith(PHRASE)  # it is negated
    return mention.rule == "number_words" and mention.value <= SMALL
