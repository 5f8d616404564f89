"""Scoring of JSON answers: strict parsing, JSONExact, FieldF1, SchemaCompliance, failure classes.

JSON is RFC 8259 and schemas are JSON Schema Draft 2020-12, formats checked. What counts as right is
read from the schema, field by field: its type, `x-order` and `x-key`. The choices that move scores:

- **Parsing** is strict: one JSON value with surrounding whitespace, optionally in exactly one
  code fence. Duplicate keys, NaN, Infinity, numbers beyond a double, lone surrogates (they have
  no UTF-8) and text after the value are refused. A lenient reading, the first balanced object or
  array that is JSON, is reported beside it.
- **JSONExact** compares with types: `true` is never `1`, and `1` equals `1.0` only where the
  schema says `number`. Key order is free; array order counts unless the schema says
  `"x-order": "set"`, which compares as a multiset.
- **FieldF1** = 2·right / (2·right + 2·wrong + omitted + invented), the harmonic mean of
  precision right/(right + wrong + invented) and recall right/(right + wrong + omitted): a wrong
  value is both a false positive and a false negative. Leaves are scalars; an empty list or object
  is a leaf unless the other side has a filled one of the same kind in its place. Objects are
  matched by key and lists, ordered or not, by the assignment with the most right leaves (Kuhn
  1955), so that order errors count in JSONExact only; where the schema says `"x-key": "sku"`, items
  with the same `sku` are matched first. An answer that cannot be read is all omissions.
- **SchemaCompliance** is that of `jsonschema`, made to agree with ECMA 262 and the RFCs where Python
  differs: in a `pattern`, `$` is the very end and `\\d` and `\\w` are ASCII; `multipleOf` is exact in
  decimal; a format is plain ASCII without white space; `email` is an RFC 5321 dot-string at a
  domain, `duration` the grammar of RFC 3339, `hostname` has no final dot. There are no leap seconds
  and no year 0. `regex`, `uri-template`, `iri`, `iri-reference` and `idn-email` are not checked.
- **Failure class**, the first that applies: `error` (the engine failed), `truncated` (token limit,
  unreadable), `no_json`, `off_schema`, `structure` (a container of the wrong kind, a list of the
  wrong length, right leaves in the wrong order or at the wrong level), `omitted`, `invented`,
  `misnormalised`, `miscopied`.
- **Misnormalised** is a wrong value that shows that the right place was read: the raw span of its
  evidence, or the right value in another type, case, spacing or punctuation; the right date or
  time in another notation, with its parts exchanged or half a day away; or, where the evidence is
  a normalisation, the right number with its decimal point moved. The last two do not count if the
  same value stands elsewhere in the text or target. Any other wrong value is miscopied: a
  distractor, a wrong year, a phrase read as another choice.

Nothing raises and nothing takes long, whatever the completion: its length, depth, number of
values and digits are bounded when it is read, scans are linear, a string of more than 2,000
characters has no format and fits no pattern, and surplus list items beyond four times the target's
are counted as invented without being matched. Schemas are trusted: a pattern that takes exponential
time still does. `MemoryError` and a caller's own `RecursionError` are not caught.

Versions: 1.1.0 checks formats, patterns and `multipleOf` as above, which moves SchemaCompliance and
the class `off_schema` of answers such as `"email": "ann@"`; and knows `x-key`. JSONExact and FieldF1
are those of 1.0.0 for schemas without it.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar
from urllib.parse import unquote

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import FormatError, ValidationError, best_match
from jsonschema.validators import extend
from jsonschema_specifications import REGISTRY
from scipy.optimize import linear_sum_assignment

VERSION = "1.1.0"
FAILURES = (
    "no_json",
    "truncated",
    "off_schema",
    "omitted",
    "invented",
    "miscopied",
    "misnormalised",
    "structure",
    "error",
)
OUTCOMES = ("right", "wrong", "omitted", "invented", "absent")

MAX_CHARS = 1_000_000  # longer completions are not read
MAX_DEPTH = 64  # levels of nesting
MAX_VALUES = 5_000  # scalars and containers in one answer
MAX_NUMBER = 64  # characters of one number
MAX_FORMATTED = 2_000  # characters of a string that its schema gives a format or a pattern
MAX_CANDIDATES = 1_000  # balanced pieces that the lenient reading tries

_SPACE = " \t\n\r"
_FENCE = re.compile(r"```(?:json)?(.*)```", re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[\]{}]', re.DOTALL)  # possessive, hence linear
_OPENER = re.compile(r"[\[{]")
_STRUCTURE = re.compile(r'["\[\]{}]')
_IN_STRING = re.compile(r'["\\]')
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d.*)?|\d\d:\d\d(?::\d\d)?")
_PART = re.compile(r"\d+|[a-z]+")
_NUMBER = re.compile(r"(?:\d{1,3}(?:,\d{3})++|\d++)(?:\.\d++)?+")
_ABBREVIATIONS = "janfebmaraprmayjunjulaugsepoctnovdec"
_MONTHS = {name: str(number) for number, name in enumerate(re.findall("...", _ABBREVIATIONS), 1)}


@dataclass(frozen=True)
class Parsed:
    """A completion as read: its JSON value, or why there is none.

    `error` is None, or one of: too_long, empty, fence, surrogate, too_deep, syntax,
    trailing_text, duplicate_key, not_finite, long_number, too_many_values.
    """

    value: Any
    error: str | None

    @property
    def ok(self) -> bool:
        """True when there is a value; a JSON `null` is one."""
        return self.error is None


@dataclass(frozen=True)
class Score:
    """One graded case.

    Attributes:
        scores: json_exact, schema_compliance and json_exact_lenient (0 or 1), field_f1 (0 to 1).
        failure: one of `FAILURES`, or None when json_exact is 1.
        counts: leaves by outcome: right, wrong, omitted, invented; and `absent`, the optional
            properties that target and completion both lack.
    """

    scores: dict[str, float]
    failure: str | None
    counts: dict[str, int]


# Reading -------------------------------------------------------------------------------------


class _Refused(ValueError):
    """JSON by its grammar, but not accepted; the message is the reason."""


def _object(pairs: list[tuple[str, Any]]) -> dict:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused("duplicate_key")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER:  # converting digits takes quadratic time
        raise _Refused("long_number")
    return int(digits)


def _float(digits: str) -> float:
    if len(digits) > MAX_NUMBER:
        raise _Refused("long_number")
    value = float(digits)
    return _constant(digits) if value in (float("inf"), float("-inf")) else value


def _constant(name: str):
    raise _Refused("not_finite")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def parse(completion: str) -> Parsed:
    """Read a completion strictly: one JSON value, bare or in exactly one code fence.

    A fence is three backticks, optionally with `json`, and must be closed.
    """
    if len(completion) > MAX_CHARS:
        return Parsed(None, "too_long")
    text = completion.strip(_SPACE)
    if text.startswith("```"):
        fenced = _FENCE.fullmatch(text)
        if fenced is None:
            return Parsed(None, "fence")
        text = fenced[1].strip(_SPACE)
    return _read(text)


def parse_lenient(completion: str) -> Parsed:
    """Read the first balanced object or array in the text that is JSON; strictly where possible.

    Text around the value and a fence left open are forgiven; what is wrong inside it is not. A
    value within an unfinished one is not taken: it would be a part of the answer.
    """
    strict = parse(completion)
    if strict.ok or len(completion) > MAX_CHARS:
        return strict
    for start, end in islice(_balanced(completion), MAX_CANDIDATES):
        found = _read(completion[start:end])
        if found.ok:
            return found
    return strict


def _read(text: str) -> Parsed:
    problem = _unreadable(text)
    if problem:
        return Parsed(None, problem)
    try:
        value = _DECODER.decode(text)
    except _Refused as refused:
        return Parsed(None, str(refused))
    except json.JSONDecodeError as error:
        return Parsed(None, "trailing_text" if error.msg == "Extra data" else "syntax")
    problem = _unfit(value, text)
    return Parsed(None if problem else value, problem)


def _unreadable(text: str) -> str | None:
    """Why a text must not reach the decoder, whose recursion follows the nesting."""
    if not text:
        return "empty"
    if not _encodable(text):
        return "surrogate"
    return "too_deep" if _too_deep(text) else None


def _unfit(value, text: str) -> str | None:
    """Why a decoded value is refused; the counts of characters make the usual case cheap."""
    at_most = text.count(",") + text.count("[") + text.count("{") + 1
    if at_most > MAX_VALUES and _size(value) > MAX_VALUES:
        return "too_many_values"
    if "\\u" in text and not _encodable(json.dumps(value, ensure_ascii=False)):
        return "surrogate"
    return None


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _TOKEN.finditer(text):
        character = text[token.start()]
        depth += (character in "[{") - (character in "]}")
        if depth > MAX_DEPTH:
            return True
    return False


def _size(value) -> int:
    """Scalars and containers in a value."""
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


# Where a value ends --------------------------------------------------------------------------


class _Balance:
    """Finds the end of an object or array that may come in pieces."""

    def __init__(self):
        self.depth = 0
        self.quoted = False
        self.escaped = False

    def end(self, text: str, start: int) -> int:
        """Index just past the value's last bracket, or -1 if this piece does not hold it."""
        position = start
        while position < len(text):
            if self.escaped:
                self.escaped = False
                position += 1
                continue
            found = (_IN_STRING if self.quoted else _STRUCTURE).search(text, position)
            if found is None:
                return -1
            position = found.end()
            if self._closes(found[0]):
                return position
        return -1

    def _closes(self, character: str) -> bool:
        if character == '"':
            self.quoted = not self.quoted
        elif character == "\\":
            self.escaped = True
        else:
            self.depth += 1 if character in "[{" else -1
            return self.depth == 0
        return False


