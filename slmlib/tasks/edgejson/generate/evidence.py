"""Evidence found: where a text that somebody else wrote tells each leaf of a record.

The embedded writer knows where it put a value; a language model does not say. So all mentions are
read out of the text first: strings of the record, phrases of its tables, moments, dates, telephone
numbers, times, numbers in digits and words, currencies, each by a normalisation of `normalise`.
Then each leaf gets one mention of its own. What cannot be read in one way only is no evidence: a
numeric date that does not decide its month, `4:15` for a quarter past something, a phrase behind
a negation. A mention that no leaf explains is as bad as a missing one, because whoever reads the
text would answer with it.

Evidence proves that a value is told, not in which role: two dates that have changed places pass,
unless a rule between fields or the order of list items tells them apart.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import checks, field_rules
from slmlib.tasks.edgejson.generate.wordings import PHRASES
from slmlib.textgen import formats, parsers, templates
from slmlib.textgen.parsers import CURRENCIES, MONTHS, TENS, UNITS

TABLES = {f"phrase.{name}": table for name, table in PHRASES.items()}
UNDECIDED = object()  # the value of a mention that can be read in more than one way
_FUNCTION = """
a about after all also am an and any are as at be been but by can could did do does for from had has have
he her his how i if in is it its just me my need no not of off ok okay on or our out please she so that the
their them then there they this to up us was we were what when which who will with would yes you your
"""
FUNCTION_WORDS = frozenset(_FUNCTION.split())  # too common to tell a value by themselves
NEGATION = re.compile(r"(?:\b(?:not|no|never|without|nor|cannot)|n't)(?:\s+\w+){0,2}\s+$", re.I)


@dataclass(frozen=True)
class Leaf:
    """A value of the record and how a text may tell it: kinds are those of `mentions`."""

    pointer: str
    kind: str
    value: object


@dataclass(frozen=True)
class Mention:
    """A place in the text and what it stands for; `rule` reads it."""

    start: int
    end: int
    kind: str
    rule: str
    value: object


@dataclass(frozen=True)
class Fault:
    """Why a text is no evidence: `reason` and `kind` are counted, `detail` is for people."""

    reason: str  # missing, undecided, negated, shared, ambiguous, invented, wrong weekday or order
    kind: str
    detail: str


def find(text: str, row: dict) -> tuple[dict[str, dict], list[Fault]]:
    """Evidence of a row's target in another text.

    Args:
        text: What was written.
        row: A row of the data set. Its target and schema are read, and, to know which phrases tell
            which field, its group and the evidence of its own text.

    Returns:
        Evidence as in the row contract, and what speaks against the text. The text proves the
        target if there is no fault; then the evidence covers every leaf.
    """
    possible = kinds(row)
    leaves = list(_leaves(row["target"], possible))
    told = mentions(text, leaves, possible.values())
    places, faults = _assigned(leaves, told)
    faults += _unexplained(text, told, leaves, set(possible.values()))
    faults += _weekdays(text, told)
    faults += _disorder(row["input"]["schema"], row["target"], places)
    found = {p: {"start": m.start, "end": m.end, "rule": m.rule} for p, m in sorted(places.items())}
    return found, faults


# --- what there is to tell ----------------------------------------------------------------------


def kinds(row: dict) -> dict[str, str]:
    """How every leaf of a row's schema is told, by pattern pointer; `phrase.x` is by a table's phrases.

    Absent leaves count too: to invent one of these misleads as well.
    """
    told = {
        pattern(p): place["rule"].rpartition("+")[2] for p, place in row["meta"].get("evidence", {}).items()
    }
    found = {}
    for at, node in schemas.leaves(row["input"]["schema"]).items():
        table = f"phrase.{row['group']}." + ".".join(part for part in at.split("/") if part not in ("", "*"))
        found[at] = next((t for t in (told.get(at), table) if t in TABLES), None) or _kind(node)
    return found


def pattern(pointer: str) -> str:
    """A pointer with a star for each position in a list."""
    return re.sub(r"/\d+(?=/|$)", "/*", pointer)


def _kind(node: dict) -> str:
    if node.get("enum") and set(node["enum"]) <= set(CURRENCIES.values()):
        return "currency"
    if node.get("format") == "email":
        return "email"
    if node.get("pattern", "").startswith("^\\+"):
        return "phone"
    kind = templates.kind_of(node)
    return "number" if kind == "integer" else kind


def _leaves(target, possible: dict[str, str]) -> Iterator[Leaf]:
    for pointer, value in checks.leaves(target):
        yield Leaf(pointer, possible[pattern(pointer)], value)


# --- what is told -------------------------------------------------------------------------------


def mentions(text: str, leaves: list[Leaf], possible: Iterable[str]) -> list[Mention]:
    """Everything in the text that may tell a value, in the order of the text.

    What is read first keeps its place: the digits of a date are no number. Only a phrase that stands
    in two tables is a mention of each.
    """
    tables = {kind for kind in possible if kind in TABLES}
    readers = (
        _emails(text), _strings(text, leaves), _phrases(text, tables, leaves), _moments(text), _dates(text),
        _phones(text), _times(text, leaves), _amounts(text), _digits(text, leaves), _words(text, leaves),
    )  # fmt: skip
    found: list[Mention] = []
    for reader in readers:
        for mention in reader:
            if not any(_in_the_way(other, mention) for other in found):
                found.append(mention)
    found += _currencies(text)  # a currency lies inside the words of its amount
    return sorted(found, key=lambda mention: (mention.start, mention.end))


def _in_the_way(other: Mention, mention: Mention) -> bool:
    both = mention.kind in TABLES and other.kind in TABLES and mention.kind != other.kind
    same = both and (other.start, other.end) == (mention.start, mention.end)
    return other.start < mention.end and mention.start < other.end and not same


def _read(match: re.Match, kind: str, rule: str) -> Mention:
    """The mention that a match is; its value is `UNDECIDED` if the rule cannot read it."""
    try:
        value = parsers.apply(rule, match[0], PHRASES)
    except Exception:  # a rule may fail in any way on a span that it does not read
        value = UNDECIDED
    return Mention(match.start(), match.end(), kind, rule, value)


_BEFORE, _BEHIND = r"(?<!\w)(?<!\d[.,:/-])", r"(?!\w)(?![.,:/-]\d)"  # not in the middle of a code


def _whole(words: str) -> str:
    """A pattern that finds the words, but not as a part of longer ones; `%` may touch its number."""
    return (r"(?<!\w)" if words[:1].isalnum() else "") + words + (r"(?!\w)" if words[-1:].isalnum() else "")


def _emails(text: str) -> Iterator[Mention]:
    for match in re.finditer(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", text):
        yield _read(match, "email", "verbatim")


def _strings(text: str, leaves: list[Leaf]) -> Iterator[Mention]:
    """The record's own strings, longest first, so that a town is not found inside its street."""
    values = {leaf.value for leaf in leaves if leaf.kind == "string" and isinstance(leaf.value, str)}
    for value in sorted(values, key=lambda value: (-len(value), value)):
        for match in re.finditer(rf"(?:{_BEFORE}|(?<=\bv)(?=\d)){re.escape(value)}{_BEHIND}", text):
            yield _read(match, "string", "verbatim")
        if value[:1].islower():
            capital = re.escape(value[0].upper() + value[1:])
            for match in re.finditer(rf"(?:(?<=[.!?:\n] )|(?<=\n)|\A){capital}(?!\w)", text):
                yield _read(match, "string", "lower_first")
        if re.fullmatch(r"(?=.*\d)\w{4,}", value):
            for match in re.finditer(_whole(" ?".join(map(re.escape, value))), text):
                yield _read(match, "string", "compact")


