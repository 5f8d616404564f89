"""Schema-constrained decoding: at each step only tokens that can still become a valid answer.

xgrammar compiles the case's JSON Schema to a grammar over the model's tokens and fills a bit mask
for each row; logits outside it are set to minus infinity. Formats, patterns and bounds are part of
the grammar. White space is fixed (one space behind a comma and a colon, as models write JSON), so
that an answer cannot be padded for ever; keys come in the order of the schema.

A schema keyword that the grammar would drop is refused by name, never ignored.
"""

import json
from collections.abc import Mapping
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
    unknown = sorted(set(_keywords(schema)) - KNOWN)
    if unknown:
        raise UnsupportedSchema(
            f"constrained decoding cannot enforce {', '.join(unknown)}. "
            "Take them out of the schema, or decode free."
        )
    return json.dumps(_bare(schema), ensure_ascii=False)


def _bare(node):
    """A schema without `x-` keys; property names are not keywords and stay."""
    if not isinstance(node, Mapping):
        return node
    bare = {key: value for key, value in node.items() if not key.startswith("x-")}
    if "properties" in bare:
        bare["properties"] = {name: _bare(child) for name, child in bare["properties"].items()}
    return bare | ({"items": _bare(bare["items"])} if "items" in bare else {})


def _keywords(node: Mapping):
    yield from (key for key in node if not key.startswith("x-"))
    for child in (*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])):
        yield from _keywords(child)


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
