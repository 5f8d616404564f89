"""Speed of the reference engine beside the library's own `generate`, in one run on the same cases.

`generate` completes (a) one case after the other, as public harnesses do, and (b) all cases as one
batch, where each row ends with its JSON value but is computed until the last one ends. Prints
seconds of CPU, which a busy machine does not change much, and ratios: medians over interleaved
rounds, on one thread.

    python tests/performance/engine.py [cases] [rounds]      default: 8 3
"""

import statistics
import sys
import time

import torch
from transformers import StoppingCriteria
from transformers.utils import logging

from slmlib.engines.sequences import SequenceState
from slmlib.engines.transformers import Transformers
from slmlib.models import weights
from slmlib.tasks import base as tasks

MODEL = "smollm2-135m-instruct"


class Ends(StoppingCriteria):
    """Ends each row where its request ends."""

    def __init__(self, sequences: list[SequenceState]):
        self.sequences = sequences

    def __call__(self, tokens, scores):
        for sequence, token in zip(self.sequences, tokens[:, -1].tolist(), strict=True):
            if not sequence.finish:
                sequence.append(token, 0.0)
        return torch.tensor([bool(sequence.finish) for sequence in self.sequences])


def generate(loaded, requests, *, batch_size: int) -> dict[str, str]:
    """Texts by the library's own loop."""
    texts = {}
    for i in range(0, len(requests), batch_size):
        rows = [SequenceState(r, loaded.vocabulary) for r in requests[i : i + batch_size]]
        width = max(len(row.prompt) for row in rows)
        gaps = [width - len(row.prompt) for row in rows]
        loaded.network.generate(
            torch.tensor([[0] * gap + row.prompt for gap, row in zip(gaps, rows, strict=True)]),
            attention_mask=torch.tensor([[0] * gap + [1] * (width - gap) for gap in gaps]),
            do_sample=False,
            max_new_tokens=max(row.request.max_new_tokens for row in rows),
            stopping_criteria=[Ends(rows)],
            eos_token_id=None,
            pad_token_id=0,
        )
        texts |= {row.request.id: row.text for row in rows}
    return texts


def by_engine(loaded, requests, *, batch_size: int) -> dict[str, str]:
    """Texts by the reference engine."""
    engine = Transformers(loaded, batch_size=batch_size, threads=1)
    return {c.id: c.text for batch in engine.batches(requests) for c in engine.generate(batch)}


def main(cases: str = "8", rounds: str = "3") -> None:
    """Measure and print."""
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    task, loaded = tasks.get("edgejson"), weights.load(MODEL)
    prompt = task.prompts[task.default_prompt("free")]
    requests = [task.request(s, prompt) for s in task.load("val", limit=int(cases))]
    runs = {
        f"{name}, batch {size}": (function, size)
        for size in (1, len(requests))
        for name, function in (("generate", generate), ("engine", by_engine))
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    texts: dict[str, dict[str, str]] = {}
    for _ in range(int(rounds)):
        for name, (function, size) in runs.items():
            start = time.process_time()
            texts[name] = function(loaded, requests, batch_size=size)
            seconds[name].append(time.process_time() - start)
    plain = next(iter(runs))
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(times, seconds[plain], strict=True))
        same = sum(texts[name][key] == text for key, text in texts[plain].items())
        print(
            f"{name:20} {statistics.median(times):7.1f} s, {ratio:5.2f} x {plain}, "
            f"{same} of {len(requests)} texts the same",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
