"""Sequence packing: training cases that share the beginning of their prompts form a tree.

Prompts of one group begin alike (instruction, schema or list of tools) and differ only towards
their end. They become a tree: the shared prefix once, then a branch for each case, which attends to
the prefix and to itself but to no other branch, at the positions that it would have alone. So the
network computes for each case what it computes for the case by itself, up to rounding, and with
five cases in a tree about half of the tokens are saved. Trees are put side by side into packs, and
a pack is one training sequence. Logits are computed only where an answer token is learned.

A mask over the whole pack would compute every pair of positions and discard most of them, which
took a third of a step on a CPU. `prepare` lets a network go from span to span instead: a branch
attends to its prefix and to itself. On a GPU so many small products would wait for each other, so
there one kernel with a block mask skips the blocks of other trees (FlexAttention).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

TREES = "trees"  # name under which transformers knows this attention
BLOCK = 128  # positions of a block mask that are skipped together


@dataclass(frozen=True)
class Example:
    """A case in tokens: the prompt, and the answer with its end token."""

    id: str
    prompt: list[int]
    answer: list[int]
    weights: list[float] | None = None  # of the answer's tokens in the loss; 1 each by default

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


class Tree(NamedTuple):
    """Lengths in tokens: the shared prefix; rest of the prompt and answer of each branch."""

    prefix: int
    branches: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Pack:
    """One training sequence: trees side by side, each as its prefix followed by its branches."""

    tokens: np.ndarray  # (L,)
    trees: list[Tree]
    cases: list[str]  # their ids
    weights: np.ndarray  # (A,) of the answers' tokens in the loss

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def weight(self) -> float:
        """Sum of the weights: the number of predicted tokens where each counts 1."""
        return float(self.weights.sum())


def pack(groups: Iterable[Sequence[Example]], *, limit: int) -> Iterator[Pack]:
    """Pack groups in their order into sequences of at most `limit` tokens."""
    tokens: list[int] = []
    trees: list[Tree] = []
    cases: list[str] = []
    weights: list[float] = []
    for part in (part for group in groups for part in _split(group, limit)):
        if tokens and len(tokens) + _size(part) > limit:
            yield Pack(np.array(tokens, np.uint32), trees, cases, np.array(weights, np.float32))
            tokens, trees, cases, weights = [], [], [], []
        prefix = shared_prefix(part)
        tokens += part[0].prompt[:prefix]
        for example in part:
            tokens += example.prompt[prefix:] + example.answer
            cases.append(example.id)
            weights += example.weights or [1.0] * len(example.answer)
        lengths = tuple((len(each.prompt) - prefix, len(each.answer)) for each in part)
        trees.append(Tree(prefix, lengths))
    if tokens:
        yield Pack(np.array(tokens, np.uint32), trees, cases, np.array(weights, np.float32))


def shared_prefix(examples: Sequence[Example]) -> int:
    """Number of tokens with which all prompts begin; 0 for a single example.

    Each prompt keeps at least one token of its own, from which its answer is predicted.
    """
    if len(examples) == 1:
        return 0
    longest = min(len(example.prompt) for example in examples) - 1
    columns = zip(*(example.prompt[:longest] for example in examples), strict=True)
    return next((i for i, column in enumerate(columns) if len(set(column)) > 1), longest)


def _size(examples: Sequence[Example]) -> int:
    prefix = shared_prefix(examples)
    return prefix + sum(len(example) - prefix for example in examples)


def _split(group: Sequence[Example], limit: int) -> Iterator[list[Example]]:
    """Split a group into parts whose trees fit a pack; a single example must fit by itself."""
    part: list[Example] = []
    for example in group:
        if part and _size([*part, example]) > limit:
            yield part
            part = []
        part.append(example)
    yield part


def join(packs: Sequence[Pack]) -> Pack:
    """Put packs side by side; no tree sees another, so losses and gradients add up as before."""
    return Pack(
        np.concatenate([each.tokens for each in packs]),
        [tree for each in packs for tree in each.trees],
        [case for each in packs for case in each.cases],
        np.concatenate([each.weights for each in packs]),
    )


# --- layout -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """A pack, position by position.

    Spans are `(start, end, seen_start, seen_end)`, together the whole pack, each with the stretch
    before it that it attends to besides itself. The first branch of a tree forms one span with the
    prefix, because a plain causal mask applies to both.
    """

    positions: np.ndarray  # (L,) of each token in its case
    tree: np.ndarray  # (L,) that a token belongs to
    branch: np.ndarray  # (L,) of the tree; 0 is the prefix
    keep: np.ndarray  # (A,) places whose next token is predicted
    spans: list[tuple[int, int, int, int]]


def layout(pack: Pack) -> Layout:
    """Derive the layout of a pack from the lengths of its trees."""
    positions, trees, branches, keep, spans, first = [], [], [], [], [], 0
    for number, (prefix, lengths) in enumerate(pack.trees):
        positions.append(np.arange(prefix))
        branches.append(np.zeros(prefix, int))
        start = first + prefix
        for branch, (prompt, answer) in enumerate(lengths, 1):
            end = start + prompt + answer
            positions.append(np.arange(prefix, prefix + prompt + answer))
            branches.append(np.full(prompt + answer, branch))
            keep.append(np.arange(end - answer - 1, end - 1))
            behind_prefix = (start, end, first, first + prefix)
            spans.append((first, end, first, first) if branch == 1 else behind_prefix)
            start = end
        trees.append(np.full(start - first, number))
        first = start
    return Layout(*map(np.concatenate, (positions, trees, branches, keep)), spans)


def mask(pack: Pack):
    """The attention mask: (1, 1, L, L), true where the row's token sees the column's."""
    import torch

    places = layout(pack)
    tree, branch = torch.from_numpy(places.tree), torch.from_numpy(places.branch)
    same_branch = (branch[None, :] == 0) | (branch[:, None] == branch[None, :])
    return ((tree[:, None] == tree[None, :]) & same_branch).tril()[None, None]


def inputs(pack: Pack, *, length: int = 0) -> dict:
    """Turn a pack into tensors for a prepared causal language model.

    Args:
        pack: the pack.
        length: pad it to so many tokens, rounded up to whole blocks, and give each position's tree
            and branch, for one kernel over the whole pack; without it, give the spans.
    """
    import torch

    places, tokens = layout(pack), np.asarray(pack.tokens, dtype=np.int64)
    learned = pack.weights > 0
    keep = places.keep[learned]
    arrays = {"logits_to_keep": keep, "labels": tokens[keep + 1]}
    if (pack.weights != 1).any():
        arrays["weights"] = pack.weights[learned]
    length = -(-length // BLOCK) * BLOCK
    missing = (0, max(0, length - len(pack)))
    arrays["input_ids"] = np.pad(tokens, missing)[None]
    arrays["position_ids"] = np.pad(places.positions, missing)[None]
    if length:
        padding = len(pack.trees) + np.arange(len(pack), length) // BLOCK  # one tree per block
        tree = np.concatenate([places.tree, padding])
        arrays["trees"] = np.stack([tree, np.pad(places.branch, missing)])
    tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
    return tensors if length else tensors | {"spans": places.spans}


# --- the network ------------------------------------------------------------------------------


def prepare(network) -> None:
    """Let a causal language model of transformers read packs; other inputs work as before."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(TREES, _attention)
    AttentionMaskInterface.register(TREES, sdpa_mask)
    network.set_attn_implementation(TREES)


