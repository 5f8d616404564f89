"""The words of EdgeJSON: templates of the hand-designed schemas, and phrase tables.

The templates of a schema are in `designed/texts/<schema>.txt`. They are assigned to train, val and
test, so that a test text has a structure that no training text has; those of a reserved schema all
belong to its tests.
"""

from functools import cache
from pathlib import Path
from random import Random

from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import samplers
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.textgen import templates
from slmlib.textgen.templates import Fields, Passage, Renderer, Template

FOLDER = Path(__file__).parent / "designed" / "texts"
ROLES_SEED = 223  # the one of 400 that shares the registers most evenly among train, val and test


@cache
def templates_of(group: str, role: str | None = None) -> tuple[Template, ...]:
    """The templates of a hand-designed schema that a role may use, or all of them."""
    every = templates.read(FOLDER / f"{group}.txt")
    if role is None or samplers.reserved(group):
        return every
    roles = templates.assign_roles(len(every), f"{ROLES_SEED}/{group}")
    return tuple(t for t, assigned in zip(every, roles, strict=True) if assigned == role)


@cache
def fields(group: str) -> Fields:
    """How the values of a hand-designed schema are written."""
    leaves = schemas.leaves(schemas.load(group))
    names = {p: group + p.replace("/*", "").replace("/", ".") for p in leaves}
    return Fields(leaves, {p: name for p, name in names.items() if name in PHRASES}, PHRASES)


def render(template: Template, record: dict, context: dict, rng: Random) -> Passage:
    """Put a record of a hand-designed schema into words; see `textgen.templates.Renderer`."""
    renderer = Renderer(fields(template.group), template.register, record, context, rng)
    return renderer.passage(template.nodes)
