"""New schemas from entities: which fields, under which keys, nested how, with which rules.

`compose` draws a blueprint from a seed string: a root entity, some of its fields, some of its
children (as objects, as lists of objects, or flattened under their role), optional parts,
enumerations reordered or cut, keys in one of several styles. A draft that misses its tier is
thrown away and drawn again. A rule of an entity comes along only if all its fields do, and all of
them are required.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from random import Random

from slmlib.core import io
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import entities, samplers
from slmlib.tasks.edgejson.generate.composer import entity_parser, instances, keys
from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity, Field
from slmlib.tasks.edgejson.generate.composer.instances import Blueprint, Part
from slmlib.textgen.sampling_context import SamplingContext

SIZES = {  # leaf fields of a draft, drawn from these
    "simple": (3, 3, 4, 4, 5, 5),
    "medium": (8, 8, 9, 9, 10, 11, 12),
    "complex": (15, 15, 16, 16, 17, 18, 19, 20, 22, 24, 26),
}
CHILDREN = {"simple": (0, 0, 1), "medium": (1, 1, 2, 2, 3), "complex": (2, 2, 3, 3, 4)}
DRAFTS = 600
PROBES = 4  # records drawn from a draft, to see that it works
LONGEST = 0.9  # of the length that a record may have
PER_ITEM = frozenset(("product", "percent", "days", "minutes"))  # rules that hold for each item of a list


class Misfit(Exception):
    """A draft that is not what was asked for."""


Choice = tuple[Field, tuple]  # a field, and the choices among its child's


def compose(seed: str, *, tier: str, reserved: bool, root: str | None = None) -> Blueprint:
    """A new schema.

    Args:
        seed: The same seed and arguments give the same blueprint on every machine.
        tier: simple, medium or complex.
        reserved: Take the root from the domains that are kept for the unseen split, or from the others.
        root: The root entity; default one by chance.

    Raises:
        DataError: no draft was of the tier, as the entity has too few fields or no list.
    """
    for draft in range(DRAFTS):
        rng = Random(f"compose/{seed}/{tier}/{reserved}/{draft}")
        try:
            return _draft(seed, tier, root or rng.choice(roots(reserved, tier)), rng)
        except Misfit:
            continue
    raise io.DataError(
        f"{root or 'entities'}: {DRAFTS} drafts gave no {tier} schema. Add fields or children."
    )


@cache
def roots(reserved: bool, tier: str = "simple") -> tuple[str, ...]:
    """The entities that may be roots: reserved ones or the others, never shared ones, with fields enough."""
    found = ((name, entities.domain(name)) for name in entity_parser.names())
    own = [n for n, its in found if its != entities.SHARED and (its in samplers.RESERVED) == reserved]
    return tuple(name for name in own if _enough(entity_parser.load(name), tier))


def _enough(entity: Entity, tier: str) -> bool:
    """True if an entity has the fields for a tier, and for the complex one a list of things."""
    kids = [field for field in entity.fields.values() if field.child]
    below = [entity_parser.load(kid.child).fields.values() for kid in kids]
    leaves = len(entity.fields) - len(kids) + sum(sum(f.scalar for f in fields) for fields in below)
    listed = any(kid.bounds for kid in kids) or any(f.child and f.bounds for fields in below for f in fields)
    return leaves >= schemas.LEAVES[tier][0] and (tier != "complex" or listed)


def _draft(seed: str, tier: str, root: str, rng: Random) -> Blueprint:
    entity, style = entity_parser.load(root), keys.style(rng)
    size = rng.choice(SIZES[tier])
    chosen = _select(entity, tier, size, 2 if tier == "complex" else 1, rng)
    parts = _arrange(entity, tier, _parts(entity, chosen, tier, style, rng), style, rng)
    parts, cut = _enumerations(parts, rng)
    schema = _schema(entity, parts, style, rng)
    leaves = schemas.leaves(schema)
    _require(schemas.tier_of(schema) == tier and len(leaves) == size)
    _require(tier != "medium" or len(schema["properties"]) < size)
    _require(2 * sum(pointer in leaves for _, pointer in _pointers(parts, (), "")) >= size)
    digest = hashlib.sha256(schemas.compact(schema).encode()).hexdigest()
    blueprint = Blueprint(f"{root}-{digest[:6]}", seed, tier, root, schema, parts, cut)
    _require(all(_fits(blueprint, Random(f"{digest}/{i}")) for i in range(PROBES)))
    return blueprint


def _require(holds: bool) -> None:
    if not holds:
        raise Misfit


def _fits(blueprint: Blueprint, rng: Random) -> bool:
    """True if a record can be drawn with some ease, and is not too long."""
    try:
        record, _ = instances.sample(blueprint, SamplingContext(rng, "train"), draws=instances.DRAWS // 8)
    except io.DataError:
        return False
    return len(schemas.compact(record)) <= LONGEST * instances.MAX_TARGET


# Which fields.


def _select(entity: Entity, tier: str, size: int, depth: int, rng: Random) -> tuple[Choice, ...]:
    """Fields of an entity, `size` leaves with those of its children, in the order of its file."""
    kids = [kid for kid in entity.fields.values() if kid.child and (tier != "simple" or not kid.bounds)]
    rng.shuffle(kids)
    chosen: dict[str, tuple] = {}
    left = size
    for kid in kids[: rng.choice(CHILDREN[tier])] if depth else ():
        share = min(rng.randint(1, 2) if tier == "simple" else rng.randint(2, 6), left - 2)
        if share >= 1:
            chosen[kid.name] = _select_child(kid, tier, share, depth, rng)
            left -= share
    for name in _scalars(entity, left, rng, lists=tier != "simple", named=0.4):
        chosen[name] = ()
    return tuple((f, chosen[name]) for name, f in entity.fields.items() if name in chosen)


def _select_child(kid: Field, tier: str, size: int, depth: int, rng: Random) -> tuple[Choice, ...]:
    """A child's fields; grandchildren only in a complex schema, and not in a list's items."""
    child = entity_parser.load(kid.child)
    deeper = tier == "complex" and depth > 1 and not kid.bounds and size >= 4 and rng.random() < 0.7
    if deeper:
        return _select(child, tier, size, depth - 1, rng)
    names = _scalars(child, size, rng, lists=not kid.bounds and tier != "simple", named=0.8)
    return tuple((f, ()) for name, f in child.fields.items() if name in names)


def _scalars(entity: Entity, size: int, rng: Random, *, lists: bool, named: float) -> list[str]:
    """Names of `size` values: often the one a thing is called by; a currency only beside an amount."""
    names = [n for n, f in entity.fields.items() if f.scalar and (lists or not f.bounds)]
    _require(1 <= size <= len(names))
    chosen = rng.sample(names, size)
    if entity.first in names and entity.first not in chosen and rng.random() < named:
        chosen[0] = entity.first
    _require("currency" not in chosen or any(n in entity.money for n in chosen))
    return chosen


# Under which keys, and which are optional.


def _parts(
    entity: Entity, chosen: tuple[Choice, ...], tier: str, style: keys.Style, rng: Random
) -> tuple[Part, ...]:
    parts: list[Part] = []
    musts = _musts(entity, {f.name for f, _ in chosen})
    for its, below in chosen:
        required = not its.optional or its.name in musts or rng.random() < (0.3 if its.scalar else 0.55)
        key = style.key(_wording(its, style, rng))
        if its.scalar:
            parts.append(
                Part(key, (its.name,), required, its.node, (), its.bounds, its.unordered, its.description)
            )
        else:
            parts += _child(its, key, required, below, tier, style, rng)
    if style.shuffled:
        rng.shuffle(parts)
    _require(len({part.key for part in parts}) == len(parts))
    return _with_a_must(parts)


def _with_a_must(parts: list[Part]) -> tuple[Part, ...]:
    """An object with nothing required could be empty, and nothing in a text shows an empty object."""
    if not any(part.required for part in parts):
        parts[0] = replace(parts[0], required=True)
    return tuple(parts)


def _musts(entity: Entity, names: set[str]) -> set[str]:
    """Fields that may not be absent: a reader could work them out, or a currency would have no amount."""
    rules = [rule for rule in entity.rules if "is" in rule]
    derived = {r["is"] for r in rules if {path[0] for path in entity_parser.rule_paths(r)} <= names}
    return derived | (entity.money if "currency" in names else set())


def _wording(its: Field, style: keys.Style, rng: Random) -> str:
    return rng.choice(its.wordings[1:] or its.wordings) if rng.random() < style.reworded else its.name


def _child(
    its: Field, key: str, required: bool, below: tuple, tier: str, style: keys.Style, rng: Random
) -> list[Part]:
    """A child as an object or a list of objects, or its values beside those of its parent."""
    child = entity_parser.load(its.child)
    parts = _parts(child, below, tier, style, rng)
    flat = all(part.node and not part.bounds for part in parts)
    if not its.bounds and flat and (tier == "simple" or (len(parts) <= 2 and rng.random() < 0.35)):
        return [_flattened(its, part, required, style) for part in parts]
    bounds = its.bounds
    if bounds and not supplied(its.where.partition(".")[0], its.name):
        low, high = bounds
        bounds = (low, max(low, high - rng.choice((0, 0, 1, 2))))
    return [Part(key, (its.name,), required, None, parts, bounds, its.unordered, its.description)]


def _flattened(its: Field, part: Part, required: bool, style: keys.Style) -> Part:
    role = keys.role_words(its)
    words = part.description
    words = words if words[1:2].isupper() else words[:1].lower() + words[1:]
    about = f"{role.capitalize()}: {words}"[:80]
    return replace(
        part, key=style.joined(its.name, part.key), source=(its.name, *part.source),
        required=required and part.required, description=about if part.description else "",
    )  # fmt: skip


@cache
def supplied(entity: str, name: str) -> bool:
    """True if the entity's sampler draws this child itself, so that its number is not ours to choose."""
    return name in entities.draw(entity, SamplingContext(Random(entity), "train"))


