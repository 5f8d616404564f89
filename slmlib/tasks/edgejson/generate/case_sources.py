"""Case sources: hand-designed schemas with templates, and composed schemas.

A source is a schema in one register. Sampling a case from it with a `SamplingContext` gives a
record and its text. The templates of a hand-designed schema are in `designed/texts/<schema>.txt`.
They are assigned to train, val and test, so that a test text has a structure that no training text
has; those of a reserved schema all belong to its tests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import composer, samplers
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.textgen import templates
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import Fields, Passage, Template

TEXTS = Path(__file__).parent / "designed" / "texts"
ROLES_SEED = 223  # the one of 400 that shares the registers most evenly among train, val and test


@dataclass(frozen=True, eq=False)
class CaseSource:
    """A schema in one register.

    Attributes:
        group: name of the schema.
        origin: "designed" or "composed".
        meta: where schema and text come from, for the `meta` of a row.
        sample_case: draws a record and puts it into words.
    """

    group: str
    tier: str
    origin: str
    register: str
    schema: dict
    meta: dict
    sample_case: Callable[[SamplingContext], tuple[dict, Passage]]


@cache
def templates_of(group: str, role: str | None = None) -> tuple[Template, ...]:
    """The templates of a hand-designed schema that a role may use, or all of them."""
    every = templates.read(TEXTS / f"{group}.txt")
    if role is None or samplers.reserved(group):
        return every
    roles = templates.assign_roles(len(every), f"{ROLES_SEED}/{group}")
    return tuple(t for t, assigned in zip(every, roles, strict=True) if assigned == role)


@cache
def fields(group: str) -> Fields:
    """The ways in which values of a hand-designed schema are written."""
    leaves = schemas.leaves(schemas.load(group))
    names = {p: group + p.replace("/*", "").replace("/", ".") for p in leaves}
    return Fields(leaves, {p: name for p, name in names.items() if name in PHRASES}, PHRASES)


def designed(template: Template) -> CaseSource:
    """A template of a hand-designed schema."""
    group, register = template.group, template.register

    def sample_case(ctx: SamplingContext) -> tuple[dict, Passage]:
        record, context = samplers.sample(group, ctx)
        renderer = templates.Renderer(fields(group), register, record, context, ctx.rng)
        return record, renderer.passage(template.nodes)

    meta = {"domain": samplers.domain(group), "template": template.name}
    schema, tier = schemas.load(group), schemas.tier(group)
    return CaseSource(group, tier, "designed", register, schema, meta, sample_case)


def composed(blueprint: composer.Blueprint, register: str) -> CaseSource:
    """A composed schema in a register."""

    def sample_case(ctx: SamplingContext) -> tuple[dict, Passage]:
        record, instance = composer.sample(blueprint, ctx)
        return record, composer.write(blueprint, register, instance, ctx.rng)

    b = blueprint
    meta = {"domain": b.domain, "root": b.root, "composed": b.seed}
    return CaseSource(b.name, b.tier, "composed", register, b.schema, meta, sample_case)


def designed_sources(group: str, role: str) -> list[CaseSource]:
    """The templates of a hand-designed schema that a role may use."""
    return [designed(template) for template in templates_of(group, role)]


def composed_sources(seed: str, tier: str, *, reserved: bool) -> list[CaseSource]:
    """A new composed schema in every register that suits it."""
    blueprint = composer.compose(seed, tier=tier, reserved=reserved)
    return [composed(blueprint, register) for register in composer.registers(blueprint)]
