"""How texts of each register open and close, and the small talk in them: `frames.txt`.

A block `=== email` is a frame, in the language of `passages`; `{body}`, `{turns}`, `{points}`,
`{fragments}`, `{document}` and `{lines}` stand for what is told. In a block of two words, such as
`=== acks call`, each line is an alternative.
"""

import re
from functools import cache
from pathlib import Path

from slmlib.tasks.edgejson.generate.composer import entity_parser
from slmlib.textgen import templates

FILE = Path(__file__).parent / "text_frames.txt"


@cache
def _blocks() -> tuple[tuple[str, str], ...]:
    parts = re.split(r"^=== (.+)\n", FILE.read_text("utf-8"), flags=re.M)
    return tuple((heading, text.rstrip("\n")) for heading, text in zip(parts[1::2], parts[2::2], strict=True))


@cache
def frames(register: str) -> tuple[tuple, ...]:
    """The parsed frames of a register."""
    return tuple(_parsed(text) for heading, text in _blocks() if heading == register)


@cache
def lines(kind: str) -> tuple[tuple, ...]:
    """The parsed lines of a kind of small talk."""
    return tuple(
        _parsed(line) for heading, text in _blocks() if heading == kind for line in text.splitlines()
    )


@cache
def names(kind: str) -> tuple[str, ...]:
    """The lines of a block that are names as they stand; none if there is no such block."""
    return tuple(line for heading, text in _blocks() if heading == kind for line in text.splitlines())


def _parsed(text: str) -> tuple:
    return tuple(map(entity_parser.noted, templates.parse(text)))
