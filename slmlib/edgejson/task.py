"""EdgeJSON as a task: how its cases are asked, parsed and scored.

A prompt shows the schema compactly, without the keys that only validation reads. Asked with the
schema alone, a 135M model that decodes freely mostly recites it; so the default prompt ends with the
schema's form (its keys, with a hint in place of each value) and starts with one worked example, about
a library loan, which is no domain of the data. Under constrained decoding the form is in the way, and
`one-shot-schema` goes without it.
"""

import json
from collections.abc import Mapping

from slmlib import scoring
from slmlib.edgejson import rules, schemas
from slmlib.tasks import Example, Prompt, Task

SYSTEM = "You turn text into JSON. Answer with one JSON object and nothing else."
ZERO_SHOT = (
    "Fill this JSON Schema from the text below.\n"
    "Leave out every optional field that the text does not give. "
    "Write dates as YYYY-MM-DD and use only values that the schema allows.\n\n"
    "Schema:\n{schema}\n\nText:\n{text}\n\nJSON:"
)
FORM = (
    "JSON Schema:\n{schema}\n\nText:\n{text}\n\n"
    "Fill in this form with the values from the text. Leave out fields that the text does not give.\n{form}"
)
PLAIN = "JSON Schema:\n{schema}\n\nText:\n{text}\n\nJSON:"
EXAMPLE_SCHEMA = {
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
}
EXAMPLE_TEXT = (
    'Ivo Kern (card L-2207) took out two copies of the atlas "Rivers of Europe" today. '
    "They are due back on 3 May 2021."
)
EXAMPLE_TARGET = {
    "member": {"name": "Ivo Kern", "card_no": "L-2207"},
    "book": "Rivers of Europe",
    "due": "2021-05-03",
    "copies": 2,
    "kind": "atlas",
}


def form(schema: Mapping) -> str:
    """The keys of a schema with a hint in place of each value, as one line of JSON."""
    return json.dumps(_hint(schema), ensure_ascii=False)


def _hint(node: Mapping):
    if "enum" in node:
        return "|".join(map(str, node["enum"]))
    if node["type"] == "object":
        return {key: _hint(child) for key, child in node["properties"].items()}
    if node["type"] == "array":
        return [_hint(node["items"])]
    if node.get("format") == "date":
        return "YYYY-MM-DD"
    return {"integer": 0, "number": 0.0, "boolean": True}.get(node["type"], "...")


def _fields(schema: Mapping, text: str) -> dict[str, str]:
    return {"schema": schemas.for_prompt(schema), "text": text, "form": form(schema)}


def _fill(example: Example) -> dict[str, str]:
    return _fields(example.input["schema"], example.input["text"])


def _shot(question: str) -> tuple[str, str]:
    """The worked example, asked in these words."""
    asked = question.format_map(_fields(EXAMPLE_SCHEMA, EXAMPLE_TEXT))
    return asked, json.dumps(EXAMPLE_TARGET, ensure_ascii=False)


def _score(example: Example, completion: str, finish: str) -> scoring.Score:
    return scoring.score_json(
        completion,
        target=example.target,
        schema=example.input["schema"],
        text=example.input["text"],
        evidence=example.meta["evidence"],
        finish=finish,
    )


def _oracle(example: Example) -> str:
    return schemas.compact(example.target)


TASK = Task(
    name="edgejson",
    title="EdgeJSON",
    version="2.0.0",
    splits=("train", "val", "test", "test_unseen", "test_noisy"),
    prompts={
        "one-shot": Prompt("one-shot", SYSTEM, FORM, _fill, shots=(_shot(FORM),)),
        "one-shot-schema": Prompt("one-shot-schema", SYSTEM, PLAIN, _fill, shots=(_shot(PLAIN),)),
        "zero-shot": Prompt("zero-shot", SYSTEM, ZERO_SHOT, _fill),
    },
    metrics={
        "json_exact": "proportion",
        "field_f1": "mean",
        "schema_compliance": "proportion",
        "json_exact_lenient": "proportion",
    },
    max_new_tokens=400,
    stop="json",
    parse=scoring.parse,
    score=_score,
    rules=rules.extract,
    oracle=_oracle,
    ratios={"field_f1_micro": scoring.f1_terms},
)
