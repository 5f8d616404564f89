"""Speed of the engines beside their peers, in one run on the same cases and cores.

Peers: (a) the plain loop of public harnesses, batch 1, fp32, no early stop, 512 new tokens; and (b)
llama.cpp's server with 8-bit weights and as many slots as suit it best. Two questions: cases a second where
the engines end an answer with its JSON value, as a run does, and tokens a second where every answer runs to
512 tokens or the model's end. Rounds are interleaved, each begins with fresh engines, so that no prompt has
been read before, and ratios are medians over the rounds. The plain loop answers all cases where they end by
themselves, and where each takes its 512 tokens two others each round, which is enough for a rate
of tokens and for none of cases. The last
column counts the engines' answers that are its own, or its beginning where they end with their JSON value.
The transformers engine is measured in `engine.py`.

    python tests/performance/throughput.py [model] [cases] [rounds] [question]

By default smollm2-135m-instruct, 32, 3 and both; "cases" or "tokens" asks one question alone. Each takes
about 20 minutes on two cores.
"""

import statistics
import sys
import time
from dataclasses import replace

from transformers.utils import logging

from slmlib.engines import base as engines
from slmlib.engines import openvino
from slmlib.engines.base import Request
from slmlib.models import registry as models
from slmlib.tasks import base as tasks

AT_ONCE, PLAIN_CASES, LONGEST = 32, 2, 512
SLOTS = (8, 16, 32)
PLAIN, PEER = "plain loop", "llamacpp q8_0"
RUNNERS = (
    *(["openvino bfloat16"] if "BF16" in openvino.kernels() else []),  # where the CPU computes in it
    "openvino float32",
    PEER,
)
Measured = tuple[float, float, dict[str, str]]  # cases a second, tokens a second, answers by case


def requests(model: str, count: int) -> list[Request]:
    """The first cases of `val`, asked as the model usually is."""
    task = tasks.get("edgejson")
    prompt = task.prompts[models.usual_prompt(task, model, "free")]
    return [engines.request(task, example, prompt) for example in task.load("val")[:count]]


def plain(loaded, wanted: list[Request]) -> Measured:
    """The plain loop, the prompts' time included."""
    tokens, answers, begun = 0, {}, time.perf_counter()
    for request in wanted:
        text = engines.prompt_text(loaded.tokenizer, request.messages)
        prompt = loaded.tokenizer(text, return_tensors="pt", add_special_tokens=False)
        made = loaded.network.generate(**prompt, max_new_tokens=LONGEST, do_sample=False)
        made = made[0, prompt["input_ids"].shape[1] :]
        tokens += len(made)
        answers[request.id] = loaded.tokenizer.decode(made, skip_special_tokens=True)
    seconds = time.perf_counter() - begun
    return len(wanted) / seconds, tokens / seconds, answers


def together(runner: str, model: str, wanted: list[Request], at_once: int = AT_ONCE) -> Measured:
    """A fresh engine, the prompts' time included but not its start."""
    name, dtype = runner.split()
    engine = engines.start(name, model, dtype=dtype, batch_size=at_once)
    begun = time.perf_counter()
    found = [c for batch in engine.batches(wanted) for c in engine.generate(batch)]
    seconds = time.perf_counter() - begun
    assert not [c for c in found if c.finish == "error"]
    answers = {c.id: c.text for c in found}
    return len(found) / seconds, sum(c.tokens_out for c in found) / seconds, answers


def best_slots(model: str, wanted: list[Request]) -> int:
    """The number of slots with which llama.cpp is fastest here."""
    speeds = {slots: together(PEER, model, wanted, slots)[0] for slots in SLOTS}
    print("llama.cpp:", ", ".join(f"{slots} slots {speed:.3f} cases/s" for slots, speed in speeds.items()))
    return max(speeds, key=speeds.get)


def table(title: str, rounds: dict[str, list[Measured]]) -> None:
    """Medians over the rounds, of rates and of their ratios to both peers."""
    truth = {name: text for _, _, answers in rounds[PLAIN] for name, text in answers.items()}
    print(f"\n{title}: medians of {len(rounds[PLAIN])} rounds")
    print("engine               cases/s  x plain  x llama.cpp |    tok/s  x plain  x llama.cpp | as plain")
    for name, measured in rounds.items():
        line = f"{name:18}"
        for which in (0, 1):
            ratios = [
                statistics.median(m[which] / p[which] for m, p in zip(measured, rounds[peer], strict=True))
                for peer in (PLAIN, PEER)
            ]
            rate = statistics.median(m[which] for m in measured)
            line += f" {rate:9.3f} {ratios[0]:8.1f} {ratios[1]:12.2f} |"
        answers = {case: text for _, _, texts in measured for case, text in texts.items()}
        same = sum(bool(answers[case]) and text.startswith(answers[case]) for case, text in truth.items())
        print(f"{line} {same} of {len(truth)}", flush=True)


def main(
    model: str = "smollm2-135m-instruct", count: str = "32", turns: str = "3", question: str = "both"
) -> None:
    """Measure and print."""
    logging.disable_progress_bar()
    wanted, loaded = requests(model, int(count)), models.load(model)
    print(f"{model}, {count} cases, {AT_ONCE} at once")
    slots = best_slots(model, wanted[:16])
    endless = [replace(request, max_new_tokens=LONGEST, stop="none") for request in wanted]
    stops = {}
    if question in ("cases", "both"):
        stops["answers end with their JSON value"] = wanted
    if question in ("tokens", "both"):
        stops[f"answers run to {LONGEST} tokens or the model's end"] = endless
    found = {title: {PLAIN: [], **{name: [] for name in RUNNERS}} for title in stops}
    for number in range(int(turns)):
        some = [wanted[(number * PLAIN_CASES + i) * 5 % len(wanted)] for i in range(PLAIN_CASES)]
        for title, asked in stops.items():
            found[title][PLAIN].append(plain(loaded, wanted if asked is wanted else some))
            for name in RUNNERS:
                sizes = {"at_once": slots} if name == PEER else {}
                found[title][name].append(together(name, model, asked, **sizes))
        print(f"round {number + 1} of {turns} is done", flush=True)
    for title, rounds in found.items():
        table(title, rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
