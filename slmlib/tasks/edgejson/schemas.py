"""The EdgeJSON schemas: hand-written JSON Schema files (Draft 2020-12), loaded and checked here.

A schema is data: `data/edgejson/schemas/<group>.json`. Its tier follows from its shape. House
rules keep every answer bounded and every key declared, so that a grammar made from the schema
ends and a missing field is a decision of the text. `x-order: "set"` marks a list whose order
does not count; `x-rules` are cross-field rules, enforced by `validation`.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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
        DataError: the file is missing, is not a valid schema, or breaks a house rule.
    """
    return read(FOLDER / f"{group}.json")


@cache
def groups() -> tuple[str, ...]:
    """Names of all schemas, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def read(path: Path) -> dict:
    """Read and check one schema file; raises `DataError` with every broken rule."""
    schema = io.read_json(path)
    problems = [] if schema.get("title") and schema.get("description") else ["root: no title or description"]
    problems += faults(schema)
    if problems:
        raise io.DataError(f"{path}: " + "; ".join(problems))
    return schema


def faults(schema: dict) -> list[str]:
    """What is wrong with a schema: the meta-schema first, then the house rules."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [f"not a JSON Schema: {error.message}"]
    problems = [f"{at or '/'}: {fault}" for at, node in walk(schema) for fault in _node_faults(node)]
    problems += [f"x-rules: {fault}" for rule in schema.get("x-rules", []) for fault in _rule_faults(rule)]
    return problems + _size_faults(schema)


def walk(node: dict, pointer: str = "") -> Iterator[tuple[str, dict]]:
    """Every node of a schema with its pattern pointer, `*` standing for a list's items."""
    yield pointer, node
    for key, child in node.get("properties", {}).items():
        yield from walk(child, f"{pointer}/{key}")
    if "items" in node:
        yield from walk(node["items"], f"{pointer}/*")


def _node_faults(node: dict) -> list[str]:
    kind, faults_ = node.get("type"), []
    if kind == "object":
        if node.get("additionalProperties") is not False:
            faults_.append("additionalProperties is not false")
        if not set(node.get("required", [])) <= set(node.get("properties", {})):
            faults_.append("required names an unknown property")
    elif kind == "array":
        faults_ += [f"no {bound}" for bound in ("minItems", "maxItems") if bound not in node]
        faults_ += [] if node.get("minItems", 1) else ["an empty list has no evidence: minItems is 0"]
    elif kind == "string" and not {"maxLength", "pattern", "format"} & set(node):
        faults_.append("unbounded string")
    elif "format" in node and {"minLength", "maxLength"} & set(node):
        faults_.append("minLength or maxLength beside a format, which grammars cannot combine")
    elif kind in ("integer", "number") and not {"minimum", "maximum"} <= set(node):
        faults_.append("number without minimum and maximum")
    elif kind is None and "enum" not in node:
        faults_.append("neither type nor enum")
    return faults_ + (["description over 80 characters"] if len(node.get("description", "")) > 80 else [])


def _size_faults(schema: dict) -> list[str]:
    count, tier = len(leaves(schema)), tier_of(schema)
    low, high = LEAVES[tier]
    return [] if low <= count <= high else [f"{count} leaves; a {tier} schema has {low} to {high}"]


def _rule_faults(rule: dict) -> list[str]:
    needs = RULES.get(rule.get("rule"))
    if needs is None:
        return [f"unknown rule {rule.get('rule')!r}; valid: {', '.join(RULES)}"]
    return [] if set(rule) - {"rule"} == needs else [f"{rule['rule']} needs exactly {sorted(needs)}"]


def leaves(schema: dict) -> dict[str, dict]:
    """Pattern pointer -> schema of every scalar."""
    return {p: node for p, node in walk(schema) if node.get("type") not in ("object", "array")}


@cache
def tier(group: str) -> str:
    """The tier of a group's schema."""
    return tier_of(load(group))


def tier_of(schema: dict) -> str:
    """simple: flat, up to 5 leaves; complex: three levels and a list of objects; medium: the rest."""
    kinds = {pointer: node.get("type") for pointer, node in walk(schema)}
    objects = [pointer for pointer, kind in kinds.items() if kind == "object"]
    if len(objects) == 1 and "array" not in kinds.values() and len(leaves(schema)) <= LEAVES["simple"][1]:
        return "simple"
    levels = max(sum(inner.startswith(f"{outer}/") for outer in objects) for inner in objects)
    return "complex" if levels >= 2 and any(p.endswith("*") for p in objects) else "medium"


def for_prompt(schema: dict) -> str:
    """The schema as a model sees it: compact JSON without the keys that only validation reads."""
    shown = {key: value for key, value in schema.items() if key not in ("$schema", "x-rules")}
    return compact(shown)


def compact(value) -> str:
    """JSON without a space between its parts: how targets and schemas are measured and shown."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def shape(schema: dict) -> tuple:
    """Types and nesting without names and values: two schemas of one shape are renamings."""
    if schema.get("type") == "object":
        return ("object", tuple(sorted(map(repr, map(shape, schema["properties"].values())))))
    if schema.get("type") == "array":
        return ("array", shape(schema["items"]))
    if "enum" in schema:
        return ("enum", len(schema["enum"]))
    return (schema["type"], schema.get("format"), "pattern" in schema)
