"""Constraints in the grammar language of the xgrammar that OpenVINO GenAI brings."""

import re
from functools import lru_cache
from itertools import takewhile

from slmlib.engines.base import Constraint, UnsupportedConstraint
from slmlib.engines.constraints import SEPARATORS, grammar_text, lark


def ebnf(constraint: Constraint) -> str:
    """The constraint's grammar written out."""
    lark(constraint)
    return _ebnf(grammar_text(constraint.schema))


@lru_cache(maxsize=4096)
def _ebnf(text: str) -> str:
    import xgrammar

    try:
        grammar = str(
            xgrammar.Grammar.from_json_schema(text, any_whitespace=False, separators=SEPARATORS)
        )
    except RuntimeError as error:
        raise UnsupportedConstraint(
            f"the grammar of this schema cannot be made: {error}"
        ) from error
    for theirs, ours in _STRINGS:
        grammar = grammar.replace(theirs, ours)
    grammar, rules = _chained(grammar)

    def spelt(found: re.Match) -> str:
        name, pattern = f"pattern_{len(rules)}", re.sub(r"\\(.)", r"\1", found[1])
        inner = str(xgrammar.Grammar.from_regex(pattern))
        if any(mark in inner for mark in ("[^", '\\"', "\\\\", "\\0-")):
            raise UnsupportedConstraint(
                f"the pattern {pattern} may match a quote or a backslash. Narrow it."
            )
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
        shared = [
            letters[0]
            for letters in takewhile(lambda x: len(set(x)) == 1, zip(*group, strict=False))
        ]
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
_CHOICES = re.compile(
    rf"^(\w+) ::= \(({_LITERAL.pattern}(?: \| {_LITERAL.pattern})+)\)$", re.MULTILINE
)
_REGEX = re.compile(r'Regex\("((?:[^"\\]|\\.)*)"(?:, json_string=true)?\)')
_OPEN = re.compile(r"\{([01]), -1\}")
_CODED = re.compile(r"\\\\|\\(?:x([89a-f][0-9a-f])|u([0-9a-f]{4})|U([0-9a-f]{8}))")
_PIECE = re.compile(r'\[(?:\\.|[^\]\\])*\]|"(?:\\.|[^"\\])*"')  # a class, or a literal
_LETTER = re.compile(r"([^\x00-\x7f])")
