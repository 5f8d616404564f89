"""The EdgeJSON schemas: hand-written JSON Schema files (Draft 2020-12), loaded and checked here.

A schema is data: `data/edgejson/schemas/<group>.json`. Its tier follows from its shape. House
rules bound every answer and declare every key, so that a grammar made from the schema ends, and a
missing field is a decision about the text. `x-order: "set"` marks a list whose order does not
count; `x-rules` are cross-field rules (`generate.field_rules`).
"""

import json
from collections.abc import Iterator
from functools import cache

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from slmlib.core import io, paths

FOLDER = paths.DATA / "edgejson" / "schemas"
TIERS = ("simple", "medium", "complex")
RULES = {  # keyword of x-rules -> the fields it needs
    "sum": {"of", "is"},
    "product": {"of", "is"},
    "order": {"of"},
    "percent": {"of", "rate", "is"},
    "days": {"from", "to", "is"},
    "minutes": {"from", "to", "is"},
    "count": {"of", "is"},
    "reference": {"of", "in"},
}
LEAVES = {"simple": (3, 5), "medium": (8, 12), "complex": (15, 60)}  # declared, one item per list


@cache
def load(group: str) -> dict:
    """The schema of a group, checked.

    Raises:
        DataError: the file is missing, or it breaks some of the rules, which the message lists.
    """
    path = FOLDER / f"{group}.json"
    schema = io.read_json(path)
    named = schema.get("title") and schema.get("description")
    problems = ([] if named else ["root: no title or description"]) + faults(schema)
    if problems:
        raise io.DataError(f"{path}: " + "; ".join(problems))
    return schema


@cache
def groups() -> tuple[str, ...]:
    """Names of all schemas, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def faults(schema: dict) -> list[str]:
    """Faults of a schema under the meta-schema, or else under the house rules."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [f"not a JSON Schema: {error.message}"]
    problems = [
        f"{at or '/'}: {fault}" for at, node in walk(schema) for fault in _node_faults(node)
    ]
    for rule in schema.get("x-rules", []):
        needs = RULES.get(rule.get("rule"))
        if needs is None:
            problems.append(
                f"x-rules: unknown rule {rule.get('rule')!r}; valid: {', '.join(RULES)}"
            )
        elif set(rule) - {"rule"} != needs:
            problems.append(f"x-rules: {rule['rule']} needs exactly {sorted(needs)}")
    count, tier = len(leaves(schema)), tier_of(schema)
    low, high = LEAVES[tier]
    if not low <= count <= high:
        problems.append(f"{count} leaves; a {tier} schema has {low} to {high}")
    return problems


def _node_faults(node: dict) -> Iterator[str]:
    kind = node.get("type")
    if kind == "object":
        if node.get("additionalProperties") is not False:
            yield "additionalProperties is not false"
        if not set(node.get("required", [])) <= set(node.get("properties", {})):
            yield "required names an unknown property"
    elif kind == "array":
        yield from (f"no {bound}" for bound in ("minItems", "maxItems") if bound not in node)
        if node.get("minItems", 1) == 0:
            yield "an empty list has no evidence: minItems is 0"
    elif kind == "string" and not {"maxLength", "pattern", "format"} & set(node):
        yield "unbounded string"
    elif "format" in node and {"minLength", "maxLength"} & set(node):
        yield "minLength or maxLength beside a format, which grammars cannot combine"
    elif kind in ("integer", "number") and not {"minimum", "maximum"} <= set(node):
        yield "number without minimum and maximum"
    elif kind is None and "enum" not in node:
        yield "neither type nor enum"
    if len(node.get("description", "")) > 80:
        yield "description over 80 characters"


def walk(node: dict, pointer: str = "") -> Iterator[tuple[str, dict]]:
    """Every node of a schema with its pattern pointer, `*` standing for a list's items."""
    yield pointer, node
    for key, child in node.get("properties", {}).items():
        yield from walk(child, f"{pointer}/{key}")
    if "items" in node:
        yield from walk(node["items"], f"{pointer}/*")


def leaves(schema: dict) -> dict[str, dict]:
    """Pattern pointer -> schema of every scalar."""
    return {p: node for p, node in walk(schema) if node.get("type") not in ("object", "array")}


@cache
def tier(group: str) -> str:
    """The tier of a group's schema."""
    return tier_of(load(group))


def tier_of(schema: dict) -> str:
    """simple: flat, at most 5 leaves; complex: three levels and a list of objects; else medium."""
    kinds = {pointer: node.get("type") for pointer, node in walk(schema)}
    objects = [pointer for pointer, kind in kinds.items() if kind == "object"]
    flat = len(objects) == 1 and "array" not in kinds.values()
    if flat and len(leaves(schema)) <= LEAVES["simple"][1]:
        return "simple"
    levels = max(sum(inner.startswith(f"{outer}/") for outer in objects) for inner in objects)
    return "complex" if levels >= 2 and any(p.endswith("*") for p in objects) else "medium"


def for_prompt(schema: dict) -> str:
    """The schema as a model sees it: compact JSON, without keywords that only validation reads."""
    shown = {key: value for key, value in schema.items() if key not in ("$schema", "x-rules")}
    return compact(shown)


def compact(value) -> str:
    """JSON without spaces between its parts."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def shape(schema: dict) -> tuple:
    """Types and nesting without names and values: schemas of one shape are renamed copies."""
    if schema.get("type") == "object":
        return ("object", tuple(sorted(map(repr, map(shape, schema["properties"].values())))))
    if schema.get("type") == "array":
        return ("array", shape(schema["items"]))
    if "enum" in schema:
        return ("enum", len(schema["enum"]))
    return (schema["type"], schema.get("format"), "pattern" in schema)
