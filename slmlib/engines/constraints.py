"""Schema-constrained decoding: at each step only tokens that can still become a valid answer.

llguidance turns the case's JSON Schema into a grammar over the model's tokens and fills a bit mask for
each row; logits outside it are set to minus infinity. Formats, patterns and bounds are part of the
grammar; dates are days that the calendar has, and numbers end. White space is fixed (one space behind a
comma and a colon, as models write JSON), so that an answer cannot be padded for ever; keys come in the
order of the schema.

A schema keyword that the grammar would drop is refused by name, never ignored. What demands nothing, such
as `default`, is left out of the grammar, and a choice between a schema and null, as Pydantic writes
`Optional`, is held as a type beside null.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import takewhile

from jsonschema import Draft202012Validator

from slmlib.engines.base import UnsupportedConstraint

VERSION = "2"  # of the language that answers to the data's schemas are written in; a result names it
SEPARATORS = (", ", ": ")
KNOWN = {
    "$schema", "title", "description", "type", "properties", "required", "additionalProperties", "items",
    "minItems", "maxItems", "enum", "const", "format", "pattern", "minLength", "maxLength", "minimum",
    "maximum",
}  # fmt: skip
SILENT = {  # keywords of JSON Schema 2020-12 that no value can break
    "$id", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly", "contentEncoding",
    "contentMediaType", "contentSchema",
}  # fmt: skip
TITLES = {"$schema", "title", "description"}  # as silent, but the published schemas' grammars have them

BOUNDS = ("pattern", "format", "minLength", "maxLength", "minimum", "maximum")


class UnsupportedSchema(UnsupportedConstraint):
    """A schema whose keywords the grammar cannot hold."""


def grammar_text(schema: Mapping) -> str:
    """The schema as the grammar is made from: without the keys that only validation reads.

    Raises:
        UnsupportedSchema: it has a keyword that is not known to be enforced.
    """
    return json.dumps(_mapped(bare(schema), lambda node: _closed(_exact(node))), ensure_ascii=False)


def bare(schema: Mapping) -> dict:
    """The schema as an engine gets it.

    Raises:
        UnsupportedSchema: it has a keyword that is not known to be enforced.
    """
    plain = _mapped(schema, lambda node: nullable(_stripped(node)))
    unknown = sorted(set(_unknown(plain)))
    if unknown:
        raise UnsupportedSchema(_refusal(unknown))
    return plain


def _refusal(unknown: list[str]) -> str:
    """What cannot be enforced, and what to do about it."""
    fixes = []
    if {"$ref", "$defs", "definitions"} & {*unknown}:
        fixes.append("Inline definitions: write each in the place of its $ref, and drop $defs.")
    if "anyOf" in unknown:
        fixes.append('Of anyOf only [{"type": …}, {"type": "null"}] can be held, with nothing beside it.')
    fixes.append(
        "Take them out of the schema, or decode free: constrained=False in Extractor, "
        'decoding="free" in an evaluation.'
    )
    return f"constrained decoding cannot enforce {', '.join(unknown)}. {' '.join(fixes)}"


def _stripped(node: Mapping) -> dict:
    """A schema without `x-` keys and what demands nothing; names of properties are no keys of it and stay."""
    return {key: value for key, value in node.items() if not key.startswith("x-") and key not in SILENT}


def nullable(node: Mapping) -> dict:
    """A schema that is `anyOf` of another and null as one schema of both; any other as it is.

    The two say the same, as only `enum` and `const` speak of null beside `type`.
    """
    inner = _beside_null(node)
    if inner is None:
        return dict(node)
    if "const" in inner:
        inner["enum"] = [inner.pop("const")]
    if "enum" in inner:
        inner["enum"] = [*(choice for choice in inner["enum"] if choice is not None), None]
    if "type" in inner:
        inner["type"] = [*(kind for kind in _kinds(inner) if kind != "null"), "null"]
    return inner | {key: value for key, value in node.items() if key != "anyOf"}


def _beside_null(node: Mapping) -> dict | None:
    """What `anyOf` lets null stand beside, if that has a type or choices, and nothing else is asked for."""
    parts = node.get("anyOf")
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        return None
    parts = [_stripped(part) for part in parts]
    inner = [part for part in parts if {k: part[k] for k in part.keys() - TITLES} != {"type": "null"}]
    if len(parts) != 2 or len(inner) != 1 or _stripped(node).keys() - TITLES != {"anyOf"}:
        return None
    kept = nullable(inner[0])
    twice = {"enum", "const"} <= kept.keys()  # either may rule the other's choices out
    return kept if not twice and kept.keys() & {"type", "enum", "const"} else None


def _kinds(node: Mapping) -> list:
    """The types that a schema names; [None] if there is none."""
    kinds = node.get("type")
    return kinds if isinstance(kinds, list) else [kinds]


def _mapped(node, change: Callable[[Mapping], dict]):
    """A schema with every part of it changed, from the outermost in."""
    if not isinstance(node, Mapping):
        return node
    changed = change(node)
    if "properties" in changed:
        parts = changed["properties"].items()
        changed["properties"] = {name: _mapped(child, change) for name, child in parts}
    return changed | ({"items": _mapped(changed["items"], change)} if "items" in changed else {})


def _unknown(node):
    """What a schema asks for that a grammar would drop, in words."""
    if not isinstance(node, Mapping):
        yield "a schema that is no object"
        return
    yield from (key for key in node if key not in KNOWN)
    if not isinstance(node.get("additionalProperties", False), bool):
        yield "additionalProperties that is a schema"
    if "format" in node and node["format"] not in FORMATS:
        yield f"format {node['format']}"
    if node.keys() & {"pattern", "format"} and node.keys() & {"minLength", "maxLength"}:
        yield "a length beside a pattern or format"
    if {"pattern", "format"} <= node.keys():
        yield "a format beside a pattern"
    if node.keys() & {"enum", "const"} and node.keys() & set(BOUNDS):
        yield "a bound beside enum or const"
    if "type" not in node and node.keys() & set(BOUNDS):
        yield "a bound without a type"
    if "object" in _kinds(node) and "properties" not in node:
        yield "an object without properties"
    choices = [*node.get("enum", ()), *([node["const"]] if "const" in node else ())]
    if any(isinstance(choice, dict | list) for choice in choices):
        yield "a choice that is an object or a list"
    if "type" in node and not all(_is_of(choice, node["type"]) for choice in choices):
        yield "a choice of another type"
    pattern = node.get("pattern", "^$")
    if not (pattern.startswith("^") and pattern.endswith("$")) or r"\s" in pattern:
        yield f"the pattern {pattern}, which is not from ^ to $ or has \\s"
    if "|" in _outermost(pattern):
        yield f"the pattern {pattern}, whose choice is not in brackets"
    for child in (*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])):
        yield from _unknown(child)


def _outermost(pattern: str) -> str:
    """A pattern without its groups, its classes and what is escaped."""
    pattern, before = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", pattern), ""
    while pattern != before:
        pattern, before = re.sub(r"\([^()]*\)", "", pattern), pattern
    return pattern


def _is_of(value, kind) -> bool:
    return Draft202012Validator({"type": kind}).is_valid(value)


_YEAR = r"(\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})"  # there is no year 0
_FOUR = "(0[48]|[2468][048]|[13579][26])"  # two digits divisible by four, but 00
_LEAP = rf"(\d{{2}}{_FOUR}|{_FOUR}00)"
_DAY = r"((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
DATE = f"({_YEAR}-{_DAY}|{_LEAP}-02-29)"
CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
MOMENT = rf"{DATE}T{CLOCK}:[0-5]\d(\.\d{{1,6}})?(Z|[+\-]{CLOCK})"
_ATOM, _WORD = r"[A-Za-z0-9_%+\-]{1,20}", "[A-Za-z0-9]{1,20}"
_LABEL = f"{_WORD}(-{_WORD}){{0,2}}"
FORMATS = {
    "date": f"^{DATE}$",
    "date-time": f"^{MOMENT}$",
    "email": rf"^{_ATOM}(\.{_ATOM}){{0,2}}@{_LABEL}(\.{_LABEL}){{1,3}}$",
}
LARGEST = 10**15  # of a number that has no bound of its own
SMALLEST = 1e-6  # a number has six decimals at most, under every grammar


def _exact(node: Mapping) -> dict:
    """A format as a pattern; as formats, grammars allow 31 April, and addresses that never end."""
    if "format" not in node:
        return dict(node)
    kept = {key: value for key, value in node.items() if key != "format"}
    return kept | {"pattern": FORMATS[node["format"]]}


def _closed(node: Mapping) -> dict:
    """Grammars differ in what they make of an object that does not say whether it has other keys, and of a
    number without bounds, which may go on for ever: here the one has none, the other an end."""
    ends = {"minimum": -LARGEST, "maximum": LARGEST} if {*_kinds(node)} & {"integer", "number"} else {}
    if node.keys() & {"enum", "const"}:
        ends = {}
    shut = {"additionalProperties": False} if "properties" in node else {}
    return {**node, **{key: value for key, value in (ends | shut).items() if key not in node}}


def portable(schema: Mapping) -> dict:
    """The schema for a server's own converter: formats are patterns, which more of them know, and `\\d` is
    spelt out in patterns, as some know no classes.

    llama.cpp's accepts any string where it cannot read a pattern.
    """
    return _mapped(bare(schema), lambda node: _portable(_exact(node)))


def _portable(node: Mapping) -> dict:
    if "pattern" not in node:
        return dict(node)
    return {**node, "pattern": _CLASS.sub(_without_classes, node["pattern"])}


_CLASS = re.compile(r"\[(?:\\.|[^\]\\])*\]|\\.")


def _without_classes(found: re.Match) -> str:
    if found[0].startswith("["):
        return found[0].replace(r"\d", "0-9")
    return "[0-9]" if found[0] == r"\d" else found[0]


def ebnf(schema: Mapping) -> str:
    """The schema's grammar written out, for engines that bring an xgrammar of their own; made once.

    Its text form is older than the newest one: patterns are spelt out as rules, and open ends as `*`
    and `+`. Strings get the escapes that llguidance gives them, and lose raw control characters. Letters
    beyond ASCII stand alone: a degree sign before a C would be read back as one letter, by its code b0C.

    Raises:
        UnsupportedSchema: a keyword that cannot be enforced, or a pattern that may need escapes in JSON.
    """
    lark(schema)  # which knows what nothing satisfies, such as a required key that is no property
    return _ebnf(grammar_text(schema))


@lru_cache(maxsize=4096)
def _ebnf(text: str) -> str:
    import xgrammar

    try:
        grammar = str(xgrammar.Grammar.from_json_schema(text, any_whitespace=False, separators=SEPARATORS))
    except RuntimeError as error:
        raise UnsupportedSchema(f"the grammar of this schema cannot be made: {error}") from error
    for theirs, ours in _STRINGS:
        grammar = grammar.replace(theirs, ours)
    grammar, rules = _chained(grammar)

    def spelt(found: re.Match) -> str:
        name, pattern = f"pattern_{len(rules)}", re.sub(r"\\(.)", r"\1", found[1])
        inner = str(xgrammar.Grammar.from_regex(pattern))
        if any(mark in inner for mark in ("[^", '\\"', "\\\\", "\\0-")):
            raise UnsupportedSchema(f"the pattern {pattern} may match a quote or a backslash. Narrow it.")
        rules.append(re.sub(r"\broot", name, inner))
        return name

    grammar = _REGEX.sub(spelt, grammar)
    grammar = _OPEN.sub(lambda found: "+" if found[1] == "1" else "*", grammar) + "\n".join(rules)
    grammar = _CHOICES.sub(_as_tree, _CODED.sub(_decoded, grammar))
    return _PIECE.sub(_spelt_out, grammar)


def _chained(grammar: str) -> tuple[str, list[str]]:
    """Strings of bounded length as chains of rules, each a letter and the rest of the string with its quote.

    Where letters are repeated each ends its own rule, so that a token of several letters is known to fit only
    once it was tried, and all of them are tried at every step. Down a chain it stays within its rule. Strings
    share the ends of their chains.

    Returns:
        The grammar, and the rules that it now needs.
    """
    rules: dict[str, str] = {}

    def named(found: re.Match) -> str:
        least, most = int(found[1]), int(found[2])
        first = _text(least, most)
        while (name := _text(least, most)) not in rules:
            parts = [r'"\""'] if least == 0 else []
            if most:
                least, most = max(0, least - 1), most - (most > 0)  # an open end stays open
                rest = _text(least, most)
                parts += [f"{_LETTERS} {rest}", rf'"\\" basic_escape {rest}']
            rules[name] = f"{name} ::= ({' | '.join(f'({part})' for part in parts)}) {_BEHIND}"
        return rf'"\"" {first}'

    grammar = _BOUNDED.sub(named, grammar)
    return grammar, list(rules.values())


def _text(least: int, most: int) -> str:
    """The rule of a string's letters from here on and its quote, after at least and at most so many."""
    return f"text_{least}_{'open' if most < 0 else most}"


