"""Read what a schema's templates make, and prove it, while they are being written.

python -m slmlib.tasks.edgejson.generate.preview_cases parcel_pickup           every template once, then the proof
python -m slmlib.tasks.edgejson.generate.preview_cases parcel_pickup --draws 50 --quiet
"""

import argparse
import json
import sys
from collections import Counter

from slmlib.core import io
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import checks, dataset, samplers
from slmlib.tasks.edgejson.generate.case_sources import Written
from slmlib.textgen import templates


def draw(group: str, draws: int) -> list[dict]:
    """Cases of a group: every template so many times, each from a seed of its own."""
    split = dataset.UNSEEN if samplers.reserved(group) else "test"
    slots = [dataset.Slot(Written(template)) for _ in range(draws) for template in templates.templates(group)]
    return [dataset.case(f"proof/{group}/{i}", split, i, slot) for i, slot in enumerate(slots)]


def show(row: dict) -> str:
    """A case as a person reads it."""
    meta = row["meta"]
    name = meta.get("template", row["group"])
    head = f"--- {name} · {meta['register']} · {row['tier']} · {meta['domain']}"
    return f"{head}\n{row['input']['text']}\n=> {json.dumps(row['target'], ensure_ascii=False)}\n"


def prove(rows: list[dict]) -> list[checks.Check]:
    """The gates that look at each case by itself."""
    by_split: checks.Rows = {}
    for row in rows:
        by_split.setdefault(row["split"], []).append(row)
    return [checks.contract(by_split), checks.schema_files(by_split), *checks.per_case(by_split)]


def counts(group: str) -> str:
    """How many templates a group has for each register and for each split."""
    registers = Counter(template.register for template in templates.templates(group))
    dealt = {split: len(templates.templates(group, split)) for split in ("train", "val", "test")}
    listed = ", ".join(f"{register} {count}" for register, count in registers.items())
    leaves = len(schemas.leaves(schemas.load(group)))
    return f"{group}: {schemas.tier(group)}, {leaves} leaf fields; {listed}; dealt {dealt}"


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m slmlib.tasks.edgejson.generate.preview_cases", description=__doc__
    )
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="default: all")
    parser.add_argument("--draws", type=int, default=20, help="cases of each template that are proved")
    parser.add_argument("--quiet", action="store_true", help="show no cases")
    chosen = parser.parse_args(arguments)
    failed = 0
    for group in chosen.groups or schemas.groups():
        rows = draw(group, chosen.draws)
        for row in () if chosen.quiet else rows[: len(templates.templates(group))]:
            print(show(row))
        failures = [f"  {check.name}: {text}" for check in prove(rows) for text in check.failures]
        print(counts(group), f"{len(rows)} cases, {len(failures)} failures", *failures[:20], sep="\n")
        failed += len(failures)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except io.DataError as error:
        sys.exit(str(error))
