"""Cross-field rules: the `x-rules` of a schema, checked on a record.

    sum        the values of `of` add up to `is`; an absent one counts as nothing
    product    the values of `of` multiplied give `is`, rounded half up to its two decimals
    order      the values of `of` strictly increase (numbers, ISO dates, HH:MM)
    percent    `is` is `rate` percent of `of`, rounded half up to two decimals
    days       `is` is the number of days from `from` to `to`
    minutes    `is` is the number of minutes from `from` to `to`, HH:MM of one day
    count      `is` is how many values `of` finds
    reference  the value of `of` is one of those of `in`

Paths are JSON Pointers in which `*` runs over a list. Where `is` has a `*`, the rule holds for
each item by itself. A rule whose result is absent, or which compares with something absent, has
nothing to say. Sums and products are exact decimals, never floats.
"""

from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from math import prod


def broken(schema: dict, record: dict) -> list[str]:
    """The rules of `schema` that `record` breaks, in words."""
    return [fault for rule in schema.get("x-rules", []) for fault in CHECKS[rule["rule"]](rule, record)]


def find(record, pointer: str) -> dict[str, object]:
    """Concrete pointer -> value, for every place that a pattern finds."""
    found = {"": record}
    for part in pointer.split("/")[1:]:
        found = {f"{at}/{key}": child for at, value in found.items() for key, child in _children(value, part)}
    return found


def _children(value, part: str):
    if part == "*":
        return enumerate(value) if isinstance(value, list) else ()
    return [(part, value[part])] if isinstance(value, dict) and part in value else ()


def _exact(value) -> Decimal:
    return Decimal(str(value))


def _bound(pattern: str, pointer: str) -> str:
    """The pattern with its stars replaced by the indices of a concrete pointer."""
    indices = iter(part for part in pointer.split("/") if part.isdigit())
    return "/".join(next(indices, "*") if part == "*" else part for part in pattern.split("/"))


def _sum(rule: dict, record: dict) -> list[str]:
    total = sum((_exact(v) for of in rule["of"] for v in find(record, of).values()), Decimal(0))
    return [
        f"{at} is {v}, the sum is {total}" for at, v in find(record, rule["is"]).items() if _exact(v) != total
    ]


def _product(rule: dict, record: dict) -> list[str]:
    faults = []
    for at, value in find(record, rule["is"]).items():
        factors = [_at(record, _bound(of, at)) for of in rule["of"]]
        if not all(factors):
            continue
        product = prod((_exact(factor[0]) for factor in factors), start=Decimal(1))
        if product.quantize(Decimal("0.01"), ROUND_HALF_UP) != _exact(value):
            faults.append(f"{at} is {value}, the product is {product}")
    return faults


def _at(record, pointer: str) -> list:
    """The value at a pointer whose list positions are numbers, as a list of none or one."""
    for part in pointer.split("/")[1:]:
        try:
            record = record[int(part) if isinstance(record, list) else part]
        except (KeyError, IndexError, TypeError):
            return []
    return [record]


def _order(rule: dict, record: dict) -> list[str]:
    places = [place for of in rule["of"] for place in find(record, of).items()]
    return [f"{a} ({x}) is not before {b} ({y})" for (a, x), (b, y) in pairwise(places) if not x < y]


def _percent(rule: dict, record: dict) -> list[str]:
    faults = []
    for at, value in find(record, rule["is"]).items():
        base, rate = (_at(record, _bound(rule[key], at)) for key in ("of", "rate"))
        if base and rate:
            part = (_exact(base[0]) * _exact(rate[0]) / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
            faults += (
                [] if part == _exact(value) else [f"{at} is {value}, {rate[0]} % of {base[0]} is {part}"]
            )
    return faults


def _days(rule: dict, record: dict) -> list[str]:
    return _span(rule, record, "days", lambda start, end: (_day(end) - _day(start)).days)


def _day(text: str) -> date:
    return date.fromisoformat(text[:10])


def _minutes(rule: dict, record: dict) -> list[str]:
    return _span(rule, record, "minutes", lambda start, end: _minute(end) - _minute(start))


def _minute(text: str) -> int:
    return 60 * int(text[:2]) + int(text[3:])


def _span(rule: dict, record: dict, unit: str, length: Callable[[str, str], int]) -> list[str]:
    faults = []
    for at, value in find(record, rule["is"]).items():
        start, end = (_at(record, _bound(rule[key], at)) for key in ("from", "to"))
        if start and end and (found := length(start[0], end[0])) != value:
            faults.append(f"{at} is {value}, the {unit} are {found}")
    return faults


def _count(rule: dict, record: dict) -> list[str]:
    found = len(find(record, rule["of"]))
    return [f"{at} is {v}, the count is {found}" for at, v in find(record, rule["is"]).items() if v != found]


def _reference(rule: dict, record: dict) -> list[str]:
    known = list(find(record, rule["in"]).values())
    return [
        f"{at} ({v}) is not in {rule['in']}" for at, v in find(record, rule["of"]).items() if v not in known
    ]


CHECKS: dict[str, Callable[[dict, dict], list[str]]] = {
    "sum": _sum,
    "product": _product,
    "order": _order,
    "percent": _percent,
    "days": _days,
    "minutes": _minutes,
    "count": _count,
    "reference": _reference,
}
