"""A rule-based extractor, the honest opponent of a model: schema in, regular expressions out.

It knows JSON Schema and everyday formats, and nothing of how the texts are made. For each leaf
it gathers candidates by format, pattern, enumeration or type, prefers those that stand near the
words of the key, the description or the enclosing key, and takes each place in the text once.
Lists of objects are filled line by line, one object from each line that has all it needs.
"""

import json
import re
from collections.abc import Iterator
from datetime import date

from slmlib.tasks.base import Sample

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<m>{'|'.join(MONTHS)})[a-z]*"
_DATES = (
    r"(?P<y>\d{4})-(?P<n>\d\d)-(?P<d>\d\d)",
    r"\b(?P<d>\d{1,2})[./](?P<n>\d{1,2})[./](?P<y>\d{4})",
    rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH},? (?P<y>\d{{4}})",
    rf"\b{_MONTH} (?P<d>\d{{1,2}}),? (?P<y>\d{{4}})",
)
_TIME = re.compile(r"\b(\d{1,2})(?:[:.](\d\d))? ?(am|pm)\b|\b([01]?\d|2[0-3])[:.]([0-5]\d)\b", re.I)
_NUMBER = re.compile(r"(?<![\w.:/-])-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.:/-])-?\d+(?:\.\d+)?(?![\w:/-])")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d) ?(?:Z|UTC)")
_PHONE = re.compile(r"\+\d[\d ()-]{6,}\d")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_NAME = re.compile(r"\b[A-ZÀ-Þ][\w'’&-]+(?: (?:&|of|the|am|de|del)? ?[A-ZÀ-Þ0-9][\w'’&-]*)*")
_SYMBOLS = {"EUR": ("€", "euro"), "GBP": ("£", "pound"), "USD": ("$", "dollar")}
Candidate = tuple[int, int, object]  # start, end, value


def extract(example: Sample) -> str:
    """The rules' answer to an example, as JSON."""
    text, schema = example.input["text"], example.input["schema"]
    return json.dumps(_object(schema, text, [], ()), ensure_ascii=False)


def _object(schema: dict, text: str, taken: list[tuple[int, int]], keys: tuple[str, ...]) -> dict:
    """Fill an object; required leaves without a candidate are left out too."""
    made = {}
    for key, node in schema.get("properties", {}).items():
        value = _value(node, text, taken, (*keys, key), required=key in schema.get("required", ()))
        if value not in (None, {}, []):
            made[key] = value
    return made


def _value(node: dict, text: str, taken: list, keys: tuple[str, ...], *, required: bool):
    if node.get("type") == "object":
        return _object(node, text, taken, keys)
    if node.get("type") == "array":
        return _list(node, text, taken, keys)
    labelled = _labelled(node, text, keys)
    found = [c for c in labelled or candidates(node, text) if all(c[1] <= a or c[0] >= b for a, b in taken)]
    if not found:
        return None
    score, best = max((_nearness(c, text, node, keys), -c[0], c) for c in found)[0::2]
    if not required and score < 0 and "enum" not in node and "pattern" not in node:
        return None
    if "enum" not in node:
        taken.append(best[:2])
    return best[2]


def _list(node: dict, text: str, taken: list, keys: tuple[str, ...]) -> list:
    items, made = node["items"], []
    for line in text.splitlines() if items.get("type") == "object" else [text]:
        if items.get("type") == "object":
            value = _object(items, line, [], keys)
            made += [value] if set(items.get("required", ())) <= set(value) else []
        elif "enum" in items:
            made += list(dict.fromkeys(value for _, _, value in candidates(items, line)))
    return made[: node.get("maxItems")]


def _labelled(node: dict, text: str, keys: tuple[str, ...]) -> list[Candidate]:
    """Free text behind a label that says the key: `Room: ...`, `room=...`."""
    if node.get("type") != "string" or {"format", "pattern"} & set(node):
        return []
    words = "|".join(sorted(_terms(" ".join(keys[-2:])), key=len, reverse=True))
    pattern = rf"\b(?:{words})\b[\w ]{{0,12}}[:=] *\"?([^\n\",;|]+)" if words else r"(?!)"
    return [(m.start(1), m.end(1), m[1].strip()) for m in re.finditer(pattern, text, re.I)]


