"""EdgeJSON as training material: which cases, in whose words, with which keys.

A model that meets the same schemas over and over learns them by heart instead of learning to read. So cases
come in lessons: a few cases of one schema, which is redrawn for each lesson (`redrawing`). Half of the
lessons ask as `PROMPT` does, which is how a trained model is evaluated; the question of the others is put in
other words. Nothing of a test split or a reserved domain is ever drawn: the cases are those of `train` and of
`dataset.extend`.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random

from slmlib.tasks import base as tasks
from slmlib.tasks.base import Prompt, Sample
from slmlib.tasks.edgejson import augment, schemas
from slmlib.tasks.edgejson.generate import dataset
from slmlib.tasks.edgejson.prompts import PLAIN, PROMPTS, SYSTEM, TRAINED, shown

PROMPT, BLIND_PROMPT = TRAINED, "zero-shot-text"  # with the schema, and without
USUAL = 0.5  # share of the lessons that are asked as the evaluation asks
SYSTEMS = (
    SYSTEM,
    "",
    "You extract data from text.",
    "You fill JSON objects from text. Reply with JSON only.",
    "Answer with a JSON object that follows the given schema.",
    "You are a careful clerk who writes down what a text says as JSON.",
)
WORDINGS = (
    PLAIN,
    "Schema:\n{schema}\n\nDocument:\n{text}",
    "Extract a JSON object that is valid under this schema:\n{schema}\n\nfrom this text:\n{text}",
    "Write the JSON for the text. The schema is\n{schema}\n\nThe text is\n{text}\n\nJSON:",
    "```json\n{schema}\n```\n\nFill this schema from the message below.\n\n{text}",
    "Here is a JSON Schema.\n{schema}\n\nWhat does this say, in that form?\n{text}",
    "{schema}\n\n{text}\n\nReturn the object; leave out what the text does not give.",
)


@dataclass(frozen=True)
class Mixture:
    """What a recipe takes of the data.

    Attributes:
        train: share of the published split, from its beginning, where schemas and tiers take turns.
        passes: over that share; each has its cases in other lessons.
        extended: cases of the extended split.
        noisy: share of the extended cases under noise.
        registers: kinds of text to take; all if empty.
        vary: whether lessons differ in wording and keys.
        partial: share of such lessons that ask for some of the fields only.
        reshaped: share of such lessons whose nesting is redrawn.
        schema: whether the question shows the schema.
    """

    train: float = 1.0
    passes: int = 1
    extended: int = 0
    noisy: float = 0.0
    registers: tuple[str, ...] = ()
    vary: bool = True
    partial: float = 0.0
    reshaped: float = 0.0
    schema: bool = True


@dataclass(frozen=True)
class Lesson:
    """Cases of one schema, asked in one way."""

    prompt: Prompt
    examples: tuple[Sample, ...]

    def answers(self) -> list[str]:
        """The right answers, written as constrained decoding writes them."""
        return [answer(example.target) for example in self.examples]


def answer(target) -> str:
    """A target as a model is to write it."""
    return json.dumps(target, ensure_ascii=False)


def lessons(
    mixture: Mixture, *, seed: int, size: int = 4, step: Callable[[], object] = lambda: None
) -> list[Lesson]:
    """The whole course, in the order of training.

    Args:
        mixture: what to take.
        seed: of order, variation and extended cases; the same seed gives the same course.
        size: cases in a lesson, at most.
        step: called for each case that is made.
    """
    found = []
    for index, examples in enumerate(_portions(mixture, seed, size, step)):
        found.append(_lesson(examples, mixture, Random(f"{seed}/lesson/{index}")))
    Random(f"{seed}/course").shuffle(found)
    return found


def prompt_for(mixture: Mixture) -> str:
    """The name of the prompt in which a model that had such lessons is asked."""
    return PROMPT if mixture.schema else BLIND_PROMPT


# --- which cases ------------------------------------------------------------------------------


def _portions(mixture: Mixture, seed: int, size: int, step: Callable) -> Iterator[list[Sample]]:
    """Groups of cases with one schema."""
    published = [e for e in tasks.get(dataset.NAME).load("train") if _wanted(e, mixture)]
    chosen = published[: round(mixture.train * len(published))]
    for number in range(mixture.passes):
        yield from _grouped(chosen, Random(f"{seed}/pass/{number}"), size)
    more = dataset.extend(
        mixture.extended, seed=seed, noisy=mixture.noisy, registers=mixture.registers or None
    )
    yield from _grouped(_counted(more, step), None, size)


def _wanted(example: Sample, mixture: Mixture) -> bool:
    return not mixture.registers or example.meta["register"] in mixture.registers


def _counted(rows: Iterable[dict], step: Callable) -> Iterator[Sample]:
    for row in rows:
        step()
        yield Sample(**row)


def _grouped(examples: Iterable[Sample], rng: Random | None, size: int) -> Iterator[list[Sample]]:
    """Cases of one schema, `size` at most; shuffled within each schema if a source of chance is given."""
    families: dict[str, list[Sample]] = {}
    for example in examples:
        families.setdefault(example.group, []).append(example)
        if rng is None and len(families[example.group]) == size:  # a stream is not kept
            yield families.pop(example.group)
    for family in families.values():
        if rng is not None:
            rng.shuffle(family)
        yield from (family[i : i + size] for i in range(0, len(family), size))


# --- in which words ---------------------------------------------------------------------------


def _lesson(examples: list[Sample], mixture: Mixture, rng: Random) -> Lesson:
    if not mixture.schema:
        return Lesson(PROMPTS[BLIND_PROMPT], tuple(examples))
    if not mixture.vary:
        return Lesson(PROMPTS[PROMPT], tuple(examples))
    # a share of nothing draws nothing: recipes without it have the lessons that they had before there was one
    partial, reshaped = (share > 0 and rng.random() < share for share in (mixture.partial, mixture.reshaped))
    drawn = augment.redraw(examples[0].input["schema"], rng, partial=partial, reshaped=reshaped)
    changed = tuple(_retold(example, drawn) for example in examples)
    return Lesson(PROMPTS[PROMPT] if rng.random() < USUAL else _other_words(rng), changed)


def _other_words(rng: Random) -> Prompt:
    return Prompt("varied", rng.choice(SYSTEMS), rng.choice(WORDINGS), shown)


def _retold(example: Sample, drawn: augment.Redrawn) -> Sample:
    fields = {name: getattr(example, name) for name in ("id", "task", "split", "group", "tier", "meta")}
    asked = {**example.input, "schema": drawn.schema}
    return Sample(**fields, input=asked, target=drawn.retell(example.target))


def sizes(course: Iterable[Lesson]) -> dict[str, int]:
    """What a course holds: lessons, cases, schemas of different shape, and cases by split."""
    course = list(course)
    cases = [example for lesson in course for example in lesson.examples]
    by_split = {split: sum(e.split == split for e in cases) for split in ("train", dataset.EXTENDED)}
    return {
        "lessons": len(course),
        "cases": len(cases),
        "schemas": len({schemas.shape(e.input["schema"]) for e in cases}),
        **by_split,
    }
