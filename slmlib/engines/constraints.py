"""Constraints as grammars: at each step, only tokens that can still become a valid completion.

llguidance turns a JSON Schema, a choice of labels or a set of tools into a grammar over the model's
tokens and fills a bit mask; logits outside of it become minus infinity. Formats, patterns and
bounds are part of the grammar: dates are days of the calendar, and numbers end. White space is
fixed (one space after a comma and a colon, as models write JSON), so that a completion cannot be
padded for ever; keys come in the order of the schema.

A schema keyword that a grammar would drop is refused by name. Keywords that demand nothing, such as
`default`, are left out, and `anyOf` a schema and null, as Pydantic writes `Optional`, becomes a
type beside null.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer

from slmlib.engines.base import (
    Choice,
    Constraint,
    JsonSchema,
    Tool,
    ToolCalls,
    UnsupportedConstraint,
)

VERSION = "2"  # of the language in which a JSON Schema is answered; a result names it
SEPARATORS = (", ", ": ")
ANNOTATIONS = {"$schema", "title", "description"}  # demand nothing; some grammars read them
ENFORCED = ANNOTATIONS | {
    "type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
    "enum", "const", "format", "pattern", "minLength", "maxLength", "minimum", "maximum",
}  # fmt: skip
SILENT = {  # keywords of JSON Schema 2020-12 that no value can violate
    "$id", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly",
    "contentEncoding", "contentMediaType", "contentSchema",
}  # fmt: skip
BOUNDS = {"pattern", "format", "minLength", "maxLength", "minimum", "maximum"}

_YEAR = r"(\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})"  # there is no year 0
_FOURTH = "(0[48]|[2468][048]|[13579][26])"  # two digits that four divides, except 00
_LEAP = rf"(\d{{2}}{_FOURTH}|{_FOURTH}00)"
_LONG = r"(0[13578]|1[02])-(0[1-9]|[12]\d|3[01])"
_DAY = rf"({_LONG}|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
_DATE = f"({_YEAR}-{_DAY}|{_LEAP}-02-29)"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_ATOM, _WORD = r"[A-Za-z0-9_%+\-]{1,20}", "[A-Za-z0-9]{1,20}"
_HOST = f"{_WORD}(-{_WORD}){{0,2}}"
FORMATS = {  # as formats, grammars allow 31 April, and addresses that never end
    "date": f"^{_DATE}$",
    "date-time": rf"^{_DATE}T{_CLOCK}:[0-5]\d(\.\d{{1,6}})?(Z|[+\-]{_CLOCK})$",
    "email": rf"^{_ATOM}(\.{_ATOM}){{0,2}}@{_HOST}(\.{_HOST}){{1,3}}$",
}
LARGEST = 10**15  # of a number without bounds
SMALLEST = 1e-6  # a number has at most six decimals

TEXT = r"[^< \t\r\n]([^<]|<[^t<])*"  # in which no `<tool_call>` can begin
BYTES = LLTokenizer("byte")


# --- JSON Schemas -------------------------------------------------------------------------------


def simplify(schema: Mapping) -> dict:
    """Reduce a schema to what engines enforce: no annotations, no `x-` keys, null as a type.

    Raises:
        UnsupportedConstraint: a keyword would not be enforced; the message says what to do.
    """
    simple = _map(schema, lambda node: nullable(_without_annotations(node)))
    faults = sorted(set(_unenforced(simple)))
    if not faults:
        return simple
    message = f"constrained decoding cannot enforce {', '.join(faults)}. "
    if {"$ref", "$defs", "definitions"} & {*faults}:
        message += "Inline definitions: replace each $ref by what it refers to, and drop $defs. "
    if "anyOf" in faults:
        message += (
            'anyOf is supported only as [{"type": …}, {"type": "null"}], as the only keyword. '
        )
    raise UnsupportedConstraint(
        f"{message}Remove them from the schema, or decode without a constraint."
    )


def _map(node, change: Callable[[Mapping], dict]):
    """Change every subschema, from the outermost in."""
    if not isinstance(node, Mapping):
        return node
    changed = change(node)
    if "properties" in changed:
        parts = changed["properties"].items()
        changed["properties"] = {name: _map(child, change) for name, child in parts}
    return changed | ({"items": _map(changed["items"], change)} if "items" in changed else {})


def _without_annotations(node: Mapping) -> dict:
    """Drop `x-` keys and silent keywords of one schema; names of properties are not keywords."""
    return {
        key: value for key, value in node.items() if not key.startswith("x-") and key not in SILENT
    }


def nullable(node: Mapping) -> dict:
    """Merge `anyOf` a schema and null into one schema; return any other as it is.

    Both mean the same, because, of the keywords beside `type`, only `enum` and `const` concern
    null. The schema needs a type or choices, and `anyOf` must be the only keyword.
    """
    parts = node.get("anyOf")
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        return dict(node)
    parts = [_without_annotations(part) for part in parts]
    others = [part for part in parts if _demands(part) != {"type": "null"}]
    if len(parts) != 2 or len(others) != 1 or _demands(node).keys() != {"anyOf"}:
        return dict(node)
    inner = nullable(others[0])
    if not inner.keys() & {"type", "enum", "const"} or {"enum", "const"} <= inner.keys():
        return dict(node)
    if "const" in inner:
        inner["enum"] = [inner.pop("const")]
    if "enum" in inner:
        inner["enum"] = [*(choice for choice in inner["enum"] if choice is not None), None]
    if "type" in inner:
        inner["type"] = [*(kind for kind in _types(inner) if kind != "null"), "null"]
    return inner | {key: value for key, value in node.items() if key != "anyOf"}


def _demands(node: Mapping) -> dict:
    """Keywords of one schema that a value can violate."""
    return {k: v for k, v in _without_annotations(node).items() if k not in ANNOTATIONS}


def _types(node: Mapping) -> list:
    """The types that one schema names; [None] if it names none."""
    kinds = node.get("type")
    return kinds if isinstance(kinds, list) else [kinds]


def _unenforced(node) -> Iterator[str]:
    """Name everything in a schema that some engine's grammar would drop or read differently."""
    if not isinstance(node, Mapping):
        yield "a schema that is not an object"
        return
    keys = node.keys()
    yield from (key for key in node if key not in ENFORCED)
    if not isinstance(node.get("additionalProperties", False), bool):
        yield "additionalProperties that is a schema"
    if "format" in node and node["format"] not in FORMATS:
        yield f"format {node['format']}"
    if keys & {"pattern", "format"} and keys & {"minLength", "maxLength"}:
        yield "a length beside a pattern or format"
    if {"pattern", "format"} <= keys:
        yield "a format beside a pattern"
    if keys & {"enum", "const"} and keys & BOUNDS:
        yield "a bound beside enum or const"
    if "type" not in node and keys & BOUNDS:
        yield "a bound without a type"
    if "object" in _types(node) and "properties" not in node:
        yield "an object without properties"
    choices = [*node.get("enum", ()), *([node["const"]] if "const" in node else ())]
    if any(isinstance(choice, dict | list) for choice in choices):
        yield "a choice that is an object or a list"
    if "type" in node:
        validator = Draft202012Validator({"type": node["type"]})
        if not all(map(validator.is_valid, choices)):
            yield "a choice of another type"
    pattern = node.get("pattern", "^$")
    if not (pattern.startswith("^") and pattern.endswith("$")) or r"\s" in pattern:
        yield f"the pattern {pattern}, which does not go from ^ to $ or contains \\s"
    outside, before = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", pattern), ""
    while outside != before:  # without its groups, from the innermost out
        outside, before = re.sub(r"\([^()]*\)", "", outside), outside
    if "|" in outside:
        yield f"the pattern {pattern}, whose alternatives are not in brackets"
    children = [*node.get("properties", {}).values()]
    for child in [*children, node["items"]] if "items" in node else children:
        yield from _unenforced(child)


