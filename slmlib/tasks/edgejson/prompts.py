"""The prompts of EdgeJSON: three wordings, with zero, one or three worked examples.

A prompt shows the schema as compact JSON, without the keys that only validation reads.

    one-shot          the schema, the text, and a form: the schema's keys with a hint for each value
    one-shot-schema   the schema and the text
    one-shot-rules    the schema, the text, and instructions in words
    ...-bare          without the model's chat template
    zero-shot-text    the text alone, to see what a trained model has memorised

and likewise `zero-shot` and `three-shot`. In unconstrained decoding a 135M model that sees only the
schema mostly repeats it, so the default prompt has the form and one worked example. In constrained
decoding the form makes answers worse. The domains of the examples do not occur in the data.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from slmlib.engines import constraints
from slmlib.tasks.base import Prompt, Sample
from slmlib.tasks.edgejson import schemas

SYSTEM = "You turn text into JSON. Answer with one JSON object and nothing else."
FORM = (
    "JSON Schema:\n{schema}\n\nText:\n{text}\n\n"
    "Fill in this form with the values from the text. "
    "Leave out fields that the text does not give.\n{form}"
)
PLAIN = "JSON Schema:\n{schema}\n\nText:\n{text}\n\nJSON:"
RULES = (
    "Fill this JSON Schema from the text below.\n"
    "Leave out every optional field that the text does not give. "
    "Write dates as YYYY-MM-DD and use only values that the schema allows.\n\n"
    "Schema:\n{schema}\n\nText:\n{text}\n\nJSON:"
)
TEXT = "Text:\n{text}\n\nJSON:"
WORDINGS = {"": FORM, "-schema": PLAIN, "-rules": RULES}
SHOTS = {"one": 1, "zero": 0, "three": 3}
TRAINED = "zero-shot-schema"  # the prompt of models that are trained here
BARE = ("one-shot", "one-shot-schema", "zero-shot-rules")  # also without a chat template

LOAN = (
    {
        "title": "Library loan",
        "type": "object",
        "required": ["member", "book"],
        "additionalProperties": False,
        "properties": {
            "member": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {"name": {"type": "string"}, "card_no": {"type": "string"}},
            },
            "book": {"type": "string"},
            "due": {"type": "string", "format": "date"},
            "copies": {"type": "integer"},
            "kind": {"enum": ["novel", "textbook", "atlas"]},
        },
    },
    'Ivo Kern (card L-2207) took out two copies of the atlas "Rivers of Europe" today. '
    "They are due back on 3 May 2021.",
    {
        "member": {"name": "Ivo Kern", "card_no": "L-2207"},
        "book": "Rivers of Europe",
        "due": "2021-05-03",
        "copies": 2,
        "kind": "atlas",
    },
)
BROADCAST = (
    {
        "title": "Radio broadcast",
        "type": "object",
        "required": ["station", "starts", "songs"],
        "additionalProperties": False,
        "properties": {
            "station": {"type": "string"},
            "starts": {"type": "string", "pattern": "^\\d{2}:\\d{2}$"},
            "guest": {"type": "string"},
            "songs": {
                "type": "array",
                "minItems": 1,
                "maxItems": 4,
                "items": {
                    "type": "object",
                    "required": ["title", "minutes"],
                    "additionalProperties": False,
                    "properties": {"title": {"type": "string"}, "minutes": {"type": "number"}},
                },
            },
        },
    },
    "Next on Hill Radio, from a quarter past nine in the evening: two songs by the Cold Lakes, "
    '"Harbour" (3.5 min) and "North Wall", four minutes. '
    "The talk about bees has been moved to Friday.",
    {
        "station": "Hill Radio",
        "starts": "21:15",
        "songs": [{"title": "Harbour", "minutes": 3.5}, {"title": "North Wall", "minutes": 4}],
    },
)
SIGHTING = (
    {
        "title": "Night sky sighting",
        "type": "object",
        "required": ["observer", "seen_on", "object"],
        "additionalProperties": False,
        "properties": {
            "observer": {"type": "string"},
            "seen_on": {"type": "string", "format": "date"},
            "object": {"enum": ["comet", "meteor", "satellite"]},
            "magnitude": {"type": "number"},
            "photographed": {"type": "boolean"},
        },
    },
    "Ana Ruiz: shooting star low in the east on 12 Aug 2020, as bright as -2.5, "
    "too quick for a photo. "
    "(The comet of July was brighter.)",
    {
        "observer": "Ana Ruiz",
        "seen_on": "2020-08-12",
        "object": "meteor",
        "magnitude": -2.5,
        "photographed": False,
    },
)
EXAMPLES = (LOAN, BROADCAST, SIGHTING)  # schema, text, target


def form(schema: Mapping) -> str:
    """The keys of any object schema, with a hint in place of each value, as one line of JSON."""
    return json.dumps(_hint(schema), ensure_ascii=False)


def _hint(node):
    """What replaces a value: its choices, its parts, or a sample of its first type except null."""
    node = constraints.nullable(node) if isinstance(node, Mapping) else {}
    choices = [node["const"]] if "const" in node else node.get("enum")
    if choices is not None:
        return "|".join(str(choice) for choice in choices if choice is not None)
    kinds = node.get("type", "string")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    kind = next((kind for kind in kinds if kind != "null"), "null")
    if kind == "object":
        return {key: _hint(child) for key, child in node.get("properties", {}).items()}
    if kind == "array":
        return [_hint(node.get("items"))]
    if node.get("format") == "date":
        return "YYYY-MM-DD"
    return {"integer": 0, "number": 0.0, "boolean": True}.get(kind, "...")


def _fields(schema: Mapping, text: str) -> dict[str, str]:
    return {"schema": schemas.for_prompt(schema), "text": text, "form": form(schema)}


def fields(sample: Sample) -> dict[str, str]:
    """The fields of the wordings."""
    return _fields(sample.input["schema"], sample.input["text"])


def _prompts() -> dict[str, Prompt]:
    prompts = {}
    for shots, count in SHOTS.items():
        for suffix, wording in WORDINGS.items():
            examples = tuple(
                (wording.format_map(_fields(schema, text)), json.dumps(target, ensure_ascii=False))
                for schema, text, target in EXAMPLES[:count]
            )
            name = f"{shots}-shot{suffix}"
            prompts[name] = Prompt(name, SYSTEM, wording, fields, shots=examples)
    for name in BARE:
        prompts[f"{name}-bare"] = replace(prompts[name], name=f"{name}-bare", chat=False)
    prompts["zero-shot-text"] = Prompt("zero-shot-text", SYSTEM, TEXT, fields)
    return prompts


PROMPTS = _prompts()
