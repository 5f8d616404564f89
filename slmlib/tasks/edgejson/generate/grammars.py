"""Put a target to the grammars of constrained decoding: could it be generated at all?

xgrammar and llguidance compile a schema to a grammar, formats and patterns included, and differ
from a validator in what they accept. A target that a grammar refuses can never be generated under
it, however good the model. Both read text here, so that the check holds for any tokenizer.
"""

import json
from collections.abc import Mapping
from functools import lru_cache

from slmlib.engines import constraints
from slmlib.engines.base import JsonSchema
from slmlib.engines.openvino_grammar import ebnf

END = 0  # the only token of a vocabulary that just says where an answer may end


def refusal(schema: Mapping, target) -> str | None:
    """Why a grammar refuses a target, or None.

    Args:
        schema: The JSON Schema; keywords that only validation reads are ignored, as in decoding.
        target: The target, keys in the order of the schema.
    """
    written = json.dumps(target, ensure_ascii=False, separators=constraints.SEPARATORS).encode()
    for name, accepted, grammar in (
        ("xgrammar", _xgrammar, ebnf(JsonSchema(schema))),
        ("llguidance", _llguidance, constraints.lark(JsonSchema(schema))),
    ):
        done = accepted(grammar, written)
        if done < len(written):
            rest = written[done : done + 24].decode(errors="replace")
            return f"{name} refuses it at byte {done}: {rest!r}"
    return None


@lru_cache(maxsize=128)
def _xgrammar_matcher(grammar: str):
    import xgrammar  # brings torch

    info = xgrammar.TokenizerInfo([b"</s>"], vocab_size=1, stop_token_ids=[END])
    compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    return xgrammar.GrammarMatcher(compiler.compile_grammar(grammar))


def _xgrammar(grammar: str, target: bytes) -> int:
    """Bytes that xgrammar accepts; all of them only if the answer may end there."""
    matcher = _xgrammar_matcher(grammar)
    matcher.reset()
    if matcher.accept_string(target):
        return len(target) if matcher.accept_token(END) else len(target) - 1
    matcher.reset()
    return next(i for i in range(len(target)) if not matcher.accept_string(target[i : i + 1]))


@lru_cache(maxsize=128)
def _llguidance_matcher(grammar: str):
    from llguidance import LLMatcher, LLTokenizer

    matcher = LLMatcher(LLTokenizer("byte"), grammar)
    if matcher.is_error():
        raise ValueError(f"llguidance cannot compile the schema: {matcher.get_error()}")
    return matcher


def _llguidance(grammar: str, target: bytes) -> int:
    """Bytes that llguidance accepts; all of them only if the answer may end there."""
    matcher = _llguidance_matcher(grammar)
    matcher.reset()
    done = matcher.try_consume_tokens(list(target))
    return done if done < len(target) or matcher.is_accepting() else done - 1
