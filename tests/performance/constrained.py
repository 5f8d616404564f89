"""The cost of a constraint: compiling schemas, masking tokens, and the whole step of each engine.

First llguidance beside xgrammar, over the model's vocabulary and the schemas of the data: time to
compile one, and time for the mask of one token along its target. Then each engine, constrained and
free, on the same prompts and with completions of about the same length: seconds a token without
those of reading the prompts, and medians of ratios over interleaved rounds. Grammars that an engine
keeps are compiled before the rounds.

    python tests/performance/constrained.py [cases]      default: 12
"""

import json
import statistics
import sys
import time
from dataclasses import replace
from itertools import islice

from slmlib.engines import constraints, launch
from slmlib.engines.base import JsonSchema
from slmlib.models import weights
from slmlib.tasks import base as tasks

MODEL, WIDTH, ROUNDS = "smollm2-135m-instruct", 49152, 3
RUNNERS = (("transformers", "auto"), ("openvino", "float32"), ("llamacpp", "q8_0"))


def grammars(count: int) -> None:
    """Compile and follow the targets of so many schemas in both libraries."""
    import llguidance.hf
    import xgrammar
    from llguidance import LLMatcher

    tokenizer = weights.vocabulary(MODEL).tokenizer
    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=WIDTH)
    compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    bits = xgrammar.allocate_token_bitmask(1, WIDTH)
    tokens = llguidance.hf.from_tokenizer(tokenizer, n_vocab=WIDTH)
    compiling: dict[str, list[float]] = {"llguidance": [], "xgrammar": []}
    masking: dict[str, list[float]] = {"llguidance": [], "xgrammar": []}

    def timed(times: list[float], work):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
        return result

    def by_llguidance(schema):
        matcher = LLMatcher(tokens, constraints.lark(JsonSchema(schema)))
        matcher.compute_bitmask()
        return matcher

    def by_xgrammar(schema):
        options = {"any_whitespace": False, "separators": constraints.SEPARATORS}
        text = constraints.grammar_text(schema)
        return xgrammar.GrammarMatcher(compiler.compile_json_schema(text, **options))

    samples = {sample.group: sample for sample in tasks.get("edgejson").load("test_unseen")}
    for sample in islice(samples.values(), count):
        schema = sample.input["schema"]
        ours = timed(compiling["llguidance"], lambda schema=schema: by_llguidance(schema))
        theirs = timed(compiling["xgrammar"], lambda schema=schema: by_xgrammar(schema))
        text = json.dumps(sample.target, ensure_ascii=False)
        for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
            timed(masking["llguidance"], ours.compute_bitmask)
            timed(masking["xgrammar"], lambda state=theirs: state.fill_next_token_bitmask(bits))
            ours.consume_token(token)
            theirs.accept_token(token)
    print(f"{count} schemas, vocabulary of {MODEL}")
    for name, times in compiling.items():
        mean, worst, mask = statistics.mean(times), max(times), statistics.mean(masking[name])
        print(f"{name:12} compile {1e3 * mean:8.1f} ms mean {1e3 * worst:8.1f} ms worst", end="")
        print(f"   token {1e6 * mask:6.1f} µs")


def timed_run(engine, requests) -> tuple[float, int]:
    """Seconds, and tokens of the completions."""
    start = time.perf_counter()
    tokens = sum(c.tokens_out for batch in engine.batches(requests) for c in engine.generate(batch))
    return time.perf_counter() - start, tokens


def cost(name: str, dtype: str, count: int) -> None:
    """One engine, constrained and free."""
    task = tasks.get("edgejson")
    prompt = task.prompts[task.default_prompt("constrained")]
    dtype = launch.resolve_dtype(dtype, engine=name)
    engine = launch.start(name, MODEL, dtype=dtype, batch_size=16)
    samples = task.load("val", limit=count)
    bound = [
        replace(task.request(sample, prompt, "constrained"), max_new_tokens=120)
        for sample in samples
    ]
    lengths = {
        c.id: c.tokens_out for batch in engine.batches(bound) for c in engine.generate(batch)
    }
    free = [replace(r, constraint=None, stop="eos", max_new_tokens=lengths[r.id]) for r in bound]
    first = [replace(r, max_new_tokens=1) for r in free]
    paces: dict[str, list[float]] = {"free": [], "constrained": []}
    for _ in range(ROUNDS):
        reading, read = timed_run(engine, first)
        for mode, requests in (("free", free), ("constrained", bound)):
            seconds, tokens = timed_run(engine, requests)
            paces[mode].append((seconds - reading) / (tokens - read))
    each = ", ".join(
        f"{mode} {1e3 * statistics.median(times):6.2f}" for mode, times in paces.items()
    )
    ratio = statistics.median(b / f for f, b in zip(*paces.values(), strict=True))
    print(f"{name:12} ms a token: {each}, {100 * (ratio - 1):+.1f} %", flush=True)


def main(count: str = "12") -> None:
    """Measure and print."""
    grammars(int(count))
    for name, dtype in RUNNERS:
        cost(name, dtype, int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