def _phrases(text: str, tables: Iterable[str], leaves: list[Leaf]) -> Iterator[Mention]:
    """Phrases of all tables, longest first: `not fragile` is read before `fragile`."""
    wanted = {leaf.kind for leaf in leaves}
    phrases = {(phrase, table) for table in tables for _, phrase in telling(TABLES[table])}
    for phrase, table in sorted(phrases, key=lambda pair: (-len(pair[0]), pair[1] not in wanted, pair)):
        for match in re.finditer(_whole(re.escape(phrase)), text, re.I):
            mention = _read(match, table, table)
            if NEGATION.search(text[max(0, match.start() - 60) : match.start()]):
                mention = replace(mention, value=UNDECIDED)
            yield mention


def telling(table: dict[str, dict]) -> Iterator[tuple[object, str]]:
    """Values and phrases that decide wherever they stand; `yes` or `on` in running text do not."""
    for form in table.values():
        for value, phrases in form.items():
            for phrase in phrases:
                if phrase.lower() not in FUNCTION_WORDS:
                    yield value, phrase


_MONTH = "(?:" + "|".join(rf"{name}|{name[:3]}\.?" for name in MONTHS) + r"|sept\.?)"
_DATE = (
    rf"(?:the )?\b\d{{1,2}}(?:st|nd|rd|th)?(?: day)?(?: of)? {_MONTH},? \d{{4}}\b",
    rf"\b{_MONTH} (?:the )?\d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}\b",
    r"(?<![\w./])\d{1,2}[./]\d{1,2}[./]\d{4}(?![\w/])",
)
_PARTIAL = rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}\b|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?\b"
_CARDINAL = rf"(?:{'|'.join((*UNITS[::-1], *TENS[1:]))}|hundred|thousand)"
_NUMBER = (  # bounded, so that a model that counts for ever costs no time
    rf"\b(?:minus )?{_CARDINAL}(?:(?:-| and | ){_CARDINAL}){{0,9}}"
    rf"(?: point(?: {_CARDINAL}){{1,6}})?(?: times)?\b"
)


