"""Answers with every key of the schema, in its order, and null where the text gives nothing.

In an answer that leaves absent fields out, one token decides about several fields at once: the next
key skips all that lie between. With every key written, each decision is one token behind its own
key, and keys and punctuation are known before the model has written anything.

    {"name": "Ana", "born": null}      is read as      {"name": "Ana"}

Null is read as absent only where the schema does not allow null. A field that may be null keeps it:
for a required one that is its value, and for an optional one null and absence say the same of a
text, so null it is.
"""

import json
from collections.abc import Mapping

from slmlib.engines import constraints


def allows_null(node) -> bool:
    """Return whether null is valid under a schema, by its own keywords."""
    if not isinstance(node, Mapping):
        return node is not False
    node = constraints.nullable(node)
    if "const" in node or "enum" in node:
        return None in (node.get("enum") or [node.get("const")])
    kinds = node.get("type", "null")
    return "null" in ([kinds] if isinstance(kinds, str) else kinds)


def schema_of(schema: Mapping) -> dict:
    """The schema of answers in this form: every key is required, and may be null if it was not."""
    if not isinstance(schema, Mapping):
        return schema
    node = constraints.nullable(schema)
    if "items" in node:
        node["items"] = schema_of(node["items"])
    if "properties" in node:
        required = node.get("required", ())
        node["properties"] = {
            key: schema_of(child) if key in required else _or_null(schema_of(child))
            for key, child in node["properties"].items()
        }
        node["required"] = list(node["properties"])
    return node


def _or_null(node: Mapping) -> dict:
    """A schema that also allows null."""
    if allows_null(node):
        return node
    node = dict(node)
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if "enum" in node:
        node["enum"] = [*node["enum"], None]
    if "type" in node:
        node["type"] = [
            *([node["type"]] if isinstance(node["type"], str) else node["type"]),
            "null",
        ]
    return node


def write(answer, schema: Mapping):
    """Turn an answer into this form: every key, in the schema's order, null where it has none."""
    node = constraints.nullable(schema) if isinstance(schema, Mapping) else {}
    if isinstance(answer, Mapping):
        properties = node.get("properties", {})
        known = {
            key: write(answer[key], child) if key in answer else None
            for key, child in properties.items()
        }
        return known | {key: value for key, value in answer.items() if key not in known}
    if isinstance(answer, list):
        return [write(item, node.get("items", {})) for item in answer]
    return answer


def read(answer, schema: Mapping):
    """Turn an answer in this form into the plain one, without fields that are null for absent."""
    node = constraints.nullable(schema) if isinstance(schema, Mapping) else {}
    if isinstance(answer, Mapping):
        properties, required = node.get("properties", {}), node.get("required", ())

        def absent(key: str) -> bool:
            optional = key in properties and key not in required
            return answer[key] is None and optional and not allows_null(properties[key])

        return {
            key: read(value, properties.get(key, {}))
            for key, value in answer.items()
            if not absent(key)
        }
    if isinstance(answer, list):
        return [read(item, node.get("items", {})) for item in answer]
    return answer


def spans(answer, schema: Mapping) -> tuple[str, list[tuple[int, int, bool]]]:
    """An answer in this form as JSON, and where its values are.

    Returns:
        The text, and for each value of the answer that the model decides: start, end, and whether
        it begins with a decision about an optional field. Keys and punctuation are in no span.
    """
    text, marked = "", []

    def add(value, node, optional: bool) -> None:
        nonlocal text
        node = constraints.nullable(node) if isinstance(node, Mapping) else {}
        start = len(text)
        if isinstance(value, Mapping):
            text += "{"
            if optional:
                marked.append((start, len(text), True))
            properties, required = node.get("properties", {}), node.get("required", ())
            for place, (key, child) in enumerate(value.items()):
                text += f"{', ' if place else ''}{json.dumps(key, ensure_ascii=False)}: "
                add(child, properties.get(key, {}), key not in required)
            text += "}"
        elif isinstance(value, list):
            text += "["
            marked.append((start, len(text), optional))
            for place, item in enumerate(value):
                if place:
                    marked.append((len(text), len(text) + 2, False))
                    text += ", "
                add(item, node.get("items", {}), False)
            marked.append((len(text), len(text) + 1, False))  # that the list ends here
            text += "]"
        else:
            text += json.dumps(value, ensure_ascii=False)
            marked.append((start, len(text), optional))

    add(write(answer, schema), schema, False)
    return text, marked
