"""Prints how many predictions a second one core grades: python tests/performance/scoring.py

The cases are typical of the three tiers and mixed 40/40/20, and those of the published data; the
completions are what small models write: right, one value wrong, one key missing, in a fence, after
prose, cut off. Seconds are those of the processor, so that a busy machine counts no less.
"""

import json
import statistics
import time

from slmlib.core import paths
from slmlib.tasks.edgejson.scoring import score_json

STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
DATE = {"type": "string", "format": "date"}
EMAIL = {"type": "string", "format": "email"}
SIDE = {"enum": ["left", "right"]}


def record(**properties) -> dict:
    """A closed object schema with every property required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


LINE = record(sku=STRING, quantity={"type": "integer", "minimum": 1}, unit_price=NUMBER, side=SIDE)
PERSON = record(name=STRING, email=EMAIL)
TIERS = {
    "simple": (
        record(device=STRING, level={"type": "integer", "minimum": 0}, unit={"enum": ["C", "F"]}, day=DATE),
        {"device": "Pump 7", "level": 41, "unit": "C", "day": "2024-03-05"},
    ),
    "medium": (
        record(
            order=STRING,
            placed=DATE,
            customer=PERSON,
            total=NUMBER,
            paid={"type": "boolean"},
            tags={"type": "array", "items": STRING, "maxItems": 8, "x-order": "set"},
            note=STRING,
        ),
        {
            "order": "A-1009",
            "placed": "2024-03-05",
            "customer": {"name": "Ann Lee", "email": "ann@example.org"},
            "total": 129.5,
            "paid": True,
            "tags": ["fragile", "gift"],
            "note": "Leave it with the neighbour at number 12.",
        },
    ),
    "complex": (
        record(
            invoice=STRING,
            issued=DATE,
            due=DATE,
            buyer=record(name=STRING, contact=PERSON),
            lines={"type": "array", "items": LINE, "minItems": 1, "maxItems": 8},
            total=NUMBER,
        ),
        {
            "invoice": "INV-77",
            "issued": "2024-03-05",
            "due": "2024-04-04",
            "buyer": {"name": "Lee Ltd", "contact": {"name": "Ann Lee", "email": "ann@example.org"}},
            "lines": [
                {"sku": f"S-{n}", "quantity": n, "unit_price": 2.5 * n, "side": "left"} for n in (1, 2, 3, 4)
            ],
            "total": 75.0,
        },
    ),
}


def completions(target: dict) -> list[str]:
    """Six completions of the kinds that small models write."""
    right = json.dumps(target, indent=2)
    first = next(iter(target))
    wrong = json.dumps(target | {first: "something else"})
    fewer = json.dumps({name: value for name, value in target.items() if name != first})
    return [
        right,
        wrong,
        fewer,
        f"```json\n{right}\n```",
        f"Here is the JSON:\n{right}",
        right[: len(right) // 2],
    ]


def rate(cases: list[dict], *, repeats: int = 1) -> float:
    """Predictions graded per second, for cases given as the arguments of `score_json`."""
    graded = [(text, case) for case in cases for text in completions(case["target"])]
    start = time.process_time()
    for _ in range(repeats):
        for text, case in graded:
            score_json(text, **case)
    return repeats * len(graded) / (time.process_time() - start)


def published() -> list[dict]:
    """The cases of the published data."""
    rows = []
    for path in sorted((paths.DATA / "edgejson").glob("*.jsonl")):
        with open(path, encoding="utf-8") as file:
            rows += [json.loads(line) for line in file]
    return [
        {
            "target": row["target"],
            "schema": row["input"]["schema"],
            "text": row["input"]["text"],
            "evidence": row["meta"]["evidence"],
        }
        for row in rows
    ]


def main() -> None:
    """Measure each kind five times after a warm-up; print the medians, and the rate of the mix."""
    rates = {}
    for tier, (schema, target) in TIERS.items():
        cases = [{"target": target, "schema": schema}]
        rates[tier] = statistics.median(rate(cases, repeats=300) for _ in range(6))
        print(f"{tier:9} {rates[tier]:10,.0f} predictions/s")
    mix = 1 / (0.4 / rates["simple"] + 0.4 / rates["medium"] + 0.2 / rates["complex"])
    print(f"{'mix':9} {mix:10,.0f} predictions/s (goal: 5,000 on one core)")
    cases = published()
    found = statistics.median([rate(cases) for _ in range(4)][1:])
    print(f"{'published':9} {found:10,.0f} predictions/s, {len(cases):,} cases")


if __name__ == "__main__":
    main()