def _format_as_pattern(node: Mapping) -> dict:
    rest = {key: value for key, value in node.items() if key != "format"}
    return rest | ({"pattern": FORMATS[node["format"]]} if "format" in node else {})


def grammar_text(schema: Mapping) -> str:
    """The schema from which grammars are made, as JSON.

    What a schema leaves open and grammars read differently is closed: an object that does not
    mention other keys has none, and a number without bounds, which could go on for ever, gets them.
    """

    def close(node: Mapping) -> dict:
        node, closed = _format_as_pattern(node), {}
        if {*_types(node)} & {"integer", "number"} and not node.keys() & {"enum", "const"}:
            closed |= {"minimum": -LARGEST, "maximum": LARGEST}
        if "properties" in node:
            closed |= {"additionalProperties": False}
        return node | {key: value for key, value in closed.items() if key not in node}

    return json.dumps(_map(simplify(schema), close), ensure_ascii=False)


def portable(schema: Mapping) -> dict:
    r"""The schema for a server's own converter to a grammar.

    Formats become patterns, which more converters know, and `\d` is written as a class, because
    llama.cpp accepts any string where it cannot read a pattern.
    """

    def spell(match: re.Match) -> str:
        if match[0].startswith("["):
            return match[0].replace(r"\d", "0-9")
        return "[0-9]" if match[0] == r"\d" else match[0]

    def change(node: Mapping) -> dict:
        node = _format_as_pattern(node)
        if "pattern" in node:
            node["pattern"] = re.sub(r"\[(?:\\.|[^\]\\])*\]|\\.", spell, node["pattern"])
        return node

    return _map(simplify(schema), change)


# --- tools --------------------------------------------------------------------------------------


def parameters(tool: Tool) -> dict:
    """The JSON Schema of a tool's arguments; a tool without parameters takes none."""
    return {"type": "object", "properties": {}} | dict(tool["function"].get("parameters") or {})


def calls(constraint: ToolCalls) -> list[tuple[str, str]]:
    """Each tool's call up to its arguments, after which a brace ends it, and their grammar text."""
    if not constraint.tools:
        raise UnsupportedConstraint("tool calls need at least one tool")
    parts = []
    for tool in constraint.tools:
        name = tool["function"]["name"]
        try:
            schema = grammar_text(parameters(tool))
        except UnsupportedConstraint as error:
            raise UnsupportedConstraint(f"tool {name}: {error}") from None
        parts.append((f'{{"name": {_quote(name)}, "arguments": ', schema))
    return parts


