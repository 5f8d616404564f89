"""Training sequences: several cases behind the beginning that they share, so that it is read once.

A question holds the instruction and the schema, which are long, and the text, which is short. Cases of one
schema that are asked alike differ only from the text on. They are laid out as a tree: the shared beginning,
then a branch for each case, which sees the beginning and itself but no other branch, at the positions that
it would have alone. What the network computes for a case is what it computes for the case by itself, up to
rounding, and with five cases a tree about half of the tokens are saved. Trees are put side by side in
packs, one pack being one sequence; only answers are predicted, so logits are made for them alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


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


def inputs(found: Pack) -> dict:
    """A pack as tensors for a causal language model of transformers, `labels` those of `logits_to_keep`."""
    import torch

    return {
        "input_ids": torch.tensor([found.tokens]),
        "position_ids": torch.tensor([found.positions]),
        "attention_mask": mask(found),
        "logits_to_keep": torch.tensor(found.keep),
        "labels": torch.tensor(found.labels),
    }


def loss(network, batch: dict):
    """Sum of the cross-entropy over the answers' tokens of a pack, in fp32.

    Args:
        network: a causal language model of transformers.
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
