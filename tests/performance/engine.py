"""Speed of the transformers engine beside its peers, in one run on the same cases.

Prints tokens a second, and ratios of medians over interleaved rounds, against (a) the plain loop of
public harnesses: batch 1, fp32, `generate`; and (b) the same engine with a key/value cache that copies
itself for each token, as the library's own does. A fixed number of tokens is generated, so that all do
the same work.
"""

import statistics
import time

from transformers.utils import logging

from slmlib.engines import base as engines
from slmlib.engines import kv_cache, transformers
from slmlib.models import registry as models
from slmlib.tasks import base as tasks

MODEL, CASES, TOKENS, ROUNDS = "smollm2-135m-instruct", 16, 64, 3


def requests() -> list[engines.Request]:
    """Simple cases, as they are asked; "none": no early stop."""
    task = tasks.get("edgejson")
    prompt = task.prompts[task.usual["free"]]
    chosen = [example for example in task.load("val") if example.tier == "simple"][:CASES]
    return [engines.Request(e.id, prompt.messages(e), TOKENS, "none") for e in chosen]


def plain(loaded, wanted) -> int:
    """One case at a time; only the first two, which is enough for a rate."""
    count = 0
    for request in wanted[:2]:
        text = engines.prompt_text(loaded.tokenizer, request.messages)
        tokens = loaded.tokenizer(text, return_tensors="pt", add_special_tokens=False)
        options = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "do_sample": False}
        count += loaded.network.generate(**tokens, **options).shape[1] - tokens["input_ids"].shape[1]
    return count


def batched(engine, wanted) -> int:
    """All cases through the engine."""
    return sum(c.tokens_out for batch in engine.batches(wanted) for c in engine.generate(batch))


def rate(work, *arguments) -> float:
    """Generated tokens a second, the prompt's time included."""
    start = time.perf_counter()
    return work(*arguments) / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    logging.disable_progress_bar()
    wanted = requests()
    exact, fast = models.load(MODEL), models.load(MODEL, dtype=engines.resolve_dtype("auto"))
    engine = transformers.Transformers(fast, batch_size=CASES)
    spare = kv_cache.SPARE
    rates: dict[str, list[float]] = {"plain loop": [], "copying cache": [], "engine": []}
    for _ in range(ROUNDS):
        rates["plain loop"].append(rate(plain, exact, wanted))
        kv_cache.SPARE = 0
        rates["copying cache"].append(rate(batched, engine, wanted))
        kv_cache.SPARE = spare
        rates["engine"].append(rate(batched, engine, wanted))
    best = statistics.median(rates["engine"])
    for name, found in rates.items():
        middle = statistics.median(found)
        print(f"{name:18} {middle:7.1f} tok/s   engine is {best / middle:5.2f} x")
    print(f"{MODEL}, {CASES} cases, {TOKENS} tokens each, {engine.describe()}")


if __name__ == "__main__":
    main()
