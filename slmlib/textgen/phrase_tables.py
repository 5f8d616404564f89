"""Phrase tables: how people say the values of an enumeration or of a yes-or-no field.

A text file holds blocks, each begun by `=== heading`. A block `=== phrases <field>:<form>` has
lines `value: phrase | phrase`; a form is a grammatical shape that a template asks for with
`{field:form}`, and the empty one is the default. The table is named `<file>.<field>`. Over all
forms of a table a phrase has one meaning, so that the rule `phrase.<table>` of `parsers` can read
it back.
"""

import re
from collections import UserDict
from functools import cached_property
from pathlib import Path

BOOLEANS = {"true": True, "false": False}


def blocks(path: Path) -> list[tuple[str, str]]:
    """Heading and text of every block of a file."""
    parts = re.split(r"^=== (.+)\n", path.read_text("utf-8"), flags=re.M)
    return [(h.strip(), text.strip("\n")) for h, text in zip(parts[1::2], parts[2::2], strict=True)]


class PhraseTables(UserDict):
    """The phrase tables of some folders: table -> form -> value -> phrases; read on first use."""

    def __init__(self, *folders: Path):
        self.folders = folders

    @cached_property
    def data(self) -> dict[str, dict[str, dict]]:
        """All tables; a line without `value: ` raises `ValueError`."""
        tables: dict[str, dict[str, dict]] = {}
        for path in (path for folder in self.folders for path in sorted(folder.glob("*.txt"))):
            for heading, text in blocks(path):
                kind, _, name = heading.partition(" ")
                if kind != "phrases":
                    continue
                field, _, form = name.partition(":")
                phrases = tables.setdefault(f"{path.stem}.{field}", {}).setdefault(form, {})
                for line in filter(str.strip, text.splitlines()):
                    value, mark, said = line.partition(": ")
                    if not mark:
                        fault = f"{line!r} in a phrase table is not `value: phrase | phrase`."
                        raise ValueError(f"{path.name}: {fault}")
                    phrases[BOOLEANS.get(value, value)] = [s.strip() for s in said.split(" | ")]
        return tables

    @cached_property
    def meanings(self) -> dict[str, dict[str, object]]:
        """The inverse: table -> phrase in lower case -> value."""
        return {
            name: {
                phrase.casefold(): value
                for form in table.values()
                for value, phrases in form.items()
                for phrase in phrases
            }
            for name, table in self.items()
        }


NO_PHRASES = PhraseTables()
