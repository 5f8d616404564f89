"""Speed of the engines beside their peers, in one run on the same cases and cores.

Peers: (a) the plain loop of public harnesses, batch 1, fp32, no early stop, 512 new tokens; and (b)
llama.cpp's server with 8-bit weights and as many slots. Two questions: tokens a second where every answer
runs to 512 tokens, and cases a second where the engines end an answer with its JSON value, as a run does.
Rounds are interleaved and ratios are those of medians. The plain loop answers two cases a round, which is
enough for a rate. The transformers engine is measured in `engine.py`.

    python tests/performance/throughput.py [model] [cases]      default: smollm2-135m-instruct 32
"""

import statistics
import sys
import time
from dataclasses import replace

from transformers.utils import logging

from slmlib import engines, models, tasks
from slmlib.engines import Request

ROUNDS, AT_ONCE, PLAIN_CASES, LONGEST = 3, 32, 2, 512
RUNNERS = (("openvino", "bfloat16"), ("openvino", "float32"), ("llamacpp", "q8_0"))
PEER = "llamacpp q8_0"


def requests(count: int) -> list[Request]:
    """The first cases of `val`, asked in the usual way."""
    task = tasks.get("edgejson")
    prompt = task.prompts[task.usual["free"]]
    return [engines.request(task, example, prompt) for example in task.load("val")[:count]]


def plain(loaded, wanted) -> tuple[int, int]:
    """Cases and generated tokens of the plain loop."""
    tokens = 0
    for request in wanted[:PLAIN_CASES]:
        text = engines.prompt_text(loaded.tokenizer, request.messages)
        prompt = loaded.tokenizer(text, return_tensors="pt", add_special_tokens=False)
        made = loaded.network.generate(**prompt, max_new_tokens=LONGEST, do_sample=False)
        tokens += made.shape[1] - prompt["input_ids"].shape[1]
    return PLAIN_CASES, tokens


def together(engine, wanted) -> tuple[int, int]:
    """Cases and generated tokens of an engine."""
    found = [c for batch in engine.batches(wanted) for c in engine.generate(batch)]
    assert not [c for c in found if c.finish == "error"]
    return len(found), sum(c.tokens_out for c in found)


def rates(work, *arguments) -> tuple[float, float]:
    """Cases and tokens a second, the prompts' time included."""
    start = time.perf_counter()
    cases, tokens = work(*arguments)
    seconds = time.perf_counter() - start
    return cases / seconds, tokens / seconds


def table(title: str, rounds: dict[str, list]) -> None:
    """Medians over the rounds, and their ratios to both peers."""
    middles = {name: [statistics.median(c) for c in zip(*r, strict=True)] for name, r in rounds.items()}
    base, peer = middles["plain loop"], middles[PEER]
    print(f"\n{title}: medians of {ROUNDS} rounds")
    print("engine                   cases/s     tok/s  x plain  x llama.cpp | x plain  x llama.cpp (tok/s)")
    for name, (cases, tokens) in middles.items():
        by_case = f"{cases / base[0]:8.1f} {cases / peer[0]:12.2f}"
        by_token = f"{tokens / base[1]:8.1f} {tokens / peer[1]:12.2f}"
        print(f"{name:24} {cases:8.3f} {tokens:8.1f} {by_case} |{by_token}", flush=True)


def main(model: str = "smollm2-135m-instruct", count: str = "32") -> None:
    """Measure and print."""
    logging.disable_progress_bar()
    wanted, loaded, running = requests(int(count)), models.load(model), {}
    for name, dtype in RUNNERS:
        running[f"{name} {dtype}"] = engines.start(name, model, dtype=dtype, batch_size=AT_ONCE)
    print(f"{model}, {count} cases, {AT_ONCE} at once")
    stops = {
        "answers end with their JSON value": wanted,
        f"answers run to {LONGEST} tokens or the model's end": [
            replace(request, max_new_tokens=LONGEST, stop="none") for request in wanted
        ],
    }
    found = {title: {"plain loop": [], **{name: [] for name in running}} for title in stops}
    for _ in range(ROUNDS):
        once = rates(plain, loaded, wanted)
        for title, asked in stops.items():
            found[title]["plain loop"].append(once)
            for name, engine in running.items():
                found[title][name].append(rates(together, engine, asked))
    for title, rounds in found.items():
        table(title, rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
