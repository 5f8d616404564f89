"""Where a completion ends: behind its first JSON value, or at its first line end."""

import re
from collections.abc import Iterator

_STRUCTURE = re.compile(r'["\[\]{}]')
_IN_STRING = re.compile(r'["\\]')
_OPENER = re.compile(r"[\[{]")
_SPACE = " \t\n\r"


class JsonEnd:
    """Finds, piece by piece, the end of a completion's first JSON object or array.

    Text before the first bracket is skipped. Where a code fence was opened before the value, the
    closing fence belongs to the completion too, unless other text follows the value: no closing
    fence could make such an answer right. The cost is linear, and the result does not depend on how
    the text is cut into pieces.

    Example:
        >>> end = JsonEnd()
        >>> [end.feed(piece) for piece in ('{"a": [1', ', 2]', '}')]
        [False, False, True]
    """

    def __init__(self):
        self._depth = 0
        self._quoted = self._escaped = False
        self._read = self._before  # the stage that reads next; None at the end
        self._ticks = self._fences = 0

    @property
    def complete(self) -> bool:
        """True once the value, and its fence if it has one, has ended."""
        return self._read is None

    def feed(self, text: str) -> bool:
        """Read the next piece; True once the completion has ended."""
        position = 0
        while self._read is not None and position < len(text):
            position = self._read(text, position)
        return self.complete

    def _before(self, text: str, position: int) -> int:
        opener = _OPENER.search(text, position)
        end = opener.start() if opener else len(text)
        for character in text[position:end]:
            self._ticks = self._ticks + 1 if character == "`" else 0
            self._fences += self._ticks == 3
        if opener:
            self._read = self._value
        return end

    def _value(self, text: str, position: int) -> int:
        end = self.end_of_value(text, position)
        if end < 0:
            return len(text)
        self._ticks = 0
        self._read = self._fence if self._fences % 2 else None
        return end

    def _fence(self, text: str, position: int) -> int:
        character = text[position]
        if character == "`":
            self._ticks += 1
        if self._ticks == 3 or (character != "`" and (self._ticks or character not in _SPACE)):
            self._read = None
        return position + 1

    def end_of_value(self, text: str, position: int) -> int:
        """Index just past the value's last bracket, or -1 if this piece does not contain it."""
        while position < len(text):
            if self._escaped:
                self._escaped = False
                position += 1
                continue
            mark = (_IN_STRING if self._quoted else _STRUCTURE).search(text, position)
            if mark is None:
                return -1
            position = mark.end()
            if mark[0] == '"':
                self._quoted = not self._quoted
            elif mark[0] == "\\":
                self._escaped = True
            else:
                self._depth += 1 if mark[0] in "[{" else -1
                if self._depth == 0:
                    return position
        return -1


def balanced(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each outermost object or array; quotes count only inside brackets."""
    position = 0
    while opener := _OPENER.search(text, position):
        position = JsonEnd().end_of_value(text, opener.start())
        if position < 0:
            return
        yield opener.start(), position


class LineEnd:
    """Finds the first line end behind the first character that is not white space."""

    def __init__(self):
        self.complete = self._begun = False

    def feed(self, text: str) -> bool:
        """Read the next piece; True once the line has ended."""
        for character in text:
            self.complete |= self._begun and character in "\r\n"
            self._begun |= not character.isspace()
        return self.complete


STOPS = {
    "json": JsonEnd,
    "line": LineEnd,
}  # by `Request.stop`; "eos" stops at the model's end token only


def cut(text: str, stop: str) -> str:
    """Cut a text where `stop` ends it; all of it if it does not."""
    if stop not in STOPS:
        return text
    end = STOPS[stop]()
    return text[: next((i for i, c in enumerate(text, 1) if end.feed(c)), len(text))]
