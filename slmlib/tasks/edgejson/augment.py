"""A schema in another guise, and targets of the old one as targets of the new one.

What a schema asks for stays true of the text, whatever its keys are called, in which order they stand, how
they are nested, and whether all of them are asked for. A model that meets many guises of few schemas has to
read the one in front of it.

A step of redrawing is told by a plan beside the new schema: for an object `{new key: (path, plan)}`, where
`path` is the keys that lead there in the old value, or to the object from which a new one takes its fields;
for a list `[plan]`; for a scalar None.
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
AS_IT_IS = 0.5  # share of redrawn schemas that keep the style of their keys
KEEPS_ORDER = 0.4  # and the order of their keys
DROPS = 0.3  # share of redrawn schemas without descriptions
LEFT_OUT = (0.2, 0.6)  # between these is drawn, for each partial schema, how likely a field is left out
FLATTENED = 0.6  # share of a reshaped schema's inner objects whose fields move up
GROUPED = 0.5  # and of its large objects in which some fields move into an object of their own
GROUPS = ("details", "info", "record", "entry", "particulars", "more", "data", "summary")
LARGE = 4  # fields of a large object, at least

Plan = dict | list | None


class Group(dict):
    """The plan of a new object, which is absent where all of its fields are."""


@dataclass(frozen=True)
class Redrawn:
    """A schema in another guise, and the plans that led to it, in order."""

    schema: dict
    plans: tuple[Plan, ...]

    def retell(self, target):
        """A target of the old schema as one of this, its keys in this one's order."""
        for plan in self.plans:
            target = _retold(target, plan)
        return target


def redraw(schema: Mapping, rng: Random, *, partial: bool = False, reshaped: bool = False) -> Redrawn:
    """A schema in another guise, of which a text that fits the old one tells as much.

    Args:
        schema: an object's, as the data set has them.
        rng: decides all that is drawn.
        partial: ask for some of the fields only, mostly; a few schemas keep them all.
        reshaped: move fields out of inner objects and into new ones, where chance wants it.
    """
    steps: list[Callable] = [_part] if partial else []
    steps += [_reshape] if reshaped else []
    plans: list[Plan] = []
    for step in steps:
        schema, plan = step(schema, rng)
        plans.append(plan)
    schema, plan = _reword(schema, rng)
    return Redrawn(schema, (*plans, plan))


# --- fewer fields -----------------------------------------------------------------------------


def _part(schema: Mapping, rng: Random) -> tuple[dict, Plan]:
    """Some of the fields of each object: one that it requires at least, or it could be empty."""
    least, most = LEFT_OUT
    share = least + (most - least) * rng.random()

    def change(node: Mapping) -> tuple[dict, Plan]:
        if "properties" not in node:
            return _through(node, change)
        needed, names = node.get("required", ()), list(node["properties"])
        kept = {name for name in names if rng.random() >= share}
        if not kept.intersection(needed or names):
            kept.add(rng.choice(needed or names))
        parts = {name: change(node["properties"][name]) for name in names if name in kept}
        plan = {name: ((name,), inner) for name, (_, inner) in parts.items()}
        return _object(node, {name: part for name, (part, _) in parts.items()}, set(needed)), plan

    return change(schema)


# --- other nesting ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Field:
    """A property on its way into a new object."""

    schema: dict
    path: tuple[str, ...]
    plan: Plan
    required: bool


def _reshape(schema: Mapping, rng: Random) -> tuple[dict, Plan]:
    """Fields of inner objects one level up, and other fields one level down."""

    def change(node: Mapping) -> tuple[dict, Plan]:
        if "properties" not in node:
            return _through(node, change)
        fields: dict[str, _Field] = {}
        for name, child in node["properties"].items():
            new, plan = change(child)
            field = _Field(new, (name,), plan, name in node.get("required", ()))
            moved = _moved_up(name, field) if rng.random() < FLATTENED else {}
            clash = (fields.keys() | node["properties"].keys()) & moved.keys()
            fields |= moved if moved and not clash else {name: field}
        if len(fields) >= LARGE and rng.random() < GROUPED:
            fields = _grouped(fields, rng)
        return _of_fields(node, fields)

    return change(schema)