def _balanced(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each outermost balanced piece; quotes count only inside brackets."""
    position = 0
    while opener := _OPENER.search(text, position):
        position = _Balance().end(text, opener.start())
        if position < 0:
            return
        yield opener.start(), position


class Completeness:
    """Tells, piece by piece, when a completion has ended its first JSON object or array.

    Text before the first bracket is skipped. Where a code fence was opened before the value, the
    closing fence is waited for too, unless other text follows the value: no closing fence could
    make such an answer right. The cost is linear, and the answer does not depend on how the
    text is cut.

    Sample:
        >>> watch = Completeness()
        >>> [watch.feed(piece) for piece in ('{"a": [1', ', 2]', '}')]
        [False, False, True]
    """

    def __init__(self):
        self._balance = _Balance()
        self._scan = self._prose  # the stage that reads next; None when all is read
        self._ticks = 0
        self._fences = 0

    @property
    def complete(self) -> bool:
        """True once the value, and its fence if it has one, has ended."""
        return self._scan is None

    def feed(self, text: str) -> bool:
        """Read the next piece of the completion; True once the answer is complete."""
        position = 0
        while self._scan is not None and position < len(text):
            position = self._scan(text, position)
        return self.complete

    def _prose(self, text: str, position: int) -> int:
        opener = _OPENER.search(text, position)
        end = opener.start() if opener else len(text)
        for character in text[position:end]:
            self._ticks = self._ticks + 1 if character == "`" else 0
            self._fences += self._ticks == 3
        if opener:
            self._scan = self._value
        return end

    def _value(self, text: str, position: int) -> int:
        end = self._balance.end(text, position)
        if end < 0:
            return len(text)
        self._ticks = 0
        self._scan = self._closing if self._fences % 2 else None
        return end

    def _closing(self, text: str, position: int) -> int:
        character = text[position]
        if character == "`":
            self._ticks += 1
        if self._ticks == 3 or (character != "`" and (self._ticks or character not in _SPACE)):
            self._scan = None
        return position + 1


# What a schema says about a place ------------------------------------------------------------


class _Shape:
    """What grading needs of one place in a schema, every branch that may apply taken together.

    Built lazily and shared by identity, so that recursive schemas make a finite graph; odd or
    unresolvable parts say nothing and never raise.
    """

    __slots__ = ("_below", "_known", "_parts", "_prefix", "_root", "key", "names", "number", "unordered")

    def __init__(self, parts: list[dict], root: Any, known: dict):
        self._parts, self._root, self._known = parts, root, known
        self._below: dict[str | int | None, _Shape] = {}
        self.number = any("number" in _listed(part.get("type")) for part in parts)
        self.unordered = any(part.get("x-order") == "set" for part in parts)
        keys = (part.get("x-key") for part in parts)
        self.key = next((key for key in keys if isinstance(key, str)), None)
        self.names = frozenset(name for part in parts for name in _mapping(part.get("properties")))
        self._prefix = max((len(_sequence(part.get("prefixItems"))) for part in parts), default=0)

    def child(self, name: str) -> "_Shape":
        """The place of a property; unknown names share one, so that hostile keys cost nothing."""
        key = name if name in self.names else None
        if key not in self._below:
            self._below[key] = self._at(self._child_schemas(key))
        return self._below[key]

    def item(self, index: int) -> "_Shape":
        """The place of a list's item."""
        key = min(index, self._prefix)
        if key not in self._below:
            self._below[key] = self._at(self._item_schemas(key))
        return self._below[key]

    def _child_schemas(self, name: str | None) -> list:
        if name is None:
            return [part.get("additionalProperties") for part in self._parts]
        return [_mapping(part.get("properties")).get(name) for part in self._parts]

    def _item_schemas(self, index: int) -> list:
        def schema(part):
            prefix = _sequence(part.get("prefixItems"))
            return prefix[index] if index < len(prefix) else part.get("items")

        return [schema(part) for part in self._parts]

    def _at(self, schemas: list) -> "_Shape":
        parts = _expand(schemas, self._root)
        key = tuple(map(id, parts))
        if key not in self._known:
            self._known[key] = _Shape(parts, self._root, self._known)
        return self._known[key]


def _shape(schema) -> _Shape:
    return _Shape(_expand([schema], schema), schema, {})


def _expand(schemas: list, root) -> list[dict]:
    """The schemas and all that they include by reference or combination, each once."""
    found: list[dict] = []
    waiting = list(schemas)
    while waiting:
        schema = waiting.pop(0)
        if isinstance(schema, dict) and not any(schema is part for part in found):
            found.append(schema)
            waiting += [b for word in ("allOf", "anyOf", "oneOf") for b in _sequence(schema.get(word))]
            waiting.append(_resolve(schema.get("$ref"), root))
    return found


def _resolve(reference, root):
    """The schema that a reference within the document points to, or None."""
    if reference == "#":
        return root
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    place = root
    for step in reference[2:].split("/"):
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        place = place.get(name) if isinstance(place, dict) else None
    return place


def _mapping(value) -> dict:
    return value if isinstance(value, dict) else {}


def _sequence(value) -> list:
    return value if isinstance(value, list) else []


def _listed(value) -> list:
    return value if isinstance(value, list) else [value]


# Equality and matching -----------------------------------------------------------------------


def _same(target, value, shape: _Shape) -> bool:
    """Equality of scalars and empty containers, types included."""
    if type(target) is type(value):
        return target == value
    return shape.number and _is_number(target) and _is_number(value) and target == value


def _is_number(value) -> bool:
    return type(value) is int or type(value) is float


def _equal(target, value, shape: _Shape) -> bool:
    """JSONExact."""
    if isinstance(target, dict) and isinstance(value, dict):
        same_keys = target.keys() == value.keys()
        return same_keys and all(_equal(target[name], value[name], shape.child(name)) for name in target)
    if isinstance(target, list) and isinstance(value, list):
        if shape.unordered:
            return Counter(_keys(target, shape)) == Counter(_keys(value, shape))
        pairs = enumerate(zip(target, value, strict=False))
        return len(target) == len(value) and all(_equal(a, b, shape.item(i)) for i, (a, b) in pairs)
    return _same(target, value, shape)


def _key(value, shape: _Shape):
    """A hashable stand-in: two values have equal keys when they are equal by JSONExact."""
    if isinstance(value, dict):
        return dict, frozenset((name, _key(item, shape.child(name))) for name, item in value.items())
    if isinstance(value, list):
        keys = _keys(value, shape)
        return list, frozenset(Counter(keys).items()) if shape.unordered else tuple(keys)
    return float if shape.number and type(value) is int else type(value), value


def _keys(values: list, shape: _Shape) -> list:
    return [_key(item, shape.item(index)) for index, item in enumerate(values)]


def _leaf_count(value) -> int:
    if isinstance(value, dict) and value:
        return sum(map(_leaf_count, value.values()))
    return sum(map(_leaf_count, value)) if isinstance(value, list) and value else 1


def _right(target, value, shape: _Shape) -> int:
    """Right leaves under the best matching."""
    if target and isinstance(target, dict) and isinstance(value, dict):
        shared = [name for name in target if name in value]
        return sum(_right(target[name], value[name], shape.child(name)) for name in shared)
    if target and isinstance(target, list) and isinstance(value, list):
        return sum(_right(target[i], value[j], shape.item(i)) for i, j in _pairs(target, value, shape))
    return int(_same(target, value, shape))


def _pairs(target: list, value: list, shape: _Shape) -> list[tuple[int, int]]:
    """Indices of matched items, in target order: most right leaves, then most in their place.

    Equal items are paired first, which no better assignment can undo: what an item shares with
    two others, those two share with each other, up to the leaves that the item itself has.
    Items of the same key come next, if the schema names one.
    """
    pairs = _alike(dict(enumerate(_keys(target, shape))), dict(enumerate(_keys(value, shape))))
    rows, columns = _unpaired(pairs, target, value)
    if shape.key is not None and rows and columns:
        pairs += _alike(_named(target, rows, shape), _named(value, columns, shape))
        rows, columns = _unpaired(pairs, target, value)
    columns = columns[: max(64, 4 * len(target))]
    return sorted(pairs + _assign(target, value, rows, columns, shape))


def _alike(target: dict[int, Any], value: dict[int, Any]) -> list[tuple[int, int]]:
    """Pairs of indices whose stand-ins are equal, those in their place first."""
    pairs = [(i, i) for i, key in target.items() if i in value and value[i] == key]
    placed = {i for i, _ in pairs}
    places = defaultdict(list)
    for j in reversed(value):
        if j not in placed:
            places[value[j]].append(j)
    rest = [i for i in target if i not in placed]
    return pairs + [(i, places[target[i]].pop()) for i in rest if places[target[i]]]


def _unpaired(pairs: list[tuple[int, int]], target: list, value: list) -> tuple[list[int], list[int]]:
    taken = {i for i, _ in pairs}, {j for _, j in pairs}
    rows = [i for i in range(len(target)) if i not in taken[0]]
    return rows, [j for j in range(len(value)) if j not in taken[1]]


def _named(items: list, indices: list[int], shape: _Shape) -> dict[int, Any]:
    """Index and `x-key` value of the objects that have one."""
    found = [i for i in indices if isinstance(items[i], dict) and shape.key in items[i]]
    return {i: _key(items[i][shape.key], shape.item(i).child(shape.key)) for i in found}


def _assign(target: list, value: list, rows: list, columns: list, shape: _Shape) -> list[tuple[int, int]]:
    """Pair unequal items; scalars among them share no leaf, so any pairing of those is best."""
    scalars = not any(isinstance(target[i], dict | list) for i in rows)
    if scalars or len(rows) == len(columns) == 1 or not columns:
        return list(zip(rows, columns, strict=False))
    scale = len(rows) + 1  # one right leaf outweighs every item in its place
    gains = [[scale * _right(target[i], value[j], shape.item(i)) + (i == j) for j in columns] for i in rows]
    chosen = zip(*linear_sum_assignment(gains, maximize=True), strict=True)
    return [(rows[r], columns[c]) for r, c in chosen]


# Outcomes ------------------------------------------------------------------------------------


@dataclass
class _Tally:
    """Outcomes of the leaves, and what the failure class is judged by."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    wrong: list[tuple[tuple, Any, Any]] = field(default_factory=list)
    omitted: list[tuple[str, Any]] = field(default_factory=list)  # properties
    invented: list[tuple[str, Any]] = field(default_factory=list)
    misshapen: bool = False

    def align(self, target, value, shape: _Shape, path: tuple = ()) -> None:
        """Count the outcomes of one matched pair."""
        if isinstance(target, dict) and isinstance(value, dict):
            self._objects(target, value, shape, path)
        elif isinstance(target, list) and isinstance(value, list):
            self._lists(target, value, shape, path)
        elif isinstance(target, dict | list) or isinstance(value, dict | list):
            self._kinds(_leaf_count(target), _leaf_count(value))
        elif _same(target, value, shape):
            self.counts["right"] += 1
        else:
            self.counts["wrong"] += 1
            self.wrong.append((path, target, value))

    def _objects(self, target: dict, value: dict, shape: _Shape, path: tuple) -> None:
        self.counts["right"] += not target and not value
        for name, item in target.items():
            if name in value:
                self.align(item, value[name], shape.child(name), (*path, name))
        omitted = [(name, item) for name, item in target.items() if name not in value]
        invented = [(name, item) for name, item in value.items() if name not in target]
        self.omitted += omitted
        self.invented += invented
        self.counts["omitted"] += sum(_leaf_count(item) for _, item in omitted)
        self.counts["invented"] += sum(_leaf_count(item) for _, item in invented)
        self.counts["absent"] += sum(name not in target and name not in value for name in shape.names)

    def _lists(self, target: list, value: list, shape: _Shape, path: tuple) -> None:
        self.counts["right"] += not target and not value
        self.misshapen |= len(target) != len(value)
        pairs = _pairs(target, value, shape)
        last = -1
        for i, j in pairs:
            before = self.counts["right"]
            self.align(target[i], value[j], shape.item(i), (*path, i))
            if self.counts["right"] > before:  # only what is right can be out of order
                self.misshapen |= j < last and not shape.unordered
                last = j
        matched = {i for i, _ in pairs}, {j for _, j in pairs}
        self.counts["omitted"] += sum(_leaf_count(t) for i, t in enumerate(target) if i not in matched[0])
        self.counts["invented"] += sum(_leaf_count(v) for j, v in enumerate(value) if j not in matched[1])

    def _kinds(self, wanted: int, found: int) -> None:
        """A container where a scalar or another kind of container belongs."""
        self.misshapen = True
        self.counts["wrong"] += min(wanted, found)
        self.counts["omitted"] += max(0, wanted - found)
        self.counts["invented"] += max(0, found - wanted)

    def misplaced(self) -> bool:
        """True when a leaf that is missing at one level stands, name and value, at another."""
        return bool(_named_leaves(self.omitted) & _named_leaves(self.invented))


def _named_leaves(properties: list[tuple[str, Any]]) -> set[tuple[str, str]]:
    below = (leaf for name, item in properties for leaf in leaves(item, "/" + _escape(name)))
    return {(pointer.rpartition("/")[2], _written(leaf)) for pointer, leaf in below}


def f1_terms(counts: Mapping[str, int]) -> tuple[int, int]:
    """Numerator and denominator of FieldF1; summed over cases they give micro F1.

    Args:
        counts: `Score.counts`.

    Returns:
        (2·right, 2·right + 2·wrong + omitted + invented); the denominator is at least 1.
    """
    right = 2 * counts["right"]
    return right, right + 2 * counts["wrong"] + counts["omitted"] + counts["invented"]


def leaves(value, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """JSON Pointer (RFC 6901) and value of each leaf: scalars and empty containers."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, f"{pointer}/{_escape(name)}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{pointer}/{index}")
    else:
        yield pointer, value


def _escape(step) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


# Compliance ----------------------------------------------------------------------------------


_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_CLOCK = r"(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
_CALENDAR = r"(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)"


class _Formats(FormatChecker):
    """The standard formats, less those that are not checked; see the module's docstring.

    The checkers of `regex`, `iri` and `iri-reference` recurse or take seconds on hostile strings,
    those of `uri-template` and `idn-email` refuse next to nothing. An overlong string has no
    format, which bounds the time of the others.
    """

    checkers: ClassVar = {
        name: checker
        for name, checker in Draft202012Validator.FORMAT_CHECKER.checkers.items()
        if name not in ("regex", "iri", "iri-reference", "uri-template", "idn-email")
    }

    def check(self, instance, format):
        if isinstance(instance, str) and len(instance) > MAX_FORMATTED:
            raise FormatError(f"longer than {MAX_FORMATTED} characters")
        super().check(instance, format)
        wanted = _STRICTER.get(format, _PLAIN if format in _NEEDED else None)
        if wanted and isinstance(instance, str) and not wanted.fullmatch(instance):
            raise FormatError(f"{instance!r} is not a {format!r}")


_PLAIN = re.compile(r"[!-~]+")  # the library lets a final line end and the digits of other scripts pass
_STRICTER = {
    "email": re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*"),
    "duration": re.compile(rf"P(?:{_CALENDAR}(?:T{_CLOCK})?|T{_CLOCK}|[0-9]+W)"),
    "hostname": re.compile(r"[!-~]+(?<!\.)"),
    "uuid": re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
}
_NEEDED = {"date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"}


def _require_formats() -> None:
    """A format whose package is missing would pass unchecked, and move scores without a word."""
    missing = sorted(_NEEDED - set(_Formats.checkers))
    if missing:
        names = ", ".join(missing)
        raise ImportError(f"nothing checks the formats {names}: pip install 'jsonschema[format-nongpl]'")


_ANY_NUMBER = _Shape([{"type": "number"}], None, {})
_ANY_NUMBER._below.update({None: _ANY_NUMBER, 0: _ANY_NUMBER})


def _unique_items(validator, unique, instance, schema):
    """`uniqueItems` in linear time; the library compares objects pairwise."""
    if unique and isinstance(instance, list) and len(set(_keys(instance, _ANY_NUMBER))) < len(instance):
        yield ValidationError("items are not unique")


def _pattern(validator, pattern, instance, schema):
    if isinstance(instance, str) and not (len(instance) <= MAX_FORMATTED and _ecma(pattern).search(instance)):
        yield ValidationError(f"{instance[:80]!r} does not match {pattern!r}")


@lru_cache(maxsize=4096)
def _ecma(pattern: str) -> re.Pattern:
    """A pattern with the meaning of ECMA 262, whose `$` does not stop before a final line end."""
    anchored = _DOLLAR.sub(lambda found: r"\Z" if found[0] == "$" else found[0], pattern)
    return re.compile(anchored, re.ASCII)


_DOLLAR = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", re.DOTALL)


def _multiple_of(validator, factor, instance, schema):
    if _is_number(instance) and Fraction(str(instance)) % Fraction(str(factor)):
        yield ValidationError(f"{instance!r} is not a multiple of {factor}")


_Validator = extend(
    Draft202012Validator,
    {"uniqueItems": _unique_items, "pattern": _pattern, "multipleOf": _multiple_of},
)


@lru_cache(maxsize=4096)
def _compiled(schema: str):
    """Validator and shape of a schema, given as JSON text because dicts have no hash.

    Raises:
        jsonschema.SchemaError: not a Draft 2020-12 schema.
    """
    _require_formats()
    document = json.loads(schema)
    _Validator.check_schema(document)
    # an explicit registry: a reference to the web is an error, not a download
    return _Validator(document, format_checker=_Formats(), registry=REGISTRY), _shape(document)


def is_compliant(value, schema: Mapping[str, Any]) -> bool:
    """SchemaCompliance: valid under Draft 2020-12, formats checked."""
    return _compiled(json.dumps(schema))[0].is_valid(value)


def breach(value, schema: Mapping[str, Any]) -> str | None:
    """The rule of the schema that a value breaks, in words; None if it is valid."""
    error = best_match(_compiled(json.dumps(schema))[0].iter_errors(value))
    return f"{error.json_path}: {error.message}" if error else None


# Grading -------------------------------------------------------------------------------------


def score_json(
    completion: str,
    *,
    target: Any,
    schema: Mapping[str, Any],
    text: str = "",
    evidence: Mapping[str, Mapping[str, Any]] | None = None,
    finish: str = "stop",
) -> Score:
    """Grade one completion; never raises for any completion.

    Args:
        completion: the model's text, any string.
        target: the right answer.
        schema: its JSON Schema; on an array, `x-order: "set"` frees the order of its items and
            `x-key` names the property by which they are matched.
        text: what the model was given, for the failure class.
        evidence: JSON Pointer of a target leaf -> {"start", "end", "rule"} in `text`, where rule is
            "verbatim" or a named normalisation; for the failure class.
        finish: "stop", "length" (the token limit came first) or "error" (the engine failed: all
            scores are 0, whatever the completion).

    Returns:
        The scores, the failure class and the counts of leaf outcomes.

    Raises:
        jsonschema.SchemaError: the schema, not the completion, is broken.
    """
    validator, shape = _compiled(json.dumps(schema))
    parsed = Parsed(None, "error") if finish == "error" else parse(completion)
    if not parsed.ok:
        lenient = parsed if finish == "error" else parse_lenient(completion)
        return _unread(target, finish, lenient.ok and _equal(target, lenient.value, shape))
    tally = _Tally()
    tally.align(target, parsed.value, shape)
    exact = _equal(target, parsed.value, shape)
    compliant = validator.is_valid(parsed.value)
    scores = _scores(exact, tally.counts, compliant, exact)
    failure = None if exact else _failure(tally, compliant, target, text, evidence or {})
    return Score(scores, failure, tally.counts)


def _unread(target, finish: str, lenient: bool) -> Score:
    counts = dict.fromkeys(OUTCOMES, 0) | {"omitted": _leaf_count(target)}
    failure = {"error": "error", "length": "truncated"}.get(finish, "no_json")
    return Score(_scores(False, counts, False, lenient), failure, counts)


def _scores(exact: bool, counts: Mapping[str, int], compliant: bool, lenient: bool) -> dict[str, float]:
    numerator, denominator = f1_terms(counts)
    return {
        "json_exact": float(exact),
        "field_f1": numerator / denominator,
        "schema_compliance": float(compliant),
        "json_exact_lenient": float(lenient),
    }


def _failure(tally: _Tally, compliant: bool, target, text: str, evidence: Mapping) -> str:
    """Class of a readable answer that is not exact; the order is that of the module's docstring."""
    if not compliant:
        return "off_schema"
    if tally.misshapen or tally.misplaced():
        return "structure"
    for outcome in ("omitted", "invented"):
        if tally.counts[outcome]:
            return outcome
    others = {leaf for _, leaf in leaves(target) if _is_number(leaf) or isinstance(leaf, str)}
    bad = any(_misnormalised(*wrong, others, text, evidence) for wrong in tally.wrong)
    return "misnormalised" if bad else "miscopied"


def _misnormalised(path: tuple, wanted, found, others: set, text: str, evidence: Mapping) -> bool:
    """True when the right place was read but not put into the right form; see the module's docstring."""
    if wanted == found:  # in another type
        return True
    mark = evidence.get("".join(f"/{_escape(step)}" for step in path))
    start, end = (mark["start"], mark["end"]) if mark else (0, 0)
    forms = [_written(wanted), text[start:end]] if mark else [_written(wanted)]
    if _is_number(wanted) and _is_number(found):
        slip = mark is not None and mark["rule"] != "verbatim" and _digits(wanted) == _digits(found)
    elif _folded(_written(found)) in map(_folded, forms):
        return True
    else:
        slip = isinstance(wanted, str) and isinstance(found, str) and _parts(found) in _slips(wanted)
    return slip and found not in others and not _stands(found, text[:start], text[end:])


def _written(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _folded(text: str) -> str:
    """Letters and digits in one case; a text of only punctuation is kept."""
    return "".join(filter(str.isalnum, text.casefold())) or text.strip()


def _digits(number: float) -> tuple[int, str]:
    """Sign and digits without the zeros at either end: all but the scale."""
    sign, digits, _ = Decimal(_written(number)).as_tuple()
    return sign, "".join(map(str, digits)).strip("0")


def _parts(text: str) -> tuple[str, ...]:
    """The numbers in a date or time, named months as numbers, in no order."""
    parts = _PART.findall(text.casefold())
    numbers = (_MONTHS.get(part[:3]) if part.isalpha() else part.lstrip("0") or "0" for part in parts)
    return tuple(sorted(filter(None, numbers)))


def _slips(moment: str) -> set[tuple[str, ...]]:
    """Parts of an ISO date or time, also half a day away and without the century."""
    if not _MOMENT.fullmatch(moment):
        return set()
    turned = re.sub(r"\d\d(?=:)", lambda hour: f"{(int(hour[0]) + 12) % 24:02}", moment, count=1)
    return {_parts(re.sub(cut, "", form)) for form in (moment, turned) for cut in ("$", r"^\d\d(?=\d\d-)")}


def _stands(value: str | float, *texts: str) -> bool:
    """True when a value stands in a text; a number also as `1,250.0` for 1250."""
    if isinstance(value, str):
        return any(value in text for text in texts)
    numbers = (number.replace(",", "") for text in texts for number in _NUMBER.findall(text))
    return any(float(number) == abs(value) for number in numbers)