def compile_layers(network) -> None:
    """Compile the layers for inputs of one size; FlexAttention is a kernel only where compiled."""
    for layer in network.base_model.layers:
        layer.compile(dynamic=False)


def loss(network, batch: dict):
    """Weighted sum of the cross-entropy over the answer tokens of a pack, in fp32.

    The network is prepared; the batch is of `inputs`, on the network's device.
    """
    import torch

    own = ("labels", "trees", "weights")
    options = {name: value for name, value in batch.items() if name not in own}
    if "trees" in batch:
        options["attention_mask"] = block_mask(batch["trees"])
    logits = network(**options, use_cache=False).logits[0]  # (A, vocabulary)
    if "weights" not in batch:
        return torch.nn.functional.cross_entropy(logits.float(), batch["labels"], reduction="sum")
    losses = torch.nn.functional.cross_entropy(logits.float(), batch["labels"], reduction="none")
    return losses @ batch["weights"]


def _attention(module, query, key, value, attention_mask, spans=None, **options):
    """Attention as transformers calls it, on (1, H, L, D): by block mask, by spans, or as sdpa."""
    import torch
    from torch.nn.attention.flex_attention import BlockMask, flex_attention
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if isinstance(attention_mask, BlockMask):
        query, key = query.to(value.dtype), key.to(value.dtype)  # which autocast does not do
        shape = {"scale": options.get("scaling"), "enable_gqa": True}
        attended = flex_attention(query, key, value, block_mask=attention_mask, **shape)
        return attended.transpose(1, 2), None
    if spans is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    parts = []
    for start, end, seen_start, seen_end in spans:
        own, seen = slice(start, end), slice(seen_start, seen_end)
        keys, values = (torch.cat((x[:, :, seen], x[:, :, own]), 2) for x in (key, value))
        before, size = seen_end - seen_start, end - start
        sees = torch.ones(size, before + size, dtype=torch.bool, device=query.device).tril(before)
        attended, _ = sdpa_attention_forward(
            module, query[:, :, own], keys, values, sees[None, None] if before else None, **options
        )
        parts.append(attended)
    return torch.cat(parts, 1), None


def block_mask(trees):
    """The block mask of a pack, from (2, L) trees and branches, L a multiple of `BLOCK`.

    Trees are in order, so a block may see an earlier one if the last tree there reaches the first
    one here.
    """
    from torch.nn.attention.flex_attention import BlockMask

    (tree, branch), length = trees, trees.shape[1]

    def sees(_batch, _head, row, column):
        same_branch = (branch[column] == 0) | (branch[row] == branch[column])
        return (row >= column) & (tree[row] == tree[column]) & same_branch

    blocks = tree.view(-1, BLOCK)
    seen = (blocks[:, -1][None, :] >= blocks[:, 0][:, None]).tril()
    order = seen.int().argsort(dim=1, descending=True, stable=True).int()
    counts = seen.sum(1).int()
    return BlockMask.from_kv_blocks(
        counts[None, None],
        order[None, None],
        BLOCK_SIZE=BLOCK,
        mask_mod=sees,
        seq_lengths=(length, length),
    )
