"""Check the entities, or show composed cases and prove them.

slmbench compose edgejson check                     faults of the entities
slmbench compose edgejson show --entity pet -n 5    composed cases and proof
"""

import argparse
from random import Random

from slmlib.tasks import data_checks
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import case_sources, checks, composer, dataset, entities
from slmlib.tasks.edgejson.generate.composer import entity_lint
from slmlib.tasks.edgejson.generate.preview_cases import show as as_text
from slmlib.textgen.templates import TEXT_STYLES


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="slmbench compose edgejson",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="list faults with file, line, rule and fix")
    check.add_argument("entities", nargs="*", metavar="ENTITY", help="default: all")
    show = commands.add_parser("show", help="compose cases, print them and prove them")
    show.add_argument("--entity", help="the root entity; default: random")
    show.add_argument("--tier", choices=schemas.TIERS, help="default: all in turn")
    show.add_argument("--register", choices=TEXT_STYLES, help="default: random")
    show.add_argument("--reserved", action="store_true", help="use roots of the reserved domains")
    show.add_argument("--seed", default="show", help="another seed gives other cases")
    show.add_argument("-n", type=int, default=5, help="number of cases (default: 5)")
    options = parser.parse_args(arguments)
    if options.command == "check":
        names = options.entities or entities.samplers()
        faults = {name: entity_lint.faults(name) for name in names}
        for name, messages in faults.items():
            print(f"{name}: {len(messages)} faults", *messages, sep="\n  ")
        return int(any(faults.values()))
    rows, reserved = [], options.reserved
    if options.entity:
        reserved = options.entity in composer.roots(True)
    split = dataset.UNSEEN if reserved else "train"
    for index in range(options.n):
        key, tier = f"{options.seed}/{index}", options.tier or schemas.TIERS[index % 3]
        blueprint = composer.compose(key, tier=tier, reserved=reserved, root=options.entity)
        register = options.register or Random(key).choice(composer.registers(blueprint))
        row = dataset.case(key, split, index, case_sources.composed(blueprint, register))
        print(schemas.for_prompt(row["input"]["schema"]), as_text(row), sep="\n")
        rows.append(row)
    proof = (data_checks.contract({split: rows}, checks.SAMPLE), *checks.per_case({split: rows}))
    failures = [f"{check.name}: {text}" for check in proof for text in check.failures]
    print(f"{len(rows)} cases, {len(failures)} failures", *failures[:20], sep="\n  ")
    return int(bool(failures))
