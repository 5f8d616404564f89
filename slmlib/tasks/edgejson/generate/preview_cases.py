"""Show cases of hand-designed schemas and prove them, while their templates are being written.

python -m slmlib.tasks.edgejson.generate.preview_cases parcel_pickup
python -m slmlib.tasks.edgejson.generate.preview_cases parcel_pickup --draws 50 --quiet
"""

import argparse
import json
import sys
from collections import Counter

from slmlib.core import io
from slmlib.tasks import data_checks
from slmlib.tasks.base import Check
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import case_sources, checks, dataset, samplers, wordings


def draw(group: str, draws: int) -> list[dict]:
    """Cases of a schema: every template so many times, each from its own seed."""
    split = dataset.UNSEEN if samplers.reserved(group) else "test"
    sources = [case_sources.designed(t) for t in wordings.templates_of(group)] * draws
    specs = enumerate(map(dataset.CaseSpec, sources))
    return [dataset.case(f"proof/{group}/{i}", split, i, spec) for i, spec in specs]


def show(row: dict) -> str:
    """A case as text."""
    slices, meta = row["slices"], row["meta"]
    name = meta.get("template", row["group"])
    head = f"--- {name} · {slices['register']} · {slices['tier']} · {meta['domain']}"
    return f"{head}\n{row['input']['text']}\n=> {json.dumps(row['target'], ensure_ascii=False)}\n"


def prove(rows: list[dict]) -> list[Check]:
    """The checks that look at each case by itself."""
    splits: dict[str, list[dict]] = {}
    for row in rows:
        splits.setdefault(row["split"], []).append(row)
    contract = data_checks.contract(splits, checks.SAMPLE)
    return [contract, checks.schema_files(splits), *checks.per_case(splits)]


def counts(group: str) -> str:
    """The number of templates of a schema by register and by role."""
    registers = Counter(template.register for template in wordings.templates_of(group))
    by_role = {r: len(wordings.templates_of(group, r)) for r in ("train", "val", "test")}
    listed = ", ".join(f"{register} {count}" for register, count in registers.items())
    leaves = len(schemas.leaves(schemas.load(group)))
    return f"{group}: {schemas.tier(group)}, {leaves} leaf fields; {listed}; by role {by_role}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    prog = "python -m slmlib.tasks.edgejson.generate.preview_cases"
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("groups", nargs="*", metavar="SCHEMA", help="default: all")
    parser.add_argument("--draws", type=int, default=20, help="proved cases of each template")
    parser.add_argument("--quiet", action="store_true", help="show no cases")
    options, failed = parser.parse_args(arguments), 0
    for group in options.groups or schemas.groups():
        rows = draw(group, options.draws)
        for row in () if options.quiet else rows[: len(wordings.templates_of(group))]:
            print(show(row))
        failures = [f"  {check.name}: {text}" for check in prove(rows) for text in check.failures]
        print(counts(group), f"{len(rows)} cases, {len(failures)} failures", sep="\n")
        print(*failures[:20], sep="\n", end="\n" if failures else "")
        failed += len(failures)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except io.DataError as error:
        sys.exit(str(error))
