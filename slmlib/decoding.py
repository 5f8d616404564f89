"""Schema-constrained decoding: at each step only tokens that can still become a valid answer.

xgrammar compiles the case's JSON Schema to a grammar over the model's tokens and fills a bit mask
for each row; logits outside it are set to minus infinity. Formats, patterns and bounds are part of
the grammar, and dates are days that the calendar has. White space is fixed (one space behind a comma
and a colon, as models write JSON), so that an answer cannot be padded for ever; keys come in the order
of the schema.

A schema keyword that the grammar would drop is refused by name, never ignored.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

SEPARATORS = (", ", ": ")
KNOWN = {
    "$schema", "title", "description", "type", "properties", "required", "additionalProperties", "items",
    "minItems", "maxItems", "enum", "const", "format", "pattern", "minLength", "maxLength", "minimum",
    "maximum",
}  # fmt: skip


class UnsupportedSchema(ValueError):
    """A schema whose keywords the grammar cannot hold."""


def grammar_text(schema: Mapping) -> str:
    """The schema as the grammar is made from: without the keys that only validation reads.

    Raises:
        UnsupportedSchema: it has a keyword that is not known to be enforced.
    """
    return json.dumps(_mapped(bare(schema), _exact), ensure_ascii=False)


def bare(schema: Mapping) -> dict:
    """The schema as an engine gets it.

    Raises:
        UnsupportedSchema: it has a keyword that is not known to be enforced.
    """
    unknown = sorted(set(_keywords(schema)) - KNOWN)
    if unknown:
        raise UnsupportedSchema(
            f"constrained decoding cannot enforce {', '.join(unknown)}. "
            "Take them out of the schema, or decode free."
        )
    return _bare(schema)


def _bare(node: Mapping) -> dict:
    """A schema without `x-` keys; property names are not keywords and stay."""
    return _mapped(node, lambda each: {key: value for key, value in each.items() if not key.startswith("x-")})


def _mapped(node, change: Callable[[Mapping], dict]):
    """A schema with every part of it changed, from the outermost in."""
    if not isinstance(node, Mapping):
        return node
    changed = change(node)
    if "properties" in changed:
        parts = changed["properties"].items()
        changed["properties"] = {name: _mapped(child, change) for name, child in parts}
    return changed | ({"items": _mapped(changed["items"], change)} if "items" in changed else {})


def _keywords(node: Mapping):
    yield from (key for key in node if not key.startswith("x-"))
    for child in (*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])):
        yield from _keywords(child)


_YEAR = r"(\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})"  # there is no year 0
_FOUR = "(0[48]|[2468][048]|[13579][26])"  # two digits divisible by four, but 00
_LEAP = rf"(\d{{2}}{_FOUR}|{_FOUR}00)"
_DAY = r"((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
DATE = f"({_YEAR}-{_DAY}|{_LEAP}-02-29)"
CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
MOMENT = rf"{DATE}T{CLOCK}:[0-5]\d(\.\d{{1,6}})?(Z|[+\-]{CLOCK})"
CALENDAR = {"date": f"^{DATE}$", "date-time": f"^{MOMENT}$"}


def _exact(node: Mapping) -> dict:
    """A date as a pattern that knows the calendar; as formats, grammars allow 31 April."""
    if node.get("format") not in CALENDAR or "pattern" in node:
        return dict(node)
    return {key: value for key, value in node.items() if key != "format"} | {
        "pattern": CALENDAR[node["format"]]
    }


def portable(schema: Mapping) -> dict:
    """The schema for a server's own converter: `\\d` is spelt out in patterns, as some know no classes.

    llama.cpp's accepts any string where it cannot read a pattern.
    """
    return _mapped(bare(schema), _portable)


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
    """The schema's grammar written out, for engines that bring an xgrammar of their own.

    Its text form is older than the newest one: patterns are spelt out as rules, and open ends as `*`
    and `+`.

    Raises:
        UnsupportedSchema: a keyword that cannot be enforced, or a pattern that may need escapes in JSON.
    """
    import xgrammar

    text = grammar_text(schema)
    grammar = str(xgrammar.Grammar.from_json_schema(text, any_whitespace=False, separators=SEPARATORS))
    rules: list[str] = []

    def spelt(found: re.Match) -> str:
        name, pattern = f"pattern_{len(rules)}", re.sub(r"\\(.)", r"\1", found[1])
        inner = str(xgrammar.Grammar.from_regex(pattern))
        if any(mark in inner for mark in ("[^", '\\"', "\\\\", "\\0-")):
            raise UnsupportedSchema(f"the pattern {pattern} may match a quote or a backslash. Narrow it.")
        rules.append(re.sub(r"\broot", name, inner))
        return name

    grammar = _REGEX.sub(spelt, grammar)
    return _OPEN.sub(lambda found: "+" if found[1] == "1" else "*", grammar) + "\n".join(rules)


_REGEX = re.compile(r'Regex\("((?:[^"\\]|\\.)*)"(?:, json_string=true)?\)')
_OPEN = re.compile(r"\{([01]), -1\}")


def lark(schema: Mapping) -> str:
    """The schema's grammar for llguidance, which llama.cpp has built in."""
    fixed = {"item_separator": SEPARATORS[0], "key_separator": SEPARATORS[1], "whitespace_flexible": False}
    return "%llguidance {}\nstart: %json " + json.dumps(
        json.loads(grammar_text(schema)) | {"x-guidance": fixed}
    )


class Grammars:
    """The grammars of one model's tokens, each compiled once.

    Args:
        tokenizer: of Hugging Face transformers.
        vocabulary: width of the logits, which may be more than the tokenizer has tokens.
    """

    def __init__(self, tokenizer, vocabulary: int):
        import xgrammar

        info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocabulary)
        self.compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)  # ours has bounds
        self.vocabulary = vocabulary
        self._compiled = lru_cache(maxsize=256)(self._compile)

    def _compile(self, text: str):
        return self.compiler.compile_json_schema(text, any_whitespace=False, separators=SEPARATORS)

    def matcher(self, schema: Mapping):
        """Follows one answer under a schema."""
        import xgrammar

        return xgrammar.GrammarMatcher(self._compiled(grammar_text(schema)))

    def mask(self, logits, matchers: list) -> None:
        """Forbid, in place, what no valid answer goes on with; a row without a matcher stays free.

        Args:
            logits: (rows, vocabulary), on the CPU.
            matchers: one for each row, or None.
        """
        import xgrammar

        bits = xgrammar.allocate_token_bitmask(len(matchers), self.vocabulary)
        bound = [row for row, matcher in enumerate(matchers) if matcher is not None]
        for row in bound:
            matchers[row].fill_next_token_bitmask(bits, row)
        if bound:
            xgrammar.apply_token_bitmask_inplace(logits, bits, indices=bound)
