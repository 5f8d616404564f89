"""Training sequences: several cases behind the beginning that they share, so that it is read once.

A question holds the instruction and the schema, which are long, and the text, which is short. Cases of one
schema that are asked alike differ only from the text on. They are laid out as a tree: the shared beginning,
then a branch for each case, which sees the beginning and itself but no other branch, at the positions that
it would have alone. What the network computes for a case is what it computes for the case by itself, up to
rounding, and with five cases a tree about half of the tokens are saved. Trees are put side by side in
packs, one pack being one sequence; only answers are predicted, so logits are made for them alone.

A mask over the whole pack would compute every pair of places and throw most of them away, which took a third
of a step on a CPU. `prepare` teaches a network to go from span to span instead: a branch attends to its
beginning and to itself. On a GPU so many small products would wait for each other, so there the same is one
kernel that skips the blocks of other trees (FlexAttention).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

TREES = "trees"  # what transformers calls this attention
BLOCK = 128  # places of a block mask that are skipped together


@dataclass(frozen=True)
class Question:
    """A case in tokens: what is asked, and the answer with the token that ends it."""

    id: str
    prompt: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True)
class Tree:
    """Lengths in tokens: of the shared beginning; of the rest of the prompt and the answer of each case."""

    beginning: int
    branches: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return self.beginning + sum(map(sum, self.branches))


@dataclass
class Pack:
    """One training sequence.

    Attributes:
        tokens: (L,) the tokens, tree by tree, each as its beginning and then its branches.
        trees: how they are laid out.
        cases: ids of the cases.
    """

    tokens: list[int] | np.ndarray = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def answered(self) -> int:
        """Tokens that are predicted."""
        return sum(answer for tree in self.trees for _, answer in tree.branches)


@dataclass(frozen=True)
class Layout:
    """A pack place by place.

    Attributes:
        positions: (L,) where each token stands in its case.
        tree, branch: (L,) which tree a token belongs to, and which branch of it; 0 is the beginning.
        keep: (A,) places whose next token is predicted.
        spans: stretches of the pack, `(start, end, seen_start, seen_end)` in order, together the whole of it,
            each with the stretch before it that it sees besides itself. The first branch of a tree is one
            stretch with its beginning, since to both a plain causal mask applies.
    """

    positions: np.ndarray
    tree: np.ndarray
    branch: np.ndarray
    keep: np.ndarray
    spans: list[tuple[int, int, int, int]]


def pack(lessons: Iterable[Sequence[Question]], *, limit: int) -> Iterator[Pack]:
    """Packs of at most `limit` tokens, in the order of the lessons.

    Args:
        lessons: cases that begin alike, together; none longer than `limit`.
        limit: tokens in a pack.

    Raises:
        ValueError: a case is longer than the limit.
    """
    current = Pack()
    for lesson in lessons:
        for some in _fitting(lesson, limit):
            size = _size(some)
            if len(current) and len(current) + size > limit:
                yield _settled(current)
                current = Pack()
            _plant(current, some)
    if len(current):
        yield _settled(current)


def filled(tokens: int) -> int:
    """The least multiple of `BLOCK` that holds so many tokens."""
    return -(-tokens // BLOCK) * BLOCK


def joined(packs: Sequence[Pack]) -> Pack:
    """Packs side by side as one: no tree sees another, so their losses and gradients add up as before."""
    tokens = np.concatenate([found.tokens for found in packs])
    return Pack(
        tokens, [t for found in packs for t in found.trees], [c for found in packs for c in found.cases]
    )


def layout(found: Pack) -> Layout:
    """What the lengths of a pack's trees say of each of its places."""
    positions, trees, branches, keep, spans, first = [], [], [], [], [], 0
    for number, tree in enumerate(found.trees):
        positions.append(np.arange(tree.beginning))
        branches.append(np.zeros(tree.beginning, int))
        trees.append(np.full(len(tree), number))
        place = first + tree.beginning
        for branch, (prompt, answer) in enumerate(tree.branches, 1):
            end = place + prompt + answer
            positions.append(np.arange(tree.beginning, tree.beginning + prompt + answer))
            branches.append(np.full(prompt + answer, branch))
            keep.append(np.arange(end - answer - 1, end - 1))
            alone = branch == 1
            spans.append((first, end, first, first) if alone else (place, end, first, first + tree.beginning))
            place = end
        first = place
    return Layout(*map(np.concatenate, (positions, trees, branches, keep)), spans)


