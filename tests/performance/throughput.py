"""Speed of the engines beside their peers, in one run on the same cases and cores.

Peers: (a) the plain loop of public harnesses: batch 1, fp32, no early stop, 512 new tokens; and (b)
llama.cpp's server with 8-bit weights and as many slots as suit it best. Two questions: cases a
second where the engines end a completion with its JSON value, as a run does, and tokens a second
where every completion runs to 512 tokens or the model's end. Rounds are interleaved, each begins
with fresh engines, so that no prompt has been read before, and ratios are medians over the rounds.
The plain loop completes all cases where they end by themselves, and elsewhere two others each
round, which is enough for a rate of tokens and for none of cases. The last column counts the
engines' completions that are the loop's, or its beginning where they end with their JSON value. The
reference engine is measured in `engine.py`.

    python tests/performance/throughput.py [model] [cases] [rounds] [question]

By default smollm2-135m-instruct, 32, 3 and both; "cases" or "tokens" asks one question alone. Each
takes about 20 minutes on two cores.
"""

import statistics
import sys
import time
from dataclasses import replace

import torch
from transformers.utils import logging

from slmlib.engines import launch, openvino
from slmlib.engines.base import Request
from slmlib.engines.sequences import SequenceState
from slmlib.evaluation.run import default_prompt
from slmlib.models import weights
from slmlib.tasks import base as tasks

AT_ONCE, PLAIN_CASES, LONGEST = 32, 2, 512
SLOTS = (8, 16, 32)
PLAIN, PEER = "plain loop", "llamacpp q8_0"
RUNNERS = (
    *(
        ["openvino bfloat16"] if "BF16" in openvino.kernels() else []
    ),  # where the CPU computes in it
    "openvino float32",
    PEER,
)
Measured = tuple[float, float, dict[str, str]]  # cases a second, tokens a second, texts by case


def plain(loaded, requests: list[Request]) -> Measured:
    """The plain loop, the prompts' time included."""
    tokens, texts, start = 0, {}, time.perf_counter()
    for request in requests:
        prompt = torch.tensor([SequenceState(request, loaded.vocabulary).prompt])
        output = loaded.network.generate(prompt, max_new_tokens=LONGEST, do_sample=False)
        completion = output[0, prompt.shape[1] :]
        tokens += len(completion)
        texts[request.id] = loaded.tokenizer.decode(completion, skip_special_tokens=True)
    seconds = time.perf_counter() - start
    return len(requests) / seconds, tokens / seconds, texts


def together(runner: str, model: str, requests: list[Request], at_once: int = AT_ONCE) -> Measured:
    """A fresh engine, the prompts' time included but not its start."""
    name, dtype = runner.split()
    engine = launch.start(name, model, dtype=dtype, batch_size=at_once)
    start = time.perf_counter()
    completions = [c for batch in engine.batches(requests) for c in engine.generate(batch)]
    seconds = time.perf_counter() - start
    assert not [c for c in completions if c.finish == "error"]
    tokens, texts = sum(c.tokens_out for c in completions), {c.id: c.text for c in completions}
    return len(completions) / seconds, tokens / seconds, texts


def best_slots(model: str, requests: list[Request]) -> int:
    """The number of slots with which llama.cpp is fastest here."""
    speeds = {slots: together(PEER, model, requests, slots)[0] for slots in SLOTS}
    listed = (f"{slots} slots {speed:.3f} cases/s" for slots, speed in speeds.items())
    print("llama.cpp:", ", ".join(listed))
    return max(speeds, key=speeds.get)


def table(title: str, rounds: dict[str, list[Measured]]) -> None:
    """Medians over the rounds, of rates and of their ratios to both peers."""
    expected = {name: text for _, _, texts in rounds[PLAIN] for name, text in texts.items()}
    print(f"\n{title}: medians of {len(rounds[PLAIN])} rounds")
    columns = "x plain  x llama.cpp |"
    print(f"engine               cases/s  {columns}    tok/s  {columns} as plain")
    for name, measured in rounds.items():
        line = f"{name:18}"
        for rate in (0, 1):
            ratios = [
                statistics.median(m[rate] / p[rate] for m, p in zip(measured, peer, strict=True))
                for peer in (rounds[PLAIN], rounds[PEER])
            ]
            median = statistics.median(m[rate] for m in measured)
            line += f" {median:9.3f} {ratios[0]:8.1f} {ratios[1]:12.2f} |"
        texts = {case: text for _, _, part in measured for case, text in part.items()}
        same = sum(bool(texts[c]) and text.startswith(texts[c]) for c, text in expected.items())
        print(f"{line} {same} of {len(expected)}", flush=True)


def main(
    model: str = "smollm2-135m-instruct",
    cases: str = "32",
    turns: str = "3",
    question: str = "both",
) -> None:
    """Measure and print."""
    logging.disable_progress_bar()
    task, loaded = tasks.get("edgejson"), weights.load(model)
    prompt = task.prompts[default_prompt(task, model, "free")]
    requests = [task.request(sample, prompt) for sample in task.load("val", limit=int(cases))]
    print(f"{model}, {cases} cases, {AT_ONCE} at once")
    slots = best_slots(model, requests[:16])
    endless = [replace(request, max_new_tokens=LONGEST, stop="eos") for request in requests]
    stops = {}
    if question in ("cases", "both"):
        stops["completions end with their JSON value"] = requests
    if question in ("tokens", "both"):
        stops[f"completions run to {LONGEST} tokens or the model's end"] = endless
    measured = {title: {PLAIN: [], **{name: [] for name in RUNNERS}} for title in stops}
    for turn in range(int(turns)):
        two = [requests[(turn * PLAIN_CASES + i) * 5 % len(requests)] for i in range(PLAIN_CASES)]
        for title, asked in stops.items():
            measured[title][PLAIN].append(plain(loaded, requests if asked is requests else two))
            for name in RUNNERS:
                sizes = {"at_once": slots} if name == PEER else {}
                measured[title][name].append(together(name, model, asked, **sizes))
        print(f"round {turn + 1} of {turns} is done", flush=True)
    for title, rounds in measured.items():
        table(title, rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