# Nested how.


def _arrange(
    entity: Entity, tier: str, parts: tuple[Part, ...], style: keys.Style, rng: Random
) -> tuple[Part, ...]:
    """Some values of the root in an object of their own: those of a group, or all of them."""
    if tier == "simple":
        return parts
    if rng.random() < (0.2 if tier == "medium" else 0.3):
        parts = _wrapped(parts, style.key(rng.choice(entity.keys)), {p.source[0] for p in parts if p.node})
    elif rng.random() < 0.45 and (groups := _groups(entity, parts)):
        name, members = rng.choice(groups)
        parts = _wrapped(parts, style.key(name), members)
    return parts


def _wrapped(parts: tuple[Part, ...], key: str, members: set[str]) -> tuple[Part, ...]:
    """The values of these fields put into one object, which stands where the first of them stood."""
    inner = [p for p in parts if p.source[0] in members and len(p.source) == 1 and p.node]
    rest = [p for p in parts if p not in inner]
    _require(len(inner) >= 2 and bool(rest) and key not in {p.key for p in rest})
    must = any(p.required for p in inner)
    at = parts.index(inner[0])
    rest.insert(min(at, len(rest)), Part(key, (), must, None, tuple(inner)))
    return _with_a_must(rest)


def _groups(entity: Entity, parts: tuple[Part, ...]) -> list[tuple[str, set[str]]]:
    """Groups of the entity's file, and several dates, amounts or times, of which two are chosen."""
    values = {p.source[0]: p for p in parts if p.node and len(p.source) == 1}
    named = [(name, set(members)) for names, members in entity.groups for name in names]
    if not entity.groups:
        dates = {n for n, p in values.items() if p.node.get("format") == "date"}
        times = {n for n, p in values.items() if p.node.get("pattern", "").endswith(r":[0-5]\d$")}
        money = {n for n in values if n in entity.money}
        named = [("dates", dates), ("times", times), ("amounts", money | ({"currency"} if money else set()))]
    return [(name, members) for name, members in named if len(members & values.keys()) >= 2]


