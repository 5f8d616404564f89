"""The rule baseline: extract by regular expressions, guided by the schema.

It knows JSON Schema and everyday formats, and nothing about how the texts are made. For each leaf
it collects candidates by format, pattern, enumeration or type, prefers those near the words of the
key, the description or the enclosing key, and uses each place in the text once. Lists of objects
are filled line by line, one object from each line that has all required fields.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date

from slmlib.tasks.base import Sample
from slmlib.textgen import parsers

MONTHS = [name[:3] for name in parsers.MONTHS]
_MONTH = rf"(?P<m>{'|'.join(MONTHS)})[a-z]*"
_DATES = (
    r"(?P<y>\d{4})-(?P<n>\d\d)-(?P<d>\d\d)",
    r"\b(?P<d>\d{1,2})[./](?P<n>\d{1,2})[./](?P<y>\d{4})",
    rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH},? (?P<y>\d{{4}})",
    rf"\b{_MONTH} (?P<d>\d{{1,2}}),? (?P<y>\d{{4}})",
)
_TIME = re.compile(
    r"\b(\d{1,2})(?:[:.](\d\d))? ?(am|pm)\b|\b([01]?\d|2[0-3])[:.]([0-5]\d)\b", re.IGNORECASE
)
_NUMBER = re.compile(
    r"(?<![\w.:/-])-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.:/-])-?\d+(?:\.\d+)?(?![\w:/-])"
)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d) ?(?:Z|UTC)")
_PHONE = re.compile(r"\+\d[\d ()-]{6,}\d")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_NAME = re.compile(r"\b[A-ZÀ-Þ][\w'’&-]+(?: (?:&|of|the|am|de|del)? ?[A-ZÀ-Þ0-9][\w'’&-]*)*")
_SPACED_CODE = re.compile(r"\b[A-Z0-9]+(?: [A-Z0-9]+)+\b")
_YES_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_SYMBOLS = {"EUR": ("€", "euro"), "GBP": ("£", "pound"), "USD": ("$", "dollar")}
_STOPWORDS = {"the", "of", "in", "and", "no", "is"}
Span = tuple[int, int]
Candidate = tuple[int, int, object]  # start, end, value


def extract(sample: Sample) -> str:
    """The rules' answer to a sample, as JSON."""
    text, schema = sample.input["text"], sample.input["schema"]
    return json.dumps(_object(schema, text, [], ()), ensure_ascii=False)


def _object(schema: dict, text: str, used: list[Span], keys: tuple[str, ...]) -> dict:
    """Fill an object; even required fields are left out if there is no candidate."""
    filled = {}
    for key, node in schema.get("properties", {}).items():
        required = key in schema.get("required", ())
        value = _value(node, text, used, (*keys, key), required=required)
        if value not in (None, {}, []):
            filled[key] = value
    return filled


def _value(node: dict, text: str, used: list[Span], keys: tuple[str, ...], *, required: bool):
    if node.get("type") == "object":
        return _object(node, text, used, keys)
    if node.get("type") == "array":
        return _list(node, text, keys)
    every = _labelled(node, text, keys) or candidates(node, text)
    unused = [candidate for candidate in every if not _overlaps(candidate, used)]
    if not unused:
        return None
    ranked = (
        (_nearness(candidate, text, node, keys), -candidate[0], candidate) for candidate in unused
    )
    score, _, (start, end, value) = max(ranked)
    if not required and score < 0 and not {"enum", "pattern"} & set(node):
        return None
    if "enum" not in node:
        used.append((start, end))
    return value


def _list(node: dict, text: str, keys: tuple[str, ...]) -> list:
    items, values = node["items"], []
    if items.get("type") == "object":
        objects = (_object(items, line, [], keys) for line in text.splitlines())
        values = [value for value in objects if set(items.get("required", ())) <= set(value)]
    elif "enum" in items:
        values = list(dict.fromkeys(value for _, _, value in candidates(items, text)))
    return values[: node.get("maxItems")]


def _overlaps(candidate: Candidate, spans: Iterable[Span]) -> bool:
    return any(candidate[1] > start and candidate[0] < end for start, end in spans)


def _labelled(node: dict, text: str, keys: tuple[str, ...]) -> list[Candidate]:
    """Free text after a label that names the key: `Room: ...`, `room=...`."""
    words = "|".join(sorted(_terms(" ".join(keys[-2:])), key=len, reverse=True))
    if node.get("type") != "string" or {"format", "pattern"} & set(node) or not words:
        return []
    label = rf"(?i)\b(?:{words})\b[\w ]{{0,12}}[:=] *\"?([^\n\",;|]+)"
    return _matches(label, text, lambda match: match[1].strip(), group=1)


