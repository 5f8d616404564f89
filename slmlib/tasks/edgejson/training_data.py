"""EdgeJSON as training material: which cases, in which wording, with which keys.

A model that meets the same schemas over and over memorises them instead of learning to follow them.
So cases come in groups: a few cases of one schema, which is varied for each group (`augment`). Half
of the groups are prompted with `PROMPT`, in which trained models are evaluated; the others have
another wording. Cases come from `train` and from `dataset.extend` only: nothing of a test split or
a reserved domain.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

from slmlib.tasks import base as tasks
from slmlib.tasks.base import Prompt, Sample, TrainingSample
from slmlib.tasks.edgejson import augment, schemas
from slmlib.tasks.edgejson.prompts import PLAIN, PROMPTS, SYSTEM, TRAINED, fields

FOLDER = Path(__file__).parent
PROMPT, BLIND_PROMPT = TRAINED, "zero-shot-text"  # with and without the schema
USUAL = 0.5  # share of the groups that are prompted as in the evaluation
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


class EdgeJSONTraining:
    """See `TrainingData`."""

    schema = json.loads(FOLDER.joinpath("training.schema.json").read_text("utf-8"))
    card = FOLDER / "model_card.md"

    def samples(
        self,
        mix: Mapping,
        *,
        seed: int,
        group_size: int,
        on_sample: Callable[[], object] = lambda: None,
    ) -> Iterator[TrainingSample]:
        """Training samples in order, in groups of at most `group_size` cases of one schema."""
        groups = [  # the seeds' words are those of the published trainings
            (str(index), *_vary(cases, mix, Random(f"{seed}/lesson/{index}")))
            for index, cases in enumerate(_groups(mix, seed, group_size, on_sample))
        ]
        Random(f"{seed}/course").shuffle(groups)
        for name, prompt, cases in groups:
            for case in cases:
                yield _sample(case, prompt, name)

    def examples(self, samples: Iterable[Sample], mix: Mapping) -> Iterator[TrainingSample]:
        """Samples as they are in the evaluation, each in a group of its own."""
        for sample in samples:
            yield _sample(sample, PROMPTS[self.prompt(mix)], sample.id)

    def describe(self, samples: Collection[TrainingSample]) -> dict[str, int]:
        """Number of cases, of schemas of different shape, and of cases by split and origin."""
        cases = [each.sample for each in samples]
        counts = {
            "cases": len(cases),
            "schemas": len({schemas.shape(case.input["schema"]) for case in cases}),
        }
        for split in ("train", "train_extended"):
            counts[split] = sum(case.split == split for case in cases)
        for origin in ("designed", "composed"):
            counts[f"{origin}_cases"] = sum(case.slices["origin"] == origin for case in cases)
        return counts

    def size(self, mix: Mapping) -> int:
        """Number of samples to generate."""
        return mix["extended"]

    def prompt(self, mix: Mapping) -> str:
        """Name of the prompt in which a model trained on this mix is evaluated."""
        return PROMPT if mix["show_schema"] else BLIND_PROMPT

    def facts(self, mix: Mapping, counts: Mapping[str, int]) -> dict[str, object]:
        """Facts about a training on EdgeJSON, as printed."""
        names = ("schemas", "train", "designed_cases", "composed_cases")
        return {
            **{name: f"{counts[name]:,}" for name in names},
            "extended": f"{counts['train_extended']:,}",
            "passes": mix["passes"],
            "noisy": f"{mix['noisy']:g}",
            "partial": f"{mix['partial']:g}",
            "reshaped": f"{mix['restructured']:g}",
            "restyled": f"{(1 - augment.KEEPS_STYLE) * (1 - 1 / len(augment.STYLES)):g}",
            "reordered": f"{1 - augment.KEEPS_ORDER:g}",
            "bare": f"{augment.DROPS_DESCRIPTIONS:g}",
            "reworded": f"{1 - USUAL:g}",
        }

    def texts(self, mix: Mapping) -> dict[str, str]:
        """Texts of the model card that depend on the mix."""
        prompt, note = PROMPTS[self.prompt(mix)], ""
        if mix["show_schema"]:
            note = ", with the schema as compact JSON without `$schema`"
        return {
            "variation": _variation(mix),
            "system": json.dumps(prompt.system),
            "question": json.dumps(prompt.user),
            "fields": "schema=shown, text=text" if mix["show_schema"] else "text=text",
            "schema_note": note,
        }


def _sample(case: Sample, prompt: Prompt, group: str) -> TrainingSample:
    answer = json.dumps(case.target, ensure_ascii=False)  # as constrained decoding writes it
    return TrainingSample(case, prompt.messages(case), answer, group)


# --- which cases ------------------------------------------------------------------------------


def _groups(mix: Mapping, seed: int, size: int, on_sample: Callable) -> Iterator[list[Sample]]:
    """Groups of cases with one schema: those of `train` in each pass, then generated ones."""
    from slmlib.tasks.edgejson.generate import dataset  # reads all texts and entities

    registers = mix["registers"]
    published = [
        case
        for case in tasks.get(dataset.NAME).load("train")
        if not registers or case.slices["register"] in registers
    ]
    published = published[: round(mix["train"] * len(published))]
    for number in range(mix["passes"]):
        rng, families = Random(f"{seed}/pass/{number}"), {}
        for case in published:
            families.setdefault(case.group, []).append(case)
        for family in families.values():
            rng.shuffle(family)
            yield from _chunks(family, size)
    streams: dict[str, list[Sample]] = {}
    options = {"seed": seed, "noisy": mix["noisy"], "registers": registers or None}
    for row in dataset.extend(mix["extended"], **options):
        on_sample()
        stream = streams.setdefault(row["group"], [])
        stream.append(Sample(**row))
        if len(stream) == size:
            yield streams.pop(row["group"])
    yield from streams.values()


def _chunks(items: Iterable, size: int) -> Iterator[list]:
    items = iter(items)
    return iter(lambda: list(islice(items, size)), [])


# --- in which wording -------------------------------------------------------------------------


def _vary(cases: list[Sample], mix: Mapping, rng: Random) -> tuple[Prompt, list[Sample]]:
    """The prompt of a group, and its cases with their schema varied."""
    if not mix["show_schema"]:
        return PROMPTS[BLIND_PROMPT], cases
    if not mix["vary"]:
        return PROMPTS[PROMPT], cases
    # a share of 0 draws nothing, so that older recipes keep their groups
    partial, restructured = (
        mix[key] > 0 and rng.random() < mix[key] for key in ("partial", "restructured")
    )
    variant = augment.vary(
        cases[0].input["schema"], rng, partial=partial, restructured=restructured
    )
    varied = [
        replace(
            case,
            input={**case.input, "schema": variant.schema},
            target=variant.transform_target(case.target),
        )
        for case in cases
    ]
    if rng.random() < USUAL:
        return PROMPTS[PROMPT], varied
    return Prompt("varied", rng.choice(SYSTEMS), rng.choice(WORDINGS), fields), varied


def _variation(mix: Mapping) -> str:
    """How groups vary, in sentences."""
    if not mix["show_schema"]:
        return "The prompt does not show the schema."
    if not mix["vary"]:
        return "Nothing is varied."

    def percent(share: float) -> str:
        return f"{100 * share:.0f} %"

    text = (
        f"The schema of each group is varied at random: {percent(augment.KEEPS_STYLE)} of the "
        "groups keep the style of the keys, the others use one such as `snake_case`; "
        f"{percent(augment.KEEPS_ORDER)} keep the order of the keys; "
        f"{percent(augment.DROPS_DESCRIPTIONS)} have no titles and descriptions. "
        f"{percent(USUAL)} have the prompt shown above, the others one of {len(SYSTEMS)} system "
        f"messages with one of {len(WORDINGS)} questions."
    )
    if mix["partial"]:
        text += f" {percent(mix['partial'])} ask for some of the fields only."
    if mix["restructured"]:
        text += (
            f" In {percent(mix['restructured'])} the nesting is changed: fields move out of an "
            "inner object, under a key that joins both, or into a new one named, say, `details`."
        )
    return text
