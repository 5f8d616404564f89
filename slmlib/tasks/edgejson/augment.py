"""Schema augmentation: rename, reorder, re-nest or drop fields, and transform targets to match.

A text that states what a schema asks for still does so if the keys have other names, another order
or another nesting, or if only some of them are asked for. A model that meets many variants of few
schemas has to read the schema in front of it.

Each step returns a plan beside the new schema, which transforms a target of the old schema: for an
object {new key: (path, plan)}, where path is the keys that lead to the value in the old target, or
to the object whose fields a new object takes; for a list [plan]; for a scalar None.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

STYLES: dict[str, Callable[[list[str]], str]] = {
    "snake": "_".join,
    "camel": lambda words: words[0] + "".join(word.capitalize() for word in words[1:]),
    "pascal": lambda words: "".join(word.capitalize() for word in words),
    "kebab": "-".join,
    "upper": lambda words: "_".join(words).upper(),
}
KEEPS_STYLE = 0.5  # share of variants whose keys keep their style
KEEPS_ORDER = 0.4  # and their order
DROPS_DESCRIPTIONS = 0.3
DROPOUT = (0.2, 0.6)  # range of the probability that a partial variant drops a field
FLATTENS = 0.6  # probability that the fields of an inner object move up, if nesting may change
GROUPS = 0.5  # and that some fields of a large object move into a new one
GROUP_NAMES = ("details", "info", "record", "entry", "particulars", "more", "data", "summary")
LARGE = 4  # least number of fields of a large object

Plan = dict | list | None
MISSING = object()


class Group(dict):
    """The plan of a new object, which is absent if all of its fields are."""


@dataclass(frozen=True)
class SchemaVariant:
    """A variant of a schema, and the plans of the steps that made it, in order."""

    schema: dict
    plans: tuple[Plan, ...]

    def transform_target(self, target):
        """Turn a target of the original schema into one of this, with keys in this one's order."""
        for plan in self.plans:
            target = _transformed(target, plan)
        return target


def vary(
    schema: Mapping, rng: Random, *, partial: bool = False, restructured: bool = False
) -> SchemaVariant:
    """Draw a variant of a schema.

    Args:
        schema: of an object, made of the keywords that the data set uses.
        rng: source of all random decisions.
        partial: drop some of the fields; a few variants keep them all.
        restructured: move fields out of inner objects and into new ones, at random.
    """
    plans: list[Plan] = []
    steps = ((_drop_fields, partial), (_restructure, restructured), (_restyle, True))
    for step, wanted in steps:
        if wanted:
            schema, plan = step(schema, rng)
            plans.append(plan)
    return SchemaVariant(schema, tuple(plans))


def _drop_fields(schema: Mapping, rng: Random) -> tuple[dict, Plan]:
    """Drop fields, but keep one that each object requires, so that no object can be empty."""
    least, most = DROPOUT
    dropout = least + (most - least) * rng.random()

    def change(node: Mapping) -> tuple[dict, Plan]:
        if "properties" not in node:
            return _inside(node, change)
        required, names = node.get("required", ()), list(node["properties"])
        chosen = {name for name in names if rng.random() >= dropout}
        if not chosen.intersection(required or names):
            chosen.add(rng.choice(required or names))
        parts = {name: change(node["properties"][name]) for name in names if name in chosen}
        plan = {name: ((name,), inner) for name, (_, inner) in parts.items()}
        return _with(node, {name: part for name, (part, _) in parts.items()}, set(required)), plan

    return change(schema)


# --- nesting ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Field:
    """A property on its way into a new object."""

    schema: dict
    path: tuple[str, ...]
    plan: Plan
    required: bool


def _restructure(schema: Mapping, rng: Random) -> tuple[dict, Plan]:
    """Move fields of inner objects up one level, and other fields down into new objects."""

    def change(node: Mapping) -> tuple[dict, Plan]:
        if "properties" not in node:
            return _inside(node, change)
        fields: dict[str, _Field] = {}
        for name, child in node["properties"].items():
            part, plan = change(child)
            field = _Field(part, (name,), plan, name in node.get("required", ()))
            moved = _flattened(name, field) if rng.random() < FLATTENS else {}
            clash = (fields.keys() | node["properties"].keys()) & moved.keys()
            fields |= moved if moved and not clash else {name: field}
        if len(fields) >= LARGE and rng.random() < GROUPS:
            fields = _grouped(fields, rng)
        return _assembled(node, fields)

    return change(schema)


