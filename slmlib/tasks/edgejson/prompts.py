"""How EdgeJSON's cases are asked: three wordings, with none, one or three worked examples.

A prompt shows the schema compactly, without the keys that only validation reads.

    one-shot          the schema, the text, and a form to fill: the schema's keys with a hint for each value
    one-shot-schema   the schema and the text
    one-shot-rules    the schema, the text, and what to heed in words
    …-bare            without the model's chat template
    zero-shot-text    the text alone, to see what a trained model knows by heart

and likewise `zero-shot` and `three-shot`. Asked with the schema alone, a 135M model that decodes freely
mostly recites it; so the default ends with the form and starts with one worked example. Under
constrained decoding the form is in the way. The examples are of domains that the data do not have.
"""

import json
from collections.abc import Mapping

from slmlib.engines import constraints
from slmlib.tasks.base import Prompt, Sample
from slmlib.tasks.edgejson import schemas

SYSTEM = "You turn text into JSON. Answer with one JSON object and nothing else."
FORM = (
    "JSON Schema:\n{schema}\n\nText:\n{text}\n\n"
    "Fill in this form with the values from the text. Leave out fields that the text does not give.\n{form}"
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
TRAINED = "zero-shot-schema"  # how models are trained, and then asked
BARE = ("one-shot", "one-shot-schema", "zero-shot-rules")  # also asked without a chat template

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
    '"Harbour" (3.5 min) and "North Wall", four minutes. The talk about bees has been moved to Friday.',
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
    "Ana Ruiz: shooting star low in the east on 12 Aug 2020, as bright as -2.5, too quick for a photo. "
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
    """The keys of a schema, any one of an object, with a hint in place of each value, as one line of JSON."""
    return json.dumps(_hint(schema), ensure_ascii=False)


def _hint(node):
    """What stands for a value: its choices, its parts, or a sample of its first type that is not null."""
    node = constraints.nullable(node) if isinstance(node, Mapping) else {}
    choices = [node["const"]] if "const" in node else node.get("enum")
    if choices is not None:
        return "|".join(str(choice) for choice in choices if choice is not None)
    kinds = node.get("type", "string")
    kind = next((kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"), "null")
    if kind == "object":
        return {key: _hint(child) for key, child in node.get("properties", {}).items()}
    if kind == "array":
        return [_hint(node.get("items"))]
    if node.get("format") == "date":
        return "YYYY-MM-DD"
    return {"integer": 0, "number": 0.0, "boolean": True}.get(kind, "...")


def _fields(schema: Mapping, text: str) -> dict[str, str]:
    return {"schema": schemas.for_prompt(schema), "text": text, "form": form(schema)}


def shown(example: Sample) -> dict[str, str]:
    """The parts of a question."""
    return _fields(example.input["schema"], example.input["text"])


def _shots(question: str, count: int) -> tuple[tuple[str, str], ...]:
    """The first worked examples, asked in these words."""
    return tuple(
        (question.format_map(_fields(schema, text)), json.dumps(target, ensure_ascii=False))
        for schema, text, target in EXAMPLES[:count]
    )


def _all() -> dict[str, Prompt]:
    found = {}
    for shots, count in SHOTS.items():
        for suffix, words in WORDINGS.items():
            name = f"{shots}-shot{suffix}"
            found[name] = Prompt(name, SYSTEM, words, shown, shots=_shots(words, count))
    for name in BARE:
        asked = found[name]
        found[f"{name}-bare"] = Prompt(f"{name}-bare", SYSTEM, asked.user, shown, asked.shots, chat=False)
    found["zero-shot-text"] = Prompt("zero-shot-text", SYSTEM, TEXT, shown)
    return found


PROMPTS = _all()