def _moved_up(name: str, field: _Field) -> dict[str, _Field]:
    """The fields of an inner object, each named by both; none if it is no object."""
    needed = field.schema.get("required", ()) if field.required else ()
    return {
        _joined(name, key): _Field(part, field.path + field.plan[key][0], field.plan[key][1], key in needed)
        for key, part in field.schema.get("properties", {}).items()
    }


def _joined(outer: str, inner: str) -> str:
    """`address` and `street` are `address_street`; with `homeAddress` it is `homeAddressStreet`."""
    camel = any(letter.isupper() for letter in outer + inner) and "_" not in outer + inner
    return outer + inner[:1].upper() + inner[1:] if camel else f"{outer}_{inner}"


def _grouped(fields: dict[str, _Field], rng: Random) -> dict[str, _Field]:
    """Some of the fields in an object of their own, which stands in place of the first of them."""
    chosen = set(rng.sample(sorted(fields), rng.randint(2, len(fields) - 2)))
    name = rng.choice([group for group in GROUPS if group not in fields] or ["grouped_fields"])
    inner = {key: field for key, field in fields.items() if key in chosen}
    schema, plan = _of_fields({"type": "object", "additionalProperties": False}, inner)
    group = _Field(schema, (), Group(plan), any(field.required for field in inner.values()))
    found: dict[str, _Field] = {}
    for key, field in fields.items():
        found |= {name: group} if key in chosen else {key: field}
    return found


def _of_fields(node: Mapping, fields: Mapping[str, _Field]) -> tuple[dict, Plan]:
    needed = {name for name, field in fields.items() if field.required}
    plan = {name: (field.path, field.plan) for name, field in fields.items()}
    return _object(node, {name: field.schema for name, field in fields.items()}, needed), plan


# --- other words ------------------------------------------------------------------------------


def _reword(schema: Mapping, rng: Random) -> tuple[dict, Plan]:
    """Keys in another style and order, with or without descriptions."""
    style = None if rng.random() < AS_IT_IS else rng.choice(sorted(STYLES))
    ordered, bare = rng.random() < KEEPS_ORDER, rng.random() < DROPS
    dropped = {"x-rules", "$schema"} | ({"title", "description"} if bare else set())

    def change(node: Mapping) -> tuple[dict, Plan]:
        node = {key: value for key, value in node.items() if key not in dropped}
        if "properties" not in node:
            return _through(node, change)
        names = _names(list(node["properties"]), style)
        parts = [(old, *change(child)) for old, child in node["properties"].items()]
        if not ordered:
            rng.shuffle(parts)
        needed = {names[old] for old in node.get("required", ())}
        plan = {names[old]: ((old,), inner) for old, _, inner in parts}
        return _object(node, {names[old]: part for old, part, _ in parts}, needed), plan

    return change(schema)


def _names(names: list[str], style: str | None) -> dict[str, str]:
    """Each key in another style; all as they are where two would fall together."""
    if style is None:
        return {name: name for name in names}
    changed = {name: STYLES[style](_words(name)) for name in names}
    return changed if len(set(changed.values())) == len(names) else {name: name for name in names}


def _words(name: str) -> list[str]:
    """`guestCount`, `guest_count` and `GUEST-COUNT` are the words guest and count."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word.lower() for word in re.split(r"[_\-\s]+", parted) if word]


# --- what the steps share ---------------------------------------------------------------------


def _through(node: Mapping, change: Callable) -> tuple[dict, Plan]:
    """What is no object: a list is changed in its items, a scalar stays."""
    if "items" not in node:
        return dict(node), None
    items, plan = change(node["items"])
    return {**node, "items": items}, [plan]


def _object(node: Mapping, properties: Mapping, needed: set) -> dict:
    """An object's schema with other properties, those required in their order."""
    return {
        **node,
        "properties": dict(properties),
        "required": [name for name in properties if name in needed],
    }


MISSING = object()


def _retold(value, plan: Plan):
    if isinstance(plan, list):
        return [_retold(each, plan[0]) for each in value]
    if plan is None:
        return value
    found = {}
    for key, (path, inner) in plan.items():
        old = _within(value, path)
        new = MISSING if old is MISSING else _retold(old, inner)
        if new is not MISSING and (new or not isinstance(inner, Group)):
            found[key] = new
    return found


def _within(value, path: tuple[str, ...]):
    for key in path:
        if key not in value:
            return MISSING
        value = value[key]
    return value
