"""What constrained decoding could write: a target is put to the grammars that two engines make.

xgrammar and llguidance compile a schema to a grammar, formats and patterns included, and differ
from a validator in what they take. A target that a grammar refuses can never be generated under
it, however good the model. Both read text here, so no model's tokenizer has a say.
"""

import json
from collections.abc import Mapping
from functools import cache, lru_cache

from slmlib.engines import constraints

END = 0  # the one token of a vocabulary that only says where an answer may end


def refusal(schema: Mapping, target) -> str | None:
    """Why a grammar refuses a target, or None.

    Args:
        schema: The JSON Schema; what only validation reads is left out, as in decoding.
        target: The target, keys in the order of the schema.
    """
    grammars = (
        ("xgrammar", _xgrammar, constraints.ebnf(schema)),
        ("llguidance", _llguidance, constraints.lark(schema)),
    )
    written = json.dumps(target, ensure_ascii=False, separators=constraints.SEPARATORS).encode()
    for name, accepted, grammar in grammars:
        done = accepted(grammar, written)
        if done < len(written):
            return f"{name} refuses it at byte {done}: {written[done : done + 24].decode(errors='replace')!r}"
    return None


@cache
def _compiler():
    """xgrammar over one token, which is the least work; imported here, as it brings torch with it."""
    import xgrammar

    info = xgrammar.TokenizerInfo([b"</s>"], vocab_size=1, stop_token_ids=[END])
    return xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)  # it would keep every schema


@lru_cache(maxsize=128)
def _compiled(grammar: str):
    return _compiler().compile_grammar(grammar)


def _xgrammar(grammar: str, target: bytes) -> int:
    """Bytes accepted; all of them only if the answer may end there."""
    import xgrammar

    matcher = xgrammar.GrammarMatcher(_compiled(grammar))
    if matcher.accept_string(target):
        return len(target) if matcher.accept_token(END) else len(target) - 1
    matcher.reset()
    return next(i for i in range(len(target)) if not matcher.accept_string(target[i : i + 1]))


@lru_cache(maxsize=128)
def _matcher(grammar: str):
    """llguidance's matcher of a grammar, to be reset before each use: making one costs more than using it."""
    from llguidance import LLMatcher, LLTokenizer

    matcher = LLMatcher(LLTokenizer("byte"), grammar)
    if matcher.is_error():
        raise ValueError(f"llguidance cannot compile the schema: {matcher.get_error()}")
    return matcher


def _llguidance(grammar: str, target: bytes) -> int:
    matcher = _matcher(grammar)
    matcher.reset()
    done = matcher.try_consume_tokens(list(target))
    return done if done < len(target) or matcher.is_accepting() else done - 1
