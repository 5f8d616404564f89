"""New schemas from entities: which fields, under which keys, with which nesting and rules.

`compose` draws a blueprint from a seed string: a root entity, some of its fields, some of its
children (as objects, as lists of objects, or flattened into their parent), optional parts,
enumerations reordered or cut, keys in one of several styles. A draft that misses its tier is
discarded and drawn again. A rule of an entity is carried over only if all its fields are, and all
of them are required.
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
from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity, Field, FieldPath
from slmlib.tasks.edgejson.generate.composer.instances import Blueprint, Misfit, Part, Parts
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import kind_of

SIZES = {  # tier -> numbers of leaf fields, one of which is drawn
    "simple": (3, 3, 4, 4, 5, 5),
    "medium": (8, 8, 9, 9, 10, 11, 12),
    "complex": (15, 15, 16, 16, 17, 18, 19, 20, 22, 24, 26),
}
CHILDREN = {"simple": (0, 0, 1), "medium": (1, 1, 2, 2, 3), "complex": (2, 2, 3, 3, 4)}
P_WRAPPED = {"medium": 0.2, "complex": 0.3}  # probability of one object for all scalars of the root
P_GROUPED = 0.45  # probability of an object for a group of them, otherwise
P_REQUIRED, P_REQUIRED_CHILD = 0.3, 0.55  # probability that an optional field is required
P_FLATTENED = 0.35  # probability that a small child is flattened, except in a simple schema
P_GRANDCHILDREN = 0.7  # probability that a large child of a complex schema has children
DRAFTS = 600
PROBES = 4  # records drawn from a draft, to see that it works
MAX_PROBE = 0.9 * instances.MAX_TARGET  # characters; leaves room for longer records
PER_ITEM = frozenset(("product", "percent", "days", "minutes"))  # rules that apply to list items


Selection = tuple[tuple[Field, tuple], ...]  # fields, each with the selection within its child


def compose(seed: str, *, tier: str, reserved: bool, root: str | None = None) -> Blueprint:
    """Generate a schema.

    Args:
        seed: The same seed and arguments give the same blueprint on every machine.
        tier: simple, medium or complex.
        reserved: Take the root from the domains that are reserved for the unseen split, or from
            the others.
        root: The root entity; drawn at random by default.

    Raises:
        DataError: no draft was of the tier, because the entity has too few fields or no list.
    """
    for draft in range(DRAFTS):
        rng = Random(f"compose/{seed}/{tier}/{reserved}/{draft}")
        try:
            return _Draft(tier, root or rng.choice(roots(reserved, tier)), rng).blueprint(seed)
        except Misfit:
            continue
    fault = f"{DRAFTS} drafts gave no {tier} schema. Add fields or children."
    raise io.DataError(f"{root or 'entities'}: {fault}")


@cache
def roots(reserved: bool, tier: str = "simple") -> tuple[str, ...]:
    """Entities that may be the root: of reserved domains or of the others, with enough fields.

    A complex schema also needs a list of children. Shared entities are never roots.
    """
    eligible = []
    for name in entities.samplers():
        domain = entities.domain(name)
        if domain == entities.SHARED or (domain in samplers.RESERVED) != reserved:
            continue
        fields = list(entity_parser.load(name).fields.values())
        for child in [field.child for field in fields if field.child]:
            fields += entity_parser.load(child).fields.values()
        has_list = any(field.child and field.bounds for field in fields)
        enough = sum(field.scalar for field in fields) >= schemas.LEAVES[tier][0]
        if enough and (has_list or tier != "complex"):
            eligible.append(name)
    return tuple(eligible)


def _require(condition: bool) -> None:
    if not condition:
        raise Misfit


class _Draft:
    """One attempt at a schema."""

    def __init__(self, tier: str, root: str, rng: Random):
        self.tier, self.rng, self.style = tier, rng, keys.Style(rng)
        self.root = entity_parser.load(root)

    def blueprint(self, seed: str) -> Blueprint:
        """The finished schema; raises `Misfit` if it fails a requirement."""
        tier, rng, root = self.tier, self.rng, self.root
        size = rng.choice(SIZES[tier])
        selection = self.select(root, size, grandchildren=tier == "complex")
        parts, cut = self.vary_enumerations(self.group(self.parts(root, selection)))
        title = rng.choice(root.titles)
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": title,
            "description": keys.root_description(root, title, rng),
            **self.object_schema(parts),
        }
        if rules := list(_rules(root, parts)):
            schema["x-rules"] = rules
        leaves = schemas.leaves(schema)
        _require(schemas.tier_of(schema) == tier and len(leaves) == size)
        _require(tier != "medium" or len(schema["properties"]) < size)
        _require(2 * sum(pointer in leaves for _, pointer in _pointers(parts)) >= size)
        digest = hashlib.sha256(schemas.compact(schema).encode()).hexdigest()
        name = f"{root.name}-{digest[:6]}"
        blueprint = Blueprint(name, seed, tier, root.name, schema, parts, cut)
        for probe in range(PROBES):
            ctx = SamplingContext(Random(f"{digest}/{probe}"), "train")
            record, _ = instances.sample(blueprint, ctx, draws=instances.DRAWS // 8)
            _require(len(schemas.compact(record)) <= MAX_PROBE)
        return blueprint

    def select(self, entity: Entity, size: int, *, grandchildren: bool) -> Selection:
        """Choose `size` leaf fields of an entity and its children, in the order of its file."""
        rng, lists = self.rng, self.tier != "simple"
        children = [f for f in entity.fields.values() if f.child and (lists or not f.bounds)]
        rng.shuffle(children)
        selected: dict[str, Selection] = {}
        left = size
        for field in children[: rng.choice(CHILDREN[self.tier])]:
            share = rng.randint(1, 2) if self.tier == "simple" else rng.randint(2, 6)
            share = min(share, left - 2)
            if share < 1:
                continue
            left -= share
            child, single = entity_parser.load(field.child), not field.bounds
            if grandchildren and single and share >= 4 and rng.random() < P_GRANDCHILDREN:
                selected[field.name] = self.select(child, share, grandchildren=False)
            else:
                names = self.scalars(child, share, 0.8, lists=lists and single)
                selected[field.name] = tuple((child.fields[name], ()) for name in names)
        selected |= dict.fromkeys(self.scalars(entity, left, 0.4, lists=lists), ())
        return tuple((f, selected[name]) for name, f in entity.fields.items() if name in selected)

    def scalars(self, entity: Entity, size: int, p_identifier: float, *, lists: bool) -> list[str]:
        """Names of `size` scalar fields, in file order; a currency only with an amount."""
        names = [name for name, f in entity.fields.items() if f.scalar and (lists or not f.bounds)]
        _require(1 <= size <= len(names))
        sample, identifier = self.rng.sample(names, size), entity.identifier
        if identifier in names and identifier not in sample and self.rng.random() < p_identifier:
            sample[0] = identifier
        _require("currency" not in sample or any(name in entity.money for name in sample))
        return [name for name in names if name in sample]

    def parts(self, entity: Entity, selection: Selection) -> Parts:
        """Properties with their keys; children as objects, as lists or flattened."""
        rng, style, parts = self.rng, self.style, []
        names = {field.name for field, _ in selection}
        # These may not be absent: a reader could derive them, or a currency would have no amount.
        definite = set(entity.money) if "currency" in names else set()
        for rule in entity.rules:
            if "is" in rule and {path[0] for path in entity_parser.rule_paths(rule)} <= names:
                definite.add(rule["is"])
        for field, inner_selection in selection:
            name, inner, bounds = field.name, (), field.bounds
            p_required = P_REQUIRED if field.scalar else P_REQUIRED_CHILD
            required = not field.optional or name in definite or rng.random() < p_required
            wording = name
            if rng.random() < style.p_reworded:
                wording = rng.choice(field.wordings[1:] or field.wordings)
            key = style.key(wording)
            if field.child:
                inner = self.parts(entity_parser.load(field.child), inner_selection)
                flat = not bounds and all(part.node and not part.bounds for part in inner)
                small = len(inner) <= 2
                if flat and (self.tier == "simple" or (small and rng.random() < P_FLATTENED)):
                    parts += [self.flattened(field, part, required) for part in inner]
                    continue
                if bounds and not drawn_by_parent(entity.name, name):
                    bounds = (bounds[0], max(bounds[0], bounds[1] - rng.choice((0, 0, 1, 2))))
            shape = field.node, inner, bounds, field.unordered
            parts.append(Part(key, (name,), required, *shape, field.description))
        if style.shuffled:
            rng.shuffle(parts)
        _require(len({part.key for part in parts}) == len(parts))
        return _with_required(parts)

    def flattened(self, child: Field, part: Part, required: bool) -> Part:
        """A property of a child as a property of its parent."""
        role = child.nouns[0].capitalize()
        words = part.description
        if not words[1:2].isupper():  # an abbreviation keeps its capital
            words = words[:1].lower() + words[1:]
        words = f"{role}: {words}"[:80] if words else ""
        key, source = self.style.joined(child.name, part.key), (child.name, *part.source)
        required = required and part.required
        return replace(part, key=key, source=source, required=required, description=words)

    def group(self, parts: Parts) -> Parts:
        """Move some scalars of the root, a group or all, into an object of their own."""
        rng = self.rng
        if self.tier == "simple":
            return parts
        if rng.random() < P_WRAPPED[self.tier]:
            name, members = rng.choice(self.root.keys), {p.source[0] for p in parts if p.node}
        elif rng.random() < P_GROUPED and (groups := self.groups(parts)):
            name, members = rng.choice(groups)
        else:
            return parts
        key = self.style.key(name)
        inner = [p for p in parts if p.source[0] in members and len(p.source) == 1 and p.node]
        outer = [p for p in parts if p not in inner]
        _require(len(inner) >= 2 and bool(outer) and key not in {p.key for p in outer})
        required = any(p.required for p in inner)
        outer.insert(parts.index(inner[0]), Part(key, (), required, parts=tuple(inner)))
        return _with_required(outer)

    def groups(self, parts: Parts) -> list[tuple[str, set[str]]]:
        """Groups from the root's file or, if it has none, its dates, times and amounts."""
        kinds = {p.source[0]: kind_of(p.node) for p in parts if p.node and len(p.source) == 1}
        groups = [(name, set(members)) for names, members in self.root.groups for name in names]
        if not self.root.groups:
            dates = {name for name, kind in kinds.items() if kind == "date"}
            times = {name for name, kind in kinds.items() if kind == "time"}
            money = {name for name in kinds if name in self.root.money}
            money |= {"currency"} if money else set()
            groups = [("dates", dates), ("times", times), ("amounts", money)]
        return [(name, members) for name, members in groups if len(members & kinds.keys()) >= 2]

    def vary_enumerations(self, parts: Parts) -> tuple[Parts, dict]:
        """Reorder enumerations, and cut some values from one of them; returns parts and the cut."""
        rng, cut = self.rng, {}

        def varied(part: Part, base: FieldPath) -> Part:
            path = (*base, *part.source)
            if part.parts:
                return replace(part, parts=tuple(varied(p, path) for p in part.parts))
            enum = (part.node or {}).get("enum")
            if not enum:
                return part
            enum = rng.sample(enum, len(enum)) if rng.random() < 0.5 else list(enum)
            if len(enum) >= 4 and not cut and "currency" not in path and rng.random() < 0.3:
                enum = enum[: rng.randint(len(enum) * 2 // 3, len(enum) - 1)]
                cut[path] = tuple(enum)
            return replace(part, node={**part.node, "enum": enum})

        return tuple(varied(part, ()) for part in parts), cut

    def object_schema(self, parts: Parts) -> dict:
        """The JSON Schema of an object with these properties."""
        properties = {}
        for part in parts:
            node = dict(part.node) if part.node else self.object_schema(part.parts)
            if part.bounds:
                low, high = part.bounds
                node = {"type": "array", "minItems": low, "maxItems": high, "items": node}
                node |= {"x-order": "set"} if part.unordered else {}
            words = self.style.describe(part.description, part.node or {}, self.rng)
            properties[part.key] = node | ({"description": words} if words else {})
        return {
            "type": "object",
            "required": [part.key for part in parts if part.required],
            "additionalProperties": False,
            "properties": properties,
        }


def _with_required(parts: list[Part]) -> Parts:
    """Require one part at least: no text can show that an object is there but empty."""
    if not any(part.required for part in parts):
        parts[0] = replace(parts[0], required=True)
    return tuple(parts)


@cache
def drawn_by_parent(entity: str, child: str) -> bool:
    """True if the entity's own sampler draws this child, and so decides its number."""
    return child in entities.draw(entity, SamplingContext(Random(entity), "train"))


def _rules(root: Entity, parts: Parts) -> Iterator[dict]:
    """Rules of the root and its children whose fields are all required, with pointers for names."""
    pointers = dict(_pointers(parts))
    for holder in sorted({path[:cut] for path in pointers for cut in range(len(path))}):
        entity = root
        if holder:
            names = tuple(name for name in holder if name != "*")
            _, field = entity_parser.field_at(root.name, names)
            if not field.child or bool(field.bounds) != (holder[-1] == "*"):
                continue
            entity = entity_parser.load(field.child)
        depth = len(holder)
        own = {path[depth:]: p for path, p in pointers.items() if path[:depth] == holder}
        for rule in entity.rules:
            applies = "*" not in holder or rule["rule"] in PER_ITEM
            if applies and set(entity_parser.rule_paths(rule)) <= own.keys():
                yield entity_parser.rewrite_rule(rule, own.__getitem__)


def _pointers(
    parts: Parts, base: FieldPath = (), pointer: str = ""
) -> Iterator[tuple[FieldPath, str]]:
    """Path in the entity -> pattern pointer, of every value that is always present."""
    for part in (part for part in parts if part.required):
        path, where = (*base, *part.source), f"{pointer}/{part.key}"
        if part.bounds:
            path, where = (*path, "*"), f"{where}/*"
            yield path, where
        if part.parts:
            yield from _pointers(part.parts, path, where)
        elif not part.bounds:
            yield path, where
