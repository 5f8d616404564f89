"""What a constraint costs: compiling schemas, masking tokens, and the whole step of each engine.

First llguidance beside xgrammar, over the model's vocabulary and the schemas of the data: time to compile
one, and time for the mask of one token along its target. Then each engine, constrained and free, on the same
prompts and with answers of about the same length: seconds a token without those of reading the prompts, and
medians of ratios over interleaved rounds. What an engine keeps compiled, it has compiled before the rounds.

    python tests/performance/constrained.py [cases]      default: 12
"""

import json
import statistics
import sys
import time
from dataclasses import replace

from slmlib.engines import base as engines
from slmlib.engines import constraints
from slmlib.models import registry as models
from slmlib.tasks import base as tasks

MODEL, ROUNDS = "smollm2-135m-instruct", 3
RUNNERS = (("transformers", "auto"), ("openvino", "float32"), ("llamacpp", "q8_0"))


def grammars(count: int) -> None:
    """Compile and follow the targets of so many schemas in both libraries."""
    import llguidance.hf
    import xgrammar
    from llguidance import LLMatcher

    tokenizer, width = models.tokenizer(MODEL), 49152
    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=width)
    compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    bits = xgrammar.allocate_token_bitmask(1, width)
    tokens = llguidance.hf.from_tokenizer(tokenizer, n_vocab=width)
    found = {"llguidance": ([], []), "xgrammar": ([], [])}
    for case in {e.group: e for e in tasks.get("edgejson").load("test_unseen")}.values():
        if len(found["xgrammar"][0]) == count:
            break
        schema = case.input["schema"]
        target = tokenizer(json.dumps(case.target, ensure_ascii=False), add_special_tokens=False)["input_ids"]
        begun = time.perf_counter()
        state = LLMatcher(tokens, constraints.lark(schema))
        state.compute_bitmask()
        found["llguidance"][0].append(time.perf_counter() - begun)
        text = constraints.grammar_text(schema)
        begun = time.perf_counter()
        compiled = compiler.compile_json_schema(text, any_whitespace=False, separators=constraints.SEPARATORS)
        found["xgrammar"][0].append(time.perf_counter() - begun)
        other = xgrammar.GrammarMatcher(compiled)
        for token in target:
            begun = time.perf_counter()
            state.compute_bitmask()
            state.consume_token(token)
            found["llguidance"][1].append(time.perf_counter() - begun)
            begun = time.perf_counter()
            other.fill_next_token_bitmask(bits)
            other.accept_token(token)
            found["xgrammar"][1].append(time.perf_counter() - begun)
    print(f"{count} schemas, vocabulary of {MODEL}")
    for name, (compiling, masking) in found.items():
        times = f"{1e3 * statistics.mean(compiling):8.1f} ms mean {1e3 * max(compiling):8.1f} ms worst"
        print(f"{name:12} compile {times}   token {1e6 * statistics.mean(masking):6.1f} µs")


def timed(engine, wanted) -> tuple[float, int]:
    """Seconds, and the tokens that were made."""
    begun = time.perf_counter()
    made = sum(c.tokens_out for batch in engine.batches(wanted) for c in engine.generate(batch))
    return time.perf_counter() - begun, made


def cost(name: str, dtype: str, count: int) -> None:
    """One engine, constrained and free."""
    task = tasks.get("edgejson")
    prompt = task.prompts[task.usual["schema"]]
    engine = engines.start(name, MODEL, dtype=engines.resolve_dtype(dtype, engine=name), batch_size=16)
    cases = [engines.request(task, example, prompt, "schema") for example in task.load("val")[:count]]
    bound = [replace(case, max_new_tokens=120) for case in cases]
    lengths = {c.id: c.tokens_out for batch in engine.batches(bound) for c in engine.generate(batch)}
    free = [replace(r, schema=None, stop="none", max_new_tokens=lengths[r.id]) for r in bound]
    first = [replace(r, max_new_tokens=1) for r in free]
    found: dict[str, list[float]] = {"free": [], "schema": []}
    for _ in range(ROUNDS):
        reading, read = timed(engine, first)
        for mode, wanted in (("free", free), ("schema", bound)):
            seconds, made = timed(engine, wanted)
            found[mode].append((seconds - reading) / (made - read))
    each = ", ".join(f"{mode} {1e3 * statistics.median(times):6.2f}" for mode, times in found.items())
    ratio = statistics.median(b / f for f, b in zip(*found.values(), strict=True))
    print(f"{name:12} ms a token: {each}, {100 * (ratio - 1):+.1f} %", flush=True)


def main(count: str = "12") -> None:
    """Measure and print."""
    grammars(int(count))
    for name, dtype in RUNNERS:
        cost(name, dtype, int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
