"""The compact form of a schema: would break if it lost a keyword, or two schemas read alike."""

import json
from itertools import product
from textwrap import dedent

from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.compact_schema import READ_ONLY, TOLD, compact

NULL = {"type": "null"}
TRICKY = [  # strings that look like a part of the notation
    "a", "b", "a or null", "list of a", "null", "true", "1", "a | b", "only a", "a default 1",
    "# a", "any of", "\"a\"", "a ", "", "a: string", "a # b", "@a", "= a", "- a", "a\nb: string",
    "/a/", "*", "a?", "{}", "string 1..2", "a/b", "é", "a e.g. 1", "object", "date",
]  # fmt: skip
FORMATS = ["date", "email", "uri", 'x" or null', "format"]
TYPES = ["string", "integer", "number", "boolean", "null", "object", "array"]
LENGTHS = [{"minLength": 1}, {"maxLength": 1}, {"minLength": 1, "maxLength": 1}]
LIMITS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
PATTERNS = ["^a$", "^a/b$", "^a# b$", "^/ or null$", "^a\nb$", "^\\d{2}$", "^\\\\/$"]
SCALARS = [
    *({"enum": [word]} for word in TRICKY),
    *({"enum": [word, "c"]} for word in TRICKY),
    *({"type": "string", "pattern": pattern} for pattern in PATTERNS),
    *({"type": "string", "format": name} for name in FORMATS),
    *({"type": kind} for kind in TYPES),
    *({"type": "string", **bounds} for bounds in LENGTHS),
    *({"type": "integer", key: value} for key, value in product(LIMITS, (1, -1, 1.5))),
    {"type": "string", "format": "date", "pattern": "^a$"},
    {"type": "integer", "minimum": 1, "exclusiveMaximum": 5},
    {"type": ["integer", "string"], "minimum": 1},
    {"type": ["integer", "string"], "minLength": 1},
    {"enum": [None, 1, "1"]}, {"enum": [1]}, {"enum": []}, {"const": {"a": 1}}, {"enum": [True]},
    {"type": "string", "enum": ["a", 1]}, {"minimum": 1}, {"properties": {"a": {}}},
    {"not": {"type": "string"}}, {"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}, {"$ref": "#"},
    {"$ref": "https://example.org/a"}, True, False, {},
]  # fmt: skip
DEFINITIONS = {"a": {"type": "string"}, "b": {"type": "array", "items": {"$ref": "#/$defs/b"}}}


def larger(one, two=None):
    """Schemas with one or two parts, in the ways that could be taken for each other."""
    if two is None:
        yield {"type": "array", "items": one}
        yield {"type": ["array", "null"], "items": one}
        yield {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}
        yield {"type": "array", "items": one, "x-order": "set"}
        yield {"anyOf": [one, NULL]}
        yield {"oneOf": [one, NULL]}
        yield {"type": "object", "additionalProperties": one}
        yield {"type": "object", "properties": {}, "patternProperties": {"^a$": one}}
        for key in TRICKY:
            yield {"type": "object", "properties": {key: one}}
        yield {"type": ["object", "null"], "properties": {"a": one}, "required": ["a"]}
        yield {"type": "object", "properties": {"a": one}, "additionalProperties": True}
        yield {"type": "object", "properties": {"a": one}, "dependentRequired": {"a": ["b"]}}
        return
    yield {"anyOf": [one, two]}
    yield {"allOf": [one, two]}
    yield {"type": "object", "properties": {"a": one, "b": two}}
    yield {"type": "object", "properties": {"a": one}, "additionalProperties": two}
    yield {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": one}}, "c": two},
    }


def meaning(node):
    """A schema without what demands nothing; what can be said in two ways, in one."""
    if not isinstance(node, dict):
        return {} if node is True else node
    node = {key: value for key, value in node.items() if key not in READ_ONLY | TOLD}
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if node.get("enum") == []:
        return False
    for key in ("anyOf", "oneOf", "allOf"):
        if key in node:
            node[key] = sorted(map(meaning, node[key]), key=json.dumps)
    for key in ("properties", "patternProperties"):
        if key in node:
            node[key] = {name: meaning(part) for name, part in node[key].items()}
    for key in ("items", "additionalProperties"):
        if key in node:
            node[key] = meaning(node[key])
    if "object" in node.get("type", ()):
        node.setdefault("additionalProperties", {} if "properties" not in node else False)
        node.setdefault("properties", {})
        node["required"] = sorted(node.get("required", ()))
    if "array" in node.get("type", ()):
        node.setdefault("items", {})
    options = node.get("anyOf", [])
    if len(node) == 1 and len(options) == 2 and NULL in options and options != [NULL, NULL]:
        (other,) = (option for option in options if option != NULL)
        if isinstance(other, dict) and "type" in other and "enum" not in other:
            kinds = [other["type"]] if isinstance(other["type"], str) else other["type"]
            node = other | {"type": [*kinds, "null"]}
    if isinstance(node.get("type"), list):
        node["type"] = sorted(set(node["type"]))
    return node


def test_schemas_that_mean_different_things_never_read_alike():
    parts = [*SCALARS, *(each for one in SCALARS[::7] for each in larger(one))]
    universe = [*parts, *(each for one in parts for each in larger(one))]
    universe += (each for one, two in product(SCALARS[::2], repeat=2) for each in larger(one, two))
    known: dict[str, str] = {}
    for part in universe:
        if not isinstance(part, dict):
            continue
        text = compact({**part, "$defs": DEFINITIONS})
        means = json.dumps(meaning(part), sort_keys=True)
        assert known.setdefault(text, means) == means, f"{text}\n{known[text]}\n{means}"
    assert len(known) > 10_000


def test_all_published_schemas_are_short_and_differ():
    texts = [compact(schemas.load(group)) for group in schemas.groups()]
    assert len(set(texts)) == len(texts)
    for group, text in zip(schemas.groups(), texts, strict=True):
        assert len(text) < 0.6 * len(schemas.for_prompt(schemas.load(group))), group
        assert '{"' not in text, f"{group}: a part has no short form\n{text}"


def test_descriptions_defaults_and_definitions_are_kept():
    schema = {
        "title": "Order",
        "description": "One\norder",
        "type": "object",
        "required": ["lines"],
        "properties": {
            "lines": {
                "type": "array",
                "description": "all of them",
                "items": {"$ref": "#/$defs/Line", "description": "a line"},
            },
            "note": {"anyOf": [{"type": "string", "description": "x: y"}, {"type": "null"}]},
            "unit price": {"type": "number", "title": "Unit price", "exclusiveMinimum": 0},
            "size": {"enum": ["S", "extra large", "1"], "default": "S", "examples": ["S", "1"]},
        },
        "$defs": {
            "Line": {
                "type": "object",
                "properties": {"parts": {"type": "array", "items": {"$ref": "#/$defs/Line"}}},
            }
        },
    }
    assert compact(schema) == dedent(
        """\
        # Order: One order
        lines: list of @Line # all of them: a line
        note?: string or null # x: y
        "unit price"?: number >0
        size?: S | extra large | "1" default "S" e.g. "S", "1"
        @Line = object
          parts?: list of @Line"""
    )
