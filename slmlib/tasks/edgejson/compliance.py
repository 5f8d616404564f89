"""SchemaCompliance: validity under JSON Schema Draft 2020-12, formats checked, in bounded time.

The verdicts are those of `jsonschema`, made to agree with ECMA 262 and the RFCs where Python
differs: in a `pattern`, `$` is the very end and `\\d` and `\\w` are ASCII; `multipleOf` is exact
in decimal; dates and times are plain ASCII without white space; an `email` is an RFC 5321
dot-string at a domain. There are no leap seconds and no year 0. `regex`, `uri-template`, `iri`,
`iri-reference` and `idn-email` are not checked. A string of more than 2,000 characters has no
format and matches no pattern. Schemas are trusted: a pattern that takes exponential time still
does.
"""

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import FormatError, ValidationError, best_match
from jsonschema.validators import extend
from jsonschema_specifications import REGISTRY

MAX_FORMATTED = 2_000  # characters of a string with a format or a pattern

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN = re.compile(r"[!-~]+")  # the library lets a final line end and other scripts' digits pass
_STRICTER = {
    "date": _PLAIN,
    "time": _PLAIN,
    "date-time": _PLAIN,
    "email": re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*"),
}
_DOLLAR = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", re.DOTALL)


class _Formats(FormatChecker):
    """The standard formats, except those whose checkers are slow or refuse nothing."""

    checkers: ClassVar = {
        name: checker
        for name, checker in Draft202012Validator.FORMAT_CHECKER.checkers.items()
        if name not in ("regex", "iri", "iri-reference", "uri-template", "idn-email")
    }

    def check(self, instance, format):
        if isinstance(instance, str) and len(instance) > MAX_FORMATTED:
            raise FormatError(f"longer than {MAX_FORMATTED} characters")
        super().check(instance, format)
        stricter = _STRICTER.get(format)
        if stricter and isinstance(instance, str) and not stricter.fullmatch(instance):
            raise FormatError(f"{instance!r} is not a {format!r}")


def _pattern(validator, pattern, instance, schema):
    if isinstance(instance, str) and not (
        len(instance) <= MAX_FORMATTED and _ecma(pattern).search(instance)
    ):
        yield ValidationError(f"{instance[:80]!r} does not match {pattern!r}")


@lru_cache(maxsize=4096)
def _ecma(pattern: str) -> re.Pattern:
    """A pattern with the meaning of ECMA 262, whose `$` does not match before a final line end."""
    anchored = _DOLLAR.sub(lambda part: r"\Z" if part[0] == "$" else part[0], pattern)
    return re.compile(anchored, re.ASCII)


def _multiple_of(validator, factor, instance, schema):
    if type(instance) in (int, float) and Fraction(str(instance)) % Fraction(str(factor)):
        yield ValidationError(f"{instance!r} is not a multiple of {factor}")


_Validator = extend(Draft202012Validator, {"pattern": _pattern, "multipleOf": _multiple_of})


@lru_cache(maxsize=4096)
def _validator(schema: str):
    """The validator of a schema, given as JSON text because dicts have no hash."""
    if missing := ", ".join(sorted(set(_STRICTER) - set(_Formats.checkers))):
        # such values would pass unchecked and silently move scores
        raise ImportError(
            f"nothing checks the formats {missing}: pip install 'jsonschema[format-nongpl]'"
        )
    document = json.loads(schema)
    _Validator.check_schema(document)
    # an explicit registry: a reference to the web is an error, not a download
    return _Validator(document, format_checker=_Formats(), registry=REGISTRY)


def is_compliant(value, schema: Mapping[str, Any]) -> bool:
    """Validate a JSON value.

    Raises:
        jsonschema.SchemaError: the schema is not a Draft 2020-12 schema.
    """
    return _validator(json.dumps(schema)).is_valid(value)


def violation(value, schema: Mapping[str, Any]) -> str | None:
    """The rule of the schema that a value breaks, in words; None if it is valid."""
    error = best_match(_validator(json.dumps(schema)).iter_errors(value))
    return f"{error.json_path}: {error.message}" if error else None
