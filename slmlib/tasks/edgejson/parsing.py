"""Read a completion as JSON (RFC 8259), strictly or leniently, in bounded time.

Python's decoder accepts more than JSON and recurses with the nesting, so this module also refuses
duplicate keys, NaN and Infinity, numbers beyond a double, lone surrogates (they have no UTF-8), and
whatever exceeds the limits below. All scans are linear in the length of the completion.
"""

import json
import re
from dataclasses import dataclass
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
    """A completion as read: its JSON value, or why there is none.

    `error` is None, or one of: too_long, empty, fence, surrogate, too_deep, syntax,
    trailing_text, duplicate_key, not_finite, long_number, too_many_values.
    """

    value: Any
    error: str | None

    @property
    def ok(self) -> bool:
        """True if there is a value; a JSON `null` is one."""
        return self.error is None


def parse(completion: str) -> Parsed:
    """Read a completion strictly: one JSON value, bare or in exactly one code fence.

    A fence is three backticks, optionally followed by `json`, and must be closed.
    """
    if len(completion) > MAX_CHARS:
        return Parsed(None, "too_long")
    text = completion.strip(_SPACE)
    if text.startswith("```"):
        fenced = _FENCE.fullmatch(text)
        if fenced is None:
            return Parsed(None, "fence")
        text = fenced[1].strip(_SPACE)
    return _read(text)


def parse_lenient(completion: str) -> Parsed:
    """Read a completion strictly if possible, else its first balanced object or array that is JSON.

    Text around the value and an unclosed fence are forgiven, faults inside the value are not. A
    value inside an unfinished one is not taken: it would be a part of the answer.
    """
    strict = parse(completion)
    if strict.ok or len(completion) > MAX_CHARS:
        return strict
    readings = (_read(completion[i:j]) for i, j in islice(balanced(completion), MAX_CANDIDATES))
    return next((reading for reading in readings if reading.ok), strict)


class _Refused(ValueError):
    """JSON by its grammar, but not accepted; the message is the reason."""


def _object(pairs: list[tuple[str, Any]]) -> dict:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused("duplicate_key")
    return value


def _number(kind: type):
    def convert(digits: str):
        if len(digits) > MAX_NUMBER:
            raise _Refused("long_number")
        value = kind(digits)
        return value if abs(value) != float("inf") else _refuse_constant(digits)

    return convert


def _refuse_constant(name: str):
    raise _Refused("not_finite")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_number(int),
    parse_float=_number(float),
    parse_constant=_refuse_constant,
)


def _read(text: str) -> Parsed:
    if not text:
        return Parsed(None, "empty")
    if _SURROGATE.search(text):
        return Parsed(None, "surrogate")
    if _too_deep(text):
        return Parsed(None, "too_deep")
    try:
        value = _DECODER.decode(text)
    except _Refused as refused:
        return Parsed(None, str(refused))
    except json.JSONDecodeError as error:
        return Parsed(None, "trailing_text" if error.msg == "Extra data" else "syntax")
    at_most = text.count(",") + text.count("[") + text.count("{") + 1  # cheap in the usual case
    if at_most > MAX_VALUES and _size(value) > MAX_VALUES:
        return Parsed(None, "too_many_values")
    if "\\u" in text and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        return Parsed(None, "surrogate")
    return Parsed(value, None)


def _too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    steps = ((token in "[{") - (token in "]}") for token in _TOKEN.findall(text))
    return any(depth > MAX_DEPTH for depth in accumulate(steps))


def _size(value) -> int:
    """Number of scalars and containers in a value."""
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1