# Enumerations and the schema itself.


def _enumerations(parts: tuple[Part, ...], rng: Random) -> tuple[tuple[Part, ...], dict]:
    """Values of enumerations in another order, and in one of them some left out."""
    cut: dict[tuple[str, ...], tuple] = {}

    def varied(part: Part, at: tuple[str, ...]) -> Part:
        here = (*at, *part.source)
        if part.parts:
            return replace(part, parts=tuple(varied(p, here) for p in part.parts))
        values = (part.node or {}).get("enum")
        if not values:
            return part
        values = rng.sample(values, len(values)) if rng.random() < 0.5 else list(values)
        if len(values) >= 4 and not cut and "currency" not in here and rng.random() < 0.3:
            values = values[: rng.randint(len(values) * 2 // 3, len(values) - 1)]
            cut[here] = tuple(values)
        return replace(part, node={**part.node, "enum": values})

    return tuple(varied(part, ()) for part in parts), cut


def _schema(entity: Entity, parts: tuple[Part, ...], style: keys.Style, rng: Random) -> dict:
    title = rng.choice(entity.titles)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    head["description"] = keys.about(entity, title, rng)
    schema = head | _object(parts, style, rng)
    rules = list(_rules(entity.name, parts))
    return schema | ({"x-rules": rules} if rules else {})


def _object(parts: tuple[Part, ...], style: keys.Style, rng: Random) -> dict:
    return {
        "type": "object",
        "required": [part.key for part in parts if part.required],
        "additionalProperties": False,
        "properties": {part.key: _property(part, style, rng) for part in parts},
    }


def _property(part: Part, style: keys.Style, rng: Random) -> dict:
    node = dict(part.node) if part.node else _object(part.parts, style, rng)
    if part.bounds:
        low, high = part.bounds
        node = {"type": "array", "minItems": low, "maxItems": high, "items": node}
        node |= {"x-order": "set"} if part.unordered else {}
    words = style.describe(part.description, part.node or {}, rng)
    return node | ({"description": words} if words else {})


def _rules(root: str, parts: tuple[Part, ...]) -> Iterator[dict]:
    """The rules of the root and of its children whose fields are all there, with pointers for names."""
    found = dict(_pointers(parts, (), ""))
    holders = {path[:cut] for path in found for cut in range(len(path))}
    for holder in sorted(h for h in holders if not h or h[-1] != "*" or h[:-1] in holders):
        entity = _entity_at(root, holder)
        for rule in entity.rules if entity else ():
            paths = [(*holder, *path) for path in entity_parser.rule_paths(rule)]
            if all(path in found for path in paths) and ("*" not in holder or rule["rule"] in PER_ITEM):
                yield {
                    key: value if key == "rule" else _rewritten(value, holder, found)
                    for key, value in rule.items()
                }


def _entity_at(root: str, holder: tuple[str, ...]) -> Entity | None:
    names = tuple(part for part in holder if part != "*")
    if not names:
        return entity_parser.load(root)
    its = entity_parser.field_at(root, names)
    inside_list = bool(its) and bool(its[1].bounds) == (holder[-1] == "*")
    return entity_parser.load(its[1].child) if its and its[1].child and inside_list else None


def _rewritten(value, holder: tuple[str, ...], found: dict):
    if isinstance(value, list):
        return [_rewritten(one, holder, found) for one in value]
    return found[(*holder, *value.split("."))]


def _pointers(parts: tuple[Part, ...], at: tuple[str, ...], pointer: str) -> Iterator[tuple[tuple, str]]:
    """Path in the entity -> pattern pointer, of every value that is always there."""
    for part in parts:
        if part.required:
            path, where = (*at, *part.source), f"{pointer}/{part.key}"
            if part.bounds:
                path, where = (*path, "*"), f"{where}/*"
                yield path, where
            if part.parts:
                yield from _pointers(part.parts, path, where)
            elif not part.bounds:
                yield path, where
