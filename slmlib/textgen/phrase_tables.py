"""How people say what a schema enumerates: phrase tables, by `<group>.<field>` or `<entity>.<field>`.

They stand in `texts/<group>.txt` beside the templates, and in `entities/<entity>.txt`, in blocks
`=== phrases <field>:<form>` of lines `value: phrase | phrase`. A form is a grammatical shape that a
text asks for with `{field:form}`; the empty one is the default. Over all forms of a table one
phrase means one value: a test proves it. Each table becomes the normalisation `phrase.<table>`.
"""

import re
from pathlib import Path

GENERATE = Path(__file__).parents[1] / "tasks" / "edgejson" / "generate"
FOLDER = GENERATE / "designed" / "texts"
FOLDERS = (FOLDER, GENERATE / "entities")
WORDS = {"true": True, "false": False}


def blocks(group: str, folder: Path = FOLDER) -> list[tuple[str, str]]:
    """Heading and text of every block of a group's file."""
    parts = re.split(r"^=== (.+)\n", (folder / f"{group}.txt").read_text("utf-8"), flags=re.M)
    return [
        (heading.strip(), text.strip("\n")) for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    ]


def _tables() -> dict[str, dict[str, dict]]:
    tables: dict[str, dict[str, dict]] = {}
    for path in (path for folder in FOLDERS for path in sorted(folder.glob("*.txt"))):
        for heading, text in blocks(path.stem, path.parent):
            kind, _, name = heading.partition(" ")
            if kind == "phrases":
                field, _, form = name.partition(":")
                tables.setdefault(f"{path.stem}.{field}", {})[form] = _values(text, path)
    return tables


def _values(text: str, path: Path) -> dict:
    lines = [line for line in text.splitlines() if line.strip()]
    if wrong := [line for line in lines if ": " not in line]:
        raise ValueError(f"{path.name}: {wrong[0]!r} in a phrase table is not `value: phrase | phrase`.")
    pairs = (line.split(": ", 1) for line in lines)
    return {WORDS.get(value, value): [s.strip() for s in said.split(" | ")] for value, said in pairs}


PHRASES = _tables()  # table -> form -> value -> phrases