def labels(constraint: Choice) -> tuple[str, ...]:
    """The labels of a choice, once each."""
    if not constraint.labels or not all(constraint.labels):
        raise UnsupportedConstraint("a choice needs at least one label, and none that is empty")
    return tuple(dict.fromkeys(constraint.labels))


# --- grammars of llguidance ---------------------------------------------------------------------


def lark(constraint: Constraint, *, end: int | None = None) -> str:
    """A constraint in the grammar language of llguidance, which llama.cpp has built in.

    Where only one text can follow, llguidance would also choose how it is split into tokens; here
    the model does, as under xgrammar. The grammar is validated, because llama.cpp drops one that it
    cannot read.

    Args:
        constraint: the constraint.
        end: token that ends a choice or tool calls, for engines whose llguidance takes another one
            for the model's end token.

    Raises:
        UnsupportedConstraint: a keyword would not be enforced, or nothing satisfies a schema.
    """
    if isinstance(constraint, JsonSchema):
        start, rules = _json_rule(grammar_text(constraint.schema)), []
    elif isinstance(constraint, Choice):
        start, rules = "LABEL", [f"LABEL: {' | '.join(map(_quote, labels(constraint)))}"]
    else:
        start = "calls | TEXT" if constraint.text else "calls"
        rules = [
            r'calls: tagged ("\n" tagged)*',
            r'tagged: "<tool_call>\n" call "\n</tool_call>"',
            f"call: {' | '.join(f'tool_{i}' for i in range(len(constraint.tools)))}",
        ]
        for i, (call, schema) in enumerate(calls(constraint)):
            rules.append(f'tool_{i}: {_quote(call)} arguments_{i} "}}"')
            rules.append(f"arguments_{i}: {_json_rule(schema)}")
        if constraint.text:
            rules.append(f"TEXT: /{TEXT}/")
    head, rest = '%llguidance {"no_forcing": true}\nstart: ', "".join(f"\n{r}" for r in rules)
    grammar = _validated(f"{head}{start}{rest}")
    if end is None or isinstance(constraint, JsonSchema):
        return grammar
    return f"{head}({start}) <[{end}]>{rest}"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _json_rule(text: str) -> str:
    """JSON under a schema; decimals are limited, as llguidance would accept endless zeros."""

    def limit(node: Mapping) -> dict:
        return {**node, "multipleOf": SMALLEST} if "number" in _types(node) else dict(node)

    options = {"item_separator": SEPARATORS[0], "key_separator": SEPARATORS[1]}
    schema = _map(json.loads(text), limit) | {
        "x-guidance": options | {"whitespace_flexible": False}
    }
    return f"%json {json.dumps(schema)}"


@lru_cache(maxsize=4096)
def _validated(grammar: str) -> str:
    fault = LLMatcher.validate_grammar(grammar, BYTES)
    if fault:
        raise UnsupportedConstraint(f"the grammar of this constraint cannot be compiled: {fault}")
    return grammar


def follows(constraint: Constraint, text: str, *, whole: bool) -> bool:
    """Return whether a constraint allows a text as a `whole` completion, or as its beginning."""
    matcher = LLMatcher(BYTES, lark(constraint), log_level=0)
    accepted = matcher.try_consume_tokens([*text.encode()]) == len(text.encode())
    return accepted and (not whole or matcher.is_accepting())


class Grammars:
    """The grammars of constraints over one model's tokens.

    llguidance compiles one of our schemas in about 2 ms where xgrammar needs half a second, because
    it looks only at tokens that occur (`tests/performance/constrained.py` measures both).

    Args:
        tokenizer: of Hugging Face transformers.
        width: of the logits, which may differ from the number of the tokenizer's tokens.
    """

    def __init__(self, tokenizer, width: int):
        import llguidance.hf

        self.width = width
        self.tokens = llguidance.hf.from_tokenizer(tokenizer, n_vocab=max(width, len(tokenizer)))

    def matcher(self, constraint: Constraint) -> LLMatcher:
        """A matcher at the beginning of a completion."""
        matcher = LLMatcher(self.tokens, lark(constraint), log_level=0)
        if matcher.is_error():
            raise UnsupportedConstraint(
                f"the grammar of this constraint cannot be compiled: {matcher.get_error()}"
            )
        return matcher

    def mask(self, logits, matchers: list) -> None:
        """Set logits to minus infinity, in place, where no valid completion goes on.

        Args:
            logits: (rows, width), on the CPU.
            matchers: one for each row; None for an unconstrained row.
        """
        import numpy as np
        import torch
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

        bits = allocate_token_bitmask(len(matchers), self.tokens.vocab_size)  # all allowed
        for row, matcher in enumerate(matchers):
            if matcher is not None:
                fill_next_token_bitmask(matcher, bits, row)
        allowed = np.unpackbits(bits.view(np.uint8), axis=1, count=self.width, bitorder="little")
        logits.masked_fill_(torch.from_numpy(allowed == 0), float("-inf"))