def _moments(text: str) -> Iterator[Mention]:
    for match in re.finditer(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
        yield _read(match, "moment", "verbatim")
    for form in (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d ?(?:Z|UTC)\b", *map(_with_clock, _DATE)):
        for match in re.finditer(form, text, re.I):
            yield _read(match, "moment", "utc")


def _with_clock(day: str) -> str:
    return rf"{day},? (?:at )?\d\d:\d\d(?: hours)? UTC\b"


def _dates(text: str) -> Iterator[Mention]:
    for match in re.finditer(r"(?<![\w-])\d{4}-\d\d-\d\d(?!-|(?!T\d)\w)", text):
        yield _read(match, "date", "verbatim")
    for form in _DATE:
        for match in re.finditer(form, text, re.I):
            mention = _read(match, "date", "day")
            if re.match(r"(?:0?[1-9]|1[0-2])[./]", match[0]):
                mention = replace(mention, value=UNDECIDED)
            yield mention
    for match in re.finditer(rf"\bthe [a-z-]+ of (?:{'|'.join(MONTHS)}) {_NUMBER}", text, re.I):
        yield _read(match, "date", "day_words")
    for match in re.finditer(_PARTIAL, text, re.I):  # no evidence, but no number either
        yield Mention(match.start(), match.end(), "day of a month", "", match[0])


def _phones(text: str) -> Iterator[Mention]:
    for match in re.finditer(r"(?<![\w+])\+\d[\d ()-]{6,18}\d(?!\w)", text):
        yield _read(match, "phone", "phone")


_HALF_OF_DAY = re.compile(r" (?:in the (?:afternoon|evening)|at night|tonight)\b", re.I)


def _times(text: str, leaves: list[Leaf]) -> Iterator[Mention]:
    half = r" ?[ap](?:\.m\.|m\b\.?)"
    for form in (
        rf"(?<![\w:.,-])\d{{1,2}}(?::\d\d|\.\d\d)?{half}",
        r"(?:(?<=\dT)|(?<![\w:.,]))\d{1,2}:\d\d(?!\w|:\d)",
    ):
        for match in re.finditer(form, text, re.I):
            yield _time(match, text)
    for match in re.finditer(r"(?<!\w)\d{4}h\b", text):
        yield _read(match, "time", "clock")
    wanted = {leaf.value for leaf in leaves if leaf.kind == "time"}
    for match in re.finditer(r"(?<![\w.,€£$])\d\d\.\d\d(?!\w|[.,]\d)", text):
        if match[0].replace(".", ":") in wanted:  # or else it is a number
            yield _read(match, "time", "clock")
    to, of_day = rf"(?:half|quarter|{_NUMBER}) (?:past|to) ", " in the (?:morning|afternoon|evening)"
    hour = rf"{_NUMBER}(?: o'clock|(?: oh)? {_NUMBER})?"
    for match in re.finditer(rf"\b(?:noon|midday|midnight)\b|\b(?:{to})?{hour}{of_day}\b", text, re.I):
        yield _read(match, "time", "clock_words")


def _time(match: re.Match, text: str) -> Mention:
    """A time in digits; on a bare clock, `4:15` may be either half of the day."""
    mention = _read(match, "time", "clock")
    bare = re.fullmatch(r"[\d:]+", match[0])
    if bare and (len(match[0]) < 5 or _HALF_OF_DAY.match(text, match.end())):
        return replace(mention, value=UNDECIDED)
    if mention.value == match[0]:
        return replace(mention, rule="verbatim")
    return mention


def _amounts(text: str) -> Iterator[Mention]:
    unit = "(?:euros?|pounds?|dollars?)"
    for match in re.finditer(rf"{_NUMBER} {unit}(?:(?: oh)? {_NUMBER})?", text, re.I):
        if not _run_together(re.split(rf"{unit}(?: oh)?", match[0].lower())):
            yield _read(match, "number", "amount_words")


def _digits(text: str, leaves: list[Leaf]) -> Iterator[Mention]:
    """Numbers in digits, also with a unit behind; ordinals and parts of codes are none."""
    before = r"(?:(?<![\w.,])|(?<=\bx))(?:(?<![\w.,)])-)?"
    behind = r"(?!\d|st\b|nd\b|rd\b|th\b)(?=[a-z°%]{0,4}(?!\w))"
    wanted = {leaf.value for leaf in leaves if leaf.kind == "number"}
    for match in re.finditer(rf"{before}\d{{1,3}}(?: \d{{3}})+(?:\.\d+)?{behind}", text, re.I):
        mention = _read(match, "number", "number")
        if mention.value in wanted:  # or else it is two numbers side by side
            yield mention
    for match in re.finditer(rf"{before}\d+(?:[.,]\d+)*{behind}", text, re.I):
        yield _read(match, "number", "number")


def _words(text: str, leaves: list[Leaf]) -> Iterator[Mention]:
    """Numbers in words; `one` is a number only before what is counted, `once` before a time."""
    counted = "|".join(
        {re.escape(noun) for leaf in leaves if leaf.value == 1 for noun in _nouns(leaf, leaves)}
    )
    single = {
        "one": rf"(?: \w+)? (?:{counted or '(?!)'})",
        "once": " (?:(?:a|per|each|every) )?(?:dai|day|night|week)",
    }
    for match in re.finditer(rf"{_NUMBER}|\b(?:once|twice)\b", text, re.I):
        words = match[0].lower()
        if words in single and not re.match(single[words], text[match.end() :], re.I):
            continue
        if not _run_together([words.removesuffix(" times")]):
            yield _read(match, "number", "number_words")


def _nouns(leaf: Leaf, leaves: list[Leaf]) -> list[str]:
    """What a count counts: the last word of its key, as in `/goods/parcels`, or a name beside it."""
    above, key = leaf.pointer.rsplit("/", 1)
    beside = [
        each.value for each in leaves if each.kind == "string" and each.pointer.rsplit("/", 1)[0] == above
    ]
    return [key.split("_")[-1].removesuffix("s"), *beside]


def _run_together(parts: Iterable[str]) -> bool:
    """True if words are several numbers in a row, such as `two three`, which a rule would add up."""
    for words in filter(None, (part.strip() for part in parts)):
        whole = words.removeprefix("minus ").partition(" point ")[0]
        if whole not in ("once", "twice") and _flat(whole) != _flat(formats.cardinal(_sum(whole))):
            return True
    return False


def _sum(words: str) -> int:
    try:
        return int(parsers.apply("number_words", words))
    except (ValueError, IndexError):
        return 0


def _flat(words: str) -> list[str]:
    return [word for word in re.split("[ -]", words) if word != "and"]


def _currencies(text: str) -> list[Mention]:
    names = "|".join(name for name in CURRENCIES if name.isalpha())
    form = rf"[€£$]|(?<![a-z])(?:{names})(?![a-z])"
    return [_read(match, "currency", "currency") for match in re.finditer(form, text, re.I)]


# --- who tells what -----------------------------------------------------------------------------


def _assigned(leaves: list[Leaf], told: list[Mention]) -> tuple[dict[str, Mention], list[Fault]]:
    """A mention for each leaf, no mention twice; leaves whose value is told once go first."""
    alike, candidates = defaultdict(list), defaultdict(list)
    for leaf in leaves:
        alike[leaf.kind, _key(leaf.value)].append(leaf)
    for mention in told:
        candidates[mention.kind, _key(mention.value)].append(mention)
    places: dict[str, Mention] = {}
    faults: list[Fault] = []
    for key, same in sorted(alike.items(), key=lambda item: len(item[1]) + len(candidates[item[0]])):
        taken = {(m.start, m.end) for m in places.values()}
        free = [m for m in candidates[key] if (m.start, m.end) not in taken]
        if len(free) >= len(same):
            places |= _matched(same, free, places)
        else:
            faults += [_lack(leaf, candidates[key], told) for leaf in same[len(free) :]]
    return places, faults


def _key(value) -> tuple:
    return (isinstance(value, bool), value)  # True is not 1, though Python says so


def _matched(same: list[Leaf], found: list[Mention], places: dict) -> dict[str, Mention]:
    """Leaves of one value to its mentions: near what else is told of their item, else in order."""
    anchors = [_anchor(leaf.pointer, places) for leaf in same]
    cost = np.array([[abs(m.start - a) if a is not None else 0 for m in found] for a in anchors], float)
    cost += 1e-3 * np.arange(len(found))
    columns = linear_sum_assignment(cost)[1]
    fields = defaultdict(list)  # of one field in several items
    for leaf, column in zip(same, columns, strict=True):
        fields[pattern(leaf.pointer)].append((leaf.pointer, column))
    return {
        pointer: found[column]
        for pairs in fields.values()
        for pointer, column in zip([p for p, _ in pairs], sorted(c for _, c in pairs), strict=True)
    }


def _anchor(pointer: str, places: dict[str, Mention]) -> float | None:
    """Where the item of a list that this leaf belongs to is told, as far as is known."""
    item = re.match(r".*/\d+(?=/)", pointer)
    near = [m.start for p, m in places.items() if item and p.startswith(item[0] + "/")]
    return sum(near) / len(near) if near else None


def _lack(leaf: Leaf, found: list[Mention], told: list[Mention]) -> Fault:
    what = f"{leaf.pointer} = {leaf.value!r}"
    vague = [m for m in told if m.kind == leaf.kind and m.value is UNDECIDED]
    if found:
        return Fault("shared", leaf.kind, f"{what} is told fewer times than there are fields with it")
    if vague:
        negated = leaf.kind.startswith("phrase.")
        return Fault("negated" if negated else "undecided", leaf.kind, f"{what} is not told clearly")
    return Fault("missing", leaf.kind, f"{what} is not told")


# --- what must not be told ----------------------------------------------------------------------


def _unexplained(text: str, told: list[Mention], leaves: list[Leaf], possible: set[str]) -> list[Fault]:
    """Mentions that are no value of the record, of kinds that its schema has."""
    known = defaultdict(set)
    for leaf in leaves:
        known[leaf.kind].add(_key(leaf.value))
        if leaf.kind == "moment":
            known["date"].add(_key(leaf.value[:10]))
            known["time"].add(_key(leaf.value[11:16]))
    days = {date.fromisoformat(value) for _, value in known["date"]}
    faults, clear = [], {(m.start, m.end) for m in told if _explained(m, known, days, possible)}
    for m in told:
        if (m.start, m.end) in clear:
            continue
        chosen = m.kind == "currency" or (m.kind.startswith("phrase.") and known[m.kind])
        reason = "ambiguous" if chosen else "invented"
        faults.append(Fault(reason, m.kind, f"{text[m.start : m.end]!r} is no value of the record"))
    return faults


def _explained(mention: Mention, known: dict, days: set[date], possible: set[str]) -> bool:
    if mention.kind == "day of a month":
        return not {"date", "moment"} & possible or any(_same_day(mention.value, day) for day in days)
    if mention.kind not in possible | ({"date", "time"} if "moment" in possible else set()):
        return True
    if mention.kind == "number" and mention.rule == "number_words" and _is_small(mention.value):
        return True  # the two of us, one of them
    if mention.kind == "number" and any(mention.value == day.year for day in days):
        return True
    if mention.value is UNDECIDED:
        return mention.kind != "number"
    return _key(mention.value) in known[mention.kind]


def _is_small(value) -> bool:
    return value is UNDECIDED or value <= 12


def _same_day(words: str, day: date) -> bool:
    return parsers.apply("day", f"{words} {day.year}") == day.isoformat() if words else False


def _weekdays(text: str, told: list[Mention]) -> list[Fault]:
    """A weekday before a date must be the date's own."""
    faults = []
    for mention in told:
        said = re.search(rf"\b({'|'.join(formats.WEEKDAYS)}),? (?:the )?$", text[: mention.start])
        if said and mention.kind == "date" and mention.value is not UNDECIDED:
            right = formats.WEEKDAYS[date.fromisoformat(mention.value).weekday()]
            if said[1] != right:
                faults.append(
                    Fault("wrong weekday", "date", f"{mention.value} is a {right}, not a {said[1]}")
                )
    return faults


def _disorder(schema: dict, target, places: dict[str, Mention]) -> list[Fault]:
    """Each field of a list's items must be told in the items' order, any one where that is free.

    This also tells items apart whose values have changed places: `2 lamps and 3 rugs` for three
    lamps and two rugs has the names in order and the numbers not.
    """
    faults = []
    for at, node in schemas.walk(schema):
        if node.get("type") == "array":
            for place in field_rules.find(target, at):
                faults += _list_faults(place, node, places)
    return faults


def _list_faults(at: str, node: dict, places: dict[str, Mention]) -> list[Fault]:
    fields: dict[str, dict[int, int]] = defaultdict(dict)  # field -> item -> where it is told
    for pointer, mention in places.items():
        if match := re.match(rf"{re.escape(at)}/(\d+)(/.*)?$", pointer):
            fields[match[2] or ""][int(match[1])] = mention.start
    rank = {item: item for told in fields.values() for item in told}
    if node.get("x-order") == "set" and fields:
        fullest = max(fields.values(), key=len)
        rank |= {item: place for place, item in enumerate(sorted(fullest, key=fullest.get))}
    for told in fields.values():
        if not all(a < b for a, b in pairwise(told[item] for item in sorted(told, key=rank.get))):
            return [Fault("order", "list", f"the items of {at} are told mixed up or in another order")]
    return []
