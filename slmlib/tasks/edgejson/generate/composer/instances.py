"""Generated schemas, and records drawn from them.

An instance is the root entity with its children; the record is the part of it that the schema asks
for. Optional parts are dropped at random, from the instance too, so that no text can mention them.
Values that the schema doesn't ask for stay in the instance: a text may mention them as distractors
of the right type.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from slmlib.core import io
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import entities
from slmlib.tasks.edgejson.generate.composer import entity_parser
from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity, FieldPath
from slmlib.textgen import lexicon
from slmlib.textgen.sampling_context import SamplingContext

Parts = tuple["Part", ...]
DRAWS = 400
MAX_TARGET = 900  # characters of a record as compact JSON
P_ABSENT = 0.4  # probability of dropping an optional part
P_UNUSED_CHILD = 0.3  # probability of drawing a child that isn't in the schema


@dataclass(frozen=True)
class Part:
    """A property of a generated schema, and the path in the instance from which it is filled.

    A scalar has a `node`, an object `parts`; either is an item of a list if there are `bounds`.
    A part without `source` is an object that groups fields of its parent.
    """

    key: str
    source: tuple[str, ...]
    required: bool
    node: dict | None = None
    parts: Parts = ()
    bounds: tuple[int, int] | None = None
    unordered: bool = False
    description: str = ""


@dataclass(frozen=True)
class Blueprint:
    """A generated schema with everything needed to draw its records."""

    name: str
    seed: str
    tier: str
    root: str
    schema: dict
    parts: Parts
    cut: dict[FieldPath, tuple] = field(default_factory=dict)  # enumerations without some values

    @property
    def domain(self) -> str:
        return entity_parser.load(self.root).domain


@dataclass(frozen=True)
class Instance:
    """A root entity with its children, and the places of its values in the record."""

    root: str
    values: dict
    pointers: dict[tuple, str]  # path in the instance -> JSON Pointer in the record
    context: dict


class Misfit(io.DataError):
    """A schema or a record that does not meet the requirements."""


def sample(
    blueprint: Blueprint, ctx: SamplingContext, *, draws: int = DRAWS
) -> tuple[dict, Instance]:
    """Draw a record, with keys in the order of the schema, and the instance behind it.

    Raises:
        Misfit: every draw was too long or had an enumeration value that the schema lacks.
    """
    root = entity_parser.load(blueprint.root)
    for _ in range(draws):
        values = entities.draw(blueprint.root, ctx)
        _add_children(root, values, blueprint.parts, ctx)
        if all(v in enum for path, enum in blueprint.cut.items() for v in _values_at(values, path)):
            pointers: dict[tuple, str] = {}
            record = _fill(blueprint.parts, values, ctx, (), "", pointers)
            if len(schemas.compact(record)) <= MAX_TARGET:
                context = ctx.surroundings()
                return record, Instance(blueprint.root, values, pointers, context)
        ctx.settle(*(place.code for place in lexicon.PLACES))
    raise Misfit(f"{blueprint.name}: {draws} draws gave no record. Widen the sampler.")


def _add_children(entity: Entity, values: dict, parts: Parts, ctx: SamplingContext) -> None:
    """Draw the children that the schema asks for, and at times another one as a distractor."""
    in_schema = {
        part.source[0]: (part.parts, part.bounds)
        for part in parts
        if part.source and (part.parts or len(part.source) > 1)
    }
    for child in (f for f in entity.fields.values() if f.child):
        name, (inner, bounds) = child.name, in_schema.get(child.name, ((), None))
        if name not in values:
            if name not in in_schema and (child.bounds or not ctx.chance(P_UNUSED_CHILD)):
                continue
            number = ctx.between(*(bounds or child.bounds)) if child.bounds else 1
            drawn = [entities.draw(child.child, ctx) for _ in range(number)]
            values[name] = drawn if child.bounds else drawn[0]
        if name in in_schema:
            for value in values[name] if child.bounds else [values[name]]:
                _add_children(entity_parser.load(child.child), value, inner, ctx)


def _values_at(value, path: FieldPath) -> list:
    """All values at a path, through lists."""
    if isinstance(value, list):
        return [leaf for item in value for leaf in _values_at(item, path)]
    if not path:
        return [value]
    return _values_at(value[path[0]], path[1:]) if path[0] in value else []


def _fill(
    parts: Parts, values: dict, ctx: SamplingContext, base: tuple, pointer: str, pointers: dict
) -> dict:
    """Build the record's object for these parts, and add the place of each value to `pointers`.

    Optional parts are dropped at random, from the instance's values too.
    """
    record: dict = {}
    for part in parts:
        path, where, value = (*base, *part.source), f"{pointer}/{part.key}", values
        for name in part.source:
            parent, value = value, value[name]
        if part.source and not part.required and ctx.chance(P_ABSENT):
            del parent[part.source[-1]]
            continue
        items = enumerate(value) if part.bounds else ()
        if part.parts and part.bounds:
            value = [
                _fill(part.parts, item, ctx, (*path, index), f"{where}/{index}", pointers)
                for index, item in items
            ]
        elif part.parts:
            value = _fill(part.parts, value, ctx, path, where, pointers)
        else:
            pointers.update({(*path, index): f"{where}/{index}" for index, _ in items})
        if part.bounds or not part.parts:
            pointers[path] = where
        if value != {}:
            record[part.key] = value
    return record


def leaf_paths(parts: Parts, base: FieldPath = ()) -> Iterator[FieldPath]:
    """The path of every scalar in a schema."""
    for part in parts:
        path = (*base, *part.source)
        if part.parts:
            yield from leaf_paths(part.parts, path)
        else:
            yield path