def mask(found: Pack):
    """Which place sees which: (1, 1, L, L), true where the row's token sees the column's."""
    import torch

    laid = layout(found)
    tree, branch = torch.from_numpy(laid.tree), torch.from_numpy(laid.branch)
    alike = (tree[:, None] == tree[None, :]) & ((branch[None, :] == 0) | (branch[:, None] == branch[None, :]))
    return alike.tril()[None, None]


def inputs(found: Pack, *, length: int = 0) -> dict:
    """A pack as tensors for a prepared causal language model, `labels` those of `logits_to_keep`.

    Args:
        found: the pack.
        length: fill it up to so many tokens, a multiple of `BLOCK`, and say which tree and branch a place is
            of, for one kernel over the whole; without, say from which span to which to go.
    """
    import torch

    laid, tokens = layout(found), np.asarray(found.tokens, dtype=np.int64)
    kept = {"logits_to_keep": laid.keep, "labels": tokens[laid.keep + 1]}
    whole = {"input_ids": tokens[None], "position_ids": laid.positions[None]}
    more = {"spans": laid.spans}
    if length:
        missing = (0, length - len(found))
        filling = len(found.trees) + np.arange(len(found), length) // BLOCK  # a tree of its own in each block
        branch = np.pad(laid.branch, missing)
        more = {"trees": np.stack([np.concatenate([laid.tree, filling]), branch])}
        whole = {name: np.pad(values, ((0, 0), missing)) for name, values in whole.items()}
    given = whole | kept | more | {"size": len(found)}
    return {n: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for n, v in given.items()}


