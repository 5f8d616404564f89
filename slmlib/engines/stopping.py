"""Where a completion ends: after its first JSON value, or at its first line end."""

import re
from collections.abc import Iterator

_OPENER = re.compile(r"[\[{]")
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_FENCE = re.compile("`{3,}")
_AFTER_FENCED_VALUE = re.compile(r"[ \t\n\r]*(?:```|``?[^`]|[^` \t\n\r])")
_LINE = re.compile(r"\s*\S[^\r\n]*[\r\n]")


def end(text: str, stop: str) -> int:
    """Index at which `stop` ("json", "line" or "eos") ends a completion; -1 if it goes on.

    A JSON value is the first object or array; text before it is skipped. Where a code fence was
    opened before it, the closing fence belongs to the completion too, unless other text follows
    the value: no closing fence could make such an answer right. A line ends after its first
    character that is not white space.
    """
    if stop == "line":
        line = _LINE.match(text)
        return line.end() if line else -1
    opener = _OPENER.search(text) if stop == "json" else None
    if opener is None:
        return -1
    value_end = _end_of_value(text, opener.start())
    in_fence = len(_FENCE.findall(text, 0, opener.start())) % 2 == 1
    if value_end < 0 or not in_fence:
        return value_end
    after = _AFTER_FENCED_VALUE.match(text, value_end)
    return after.end() if after else -1


def cut(text: str, stop: str) -> str:
    """Cut a text where `stop` ends it; all of it if it does not."""
    position = end(text, stop)
    return text if position < 0 else text[:position]


def balanced(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each outermost object or array; quotes count only inside brackets."""
    position = 0
    while opener := _OPENER.search(text, position):
        position = _end_of_value(text, opener.start())
        if position < 0:
            return
        yield opener.start(), position


def _end_of_value(text: str, start: int) -> int:
    """Index just past the object or array that begins at `start`; -1 if it does not end."""
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text, start):
        if match[0] in ("[", "{"):
            depth += 1
        elif match[0] in ("]", "}"):
            depth -= 1
        if depth == 0:
            return match.end()
    return -1
