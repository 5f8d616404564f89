"""Moulds: what a case is cast from.

A mould has a schema, a register and a way of telling; casting it with a `SamplingContext` gives a record and
its text. `Written` moulds are the templates of the hand-designed schemas, `Composed` ones belong to
schemas that `composer` makes from entities.
"""

from dataclasses import dataclass
from typing import Protocol

from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import composer, samplers
from slmlib.textgen import templates
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import Passage, Template


class Mould(Protocol):
    """What the data set needs of a mould."""

    @property
    def group(self) -> str: ...
    @property
    def tier(self) -> str: ...
    @property
    def register(self) -> str: ...
    @property
    def schema(self) -> dict: ...
    @property
    def origin(self) -> dict:
        """Where the schema and the telling come from, for a row's `meta`."""
        ...

    def cast(self, ctx: SamplingContext) -> tuple[dict, Passage]:
        """A record and its text."""
        ...


@dataclass(frozen=True)
class Written:
    """A template of a hand-designed schema."""

    template: Template

    @property
    def group(self) -> str:
        return self.template.group

    @property
    def tier(self) -> str:
        return schemas.tier(self.group)

    @property
    def register(self) -> str:
        return self.template.register

    @property
    def schema(self) -> dict:
        return schemas.load(self.group)

    @property
    def origin(self) -> dict:
        return {"domain": samplers.domain(self.group), "template": self.template.name}

    def cast(self, ctx: SamplingContext) -> tuple[dict, Passage]:
        record, context = samplers.sample(self.group, ctx)
        return record, templates.write(self.template, record, context, ctx.rng)


@dataclass(frozen=True)
class Composed:
    """A composed schema told in a register."""

    blueprint: composer.Blueprint
    register: str

    @property
    def group(self) -> str:
        return self.blueprint.name

    @property
    def tier(self) -> str:
        return self.blueprint.tier

    @property
    def schema(self) -> dict:
        return self.blueprint.schema

    @property
    def origin(self) -> dict:
        return {"domain": self.blueprint.domain, "root": self.blueprint.root, "composed": self.blueprint.seed}

    def cast(self, ctx: SamplingContext) -> tuple[dict, Passage]:
        record, instance = composer.sample(self.blueprint, ctx)
        return record, composer.write(self.blueprint, self.register, instance, ctx.rng)


def written(group: str, split: str) -> list[Mould]:
    """The templates of a hand-designed schema that a split may use."""
    return [Written(template) for template in templates.templates(group, split)]


def composed(seed: str, tier: str, *, reserved: bool) -> list[Mould]:
    """A composed schema in every register that suits it."""
    blueprint = composer.compose(seed, tier=tier, reserved=reserved)
    return [Composed(blueprint, register) for register in composer.registers(blueprint)]
