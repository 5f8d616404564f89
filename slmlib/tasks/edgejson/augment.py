"""Schema augmentation: rename, reorder, re-nest or drop fields, and transform targets to match.

A text that states what a schema asks for still does so if the keys have other names, another order
or another nesting, or if only some of them are asked for. A model that meets many variants of few
schemas has to read the schema in front of it.

While a schema is changed, every property carries its origin: the keys that lead from the object
that contained it to its value in a target of the original schema. A new object, which groups
fields, has the origin () of the object around it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
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
ORIGIN, GROUP = object(), object()  # keys of a node that no JSON Schema has
ABSENT = object()


@dataclass(frozen=True)
class SchemaVariant:
    """A variant of a schema; `traced` also has the origin of each property."""

    schema: dict
    traced: dict

    def transform_target(self, target):
        """Turn a target of the original schema into one of this, with keys in this one's order."""
        return _transformed(target, self.traced)


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
    traced = _traced(schema)
    if partial:
        traced = _drop_fields(traced, rng)
    if restructured:
        traced = _restructure(traced, rng)
    traced = _restyle(traced, rng)
    return SchemaVariant(_untraced(traced), traced)


def _drop_fields(schema: dict, rng: Random) -> dict:
    """Drop fields, but keep one that each object requires, so that no object can be empty."""
    least, most = DROPOUT
    dropout = least + (most - least) * rng.random()

    def change(node: dict) -> dict:
        if "properties" not in node:
            return _with_items(node, change)
        required, properties = node.get("required", ()), node["properties"]
        chosen = {name for name in properties if rng.random() >= dropout}
        if not chosen.intersection(required or properties):
            chosen.add(rng.choice(required or list(properties)))
        parts = {name: change(part) for name, part in properties.items() if name in chosen}
        return _with_properties(node, parts, required)

    return change(schema)


def _restructure(schema: dict, rng: Random) -> dict:
    """Move fields of inner objects up one level, and other fields down into new objects."""

    def change(node: dict) -> dict:
        if "properties" not in node:
            return _with_items(node, change)
        fields: dict[str, dict] = {}
        required = set(node.get("required", ()))
        for name, child in node["properties"].items():
            part = change(child)
            inner = part.get("properties", {}) if rng.random() < FLATTENS else {}
            keys = {_joined(name, key): key for key in inner}
            if not keys or (fields.keys() | node["properties"].keys()) & keys.keys():
                fields[name] = part
                continue
            for new, key in keys.items():
                fields[new] = {**inner[key], ORIGIN: part[ORIGIN] + inner[key][ORIGIN]}
                if name in required and key in part.get("required", ()):
                    required.add(new)
        if len(fields) >= LARGE and rng.random() < GROUPS:
            fields, required = _grouped(fields, required, rng)
        return _with_properties(node, fields, required)

    return change(schema)


def _joined(outer: str, inner: str) -> str:
    """`address` and `street` are `address_street`; `homeAddress` makes `homeAddressStreet`."""
    if "_" not in outer + inner and any(letter.isupper() for letter in outer + inner):
        return outer + inner[:1].upper() + inner[1:]
    return f"{outer}_{inner}"


def _grouped(fields: dict[str, dict], required: set, rng: Random) -> tuple[dict[str, dict], set]:
    """Move some of the fields into a new object, which takes the place of the first of them."""
    chosen = set(rng.sample(sorted(fields), rng.randint(2, len(fields) - 2)))
    name = rng.choice([name for name in GROUP_NAMES if name not in fields] or ["grouped_fields"])
    inner = {key: field for key, field in fields.items() if key in chosen}
    empty = {"type": "object", "additionalProperties": False, ORIGIN: (), GROUP: True}
    group = _with_properties(empty, inner, required)
    grouped: dict[str, dict] = {}
    for key, field in fields.items():
        grouped |= {name: group} if key in chosen else {key: field}
    return grouped, required | ({name} if required & chosen else set())


def _restyle(schema: dict, rng: Random) -> dict:
    """Write keys in another style and order, with or without descriptions."""
    style = None if rng.random() < KEEPS_STYLE else rng.choice(sorted(STYLES))
    ordered, bare = rng.random() < KEEPS_ORDER, rng.random() < DROPS_DESCRIPTIONS
    dropped = {"x-rules", "$schema"} | ({"title", "description"} if bare else set())

    def change(node: dict) -> dict:
        node = {key: value for key, value in node.items() if key not in dropped}
        if "properties" not in node:
            return _with_items(node, change)
        names = {name: name for name in node["properties"]}
        if style is not None:
            restyled = {name: STYLES[style](words(name)) for name in names}
            if len(set(restyled.values())) == len(names):  # else two would become equal
                names = restyled
        parts = [(names[name], change(part)) for name, part in node["properties"].items()]
        if not ordered:
            rng.shuffle(parts)
        required = {names[name] for name in node.get("required", ())}
        return _with_properties(node, dict(parts), required)

    return change(schema)


def words(name: str) -> list[str]:
    """The words of a key: `guestCount`, `guest_count` and `GUEST-COUNT` are guest and count."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word.lower() for word in re.split(r"[_\-\s]+", parted) if word]


def _with_items(node: dict, change: Callable[[dict], dict]) -> dict:
    """Change the items of a list; keep a scalar."""
    return {**node, "items": change(node["items"])} if "items" in node else node


def _with_properties(node: Mapping, properties: Mapping, required: Iterable[str]) -> dict:
    """The schema of an object with other properties; those required are listed in their order."""
    ordered = [name for name in properties if name in required]
    return {**node, "properties": properties, "required": ordered}


# --- origins ------------------------------------------------------------------------------------


def _traced(node: Mapping) -> dict:
    """A copy in which each property has its origin."""
    if "properties" not in node:
        return _with_items(dict(node), _traced)
    parts = node["properties"].items()
    return {**node, "properties": {name: {**_traced(p), ORIGIN: (name,)} for name, p in parts}}


def _untraced(node: dict) -> dict:
    node = {key: value for key, value in node.items() if isinstance(key, str)}
    if "properties" in node:
        node["properties"] = {name: _untraced(p) for name, p in node["properties"].items()}
    return _with_items(node, _untraced)


def _transformed(value, node: dict):
    """The part of a target that the node of a traced schema asks for."""
    if "items" in node:
        return [_transformed(item, node["items"]) for item in value]
    if "properties" not in node:
        return value
    transformed = {}
    for name, part in node["properties"].items():
        old = value
        for step in part[ORIGIN]:
            old = ABSENT if old is ABSENT else old.get(step, ABSENT)
        if old is ABSENT:
            continue
        new = _transformed(old, part)
        if new or GROUP not in part:  # a group is absent if all its fields are
            transformed[name] = new
    return transformed