def prepare(network) -> None:
    """Let a causal language model of transformers read packs; all else it does as before."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(TREES, _attention)
    AttentionMaskInterface.register(TREES, sdpa_mask)
    network.set_attn_implementation(TREES)


def compile_layers(network) -> None:
    """Let the layers of a causal language model be compiled, once for all of them, for inputs of one size.

    FlexAttention is a kernel only where it is compiled; else it computes every pair of places.
    """
    for layer in network.base_model.layers:
        layer.compile(dynamic=False)


def _attention(module, query, key, value, attention_mask, spans=None, **options):
    """Attention in the form that transformers asks for: of (1, H, L, D) by a block mask or from span to span,
    of all else as `sdpa` does it."""
    import torch
    from torch.nn.attention.flex_attention import BlockMask, flex_attention
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if isinstance(attention_mask, BlockMask):
        query, key = query.to(value.dtype), key.to(value.dtype)  # autocast knows nothing of this kernel
        shaped = {"scale": options.get("scaling"), "enable_gqa": True}
        attended = flex_attention(query, key, value, block_mask=attention_mask, **shaped)
        return attended.transpose(1, 2), None
    if spans is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    found = []
    for start, end, seen_start, seen_end in spans:
        own, seen = slice(start, end), slice(seen_start, seen_end)
        keys, values = (torch.cat((x[:, :, seen], x[:, :, own]), 2) for x in (key, value))
        before, size = seen_end - seen_start, end - start
        sees = torch.ones(size, before + size, dtype=torch.bool, device=query.device).tril(before)
        attended, _ = sdpa_attention_forward(
            module, query[:, :, own], keys, values, sees[None, None] if before else None, **options
        )
        found.append(attended)
    return torch.cat(found, 1), None


def _blocks(trees):
    """The mask of a pack in blocks, from (2, L) trees and branches, L a multiple of `BLOCK`.

    Trees stand in order, so a block may see an earlier one if the last tree there reaches the first one here.
    """
    from torch.nn.attention.flex_attention import BlockMask

    (tree, branch), length = trees, trees.shape[1]

    def sees(_batch, _head, row, column):
        alike = (branch[column] == 0) | (branch[row] == branch[column])
        return (row >= column) & (tree[row] == tree[column]) & alike

    blocks = tree.view(-1, BLOCK)
    seen = (blocks[:, -1][None, :] >= blocks[:, 0][:, None]).tril()
    order = seen.int().argsort(dim=1, descending=True, stable=True)
    counts, order = seen.sum(1, dtype=order.dtype).int(), order.int()
    return BlockMask.from_kv_blocks(
        counts[None, None], order[None, None], BLOCK_SIZE=BLOCK, mask_mod=sees, seq_lengths=(length, length)
    )


def loss(network, batch: dict):
    """Sum of the cross-entropy over the answers' tokens of a pack, in fp32.

    Args:
        network: a causal language model of transformers, prepared.
        batch: as of `inputs`, on the network's device.
    """
    import torch

    asked = {name: value for name, value in batch.items() if name not in ("labels", "trees", "size")}
    if "trees" in batch:
        asked["attention_mask"] = _blocks(batch["trees"])
    logits = network(**asked, use_cache=False).logits[0]  # (A, vocabulary)
    return torch.nn.functional.cross_entropy(logits.float(), batch["labels"], reduction="sum")


def shared(questions: Sequence[Question]) -> int:
    """Tokens with which all prompts begin, 0 if there is only one; each keeps one of its own, from which its
    answer is predicted."""
    if len(questions) == 1:
        return 0
    most = min(len(question.prompt) for question in questions) - 1
    first = questions[0].prompt
    for place in range(most):
        if any(question.prompt[place] != first[place] for question in questions[1:]):
            return place
    return most


def save(packs: Sequence[Pack], path: Path) -> None:
    """Write packs to a safetensors file: tokens, lengths, and the ids of the cases."""
    from safetensors.numpy import save_file

    trees = [tree for found in packs for tree in found.trees]
    numbers = {
        "packs": [[len(found), len(found.trees), len(found.cases)] for found in packs],
        "trees": [[tree.beginning, len(tree.branches)] for tree in trees],
        "branches": [branch for tree in trees for branch in tree.branches],
    }
    whole = {name: np.array(values, dtype=np.int32) for name, values in numbers.items()}
    whole["tokens"] = np.concatenate([np.asarray(found.tokens, dtype=np.uint32) for found in packs])
    whole["cases"] = np.frombuffer("\n".join(c for found in packs for c in found.cases).encode(), np.uint8)
    save_file(whole, path)


def load(path: Path) -> list[Pack]:
    """Packs that `save` wrote; their tokens are views of one array."""
    from safetensors.numpy import load_file

    whole = load_file(path)
    branches = iter(map(tuple, whole["branches"].tolist()))
    trees = iter([Tree(b, tuple(islice(branches, count))) for b, count in whole["trees"].tolist()])
    cases, place, found = iter(whole["cases"].tobytes().decode().split("\n")), 0, []
    for size, of_trees, of_cases in whole["packs"].tolist():
        tokens = whole["tokens"][place : place + size]
        found.append(Pack(tokens, list(islice(trees, of_trees)), list(islice(cases, of_cases))))
        place += size
    return found


def _size(questions: Sequence[Question]) -> int:
    """Tokens of a tree."""
    beginning = shared(questions)
    return beginning + sum(len(question) - beginning for question in questions)


def _fitting(lesson: Sequence[Question], limit: int) -> Iterator[list[Question]]:
    """The lesson in parts whose trees fit a pack."""
    part: list[Question] = []
    for question in lesson:
        if len(question) > limit:
            raise ValueError(f"{question.id} has {len(question)} tokens, and a pack takes {limit}")
        if part and _size([*part, question]) > limit:
            yield part
            part = []
        part.append(question)
    if part:
        yield part


def _plant(found: Pack, questions: Sequence[Question]) -> None:
    """Add a tree to a pack."""
    beginning = shared(questions)
    found.tokens += questions[0].prompt[:beginning]
    for question in questions:
        found.tokens += question.prompt[beginning:] + question.answer
        found.cases.append(question.id)
    lengths = tuple((len(q.prompt) - beginning, len(q.answer)) for q in questions)
    found.trees.append(Tree(beginning, lengths))


def _settled(found: Pack) -> Pack:
    """A pack that is full, in a tenth of the memory that a list takes."""
    found.tokens = np.array(found.tokens, dtype=np.uint32)
    return found
