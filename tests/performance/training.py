"""Speed of a training step beside the library's own way, in one run on the same cases.

The peer pads the cases of a batch to the longest and makes logits for every token, as transformers' collators
and models do by themselves. Both go forward and backward through the same network in the same type, over the
same cases, in interleaved rounds; cases a second, and the median of the ratios.

    python tests/performance/training.py [cases]      default: 10, in whole lessons; 8 minutes on two cores
"""

import statistics
import sys
import time

import torch
from transformers.utils import logging

from slmlib.models import registry as models
from slmlib.training import packing, recipes, sft

ROUNDS, BATCH = 3, 4


def padded(network, questions) -> None:
    """Batches padded to their longest case, as a causal language model takes them."""
    for i in range(0, len(questions), BATCH):
        batch = questions[i : i + BATCH]
        width = max(map(len, batch))
        tokens = torch.zeros(len(batch), width, dtype=torch.long)
        labels, mask = torch.full_like(tokens, -100), torch.zeros_like(tokens)
        for row, question in enumerate(batch):
            both = [*question.prompt, *question.answer]
            tokens[row, : len(both)] = torch.tensor(both)
            mask[row, : len(both)] = 1
            labels[row, len(question.prompt) : len(both)] = torch.tensor(question.answer)
        network(input_ids=tokens, attention_mask=mask, labels=labels).loss.backward()


def packed(network, packs) -> None:
    """The same cases as trees."""
    for pack in packs:
        (packing.loss(network, packing.inputs(pack)) / pack.answered).backward()


def seconds(work, *arguments) -> float:
    """Wall time of a call."""
    begun = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begun


def main(count: str = "10") -> None:
    """Measure and print."""
    logging.disable_progress_bar()
    recipe = recipes.load("cpu")
    tokenizer = models.vocabulary(recipe["model"]).tokenizer
    size = recipe["batch"]["lesson"]
    lessons = sft.training.lessons(sft.Mixture(), seed=1, size=size)
    full = [lesson for lesson in lessons if len(lesson.examples) == size][: int(count) // size]
    asked = [sft.questions(lesson, tokenizer) for lesson in full]
    questions = sorted((q for lesson in asked for q in lesson), key=len)
    packs = list(packing.pack(asked, limit=recipe["batch"]["tokens"]))
    network = sft._network(recipe).train()
    found = {"padded": [], "packed": []}
    for _ in range(ROUNDS):
        found["padded"].append(seconds(padded, network, questions))
        found["packed"].append(seconds(packed, network, packs))
    ratio = statistics.median(a / b for a, b in zip(found["padded"], found["packed"], strict=True))
    for name, times in found.items():
        print(f"{name:8} {len(questions) / statistics.median(times):6.2f} cases/s")
    read = sum(map(len, packs)) / sum(map(len, questions))
    print(f"packed is {ratio:.2f} x padded, on {100 * read:.0f} % of its tokens")
    print(f"{recipe['model']}, {recipe['method']}, fp32, {len(questions)} cases")


if __name__ == "__main__":
    main(*sys.argv[1:])