def candidates(node: dict, text: str) -> list[Candidate]:
    """Every place in the text that could give the value of a leaf."""
    kind, form, pattern = node.get("type"), node.get("format"), node.get("pattern", "")
    if "enum" in node:
        return list(_choices(node["enum"], text))
    if kind == "boolean":
        return _matches(_YES_NO, text, lambda match: match[0].lower() == "yes")
    if form == "date":
        return list(_dates(text))
    if pattern.endswith(r":[0-5]\d$"):
        return list(_times(text))
    if kind in ("integer", "number"):
        return list(_numbers(node, text))
    if form == "date-time":
        return _matches(_MOMENT, text, lambda match: f"{match[1]}T{match[2]}Z")
    if form == "email":
        return _matches(_EMAIL, text)
    if pattern.startswith(r"^\+"):
        return _matches(_PHONE, text, lambda match: re.sub(r"[ ()-]", "", match[0]))
    if not pattern:
        return list(_names(node, text))
    code = pattern[1:-1]
    spaced = _matches(_SPACED_CODE, text, lambda match: match[0].replace(" ", ""))
    return _matches(rf"(?<!\w){code}(?!\w)", text) or [
        candidate for candidate in spaced if re.fullmatch(code, candidate[2])
    ]


def _matches(pattern, text: str, value=lambda match: match[0], group: int = 0) -> list[Candidate]:
    """The matches of a pattern, in the place of a group."""
    return [(*match.span(group), value(match)) for match in re.finditer(pattern, text)]


def _names(node: dict, text: str) -> Iterator[Candidate]:
    """Runs of capitalised words, but no dates, speakers or first words of sentences; quotations."""
    dates = [(start, end) for start, end, _ in _dates(text)]
    for match in _NAME.finditer(text):
        start, end = match.span()
        begins = re.search(r"(?:^|[.!?:]\s|\n)$", text[:start]) is not None
        label = text[end : end + 1] == ":" or (begins and " " not in match[0])
        fits = len(match[0]) <= node.get("maxLength", 99)
        if fits and not label and not _overlaps((start, end, None), dates):
            yield start, end, match[0]
    yield from _matches(r'"([^"]+)"', text, lambda match: match[1], group=1)


def _choices(values: list, text: str) -> Iterator[Candidate]:
    for value in values:
        name = str(value)
        spellings = (name, name.replace("_", " "), name.replace("_", "-"))
        for spelling in (*_SYMBOLS.get(value, ()), *spellings):
            for match in re.finditer(rf"(?<!\w){re.escape(spelling)}", text, re.IGNORECASE):
                yield *match.span(), value


def _dates(text: str) -> Iterator[Candidate]:
    for pattern in _DATES:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            parts = match.groupdict()
            month = int(parts.get("n") or MONTHS.index(parts.get("m", "").lower()) + 1)
            with suppress(ValueError):
                yield *match.span(), date(int(parts["y"]), month, int(parts["d"])).isoformat()


def _times(text: str) -> Iterator[Candidate]:
    for match in _TIME.finditer(text):
        hour, minute = int(match[1] or match[4]), match[2] or match[5] or "00"
        if match[3]:
            hour = hour % 12 + (12 if match[3].lower() == "pm" else 0)
        yield *match.span(), f"{hour:02d}:{minute}"


def _numbers(node: dict, text: str) -> Iterator[Candidate]:
    dates = [(start, end) for start, end, _ in _dates(text)]
    for match in _NUMBER.finditer(text):
        digits = match[0].replace(",", "")
        if "." in digits and node["type"] == "integer":
            continue
        value = float(digits) if node["type"] == "number" else int(digits)
        fits = node.get("minimum", value) <= value <= node.get("maximum", value)
        if fits and not _overlaps((*match.span(), value), dates):
            yield *match.span(), value


def _nearness(candidate: Candidate, text: str, node: dict, keys: tuple[str, ...]) -> float:
    """Nearness to the words of the key and description, plus half the nearness to outer keys.

    Nearness is 20 less the characters between the candidate and the nearest word, which count twice
    if the word comes after the candidate, or -40 if the text has no such word.
    """
    start, end, _ = candidate
    own = _terms(keys[-1]) | _terms(node.get("description", ""))
    outer = {word for key in keys[:-1] for word in _terms(key)}
    score = 0.0
    for words, weight in ((own, 1.0), (outer, 0.5)):
        places = [m for w in words for m in re.finditer(rf"\b{re.escape(w)}", text, re.IGNORECASE)]
        before = [start - place.end() for place in places if place.end() <= start]
        after = [2 * (place.start() - end) for place in places if place.start() >= end]
        score += weight * (20 - min(before + after, default=60))
    return score


def _terms(words: str) -> set[str]:
    return {word for word in re.findall("[a-z]{2,}", words.lower()) if word not in _STOPWORDS}