def candidates(node: dict, text: str) -> list[Candidate]:
    """Every place in the text that could be a value of this leaf."""
    pattern = node.get("pattern", "")
    if "enum" in node:
        return list(_enumerated(node["enum"], text))
    if node.get("type") == "boolean":
        return [(m.start(), m.end(), m[0].lower() == "yes") for m in re.finditer(r"\b(yes|no)\b", text, re.I)]
    if node.get("format") == "date":
        return list(_dates(text))
    if pattern.endswith(r":[0-5]\d$"):
        return list(_times(text))
    if node.get("type") in ("integer", "number"):
        return list(_numbers(node, text))
    if node.get("format") == "date-time":
        return [(m.start(), m.end(), m[1] + "T" + m[2] + "Z") for m in _MOMENT.finditer(text)]
    if node.get("format") == "email":
        return [(m.start(), m.end(), m[0]) for m in _EMAIL.finditer(text)]
    if pattern.startswith(r"^\+"):
        return [(m.start(), m.end(), re.sub(r"[ ()-]", "", m[0])) for m in _PHONE.finditer(text)]
    if pattern:
        return list(_coded(pattern[1:-1], text))
    return list(_named(node, text))


def _coded(pattern: str, text: str) -> Iterator[Candidate]:
    """What matches the pattern; where nothing does, what matches without its spaces."""
    found = [(m.start(), m.end(), m[0]) for m in re.finditer(rf"(?<!\w){pattern}(?!\w)", text)]
    runs = re.finditer(r"\b[A-Z0-9]+(?: [A-Z0-9]+)+\b", "" if found else text)
    yield from found
    yield from ((m.start(), m.end(), c) for m in runs if re.fullmatch(pattern, c := m[0].replace(" ", "")))


def _named(node: dict, text: str) -> Iterator[Candidate]:
    """Runs of capitalised words; not dates, speakers or the openings of sentences; and quotations."""
    dates = [(start, end) for start, end, _ in _dates(text)]
    for match in _NAME.finditer(text):
        start, end = match.span()
        opening = re.search(r"(?:^|[.!?:]\s|\n)$", text[:start]) is not None
        label = text[end : end + 1] == ":" or (opening and " " not in match[0])
        if (
            not label
            and all(end <= a or start >= b for a, b in dates)
            and len(match[0]) <= node.get("maxLength", 99)
        ):
            yield start, end, match[0]
    yield from ((m.start(1), m.end(1), m[1]) for m in re.finditer(r'"([^"]+)"', text))


def _enumerated(values: list, text: str) -> Iterator[Candidate]:
    for value in values:
        name = str(value)
        spellings = (*_SYMBOLS.get(value, ()), name, name.replace("_", " "), name.replace("_", "-"))
        for spelling in spellings:
            for match in re.finditer(rf"(?<!\w){re.escape(spelling)}", text, re.I):
                yield match.start(), match.end(), value


def _dates(text: str) -> Iterator[Candidate]:
    for pattern in _DATES:
        for match in re.finditer(pattern, text, re.I):
            parts = match.groupdict()
            month = int(parts["n"]) if parts.get("n") else MONTHS.index(parts["m"].lower()) + 1
            try:
                yield match.start(), match.end(), date(int(parts["y"]), month, int(parts["d"])).isoformat()
            except ValueError:
                continue


def _times(text: str) -> Iterator[Candidate]:
    for match in _TIME.finditer(text):
        if match[3]:
            hour = int(match[1]) % 12 + (12 if match[3].lower() == "pm" else 0)
            yield match.start(), match.end(), f"{hour:02d}:{match[2] or '00'}"
        else:
            yield match.start(), match.end(), f"{int(match[4]):02d}:{match[5]}"


def _numbers(node: dict, text: str) -> Iterator[Candidate]:
    dates = [(start, end) for start, end, _ in _dates(text)]
    for match in _NUMBER.finditer(text):
        digits = match[0].replace(",", "")
        value = float(digits) if "." in digits or node["type"] == "number" else int(digits)
        fits = node.get("minimum", value) <= value <= node.get("maximum", value) and (
            node["type"] == "number" or "." not in digits
        )
        if fits and all(match.end() <= a or match.start() >= b for a, b in dates):
            yield match.start(), match.end(), value


def _nearness(candidate: Candidate, text: str, node: dict, keys: tuple[str, ...]) -> float:
    """Minus the distance to the nearest word of the key or description; far is -200."""
    own = _terms(keys[-1]) | _terms(node.get("description", ""))
    around = {word for key in keys[:-1] for word in _terms(key)}
    score = 0.0
    for words, weight in ((own, 1.0), (around, 0.5)):
        gaps = [candidate[0] - m.end() if m.end() <= candidate[0] else 2 * (m.start() - candidate[1])
                for word in words for m in re.finditer(rf"\b{re.escape(word)}", text, re.I)]  # fmt: skip
        score += weight * max((20 - gap for gap in gaps if gap >= 0), default=-40)
    return score


def _terms(words: str) -> set[str]:
    return {
        word
        for word in re.findall("[a-z]{2,}", words.lower())
        if word not in ("the", "of", "in", "and", "no", "is")
    }
