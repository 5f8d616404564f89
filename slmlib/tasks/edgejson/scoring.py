"""Score JSON answers: JSONExact, FieldF1, Presence, SchemaCompliance, and one failure class.

What counts as right is read from the schema, field by field. The choices that move scores:

- **Parsing** (`parsing`) is strict: one JSON value, optionally in exactly one code fence. A lenient
  reading is reported beside it.
- **JSONExact** compares with types: `true` is never `1`, and `1` equals `1.0` only where the schema
  says `number`. Key order is free; array order counts unless the schema says `"x-order": "set"`,
  which compares as a multiset.
- **FieldF1** = 2·right / (2·right + 2·wrong + omitted + invented), the harmonic mean of precision
  right/(right + wrong + invented) and recall right/(right + wrong + omitted): a wrong value is
  both a false positive and a false negative. Leaves are scalars; an empty list or object is a leaf
  unless the other side has a filled one of the same kind in its place. Objects are matched by key
  and lists, ordered or not, by the assignment with the most right leaves (Kuhn 1955), so that
  order errors count in JSONExact only. An answer that cannot be read is all omissions.
- **Presence** is the balanced accuracy of decisions about optional fields: the mean of the share
  filled of those that the target has, and the share left out of those that it lacks. A field is
  optional if its object does not require it. It is decided wherever target and answer both have
  that object, list items being matched as for FieldF1, and it is filled if the answer has its key,
  whatever the value. Always filling scores 0.5, as does always leaving out. In an answer that is
  not a JSON object every decision of the target is wrong, so that silence scores 0.
- **SchemaCompliance** (`compliance`) is validity under JSON Schema Draft 2020-12.
- **Failure class**, the first that applies: `error` (the engine failed), `truncated` (token limit,
  unreadable), `no_json`, `off_schema`, `structure` (a container of the wrong kind, a list of the
  wrong length, right leaves in the wrong order or at the wrong level), `omitted`, `invented`, or
  the first of three classes that one of the wrong values belongs to:
    - `misnormalised`: the right place was read. The value is the raw span of its evidence, or the
      right value in another type, case, spacing or punctuation. Unless another place gives it too,
      it may also be the right date or time in another notation, with its parts exchanged or half
      a day away, or, if the evidence is a normalisation, the right number with its decimal point
      moved.
    - `other_field`: a string or number of the target, or what the text outside the evidence gives,
      as written or in a notation that a normalisation reads (`mentions`). So a distractor counts as
      a field that nobody asked for.
    - `not_in_text`: any other value: made up, misspelt or cut out wrongly, or a choice or boolean
      that nothing else in the text stands for.

Nothing raises and nothing takes long, whatever the completion: what is read is bounded (`parsing`),
scans are linear, and surplus list items beyond four times the target's are counted as invented
without being matched. Schemas and texts are trusted.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from scipy.optimize import linear_sum_assignment

from slmlib.tasks.base import Score
from slmlib.tasks.edgejson.compliance import is_compliant
from slmlib.tasks.edgejson.mentions import fold, mentions
from slmlib.tasks.edgejson.parsing import Parsed, parse, parse_lenient
from slmlib.textgen.parsers import MONTHS

VERSION = "1.2.0"  # 1.1.0: stricter formats; 1.2.0: Presence, other_field and not_in_text
FAILURE_TITLES = {  # the first that applies is given
    "error": "error",
    "truncated": "truncated",
    "no_json": "no JSON",
    "off_schema": "off schema",
    "structure": "structure",
    "omitted": "omitted",
    "invented": "invented",
    "misnormalised": "misnormalised",
    "other_field": "another field's value",
    "not_in_text": "not in the text",
}
FAILURES = tuple(FAILURE_TITLES)

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d.*)?|\d\d:\d\d(?::\d\d)?")
_PART = re.compile(r"\d+|[a-z]+")
_MONTHS = {name[:3]: str(number) for number, name in enumerate(MONTHS, 1)}


def score_json(
    completion: str,
    *,
    target: Any,
    schema: Mapping[str, Any],
    text: str = "",
    evidence: Mapping[str, Mapping[str, Any]] | None = None,
    finish: str = "stop",
) -> Score:
    """Score one completion; never raises for any completion.

    Args:
        completion: the model's text, any string.
        target: the right answer.
        schema: its JSON Schema, made of the keywords that the published schemas use; on an array,
            `x-order: "set"` frees the order of its items.
        text: what the model was given, for the failure class.
        evidence: JSON Pointer of a target leaf -> {"start", "end", "rule"} in `text`, where rule is
            "verbatim" or a named normalisation; for the failure class.
        finish: "stop", "length" (the token limit came first) or "error" (the engine failed: all
            scores are 0, whatever the completion).

    Returns:
        `scores`: json_exact, schema_compliance and json_exact_lenient (0 or 1), field_f1 (0 to 1);
        `counts`: field_f1_micro and, by class, presence.

    Raises:
        jsonschema.SchemaError: the schema, not the completion, is broken.
    """
    parsed = Parsed(None, "error") if finish == "error" else parse(completion)
    right = _key(target, schema)
    exact = parsed.ok and _key(parsed.value, schema) == right
    exact_lenient, compliant, failure = exact, False, None
    comparison = compare(target, parsed, schema)
    if parsed.ok:
        compliant = is_compliant(parsed.value, schema)
        if not exact:
            failure = _failure(comparison, compliant, target, text, evidence or {})
    else:
        failure = {"error": "error", "length": "truncated"}.get(finish, "no_json")
        lenient = parsed if finish == "error" else parse_lenient(completion)
        exact_lenient = lenient.ok and _key(lenient.value, schema) == right
    counts = comparison.counts
    hits = 2 * counts["right"]
    total = hits + 2 * counts["wrong"] + counts["omitted"] + counts["invented"]
    scores = {
        "json_exact": float(exact),
        "field_f1": hits / total,
        "schema_compliance": float(compliant),
        "json_exact_lenient": float(exact_lenient),
    }
    presence = {"present": comparison.present, "absent": comparison.absent}
    return Score(scores, {"field_f1_micro": [hits, total], "presence": presence}, failure)


# --- equality and matching ----------------------------------------------------------------------


def _key(value, schema: Mapping):
    """A hashable stand-in: two values are equal by JSONExact if and only if their keys are."""
    if isinstance(value, dict):
        items = ((name, _key(item, _property(schema, name))) for name, item in value.items())
        return dict, frozenset(items)
    if isinstance(value, list):
        keys = [_key(item, schema.get("items", {})) for item in value]
        unordered = schema.get("x-order") == "set"
        return list, frozenset(Counter(keys).items()) if unordered else tuple(keys)
    integral = schema.get("type") == "number" and type(value) is int
    return float if integral else type(value), value


def _property(schema: Mapping, name: str) -> Mapping:
    return schema.get("properties", {}).get(name, {})


def _pairs(target: list, value: list, schema: Mapping) -> dict[int, int]:
    """Match the items of two lists, by index: most right leaves, then most in their place.

    Equal items are paired first, those in their place before others, which no better assignment can
    undo: what an item shares with two others, those two share with each other, up to the leaves
    that the item itself has.
    """
    items = schema.get("items", {})
    targets, values = ([_key(item, items) for item in side] for side in (target, value))
    pairs = {i: i for i, (a, b) in enumerate(zip(targets, values, strict=False)) if a == b}
    places = defaultdict(list)
    for j in reversed(range(len(values))):
        if j not in pairs:
            places[values[j]].append(j)
    for i, key in enumerate(targets):
        if i not in pairs and places[key]:
            pairs[i] = places[key].pop()
    taken = set(pairs.values())
    rows = [i for i in range(len(target)) if i not in pairs]
    columns = [j for j in range(len(value)) if j not in taken][: max(64, 4 * len(target))]
    if any(isinstance(target[i], dict | list) for i in rows) and columns:
        scale = len(rows) + 1  # one leaf outweighs every place

        def gain(i: int, j: int) -> int:
            right = _compared(target[i], value[j], items).counts["right"]
            return scale * right + (i == j)

        gains = [[gain(i, j) for j in columns] for i in rows]
        chosen = zip(*linear_sum_assignment(gains, maximize=True), strict=True)
        return pairs | {rows[row]: columns[column] for row, column in chosen}
    return pairs | dict(zip(rows, columns, strict=False))  # scalars share no leaf


# --- comparing an answer with its target --------------------------------------------------------

Place = tuple[str, Any]  # JSON Pointer (RFC 6901) and value of a leaf


@dataclass
class Comparison:
    """The outcome of every leaf, decisions about optional fields, and faults of structure.

    Attributes:
        leaves: for each, the target's leaf and the answer's (None for the side that lacks it), and
            the outcome: "right", "wrong", "omitted" or "invented".
        counts: number of leaves by outcome.
        present: of the optional fields that the target has, how many are filled, and how many
            there are.
        absent: of those that it lacks, how many are left out, and how many there are.
        misshapen: a container of the wrong kind or length.
        disordered: right items of a list in the wrong order.
    """

    leaves: list[tuple[Place | None, Place | None, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    present: list[int] = field(default_factory=lambda: [0, 0])
    absent: list[int] = field(default_factory=lambda: [0, 0])
    misshapen: bool = False
    disordered: bool = False

    def add(self, target, value, schema: Mapping, here: str = "", there: str = "") -> None:
        """Compare a matched pair, `here` in the target and `there` in the answer."""
        if isinstance(target, dict) and isinstance(value, dict):
            for name in schema.get("properties", {}).keys() - schema.get("required", ()):
                decisions = self.present if name in target else self.absent
                decisions[0] += (name in value) == (name in target)
                decisions[1] += 1
        if isinstance(target, dict) and isinstance(value, dict) and (target or value):
            pairs = {name: name for name in target if name in value}
            self._add_parts(target, value, pairs, schema.get("properties", {}), here, there)
        elif isinstance(target, list) and isinstance(value, list) and (target or value):
            pairs = _pairs(target, value, schema)
            targets, values = dict(enumerate(target)), dict(enumerate(value))
            parts = dict.fromkeys(pairs, schema.get("items", {}))
            right = self._add_parts(targets, values, pairs, parts, here, there)
            self.misshapen |= len(target) != len(value)
            self.disordered |= schema.get("x-order") != "set" and right != sorted(right)
        else:
            same = _key(target, schema) == _key(value, schema)
            containers = isinstance(target, dict | list) or isinstance(value, dict | list)
            self.misshapen |= containers and not same
            outcome = "right" if same else "wrong"
            self.add_leaves(leaves(target, here), leaves(value, there), outcome)

    def _add_parts(self, targets: Mapping, values: Mapping, pairs, schemas, here, there) -> list:
        """Compare parts by name or index; returns the answer's that have anything right."""
        right = []
        for step, item in targets.items():
            place = _below(here, step)
            if step not in pairs:
                self.add_leaves(leaves(item, place), ())
                continue
            other, before = pairs[step], self.counts["right"]
            self.add(item, values[other], schemas.get(step, {}), place, _below(there, other))
            if self.counts["right"] > before:
                right.append(other)
        taken = set(pairs.values())
        for step, item in values.items():
            if step not in taken:
                self.add_leaves((), leaves(item, _below(there, step)))
        return right

    def add_leaves(self, expected: Iterable[Place], given: Iterable[Place], outcome="wrong"):
        """Count leaves of a pair that is not compared part by part."""
        for leaf, other in zip_longest(expected, given):
            if other is None:
                outcome = "omitted"
            elif leaf is None:
                outcome = "invented"
            self.leaves.append((leaf, other, outcome))
            self.counts[outcome] += 1


