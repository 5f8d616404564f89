"""Training sequences: several cases behind the beginning that they share, so that it is read once.

A question holds the instruction and the schema, which are long, and the text, which is short. Cases of one
schema that are asked alike differ only from the text on. They are laid out as a tree: the shared beginning,
then a branch for each case, which sees the beginning and itself but no other branch, at the positions that
it would have alone. What the network computes for a case is what it computes for the case by itself, up to
rounding, and with five cases a tree about half of the tokens are saved. Trees are put side by side in
packs, one pack being one sequence; only answers are predicted, so logits are made for them alone.

A mask over the whole pack would compute every pair of places and throw most of them away, which took a third
of a step on a CPU. `prepare` teaches a network to go from span to span instead: a branch attends to its
beginning and to itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

TREES = "trees"  # what transformers calls this attention


@dataclass(frozen=True)
class Question:
    """A case in tokens: what is asked, and the answer with the token that ends it."""

    id: str
    prompt: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass
class Pack:
    """One training sequence.

    Attributes:
        tokens: (L,) the tokens.
        positions: (L,) where each stands in its case.
        tree, branch: (L,) which tree a token belongs to, and which branch of it; 0 is the beginning.
        keep: (A,) places whose next token is predicted.
        labels: (A,) those next tokens.
        cases: ids of the cases.
    """

    tokens: list[int]
    positions: list[int]
    tree: list[int]
    branch: list[int]
    keep: list[int]
    labels: list[int]
    cases: list[str]

    def __len__(self) -> int:
        return len(self.tokens)


def pack(lessons: Iterable[Sequence[Question]], *, limit: int) -> Iterator[Pack]:
    """Packs of at most `limit` tokens, in the order of the lessons.

    Args:
        lessons: cases that begin alike, together; none longer than `limit`.
        limit: tokens in a pack.

    Raises:
        ValueError: a case is longer than the limit.
    """
    current = _empty()
    for lesson in lessons:
        for some in _fitting(lesson, limit):
            size = _size(some)
            if len(current) and len(current) + size > limit:
                yield current
                current = _empty()
            _plant(current, some)
    if len(current):
        yield current


def mask(found: Pack):
    """Which place sees which: (1, 1, L, L), true where the row's token sees the column's."""
    import torch

    tree, branch = torch.tensor(found.tree), torch.tensor(found.branch)
    alike = (tree[:, None] == tree[None, :]) & ((branch[None, :] == 0) | (branch[:, None] == branch[None, :]))
    return alike.tril()[None, None]


def spans(found: Pack) -> list[tuple[int, int, int, int]]:
    """Stretches of a pack, each with the stretch before it that it sees besides itself.

    Returns:
        `(start, end, seen_start, seen_end)` in order, together the whole pack. The first branch of a tree is
        one stretch with its beginning, since to both a plain causal mask applies.
    """
    stretches, place = [], 0
    for _, places in groupby(found.tree):
        length, first = len(list(places)), place
        runs = [(b, len(list(run))) for b, run in groupby(found.branch[first : first + length])]
        trunk = runs.pop(0)[1] if runs[0][0] == 0 else 0
        for _, size in runs:
            alone = place == first
            end = place + size + (trunk if alone else 0)
            stretches.append((place, end, first, first if alone else first + trunk))
            place = end
    return stretches


def inputs(found: Pack, device=None) -> dict:
    """A pack as tensors for a prepared causal language model, `labels` those of `logits_to_keep`."""
    import torch

    def tensor(values: list):
        return torch.tensor(values, device=device)

    return {
        "input_ids": tensor([found.tokens]),
        "position_ids": tensor([found.positions]),
        "spans": spans(found),
        "logits_to_keep": tensor(found.keep),
        "labels": tensor(found.labels),
    }


def prepare(network) -> None:
    """Let a causal language model of transformers read packs; all else it does as before."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(TREES, _attention)
    AttentionMaskInterface.register(TREES, sdpa_mask)
    network.set_attn_implementation(TREES)


def _attention(module, query, key, value, attention_mask, spans=None, **options):
    """Attention in the form that transformers asks for; (1, H, L, D) from span to span if there are spans."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

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


def loss(network, batch: dict):
    """Sum of the cross-entropy over the answers' tokens of a pack, in fp32.

    Args:
        network: a causal language model of transformers, prepared.
        batch: as of `inputs`, on the network's device.
    """
    import torch

    asked = {name: value for name, value in batch.items() if name != "labels"}
    logits = network(**asked, use_cache=False).logits[0]  # (A, vocabulary)
    return torch.nn.functional.cross_entropy(logits.float(), batch["labels"], reduction="sum")


def shared(questions: Sequence[Question]) -> int:
    """Tokens with which all prompts begin; each keeps one of its own, from which its answer is predicted."""
    most = min(len(question.prompt) for question in questions) - 1
    first = questions[0].prompt
    for place in range(most):
        if any(question.prompt[place] != first[place] for question in questions[1:]):
            return place
    return most


def _empty() -> Pack:
    return Pack([], [], [], [], [], [], [])


def _size(questions: Sequence[Question]) -> int:
    """Tokens of a tree."""
    beginning = shared(questions) if len(questions) > 1 else 0
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
    tree = found.tree[-1] + 1 if found.tree else 0
    beginning = shared(questions) if len(questions) > 1 else 0
    _append(found, questions[0].prompt[:beginning], 0, tree, 0)
    for number, question in enumerate(questions, 1):
        _append(found, question.prompt[beginning:], beginning, tree, number)
        place = len(found.tokens)
        _append(found, question.answer, len(question.prompt), tree, number)
        found.keep += range(place - 1, place - 1 + len(question.answer))
        found.labels += question.answer
        found.cases.append(question.id)


def _append(found: Pack, tokens: Sequence[int], first: int, tree: int, branch: int) -> None:
    found.tokens += tokens
    found.positions += range(first, first + len(tokens))
    found.tree += [tree] * len(tokens)
    found.branch += [branch] * len(tokens)
