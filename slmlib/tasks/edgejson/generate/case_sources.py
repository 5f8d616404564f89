"""Case sources: hand-designed schemas with templates, and composed schemas.

A source is a schema in one register. Sampling a case from it with a `SamplingContext` gives a
record and its text.
"""

from collections.abc import Callable
from dataclasses import dataclass

from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import composer, samplers, wordings
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import Passage, Template


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


def designed(template: Template) -> CaseSource:
    """A template of a hand-designed schema."""
    group = template.group

    def sample_case(ctx: SamplingContext) -> tuple[dict, Passage]:
        record, context = samplers.sample(group, ctx)
        return record, wordings.render(template, record, context, ctx.rng)

    meta = {"domain": samplers.domain(group), "template": template.name}
    schema, tier = schemas.load(group), schemas.tier(group)
    return CaseSource(group, tier, "designed", template.register, schema, meta, sample_case)


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
    return [designed(template) for template in wordings.templates_of(group, role)]


def composed_sources(seed: str, tier: str, *, reserved: bool) -> list[CaseSource]:
    """A new composed schema in every register that suits it."""
    blueprint = composer.compose(seed, tier=tier, reserved=reserved)
    return [composed(blueprint, register) for register in composer.registers(blueprint)]
