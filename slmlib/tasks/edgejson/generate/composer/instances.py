"""A composed schema, and a record of it: the root entity with its children, and what is asked of them.

Optional parts are left out by chance, of the instance too, so that no text can tell them. The
instance keeps what the schema does not ask for: a text may mention it, as a distractor of the
right type.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from slmlib.core import io
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import entities, samplers
from slmlib.tasks.edgejson.generate.composer import entity_parser
from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity
from slmlib.textgen import lexicon
from slmlib.textgen.sampling_context import SamplingContext

DRAWS = 400
MAX_TARGET = 900  # characters as compact JSON
ABSENT = 0.4  # of the cases lack an optional part
MENTIONED = 0.3  # of the cases draw a child that nobody asks for
_NONE = object()


@dataclass(frozen=True)
class Part:
    """A property of a composed schema and the place in the instance that fills it.

    A value has a `node`, an object `parts`; either stands in a list if it has `bounds`.
    """

    key: str
    source: tuple[str, ...]
    required: bool
    node: dict | None = None
    parts: tuple["Part", ...] = ()
    bounds: tuple[int, int] | None = None
    unordered: bool = False
    description: str = ""


@dataclass(frozen=True)
class Blueprint:
    """A composed schema, and how a record of it is drawn."""

    name: str
    seed: str
    tier: str
    root: str
    schema: dict
    parts: tuple[Part, ...]
    cut: dict[tuple[str, ...], tuple] = field(default_factory=dict)  # enumerations with values left out

    @property
    def domain(self) -> str:
        return entity_parser.load(self.root).domain

    @property
    def reserved(self) -> bool:
        return self.domain in samplers.RESERVED


@dataclass(frozen=True)
class Instance:
    """A root entity with its children, and where its values stand in the record."""

    root: str
    values: dict
    places: dict[tuple, str]  # path in the instance -> JSON Pointer in the record
    context: dict


def sample(blueprint: Blueprint, ctx: SamplingContext, *, draws: int = DRAWS) -> tuple[dict, Instance]:
    """A record of a blueprint, keys in the order of the schema, and the instance it was taken from.

    Raises:
        DataError: no draw had the values that are left in a cut enumeration, or all were too long.
    """
    for _ in range(draws):
        values = entities.draw(blueprint.root, ctx)
        _complete(entity_parser.load(blueprint.root), values, blueprint.parts, ctx)
        if all(_allowed(values, path, known) for path, known in blueprint.cut.items()):
            _drop(values, blueprint.parts, ctx)
            places: dict[tuple, str] = {}
            record = _fill(blueprint.parts, values, (), "", places)
            if len(schemas.compact(record)) <= MAX_TARGET:
                return record, Instance(blueprint.root, values, places, samplers.surroundings(ctx))
        ctx.settle(*(place.code for place in lexicon.PLACES))
    raise io.DataError(f"{blueprint.name}: {draws} draws gave no record. Widen the sampler.")


def _complete(entity: Entity, values: dict, parts: tuple[Part, ...], ctx: SamplingContext) -> None:
    """Draw the children that are asked for, and now and then another one to be mentioned."""
    wanted = dict(_wanted(parts))
    for its in entity.fields.values():
        if its.child is None:
            continue
        if its.name not in values and (its.name in wanted or (not its.bounds and ctx.chance(MENTIONED))):
            number = ctx.between(*(wanted[its.name][1] or its.bounds)) if its.bounds else 1
            drawn = [entities.draw(its.child, ctx) for _ in range(number)]
            values[its.name] = drawn if its.bounds else drawn[0]
        if its.name in wanted:
            for one in values[its.name] if its.bounds else [values[its.name]]:
                _complete(entity_parser.load(its.child), one, wanted[its.name][0], ctx)


def _wanted(parts: tuple[Part, ...]) -> Iterator[tuple[str, tuple[tuple[Part, ...], tuple | None]]]:
    """Child field -> what is asked of it and how many, also from within groups and flattened values."""
    for part in parts:
        if not part.source:
            yield from _wanted(part.parts)
        elif part.parts:
            yield part.source[0], (part.parts, part.bounds)
        elif len(part.source) > 1:
            yield part.source[0], ((), None)


def _allowed(values: dict, path: tuple[str, ...], known: tuple) -> bool:
    return all(value in known for value in _at(values, path))


def _at(value, path: tuple[str, ...]) -> list:
    """All values at a path, through lists."""
    if isinstance(value, list):
        return [found for one in value for found in _at(one, path)]
    if not path:
        return [value]
    return _at(value[path[0]], path[1:]) if path[0] in value else []


def _drop(values: dict, parts: tuple[Part, ...], ctx: SamplingContext) -> None:
    """Leave out optional parts, in the instance too: no text can tell them then."""
    for part in parts:
        holder, last = values, part.source[-1] if part.source else None
        for name in part.source[:-1]:
            holder = holder[name]
        if last is None:
            _drop(values, part.parts, ctx)
        elif not part.required and ctx.chance(ABSENT):
            holder.pop(last, None)
        elif part.parts:
            for one in holder[last] if part.bounds else [holder[last]]:
                _drop(one, part.parts, ctx)


def _fill(parts: tuple[Part, ...], values: dict, at: tuple, pointer: str, places: dict) -> dict:
    """The record's object for these parts; notes in `places` where each value of the instance went."""
    made: dict = {}
    for part in parts:
        value, path, where = values, (*at, *part.source), f"{pointer}/{part.key}"
        for name in part.source:
            value = value.get(name, _NONE) if value is not _NONE else _NONE
        if value is _NONE:
            continue
        if part.parts and not part.bounds:
            made[part.key] = _fill(part.parts, value, path, where, places)
        elif part.bounds:
            made[part.key] = [
                _item(part, one, (*path, i), f"{where}/{i}", places) for i, one in enumerate(value)
            ]
            places[path] = where
        else:
            made[part.key] = value
            places[path] = where
    return {key: value for key, value in made.items() if value != {}}


def _item(part: Part, value, path: tuple, where: str, places: dict):
    if part.parts:
        return _fill(part.parts, value, path, where, places)
    places[path] = where
    return value