def _flattened(outer: str, field: _Field) -> dict[str, _Field]:
    """The fields of an inner object, named after both; none if it is not an object.

    `address` and `street` become `address_street`, `homeAddress` and `street` `homeAddressStreet`.
    """
    required = field.schema.get("required", ()) if field.required else ()
    fields = {}
    for name, part in field.schema.get("properties", {}).items():
        camel = any(letter.isupper() for letter in outer + name) and "_" not in outer + name
        key = outer + name[:1].upper() + name[1:] if camel else f"{outer}_{name}"
        path, plan = field.plan[name]
        fields[key] = _Field(part, field.path + path, plan, name in required)
    return fields


def _grouped(fields: dict[str, _Field], rng: Random) -> dict[str, _Field]:
    """Some of the fields in a new object, which takes the place of the first of them."""
    chosen = set(rng.sample(sorted(fields), rng.randint(2, len(fields) - 2)))
    name = rng.choice([name for name in GROUP_NAMES if name not in fields] or ["grouped_fields"])
    inner = {key: field for key, field in fields.items() if key in chosen}
    schema, plan = _assembled({"type": "object", "additionalProperties": False}, inner)
    group = _Field(schema, (), Group(plan), any(field.required for field in inner.values()))
    grouped: dict[str, _Field] = {}
    for key, field in fields.items():
        grouped |= {name: group} if key in chosen else {key: field}
    return grouped


def _assembled(node: Mapping, fields: Mapping[str, _Field]) -> tuple[dict, Plan]:
    required = {name for name, field in fields.items() if field.required}
    plan = {name: (field.path, field.plan) for name, field in fields.items()}
    return _with(node, {name: field.schema for name, field in fields.items()}, required), plan


# --- wording ------------------------------------------------------------------------------------


def _restyle(schema: Mapping, rng: Random) -> tuple[dict, Plan]:
    """Write keys in another style and order, with or without descriptions."""
    style = None if rng.random() < KEEPS_STYLE else rng.choice(sorted(STYLES))
    ordered, bare = rng.random() < KEEPS_ORDER, rng.random() < DROPS_DESCRIPTIONS
    dropped = {"x-rules", "$schema"} | ({"title", "description"} if bare else set())

    def change(node: Mapping) -> tuple[dict, Plan]:
        node = {key: value for key, value in node.items() if key not in dropped}
        if "properties" not in node:
            return _inside(node, change)
        names = _restyled(list(node["properties"]), style)
        parts = [(names[old], old, *change(child)) for old, child in node["properties"].items()]
        if not ordered:
            rng.shuffle(parts)
        required = {names[old] for old in node.get("required", ())}
        plan = {name: ((old,), inner) for name, old, _, inner in parts}
        return _with(node, {name: part for name, _, part, _ in parts}, required), plan

    return change(schema)


def _restyled(names: list[str], style: str | None) -> dict[str, str]:
    """Each key in another style; all as they are if two would become equal."""
    if style is not None:
        restyled = {name: STYLES[style](words(name)) for name in names}
        if len(set(restyled.values())) == len(names):
            return restyled
    return {name: name for name in names}


def words(name: str) -> list[str]:
    """The words of a key: `guestCount`, `guest_count` and `GUEST-COUNT` are guest and count."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word.lower() for word in re.split(r"[_\-\s]+", parted) if word]


# --- shared by all steps ------------------------------------------------------------------------


def _inside(node: Mapping, change: Callable) -> tuple[dict, Plan]:
    """Change the items of a list; keep a scalar."""
    if "items" not in node:
        return dict(node), None
    items, plan = change(node["items"])
    return {**node, "items": items}, [plan]


def _with(node: Mapping, properties: Mapping, required: set) -> dict:
    """The schema of an object with other properties; those required are listed in their order."""
    ordered = [name for name in properties if name in required]
    return {**node, "properties": dict(properties), "required": ordered}


def _transformed(value, plan: Plan):
    if isinstance(plan, list):
        return [_transformed(item, plan[0]) for item in value]
    if plan is None:
        return value
    transformed = {}
    for key, (path, inner) in plan.items():
        old = value
        for step in path:
            old = MISSING if old is MISSING else old.get(step, MISSING)
        new = MISSING if old is MISSING else _transformed(old, inner)
        if new is not MISSING and (new or not isinstance(inner, Group)):
            transformed[key] = new
    return transformed
