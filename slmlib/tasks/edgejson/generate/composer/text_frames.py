"""Openings, closings and small talk of each register, from `text_frames.txt`.

A block `=== email` is a frame in the language of `textgen.templates`; `{body}`, `{turns}`,
`{points}`, `{fragments}`, `{document}` and `{lines}` stand for the content of the case. In a block
with two words, such as `=== acks call`, every line is an alternative.
"""

from functools import cache
from pathlib import Path

from slmlib.textgen import templates
from slmlib.textgen.phrase_tables import blocks

BLOCKS = tuple(blocks(Path(__file__).with_suffix(".txt")))


@cache
def frames(register: str) -> tuple[tuple, ...]:
    """The parsed frames of a register."""
    return tuple(templates.parse(text) for heading, text in BLOCKS if heading == register)


@cache
def names(kind: str) -> tuple[str, ...]:
    """The lines of a block as written; empty if there is no such block."""
    return tuple(line for heading, text in BLOCKS if heading == kind for line in text.splitlines())


@cache
def lines(kind: str) -> tuple[tuple, ...]:
    """The parsed lines of a block."""
    return tuple(map(templates.parse, names(kind)))
