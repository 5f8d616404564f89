"""Choosing one of several names, with an error that lists the valid ones."""

import difflib
from collections.abc import Collection


class UnknownName(ValueError):
    """A name that is not in a registry; the message lists the valid ones."""

    def __init__(self, kind: str, name: object, valid: Collection[str]):
        close = difflib.get_close_matches(str(name), list(valid), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        super().__init__(f"unknown {kind} {name!r}{hint} Valid: {', '.join(valid)}.")


def choose(kind: str, name: str, valid: Collection[str]) -> str:
    """Return `name` if it is one of `valid`; `kind` says what is chosen: "split of a task".

    Raises:
        UnknownName: it is not; the message names the valid choices.
    """
    if name not in valid:
        raise UnknownName(kind, name, valid)
    return name
