r"""Grammars for OpenVINO GenAI, which brings an xgrammar of its own.

OpenVINO's own decoding under a JSON Schema lets white space vary and reads formats and numbers in
its own way: it gives other answers than the other engines. So the Python package xgrammar writes a
schema's grammar, in EBNF, and some of its rules are rewritten here:

- Patterns are spelt out as rules, and open ends become `*` and `+`, because OpenVINO's xgrammar is
  older than the package.
- Strings get the escapes that llguidance allows, and no raw control characters.
- A string of bounded length becomes a chain of rules, each a character and the rest with its quote.
  Where characters are repeated instead, each ends its own rule, so that a token of several
  characters is known to fit only once it was tried, and all of them are tried at every step.
- Alternative literals become a tree of their common beginnings. Side by side, OpenVINO's xgrammar
  mixes them up: after "ng/" of "ng/l" it accepts the end of "g/dl".
- Characters beyond ASCII become classes of one: a degree sign before a C would be read back as one
  character, by its code b0C.
"""

import json
import re
from functools import lru_cache
from itertools import takewhile

from slmlib.engines import constraints
from slmlib.engines.base import Choice, Constraint, JsonSchema, UnsupportedConstraint

_CHARACTER = r"[^\0-\x1f\x7f\"\\]"
_VALUE_ENDS = r"(=([,}\]]))"  # a hint: what follows a value, so that fewer tokens have to be tried
_ESCAPES = r"""([\"\\bfnrt]) | ("u00" [01] [A-Fa-f0-9]) | ("u007" [Ff])"""
_STRINGS = (  # xgrammar's characters of bounded strings and of others -> llguidance's
    (r"""([^\"\\\r\n])""", rf"""([^\0-\x1f\x7f\"\\]) | ("\\" ({_ESCAPES}))"""),
    (r"""[^\0-\x1f\"\\\r\n]""", _CHARACTER),
    (r"""([\"\\/bfnrt]) | ("u" [A-Fa-f0-9] [A-Fa-f0-9] [A-Fa-f0-9] [A-Fa-f0-9])""", _ESCAPES),
)
_BOUNDED = re.compile(r'"\\"" \w+_characters\{(\d+), (-?\d+)\} "\\""')
_LITERAL = re.compile(r'\("((?:\\.|[^"\\])*)"\)')
_ALTERNATIVES = re.compile(
    rf"^(\w+) ::= \(({_LITERAL.pattern}(?: \| {_LITERAL.pattern})+)\)$", re.MULTILINE
)
_REGEX = re.compile(r'Regex\("((?:[^"\\]|\\.)*)"(?:, json_string=true)?\)')
_OPEN_END = re.compile(r"\{([01]), -1\}")
_CODE = re.compile(r"\\\\|\\(?:x([89a-f][0-9a-f])|u([0-9a-f]{4})|U([0-9a-f]{8}))")
_CLASS_OR_LITERAL = re.compile(r'\[(?:\\.|[^\]\\])*\]|"(?:\\.|[^"\\])*"')
_RULE = re.compile(r"^(\w+) ::=", re.MULTILINE)


def ebnf(constraint: Constraint) -> str:
    """A constraint as a grammar in EBNF.

    Raises:
        UnsupportedConstraint: a keyword would not be enforced, nothing satisfies a schema, or a
            pattern may need escapes in JSON.
    """
    constraints.lark(constraint)  # refuses what nothing satisfies, such as a required unknown key
    if isinstance(constraint, JsonSchema):
        return _json_grammar(constraints.grammar_text(constraint.schema))
    if isinstance(constraint, Choice):
        tree = _tree({_escaped(label): "" for label in constraint.labels})
        return _spell_out(f"root ::= ({tree})\n")
    parts = enumerate(constraints.calls(constraint))
    arguments, tails = [], {}
    for i, (start, schema) in parts:
        tails[_escaped(start)] = f' arguments_{i}_root "}}"'
        arguments.append(_prefixed(_json_grammar(schema), f"arguments_{i}_"))
    rules = [
        f"root ::= ((calls){' | (text)' * constraint.text})",
        f"call ::= ({_tree(tails)})",
        r'calls ::= (("<tool_call>\n" call "\n</tool_call>" more))',
        r'more ::= ("" | ("\n" calls))',
    ]
    if constraint.text:
        rules.append(_pattern_rules("text", constraints.TEXT))
    return "\n".join([_spell_out("\n".join(rules)), *arguments])


