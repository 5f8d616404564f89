"""Speed of the engines beside their peers, in one run on the same cases and cores.

Peers: the plain loop of public harnesses (batch 1, fp32, no early stop, 512 new tokens), and
llama.cpp's server with 8-bit weights. Two questions: cases a second where a completion ends with
its JSON value, as in a run, and tokens a second where it runs to 512 tokens or the model's end.
Rounds are interleaved, each with fresh engines, so that no prompt has been read before; ratios are
medians over the rounds. Where completions run on, the plain loop completes two cases each round,
which is enough for a rate of tokens and for none of cases. The last column counts completions that
are the loop's, or its beginning where they end with their JSON value.

    python tests/performance/throughput.py [model] [cases] [rounds]

By default smollm2-135m-instruct, 32 and 3: about an hour on two cores.
"""

import statistics
import sys
import time
from dataclasses import replace

import torch
from transformers.utils import logging

from slmlib.engines import launch
from slmlib.engines.base import Request
from slmlib.engines.sequences import SequenceState
from slmlib.evaluation.run import default_prompt
from slmlib.models import weights
from slmlib.tasks import base as tasks

AT_ONCE, PLAIN_CASES, LONGEST = 32, 2, 512
PLAIN, PEER = "plain loop", "llamacpp q8_0"
RUNNERS = ("transformers float32", "openvino float32", PEER)
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


def together(runner: str, model: str, requests: list[Request]) -> Measured:
    """A fresh engine, the prompts' time included but not its start."""
    name, dtype = runner.split()
    engine = launch.start(name, model, dtype=dtype, batch_size=AT_ONCE)
    start = time.perf_counter()
    completions = [c for batch in engine.batches(requests) for c in engine.generate(batch)]
    seconds = time.perf_counter() - start
    assert not [c for c in completions if c.finish == "error"]
    tokens, texts = sum(c.tokens_out for c in completions), {c.id: c.text for c in completions}
    return len(completions) / seconds, tokens / seconds, texts


def table(title: str, rounds: dict[str, list[Measured]]) -> None:
    """Medians over the rounds, of rates and of their ratios to both peers."""
    expected = {name: text for _, _, texts in rounds[PLAIN] for name, text in texts.items()}
    columns = "x plain  x llama.cpp |"
    print(f"\n{title}: medians of {len(rounds[PLAIN])} rounds")
    print(f"engine                 cases/s  {columns}    tok/s  {columns} as plain")
    for name, measured in rounds.items():
        line = f"{name:20}"
        for rate in (0, 1):
            line += f" {statistics.median(m[rate] for m in measured):9.3f}"
            for peer, width in ((PLAIN, 8), (PEER, 12)):
                pairs = zip(measured, rounds[peer], strict=True)
                line += f" {statistics.median(m[rate] / p[rate] for m, p in pairs):{width}.2f}"
            line += " |"
        texts = {case: text for _, _, part in measured for case, text in part.items()}
        same = sum(bool(texts[c]) and text.startswith(texts[c]) for c, text in expected.items())
        print(f"{line} {same} of {len(expected)}", flush=True)


def main(model: str = "smollm2-135m-instruct", cases: str = "32", turns: str = "3") -> None:
    """Measure and print."""
    logging.disable_progress_bar()
    task, loaded = tasks.get("edgejson"), weights.load(model)
    prompt = task.prompts[default_prompt(task, model, "free")]
    requests = [task.request(sample, prompt) for sample in task.load("val", limit=int(cases))]
    endless = [replace(request, max_new_tokens=LONGEST, stop="eos") for request in requests]
    questions = {
        "completions end with their JSON value": requests,
        f"completions run to {LONGEST} tokens or the model's end": endless,
    }
    measured = {title: {name: [] for name in (PLAIN, *RUNNERS)} for title in questions}
    for turn in range(int(turns)):
        two = [requests[(turn * PLAIN_CASES + i) * 5 % len(requests)] for i in range(PLAIN_CASES)]
        for title, asked in questions.items():
            measured[title][PLAIN].append(plain(loaded, requests if asked is requests else two))
            for name in RUNNERS:
                measured[title][name].append(together(name, model, asked))
        print(f"round {turn + 1} of {turns} is done", flush=True)
    for title, rounds in measured.items():
        table(title, rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
