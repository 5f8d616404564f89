"""How people say what a schema enumerates: phrase tables, by `<group>.<field>`.

They stand in `texts/<group>.txt` beside the templates, in blocks `=== phrases <field>:<form>` of
lines `value: phrase | phrase`. A form is a grammatical shape that a text asks for with
`{field:form}`; the empty one is the default. Over all forms of a table one phrase means one
value: a test proves it. Each table becomes the normalisation `phrase.<table>`.
"""

import re
from pathlib import Path

FOLDER = Path(__file__).parent / "texts"
WORDS = {"true": True, "false": False}


def blocks(group: str) -> list[tuple[str, str]]:
    """Heading and text of every block of a group's file."""
    parts = re.split(r"^=== (.+)\n", (FOLDER / f"{group}.txt").read_text("utf-8"), flags=re.M)
    return [
        (heading.strip(), text.strip("\n")) for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    ]


def _tables() -> dict[str, dict[str, dict]]:
    tables: dict[str, dict[str, dict]] = {}
    for group in sorted(path.stem for path in FOLDER.glob("*.txt")):
        for heading, text in blocks(group):
            kind, _, name = heading.partition(" ")
            if kind == "phrases":
                field, _, form = name.partition(":")
                tables.setdefault(f"{group}.{field}", {})[form] = _values(text)
    return tables


def _values(text: str) -> dict:
    pairs = (line.split(": ", 1) for line in text.splitlines())
    return {WORDS.get(value, value): said.split(" | ") for value, said in pairs}


PHRASES = _tables()  # table -> form -> value -> phrases