def _prefixed(grammar: str, prefix: str) -> str:
    """A grammar whose rules have other names, to stand beside others."""
    names = set(_RULE.findall(grammar))

    def rename(match: re.Match) -> str:
        return prefix + match[0] if match[0] in names else match[0]

    return re.sub(rf"{_CLASS_OR_LITERAL.pattern}|\w+", rename, grammar)


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _tree(tails: dict[str, str]) -> str:
    """Escaped literals, each with what follows it, as alternatives that begin differently."""
    groups: dict[str, dict[str, str]] = {}
    for literal, tail in tails.items():
        first = re.match(r"\\.|.|$", literal)[0]
        groups.setdefault(first, {})[literal] = tail
    parts = []
    for group in groups.values():
        columns = zip(*(re.findall(r"\\.|.", literal) for literal in group), strict=False)
        shared = "".join(each[0] for each in takewhile(lambda each: len({*each}) == 1, columns))
        rest = {literal.removeprefix(shared): tail for literal, tail in group.items()}
        follows = f" ({_tree(rest)})" if len(rest) > 1 else rest[""]
        parts.append(f'("{shared}"{follows})')
    return " | ".join(parts)


@lru_cache(maxsize=4096)
def _json_grammar(text: str) -> str:
    import xgrammar

    options = {"any_whitespace": False, "separators": constraints.SEPARATORS}
    try:
        grammar = str(xgrammar.Grammar.from_json_schema(text, **options))
    except RuntimeError as error:
        raise UnsupportedConstraint(f"the schema has no grammar: {error}") from error
    for theirs, ours in _STRINGS:
        grammar = grammar.replace(theirs, ours)
    rules: dict[str, str] = {}
    grammar = _BOUNDED.sub(lambda match: _chain(int(match[1]), int(match[2]), rules), grammar)

    def spell_pattern(match: re.Match) -> str:
        name = f"pattern_{len(rules)}"
        rules[name] = _pattern_rules(name, re.sub(r"\\(.)", r"\1", match[1]), in_string=True)
        return name

    grammar = _REGEX.sub(spell_pattern, grammar)
    grammar = _OPEN_END.sub(lambda match: "+" if match[1] == "1" else "*", grammar)
    grammar += "\n".join(rules.values())
    grammar = _CODE.sub(_decode, grammar)

    def as_tree(match: re.Match) -> str:
        return f"{match[1]} ::= ({_tree(dict.fromkeys(_LITERAL.findall(match[2]), ''))})"

    return _spell_out(_ALTERNATIVES.sub(as_tree, grammar))


def _chain(least: int, most: int, rules: dict[str, str]) -> str:
    """A string of bounded length as a chain of rules, which are added; `most` is -1 for no limit.

    Strings share the ends of their chains.
    """

    def name() -> str:
        return f"text_{least}_{'open' if most < 0 else most}"

    first = name()
    while (rule := name()) not in rules:
        parts = [r'"\""'] if least == 0 else []
        if most:
            least, most = max(0, least - 1), most - (most > 0)
            parts += [f"{_CHARACTER} {name()}", rf'"\\" basic_escape {name()}']
        rules[rule] = f"{rule} ::= ({' | '.join(f'({part})' for part in parts)}) {_VALUE_ENDS}"
    return rf'"\"" {first}'


def _pattern_rules(name: str, pattern: str, *, in_string: bool = False) -> str:
    """The rules of a pattern; `in_string` refuses one that may need escapes in JSON."""
    import xgrammar

    rules = str(xgrammar.Grammar.from_regex(pattern))
    if in_string and any(mark in rules for mark in ("[^", '\\"', "\\\\", "\\0-")):
        raise UnsupportedConstraint(
            f"the pattern {pattern} may match a quote or a backslash. Narrow it."
        )
    return re.sub(r"\broot", name, rules)


def _decode(match: re.Match) -> str:
    code = match[1] or match[2] or match[3]
    return chr(int(code, 16)) if code else match[0]


def _spell_out(grammar: str) -> str:
    """Write characters beyond ASCII in literals as classes of one."""

    def spell(match: re.Match) -> str:
        if match[0].startswith("["):
            return match[0]
        parts = filter(None, re.split(r"([^\x00-\x7f])", match[0][1:-1]))
        parts = [f'"{part}"' if part.isascii() else f"[{part}]" for part in parts]
        return " ".join(parts) or '""'

    return _CLASS_OR_LITERAL.sub(spell, grammar)
