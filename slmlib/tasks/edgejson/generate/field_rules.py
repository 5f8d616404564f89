"""Cross-field rules: the `x-rules` of a schema, checked on a record.

    sum        the values of `of` add up to `is`; an absent one counts as 0
    product    the values of `of` multiplied give `is`, rounded half up to two decimals
    percent    `is` is `rate` percent of `of`, rounded half up to two decimals
    days       `is` is the number of days from `from` to `to`
    minutes    `is` is the number of minutes from `from` to `to`, HH:MM of one day
    count      `is` is the number of values that `of` matches
    order      the values of `of` strictly increase (numbers, ISO dates, HH:MM)
    reference  the value of `of` is one of those of `in`

Paths are JSON Pointers in which `*` runs over a list. Where `is` has a `*`, the rule holds for
each item by itself. A rule holds if its result, or a value that it needs, is absent. Sums and
products are exact decimals, never floats.
"""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from math import prod


def broken(schema: dict, record: dict) -> list[str]:
    """The rules of a schema that a record breaks, in words."""
    return [fault for rule in schema.get("x-rules", []) for fault in _faults(rule, record)]


def find(record, pointer: str) -> dict[str, object]:
    """Concrete pointer -> value, for every place that a pointer with `*` matches."""
    places = {"": record}
    for part in pointer.split("/")[1:]:
        inner = {}
        for at, value in places.items():
            if part == "*" and isinstance(value, list):
                inner |= {f"{at}/{index}": item for index, item in enumerate(value)}
            elif part != "*" and isinstance(value, dict) and part in value:
                inner[f"{at}/{part}"] = value[part]
        places = inner
    return places


def _faults(rule: dict, record: dict) -> list[str]:
    kind = rule["rule"]
    if kind == "order":
        places = (place for of in rule["of"] for place in find(record, of).items())
        pairs = pairwise(places)
        return [f"{a} ({x}) is not before {b} ({y})" for (a, x), (b, y) in pairs if not x < y]
    if kind == "reference":
        known = list(find(record, rule["in"]).values())
        of = find(record, rule["of"])
        return [f"{at} ({v}) is not in {rule['in']}" for at, v in of.items() if v not in known]
    faults = []
    for at, value in find(record, rule["is"]).items():
        result = _result(rule, record, at)
        if result is not None and result != Decimal(str(value)):
            faults.append(f"{at} is {value}, but the {kind} rule gives {result}")
    return faults


def _result(rule: dict, record: dict, at: str) -> Decimal | int | None:
    """The value that a rule computes for the place `at`; None if a value it needs is absent."""

    def positions(pointer: str) -> list[str]:
        return [part for part in pointer.split("/") if part.isdigit()]

    def values(*pointers: str) -> list:
        """The values at pointers in the list items that `at` is in."""
        places = [place for pointer in pointers for place in find(record, pointer).items()]
        own = positions(at)
        return [v for place, v in places if positions(place) == own[: len(positions(place))]]

    kind = rule["rule"]
    if kind == "count":
        return len(find(record, rule["of"]))
    if kind == "sum":
        terms = [term for of in rule["of"] for term in find(record, of).values()]
        return sum((Decimal(str(term)) for term in terms), Decimal(0))
    if kind in ("product", "percent"):
        pointers = rule["of"] if kind == "product" else (rule["of"], rule["rate"])
        factors = [Decimal(str(value)) for value in values(*pointers)]
        if len(factors) < len(pointers):
            return None
        result = prod(factors) / (100 if kind == "percent" else 1)
        return result.quantize(Decimal("0.01"), ROUND_HALF_UP)
    ends = values(rule["from"], rule["to"])
    if len(ends) < 2:
        return None
    if kind == "days":
        start, end = (date.fromisoformat(end[:10]) for end in ends)
        return (end - start).days
    start, end = (60 * int(end[:2]) + int(end[3:]) for end in ends)
    return end - start
