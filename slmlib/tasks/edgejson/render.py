"""A case of EdgeJSON as Markdown or HTML: text, schema, target, and an answer with its score.

Model output is data: everything is escaped or fenced.
"""

import html
import json
from collections.abc import Mapping
from itertools import pairwise

from slmlib.core import io, tables
from slmlib.core.tables import NONE, Table
from slmlib.tasks.base import Sample
from slmlib.tasks.edgejson import scoring
from slmlib.tasks.edgejson.parsing import parse

LONGEST = 1500  # characters of an answer that are shown; a model may repeat itself for pages
PERSONAL_REGISTERS = ("email", "chat", "call", "letter")  # people writing or talking to one another


def case(sample: Sample, row: Mapping, *, model: str) -> str:
    """A case, the answer in its prediction row, and the name of the model that gave it."""
    answer = row["turns"][-1]["completion"]
    surplus = len(answer) - LONGEST
    shown = f"{answer[:LONGEST]}\n[{surplus} more characters]" if surplus > 0 else answer
    failure = row["failure"]
    verdict = f"wrong: {scoring.FAILURE_TITLES[failure]}" if failure else "right"
    parts = {
        "Text": tables.fence(sample.input["text"], "text"),
        "Fields": tables.fence(_fields(sample.input["schema"]), "json"),
        "Target": tables.fence(json.dumps(sample.target, ensure_ascii=False, indent=2), "json"),
        f"Answer of {model} ({verdict})": tables.fence(shown, "text"),
    }
    body = "\n".join(f"**{tables.markdown(title)}**\n\n{block}" for title, block in parts.items())
    slices = ", ".join(f"{name} {tables.markdown(value)}" for name, value in sample.slices.items())
    return f"Case `{sample.id}`: {slices}.\n\n{body}"


def shown(sample: Sample) -> str:
    """The text of a case with its evidence, fields and rules marked, and the target, as HTML."""
    text, evidence = sample.input["text"], sample.meta["evidence"]
    ends = (place[side] for place in evidence.values() for side in ("start", "end"))
    style = "background: #009e7355; color: inherit; border-radius: 3px"
    pieces = []
    for start, end in pairwise(sorted({0, len(text), *ends})):
        piece = html.escape(text[start:end])
        fields = ", ".join(
            f"{pointer} ({place['rule']})"
            for pointer, place in evidence.items()
            if place["start"] <= start and end <= place["end"]
        )
        title = html.escape(fields)
        pieces.append(f'<mark style="{style}" title="{title}">{piece}</mark>' if fields else piece)
    target = html.escape(json.dumps(sample.target, ensure_ascii=False, indent=1))
    wrap = 'style="white-space: pre-wrap"'
    return f"<div {wrap}>{''.join(pieces)}</div>\n<pre {wrap}>{target}</pre>\n"


def outcomes(sample: Sample, row: Mapping) -> str:
    """Each leaf of target and answer with its outcome, as a table."""
    answer = parse(row["turns"][-1]["completion"])
    comparison = scoring.compare(sample.target, answer, sample.input["schema"])
    lines = []
    for expected, given, outcome in comparison.leaves:
        places = dict.fromkeys(leaf[0].lstrip("/") for leaf in (expected, given) if leaf)
        values = (io.dumps(leaf[1]) if leaf else NONE for leaf in (expected, given))
        outcome = "wrong value" if outcome == "wrong" else outcome
        lines.append([" → ".join(places), *values, outcome])  # two places for an item that moved
    return Table.of(["Field", "Target", "Answer", "Outcome"], lines).markdown()


def showcase(sample: Sample, row: Mapping) -> tuple:
    """Sort key of the case to show first: wrong by little, simple, and between people."""
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
