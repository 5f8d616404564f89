"""A case of EdgeJSON as Markdown: text, schema, target, and a model's answer with its score.

Model output is data: everything is escaped or fenced.
"""

import json
from collections.abc import Mapping

from slmlib.core import io, tables
from slmlib.core.tables import NONE, Table
from slmlib.tasks.base import Sample, Task
from slmlib.tasks.edgejson import scoring

LONGEST = 1500  # characters of an answer that are shown; a model may repeat itself for pages
PERSONAL_REGISTERS = ("email", "chat", "call", "letter")  # people writing or talking to one another


def case(task: Task, sample: Sample, row: Mapping, *, model: str) -> str:
    """A case and a model's answer.

    Args:
        task: EdgeJSON.
        sample: the case.
        row: the prediction row of the case.
        model: name of the model, as printed.
    """
    answer = row["turns"][-1]["completion"]
    surplus = len(answer) - LONGEST
    shown = f"{answer[:LONGEST]}\n[{surplus} more characters]" if surplus > 0 else answer
    verdict = f"wrong: {task.failures[row['failure']]}" if row["failure"] else "right"
    parts = {
        "Text": tables.fence(sample.input["text"], "text"),
        "Fields": tables.fence(_fields(sample.input["schema"]), "json"),
        "Target": tables.fence(json.dumps(sample.target, ensure_ascii=False, indent=2), "json"),
        f"Answer of {model} ({verdict})": tables.fence(shown, "text"),
    }
    body = "\n".join(f"**{tables.markdown(title)}**\n\n{block}" for title, block in parts.items())
    slices = ", ".join(f"{name} {tables.markdown(value)}" for name, value in sample.slices.items())
    return f"Case `{sample.id}`: {slices}.\n\n{body}"


def graded(task: Task, sample: Sample, row: Mapping) -> str:
    """How an answer is scored: each leaf of target and answer with its outcome, and the scores."""
    answer = scoring.parse(row["turns"][-1]["completion"]).value
    expected, given = dict(scoring.leaves(sample.target)), dict(scoring.leaves(answer))
    lines = []
    for place in {**expected, **given}:
        right, wrote = (
            io.dumps(side[place]) if place in side else NONE for side in (expected, given)
        )
        if place not in expected:
            outcome = "spurious"
        elif place not in given:
            outcome = "missing"
        else:
            outcome = "right" if right == wrote else "wrong value"
        lines.append([place.lstrip("/"), right, wrote, outcome])
    table = Table.of(["Field", "Target", "Answer", "Outcome"], lines)
    scores = [
        f"{m.title}: {m.number(row['scores'][m.name])}"
        for m in task.board
        if m.name in row["scores"]
    ]
    failure = task.failures[row["failure"]] if row["failure"] else "none"
    return f"{table.markdown()}\n{'; '.join([*scores, f'failure class: {failure}'])}.\n"


def showcase(sample: Sample, row: Mapping) -> tuple:
    """Sort key of the case to show first: wrong by as little as possible, simple, and between people."""
    return (
        row["failure"] is None,
        sample.slices["tier"] != "simple",
        sample.slices["register"] not in PERSONAL_REGISTERS,
        -row["scores"]["field_f1"],
        sample.id,
    )


def _fields(schema: Mapping) -> str:
    """The properties of a schema, one per line, and which of them are required."""
    properties = schema.get("properties", {}).items()
    lines = ",\n".join(f"    {io.dumps(name)}: {io.dumps(part)}" for name, part in properties)
    required = io.dumps(schema.get("required", []))
    return f'{{\n  "properties": {{\n{lines}\n  }},\n  "required": {required}\n}}'
