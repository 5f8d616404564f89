"""The cost of a constraint: compiling schemas, masking tokens, and the whole step of each engine.

First llguidance beside xgrammar, over the model's vocabulary and the schemas of the data: time to
compile one, and time for the mask of one token along its target. Then each engine, constrained and
free, on the same prompts and with completions of about the same length: seconds a token without
those of reading the prompts, and medians of ratios over interleaved rounds.

    python tests/performance/constrained.py [cases]      default: 12
"""

import json
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import replace
from itertools import islice

import llguidance.hf
import xgrammar
from llguidance import LLMatcher

from slmlib.engines import constraints, launch
from slmlib.engines.base import JsonSchema
from slmlib.models import weights
from slmlib.tasks import base as tasks

MODEL, WIDTH, ROUNDS = "smollm2-135m-instruct", 49152, 3
TASK = tasks.get("edgejson")


def grammars(count: int) -> None:
    """Compile and follow the targets of so many schemas in both libraries."""
    tokenizer = weights.vocabulary(MODEL).tokenizer
    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=WIDTH)
    compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    bits = xgrammar.allocate_token_bitmask(1, WIDTH)
    tokens = llguidance.hf.from_tokenizer(tokenizer, n_vocab=WIDTH)
    times = defaultdict(list)

    def timed(name: str, work, *arguments):
        start = time.perf_counter()
        result = work(*arguments)
        times[name].append(1e6 * (time.perf_counter() - start))
        return result

    def by_llguidance(schema):
        matcher = LLMatcher(tokens, constraints.lark(JsonSchema(schema)))
        matcher.compute_bitmask()
        return matcher

    def by_xgrammar(schema):
        options = {"any_whitespace": False, "separators": constraints.SEPARATORS}
        text = constraints.grammar_text(schema)
        return xgrammar.GrammarMatcher(compiler.compile_json_schema(text, **options))

    samples = {sample.group: sample for sample in TASK.load("test_unseen")}
    for sample in islice(samples.values(), count):
        ours = timed("llguidance, a schema", by_llguidance, sample.input["schema"])
        theirs = timed("xgrammar, a schema", by_xgrammar, sample.input["schema"])
        text = json.dumps(sample.target, ensure_ascii=False)
        for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
            timed("llguidance, a token", ours.compute_bitmask)
            timed("xgrammar, a token", theirs.fill_next_token_bitmask, bits)
            ours.consume_token(token)
            theirs.accept_token(token)
    print(f"{count} schemas, vocabulary of {MODEL}")
    for name, each in sorted(times.items()):
        print(f"{name:20} {statistics.mean(each):10.1f} µs mean {max(each):10.1f} µs worst")


def cost(name: str, dtype: str, count: int) -> None:
    """One engine, constrained and free."""
    dtype = launch.resolve_dtype(dtype, engine=name)
    engine = launch.start(name, MODEL, dtype=dtype, batch_size=16)

    def complete(requests) -> tuple[float, dict[str, int]]:
        """Seconds, and tokens of the completions."""
        start = time.perf_counter()
        completions = [c for batch in engine.batches(requests) for c in engine.generate(batch)]
        return time.perf_counter() - start, {c.id: c.tokens_out for c in completions}

    prompt = TASK.prompts[TASK.default_prompt("constrained")]
    samples = TASK.load("val", limit=count)
    bound = [TASK.request(sample, prompt, "constrained") for sample in samples]
    bound = [replace(request, max_new_tokens=120) for request in bound]
    _, lengths = complete(bound)
    free = [replace(r, constraint=None, stop="eos", max_new_tokens=lengths[r.id]) for r in bound]
    first = [replace(request, max_new_tokens=1) for request in free]
    paces = {"free": [], "constrained": []}
    for _ in range(ROUNDS):
        reading, read = complete(first)
        for mode, requests in (("free", free), ("constrained", bound)):
            seconds, tokens = complete(requests)
            paces[mode].append((seconds - reading) / (sum(tokens.values()) - sum(read.values())))
    ratio = statistics.median(b / f for f, b in zip(*paces.values(), strict=True))
    free, bound = (1e3 * statistics.median(times) for times in paces.values())
    print(f"{name:12} ms a token: free {free:.2f}, constrained {bound:.2f}, {ratio - 1:+.1%}")


if __name__ == "__main__":
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    grammars(cases)
    for runner in (("transformers", "auto"), ("openvino", "float32"), ("llamacpp", "q8_0")):
        cost(*runner, cases)
