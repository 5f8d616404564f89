"""Read a completion as JSON (RFC 8259), strictly or leniently, in bounded time.

Python's decoder accepts more than JSON and recurses with the nesting, so this module also refuses
duplicate keys, NaN and Infinity, numbers beyond a double, lone surrogates (they have no UTF-8), and
whatever exceeds the limits below. All scans are linear in the length of the completion.
"""

import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, islice
from typing import Any

from slmlib.engines.stopping import balanced

MAX_CHARS = 1_000_000  # longer completions are not read
MAX_DEPTH = 64  # levels of nesting
MAX_VALUES = 5_000  # scalars and containers in one answer
MAX_NUMBER = 64  # characters of one number: converting digits takes quadratic time
MAX_CANDIDATES = 1_000  # balanced pieces that the lenient reading tries

_SPACE = " \t\n\r"
_FENCE = re.compile(r"```(?:json)?(.*)```", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[\]{}]', re.DOTALL)  # possessive, hence linear


@dataclass(frozen=True)
class Parsed:
    """A completion as read: its JSON value, or the reason why there is none."""

    value: Any
    error: str | None = None

    @property
    def ok(self) -> bool:
        """True if there is a value; a JSON `null` is one."""
        return self.error is None


def parse(completion: str) -> Parsed:
    """Read a completion strictly: one JSON value, bare or in exactly one code fence.

    A fence is three backticks, optionally followed by `json`, and must be closed.
    """
    if len(completion) > MAX_CHARS:
        return Parsed(None, f"more than {MAX_CHARS} characters")
    text = completion.strip(_SPACE)
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1].strip(_SPACE)
    try:
        return Parsed(_read(text))
    except ValueError as error:
        return Parsed(None, str(error))


def parse_lenient(completion: str) -> Parsed:
    """Read a completion strictly if possible, else its first balanced object or array that is JSON.

    Text around the value and an unclosed fence are forgiven, faults inside the value are not. A
    value inside an unfinished one is not taken: it would be a part of the answer.
    """
    strict = parse(completion)
    if not strict.ok and len(completion) <= MAX_CHARS:
        for start, end in islice(balanced(completion), MAX_CANDIDATES):
            with suppress(ValueError):
                return Parsed(_read(completion[start:end]))
    return strict


def _read(text: str):
    """The value of a JSON text; raises `ValueError` if there is none or it exceeds a limit."""
    if _SURROGATE.search(text):
        raise ValueError("a lone surrogate")
    if text.count("[") + text.count("{") > MAX_DEPTH:  # else it cannot be too deep
        steps = ((token in "[{") - (token in "]}") for token in _TOKEN.findall(text))
        if any(depth > MAX_DEPTH for depth in accumulate(steps)):
            raise ValueError(f"more than {MAX_DEPTH} levels")
    value = _DECODER.decode(text)
    at_most = text.count(",") + text.count("[") + text.count("{") + 1  # cheap in the usual case
    if at_most > MAX_VALUES and _size(value) > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES} values")
    if "\\u" in text and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise ValueError("a lone surrogate")
    return value


def _size(value) -> int:
    """Number of scalars and containers in a value."""
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def _object(pairs: list[tuple[str, Any]]) -> dict:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice in an object")
    return value


def _number(digits: str, kind: type = float) -> int | float:
    if len(digits) > MAX_NUMBER:
        raise ValueError(f"a number of more than {MAX_NUMBER} characters")
    value = kind(digits)
    if not math.isfinite(value):
        raise ValueError(f"{value} is not JSON")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=partial(_number, kind=int),
    parse_float=_number,
    parse_constant=_number,  # NaN and Infinity
)