def _as_tree(found: re.Match) -> str:
    """A choice of literals as a tree of what they begin with alike.

    Side by side, OpenVINO's xgrammar mixes them up: after "ng/" of "ng/l" it takes the end of "g/dl".
    """
    words = [tuple(re.findall(r"\\.|.", word)) for word in _LITERAL.findall(found[2])]
    return f"{found[1]} ::= ({_branches(list(dict.fromkeys(words)))})"


def _branches(words: list[tuple[str, ...]]) -> str:
    """Literals, none twice, as alternatives that begin with different letters."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    for word in words:
        groups.setdefault(word[0] if word else "", []).append(word)
    parts = []
    for group in groups.values():
        shared = [letters[0] for letters in takewhile(lambda x: len(set(x)) == 1, zip(*group, strict=False))]
        start = f'"{"".join(shared)}"'
        longer = [word[len(shared) :] for word in group]
        parts.append(f"({start} ({_branches(longer)}))" if len(group) > 1 else f"({start})")
    return " | ".join(parts)


def _decoded(found: re.Match) -> str:
    code = found[1] or found[2] or found[3]
    return chr(int(code, 16)) if code else found[0]


def _spelt_out(found: re.Match) -> str:
    """A literal with its letters beyond ASCII as classes of one; a class as it is."""
    if found[0].startswith("["):
        return found[0]
    parts = [part for part in _LETTER.split(found[0][1:-1]) if part]
    return " ".join(f'"{part}"' if part.isascii() else f"[{part}]" for part in parts) or '""'


_LETTERS = r"[^\0-\x1f\x7f\"\\]"
_BOUNDED = re.compile(r'"\\"" \w+_characters\{(\d+), (-?\d+)\} "\\""')
_BEHIND = r"(=([,}\]]))"  # a hint: what follows a value, so that fewer tokens have to be tried
_ESCAPED = r"""([\"\\bfnrt]) | ("u00" [01] [A-Fa-f0-9]) | ("u007" [Ff])"""
_STRINGS = (  # xgrammar's characters of bounded strings, and of the others
    (r"""([^\"\\\r\n])""", rf"""([^\0-\x1f\x7f\"\\]) | ("\\" ({_ESCAPED}))"""),
    (r"""[^\0-\x1f\"\\\r\n]""", _LETTERS),
    (
        r"""([\"\\/bfnrt]) | ("u" [A-Fa-f0-9] [A-Fa-f0-9] [A-Fa-f0-9] [A-Fa-f0-9])""",
        _ESCAPED,
    ),
)
_LITERAL = re.compile(r'\("((?:\\.|[^"\\])*)"\)')
_CHOICES = re.compile(rf"^(\w+) ::= \(({_LITERAL.pattern}(?: \| {_LITERAL.pattern})+)\)$", re.MULTILINE)
_REGEX = re.compile(r'Regex\("((?:[^"\\]|\\.)*)"(?:, json_string=true)?\)')
_OPEN = re.compile(r"\{([01]), -1\}")
_CODED = re.compile(r"\\\\|\\(?:x([89a-f][0-9a-f])|u([0-9a-f]{4})|U([0-9a-f]{8}))")
_PIECE = re.compile(r'\[(?:\\.|[^\]\\])*\]|"(?:\\.|[^"\\])*"')  # a class, or a literal
_LETTER = re.compile(r"([^\x00-\x7f])")


def lark(schema: Mapping) -> str:
    """The schema's grammar in the language of llguidance, which llama.cpp has built in.

    Where only one text can follow, llguidance would also choose how it is cut into tokens; as under
    xgrammar, the model does. The grammar is tried, because llama.cpp drops one that it cannot read.

    Raises:
        UnsupportedSchema: a keyword that cannot be enforced, or a schema that nothing satisfies.
    """
    return _lark(grammar_text(schema))


@lru_cache(maxsize=4096)
def _lark(text: str) -> str:
    from llguidance import LLMatcher, LLTokenizer

    fixed = {"item_separator": SEPARATORS[0], "key_separator": SEPARATORS[1], "whitespace_flexible": False}
    exact = _mapped(json.loads(text), _with_decimals)
    grammar = json.dumps(exact | {"x-guidance": fixed})
    grammar = f'%llguidance {{"no_forcing": true}}\nstart: %json {grammar}'
    fault = LLMatcher.validate_grammar(grammar, LLTokenizer("byte"))
    if fault:
        raise UnsupportedSchema(f"the grammar of this schema cannot be made: {fault}")
    return grammar


def follows(schema: Mapping, answer: str, *, whole: bool) -> bool:
    """Whether the grammar of a schema allows an answer: a `whole` one, or else the beginning of one."""
    from llguidance import LLMatcher, LLTokenizer

    letters, state = answer.encode(), LLMatcher(LLTokenizer("byte"), lark(schema), log_level=0)
    taken = state.try_consume_tokens([*letters])
    return taken == len(letters) and (not whole or state.is_accepting())


def _with_decimals(node: Mapping) -> dict:
    """A number with as many decimals as under xgrammar; llguidance would take zeros without an end."""
    return {**node, "multipleOf": SMALLEST} if "number" in _kinds(node) else dict(node)


class Matcher:
    """Follows one answer under a grammar."""

    def __init__(self, state):
        self.state = state

    def take(self, token: int) -> str:
        """Go on by the token that was chosen; returns why that cannot be, or nothing."""
        if self.state.consume_token(token) and not self.state.is_error():
            return ""
        return f"the grammar cannot be followed: {self.state.get_error() or 'a token outside of it'}"


class Grammars:
    """The grammars of one model's tokens, each compiled once.

    llguidance reads one of our schemas in about 2 ms where xgrammar needs half a second, as it looks
    only at the tokens that an answer meets (`tests/performance/constrained.py` measures both).

    Args:
        tokenizer: of Hugging Face transformers.
        vocabulary: width of the logits, which may be more than the tokenizer has tokens.
    """

    def __init__(self, tokenizer, vocabulary: int):
        import llguidance.hf

        self.width = max(vocabulary, len(tokenizer))  # some tokenizers have tokens beside the matrix
        self.tokens = llguidance.hf.from_tokenizer(tokenizer, n_vocab=self.width)
        self.vocabulary = vocabulary
        self._compiled = lru_cache(maxsize=4096)(self._compile)

    def _compile(self, text: str):
        from llguidance import LLMatcher

        state = LLMatcher(self.tokens, text, log_level=0)
        if state.is_error():
            raise UnsupportedSchema(f"the grammar of this schema cannot be made: {state.get_error()}")
        return state

    def matcher(self, schema: Mapping) -> Matcher:
        """Follows one answer under a schema.

        Raises:
            UnsupportedSchema: it has a keyword, or a pattern, that cannot be enforced.
        """
        return Matcher(self._compiled(lark(schema)).deep_copy())

    def mask(self, logits, matchers: list) -> None:
        """Forbid, in place, what no valid answer goes on with; a row without a matcher stays free.

        Args:
            logits: (rows, vocabulary), on the CPU.
            matchers: one for each row, or None.
        """
        import numpy as np
        import torch
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

        bits = allocate_token_bitmask(len(matchers), self.width)  # all allowed
        for row, matcher in enumerate(matchers):
            if matcher is not None:
                fill_next_token_bitmask(matcher.state, bits, row)
        allowed = np.unpackbits(bits.view(np.uint8), axis=1, count=self.vocabulary, bitorder="little")
        logits.masked_fill_(torch.from_numpy(allowed == 0), float("-inf"))
