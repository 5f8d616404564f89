"""The prompts of EdgeJSON: three wordings, with zero, one or three worked examples.

A prompt shows the schema as compact JSON, without the keys that only validation reads.

    one-shot          the schema, the text, and a form: the schema's keys with a hint for each value
    one-shot-schema   the schema and the text
    one-shot-rules    the schema, the text, and instructions in words
    ...-bare          without the model's chat template
    zero-shot-text    the text alone, to see what a trained model has memorised
    zero-shot-compact one line a field instead of the schema (`compact_schema`), and the text
    ...-nulls         answered with every key, null where absent (`null_form`)

and likewise `zero-shot` and `three-shot`. In unconstrained decoding a 135M model that sees only the
schema mostly repeats it, so the default prompt has the form and one worked example. In constrained
decoding the form makes answers worse.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from slmlib.engines import constraints
from slmlib.tasks.base import Prompt, Sample
from slmlib.tasks.edgejson import null_form, parsing, schemas
from slmlib.tasks.edgejson.compact_schema import compact

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
NULLS = "every key, null where absent"  # a form of answers
COMPACT = "Fields:\n{lines}\n\nText:\n{text}\n\nJSON:"
WORDINGS = {"": FORM, "-schema": PLAIN, "-rules": RULES}
SHOTS = {"one": 1, "zero": 0, "three": 3}
TRAINED = "zero-shot-schema"  # the prompt of models that are trained here
BARE = ("one-shot", "one-shot-schema", "zero-shot-rules")  # also without a chat template

_FILE = Path(__file__).with_name("prompts.examples.json")
EXAMPLES = [  # schema, text, target; the domains do not occur in the data
    (example["schema"], example["text"], example["target"])
    for example in json.loads(_FILE.read_text("utf-8"))
]


def form(schema: Mapping) -> str:
    """The keys of any object schema, with a hint in place of each value, as one line of JSON."""
    return json.dumps(_hint(schema), ensure_ascii=False)


def _hint(node):
    """The hint for a value: its choices, its parts, or a sample of its first type except null."""
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


def fields(sample: Sample) -> dict[str, str]:
    """The fields of the wordings."""
    return _fields(sample.input["schema"], sample.input["text"])


def _fields(schema: Mapping, text: str) -> dict[str, str]:
    return {"schema": schemas.for_prompt(schema), "text": text, "form": form(schema)}


def compact_fields(sample: Sample) -> dict[str, str]:
    """The fields of the wordings that show the compact form."""
    return {"lines": compact(sample.input["schema"]), "text": sample.input["text"]}


def read_nulls(sample: Sample, text: str) -> str:
    """Turn an answer with every key into the plain one; text that is not JSON stays."""
    parsed = parsing.parse(text)
    if not parsed.ok:
        return text
    return json.dumps(null_form.read(parsed.value, sample.input["schema"]), ensure_ascii=False)


def _prompts() -> dict[str, Prompt]:
    prompts = {}
    for shots, count in SHOTS.items():
        for suffix, wording in WORDINGS.items():
            name = f"{shots}-shot{suffix}"
            examples = tuple(
                (wording.format_map(_fields(schema, text)), json.dumps(target, ensure_ascii=False))
                for schema, text, target in EXAMPLES[:count]
            )
            prompts[name] = Prompt(name, SYSTEM, wording, fields, shots=examples)
    for name in BARE:
        prompts[f"{name}-bare"] = replace(prompts[name], name=f"{name}-bare", chat=False)
    prompts["zero-shot-text"] = Prompt("zero-shot-text", SYSTEM, TEXT, fields)
    prompts["zero-shot-compact"] = Prompt("zero-shot-compact", SYSTEM, COMPACT, compact_fields)
    for plain in ("zero-shot-schema", "zero-shot-compact"):
        name = f"{plain}-nulls"
        prompts[name] = replace(prompts[plain], name=name, read=read_nulls, form=NULLS)
    return prompts


PROMPTS = _prompts()