def compare(target, answer: Parsed, schema: Mapping) -> Comparison:
    """Compare an answer with its target; if it cannot be read, all leaves are omitted.

    If it is not an object, all decisions about optional fields are wrong.
    """
    if answer.ok:
        comparison = _compared(target, answer.value, schema)
    else:
        comparison = Comparison()
        comparison.add_leaves(leaves(target), ())
    if not isinstance(answer.value, dict):
        perfect = _compared(target, target, schema)
        comparison.present = [0, perfect.present[1]]
        comparison.absent = [0, perfect.absent[1]]
    return comparison


def _compared(target, value, schema: Mapping) -> Comparison:
    comparison = Comparison()
    comparison.add(target, value, schema)
    return comparison


def leaves(value, pointer: str = "") -> Iterator[Place]:
    """Each leaf with its pointer: scalars and empty containers."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, _below(pointer, name))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, _below(pointer, index))
    else:
        yield pointer, value


def _below(pointer: str, step: str | int) -> str:
    return f"{pointer}/{str(step).replace('~', '~0').replace('/', '~1')}"


# --- failure class ------------------------------------------------------------------------------


def _failure(comparison: Comparison, compliant: bool, target, text: str, evidence: Mapping) -> str:
    """Failure class of a readable answer that is not exact."""
    if not compliant:
        return "off_schema"
    # a leaf of one name and value that is omitted at one level and invented at another is misplaced
    omitted = {_named(leaf) for leaf, other, _ in comparison.leaves if other is None}
    invented = {_named(other) for leaf, other, _ in comparison.leaves if leaf is None}
    if comparison.misshapen or comparison.disordered or omitted & invented:
        return "structure"
    if omitted:
        return "omitted"
    if invented:
        return "invented"
    others = {fold(leaf) for _, leaf in leaves(target) if isinstance(leaf, str) or _is_number(leaf)}
    classes = {
        _class_of_value(other[1], leaf[1], evidence.get(leaf[0]), text, others)
        for leaf, other, outcome in comparison.leaves
        if outcome == "wrong"
    }
    return min(classes, key=FAILURES.index)


def _named(leaf: Place) -> tuple[str, str]:
    return leaf[0].rpartition("/")[2], _written(leaf[1])


def _class_of_value(value, right, mark: Mapping | None, text: str, others: set) -> str:
    """Class of a wrong scalar: misnormalised, other_field or not_in_text.

    Args:
        value, right: the wrong value and the right one.
        mark: the evidence of the right one, if any.
        text: what the model was given.
        others: the folded strings and the numbers of the target.
    """
    start, end, rule = (mark["start"], mark["end"], mark["rule"]) if mark else (0, 0, "verbatim")
    if right == value:  # in another type
        return "misnormalised"
    if _is_number(right) and _is_number(value):
        slip = rule != "verbatim" and _digits(right) == _digits(value)
    else:
        spellings = {fold(_written(right))} | ({fold(text[start:end])} if mark else set())
        if fold(_written(value)) in spellings:
            return "misnormalised"
        slip = isinstance(right, str) and isinstance(value, str) and _parts(value) in _slips(right)
    elsewhere = any(mentions(part, value, rule) for part in (text[:start], text[end:]))
    if elsewhere or (not isinstance(value, bool) and fold(value) in others):
        return "other_field"
    return "misnormalised" if slip else "not_in_text"


def _is_number(value) -> bool:
    return type(value) in (int, float)


def _written(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _digits(number: float) -> tuple[int, str]:
    """Sign and digits without the zeros at either end: all but the scale."""
    sign, digits, _ = Decimal(_written(number)).as_tuple()
    return sign, "".join(map(str, digits)).strip("0")


def _parts(text: str) -> tuple[str, ...]:
    """The numbers in a date or time, named months as numbers, sorted."""
    parts = _PART.findall(text.casefold())
    numbers = (_MONTHS.get(p[:3]) if p.isalpha() else p.lstrip("0") or "0" for p in parts)
    return tuple(sorted(filter(None, numbers)))


def _slips(moment: str) -> set[tuple[str, ...]]:
    """Parts of an ISO date or time, also half a day away and without the century."""
    if not _MOMENT.fullmatch(moment):
        return set()
    turned = re.sub(r"\d\d(?=:)", lambda hour: f"{(int(hour[0]) + 12) % 24:02}", moment, count=1)
    return {
        _parts(re.sub(cut, "", form))
        for form in (moment, turned)
        for cut in ("$", r"^\d\d(?=\d\d-)")
    }
