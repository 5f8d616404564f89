"""A toy task: eight one-line texts about people, small enough to answer in seconds."""

import json
from functools import partial
from pathlib import Path

from slmlib.core import io
from slmlib.tasks.base import Prompt, Task
from slmlib.tasks.edgejson import scoring

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
PEOPLE = [
    ("Ann", 31),
    ("Bob", 44),
    ("Cleo", 27),
    ("Dev", 63),
    ("Eve", 19),
    ("Finn", 52),
    ("Gus", 38),
    ("Hana", 70),
]


def rows() -> list[dict]:
    return [
        {
            "id": f"toy-test-{i}",
            "task": "toy",
            "split": "test",
            "group": "person" if i % 2 else "guest",
            "tier": "simple" if i < 4 else "medium",
            "input": {"text": f"{name} is {age} years old." + " Nice to meet you." * i, "schema": SCHEMA},
            "target": {"name": name, "age": age},
            "meta": {"register": "chat", "evidence": {}},
        }
        for i, (name, age) in enumerate(PEOPLE)
    ]


def write(folder: Path) -> None:
    """The toy data set with its manifest, in `folder`/toy."""
    io.write_jsonl(folder / "toy" / "test.jsonl", rows())
    file = {"sha256": io.sha256(folder / "toy" / "test.jsonl"), "rows": len(PEOPLE)}
    manifest = {"name": "toy", "version": "1.0.0", "files": {"test.jsonl": file}}
    io.write_json(folder / "toy" / "manifest.json", manifest)


def _score(example, completion: str, finish: str) -> scoring.Score:
    judge = partial(scoring.score_json, target=example.target, schema=example.input["schema"])
    return judge(completion, text=example.input["text"], finish=finish)


TASK = Task(
    name="toy",
    title="Toy",
    version="1.0.0",
    splits=("test",),
    prompts={
        "zero-shot": Prompt("zero-shot", "", "Text: {text}\nJSON:", lambda e: {"text": e.input["text"]})
    },
    usual={"free": "zero-shot", "schema": "zero-shot"},
    metrics={"json_exact": "proportion", "field_f1": "mean", "schema_compliance": "proportion"},
    max_new_tokens=24,
    stop="json",
    parse=scoring.parse,
    score=_score,
    rules=lambda example: json.dumps({"name": example.input["text"].split()[0]}),
    oracle=lambda example: json.dumps(example.target),
    ratios={"field_f1_micro": scoring.f1_terms},
)
