"""Speed of a training step compared with padded batches, in one run on the same cases.

The peer pads the cases of a batch to the longest and computes logits for every token, as
transformers' collators and models do. Both go forward and backward through the same network in the
same type, over the same cases, in interleaved rounds; cases per second, and the median of the
ratios.

    python tests/performance/training.py [recipe] [cases]      8 minutes on two cores for 10 cases
"""

import statistics
import sys
import time
from itertools import groupby

import torch
from transformers.utils import logging

from slmlib.models import weights
from slmlib.tasks import base as tasks
from slmlib.training import packing, recipes, trainer, training_set

ROUNDS, BATCH = 3, 4


def padded(network, examples) -> None:
    """Batches padded to their longest case, as a causal language model takes them."""
    for i in range(0, len(examples), BATCH):
        batch = examples[i : i + BATCH]
        width = max(map(len, batch))
        tokens = torch.zeros(len(batch), width, dtype=torch.long)
        labels, mask = torch.full_like(tokens, -100), torch.zeros_like(tokens)
        for row, example in enumerate(batch):
            both = [*example.prompt, *example.answer]
            tokens[row, : len(both)] = torch.tensor(both)
            mask[row, : len(both)] = 1
            labels[row, len(example.prompt) : len(both)] = torch.tensor(example.answer)
        network(input_ids=tokens, attention_mask=mask, labels=labels).loss.backward()


def packed(network, packs) -> None:
    """The same cases as trees."""
    for pack in packs:
        (packing.loss(network, packing.inputs(pack)) / pack.weight).backward()


def main(name: str = "edgejson/cpu", count: str = "10") -> None:
    """Measure and print."""
    logging.disable_progress_bar()
    recipe = recipes.load(name)
    (task, mix), *_ = recipe["data"].items()
    tokenizer, size = weights.vocabulary(recipe["model"]).tokenizer, recipe["batch"]["group"]
    samples = tasks.get(task).training.samples(mix, seed=1, group_size=size)
    groups = ([*group] for _, group in groupby(samples, key=lambda sample: sample.group))
    whole = [group for group in groups if len(group) == size][: int(count) // size]
    examples = [[training_set.tokenize(each, tokenizer) for each in group] for group in whole]
    ordered = sorted((example for group in examples for example in group), key=len)
    packs = list(packing.pack(examples, limit=recipe["batch"]["tokens"]))
    network = trainer.load_network(recipe, "cpu").train()
    times = {"padded": [], "packed": []}
    for _ in range(ROUNDS):
        for label, work, batch in (("padded", padded, ordered), ("packed", packed, packs)):
            begun = time.perf_counter()
            work(network, batch)
            times[label].append(time.perf_counter() - begun)
    ratio = statistics.median(a / b for a, b in zip(*times.values(), strict=True))
    share = sum(map(len, packs)) / sum(map(len, ordered))
    print(f"packed is {ratio:.2f} x padded, with {100 * share:.0f} % of its tokens")
    print(f"{recipe['model']}, {recipe['method']}, {recipe['precision']}, {len(ordered)} cases")


if __name__ == "__main__":
    main(*sys.argv[1:])
