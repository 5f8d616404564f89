"""Check the entities, or read what is composed of them and see it proved.

python -m slmlib.tasks.edgejson.generate.composer check                    what is wrong with the entities
python -m slmlib.tasks.edgejson.generate.composer show --entity pet -n 5   composed cases, and their proof
"""

import argparse
import sys
from random import Random

from slmlib.core import io
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import composer, dataset, preview_cases
from slmlib.tasks.edgejson.generate.case_sources import Composed
from slmlib.tasks.edgejson.generate.composer import entity_lint, entity_parser


def draw(chosen: argparse.Namespace) -> list[dict]:
    """Composed cases for reading, each of a schema of its own."""
    rows = []
    reserved = chosen.reserved if chosen.entity is None else chosen.entity in composer.roots(True)
    for index in range(chosen.n):
        key, tier = f"{chosen.seed}/{index}", chosen.tier or schemas.TIERS[index % 3]
        blueprint = composer.compose(key, tier=tier, reserved=reserved, root=chosen.entity)
        register = chosen.register or Random(key).choice(composer.registers(blueprint))
        split = dataset.UNSEEN if reserved else "train"
        rows.append(dataset.case(key, split, index, dataset.Slot(Composed(blueprint, register))))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m slmlib.tasks.edgejson.generate.composer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("check", "show"))
    parser.add_argument("entities", nargs="*", metavar="ENTITY", help="check: default all")
    parser.add_argument("--entity", help="show: the root")
    parser.add_argument("--tier", choices=schemas.TIERS)
    parser.add_argument("--register")
    parser.add_argument("--reserved", action="store_true", help="show: roots of the reserved domains")
    parser.add_argument("--seed", default="show", help="show: another seed, other cases")
    parser.add_argument("-n", type=int, default=5, help="show: how many cases")
    chosen = parser.parse_args(arguments)
    if chosen.command == "check":
        return _check(chosen.entities)
    rows = draw(chosen)
    for row in rows:
        print(schemas.for_prompt(row["input"]["schema"]), preview_cases.show(row), sep="\n")
    failures = [f"{check.name}: {text}" for check in preview_cases.prove(rows) for text in check.failures]
    print(f"{len(rows)} cases, {len(failures)} failures", *failures[:20], sep="\n  ")
    return int(bool(failures))


def _check(names: list[str]) -> int:
    found = {name: entity_lint.faults(name) for name in names or entity_parser.names()}
    for name, faults in found.items():
        print(f"{name}: {len(faults)} faults", *faults, sep="\n  ")
    return int(any(found.values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except io.DataError as error:
        sys.exit(str(error))
