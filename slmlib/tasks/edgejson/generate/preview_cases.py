"""Show cases of hand-designed schemas and prove them, while their templates are being written.

slmbench show edgejson parcel_pickup
slmbench show edgejson parcel_pickup --draws 50 --quiet
"""

import argparse
import json

from slmlib.core.names import choose
from slmlib.tasks import data_checks
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import case_sources, checks, dataset, samplers


def show(row: dict) -> str:
    """A case as text."""
    slices, meta = row["slices"], row["meta"]
    name = meta.get("template", row["group"])
    head = f"--- {name} · {slices['register']} · {slices['tier']} · {meta['domain']}"
    return f"{head}\n{row['input']['text']}\n=> {json.dumps(row['target'], ensure_ascii=False)}\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="slmbench show edgejson", description=__doc__, formatter_class=layout
    )
    parser.add_argument("groups", nargs="*", metavar="SCHEMA", help="default: all")
    parser.add_argument("--draws", type=int, default=20, help="proved cases of each template")
    parser.add_argument("--quiet", action="store_true", help="show no cases")
    options, failed = parser.parse_args(arguments), False
    for group in options.groups or schemas.groups():
        choose("schema", group, schemas.groups())
        split = dataset.UNSEEN if samplers.reserved(group) else "test"
        templates = case_sources.templates_of(group)
        sources = [case_sources.designed(t) for t in templates] * options.draws
        rows = [dataset.case(f"{group}/{i}", split, i, each) for i, each in enumerate(sources)]
        if not options.quiet:
            print(*map(show, rows[: len(templates)]), sep="\n")
        contract = data_checks.contract({split: rows}, checks.SAMPLE)
        proof = [contract, checks.schema_files({split: rows}), *checks.per_case({split: rows})]
        failures = [f"{check.name}: {text}" for check in proof for text in check.failures]
        print(f"{group}: {len(rows)} cases, {len(failures)} failures", *failures[:20], sep="\n  ")
        failed |= bool(failures)
    return int(failed)
