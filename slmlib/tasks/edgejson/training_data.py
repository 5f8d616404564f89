"""EdgeJSON as training material: which cases, in which wording, with which keys.

A model that meets the same schemas over and over memorises them instead of learning to follow them.
So cases come in groups: a few cases of one schema, which is varied for each group (`augment`). Half
of the groups are prompted with `PROMPT`, in which trained models are evaluated; the others have
another wording, unless the mix names another prompt. Cases come from `train` and from
`dataset.extend` only: nothing of a test split or a reserved domain.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

from slmlib.tasks import base as tasks
from slmlib.tasks.base import Prompt, Sample, TrainingSample
from slmlib.tasks.edgejson import augment, null_form, schemas
from slmlib.tasks.edgejson.prompts import NULLS, PLAIN, PROMPTS, SYSTEM, TRAINED, fields

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
card = Path(__file__).with_name("model_card.md")
schema = json.loads(Path(__file__).with_name("training.schema.json").read_text("utf-8"))


def samples(
    mix: Mapping, *, seed: int, group_size: int, on_sample: Callable[[], object] = lambda: None
) -> Iterator[TrainingSample]:
    """Training samples in order, in groups of at most `group_size` cases of one schema."""
    groups = [  # the seeds' words are those of the published trainings
        (str(index), *_vary(cases, mix, Random(f"{seed}/lesson/{index}")))
        for index, cases in enumerate(_groups(mix, seed, group_size, on_sample))
    ]
    Random(f"{seed}/course").shuffle(groups)
    for name, wording, cases in groups:
        for case in cases:
            yield _sample(case, wording, name, mix)


def examples(samples: Iterable[Sample], mix: Mapping) -> Iterator[TrainingSample]:
    """Samples as they are in the evaluation, each in a group of its own."""
    for sample in samples:
        yield _sample(sample, PROMPTS[prompt(mix)], sample.id, mix)


def _sample(case: Sample, wording: Prompt, group: str, mix: Mapping) -> TrainingSample:
    """A case in a wording, with its answer as constrained decoding writes it."""
    weights = None
    if wording.form == NULLS:
        answer, values = null_form.spans(case.target, case.input["schema"])
        weights = [(0, len(answer), mix["keys"])]
        for start, end, optional in values:  # with the space before, and what shows the end
            weights.append((start - 1, end + 1, 1.0))
            if optional:
                weights.append((start - 1, start + 1, mix["decisions"]))
    else:
        answer = json.dumps(case.target, ensure_ascii=False)
    messages = wording.messages(case)
    return TrainingSample(case, messages, answer, group, chat=wording.chat, weights=weights)


def _groups(mix: Mapping, seed: int, size: int, on_sample: Callable) -> Iterator[list[Sample]]:
    """Groups of cases with one schema: those of `train` in each pass, then generated ones."""
    from slmlib.tasks.edgejson.generate import dataset  # reads all texts and entities

    registers = mix["registers"]
    published = tasks.get(dataset.NAME).load("train")
    if registers:
        published = [case for case in published if case.slices["register"] in registers]
    for number in range(mix["passes"]):
        rng, families = Random(f"{seed}/pass/{number}"), {}
        for case in published[: round(mix["train"] * len(published))]:
            families.setdefault(case.group, []).append(case)
        for family in families.values():
            rng.shuffle(family)
            for start in range(0, len(family), size):
                yield family[start : start + size]
    unfinished: dict[str, list[Sample]] = {}
    options = {"seed": seed, "noisy": mix["noisy"], "registers": registers or None}
    for row in dataset.extend(mix["extended"], **options):
        on_sample()
        cases = unfinished.setdefault(row["group"], [])
        cases.append(Sample(**row))
        if len(cases) == size:
            yield unfinished.pop(row["group"])
    yield from unfinished.values()


def _vary(cases: list[Sample], mix: Mapping, rng: Random) -> tuple[Prompt, list[Sample]]:
    """The prompt of a group, and its cases with their schema varied."""
    if not mix["show_schema"] or not mix["vary"]:
        return PROMPTS[prompt(mix)], cases
    # a share of 0 draws nothing, so that older recipes keep their groups
    partial = mix["partial"] > 0 and rng.random() < mix["partial"]
    restructured = mix["restructured"] > 0 and rng.random() < mix["restructured"]
    original = cases[0].input["schema"]
    variant = augment.vary(original, rng, partial=partial, restructured=restructured)
    varied = [
        replace(
            case,
            input={**case.input, "schema": variant.schema},
            target=variant.transform_target(case.target),
        )
        for case in cases
    ]
    if mix["prompt"] != PROMPT or rng.random() < USUAL:
        return PROMPTS[prompt(mix)], varied
    return Prompt("varied", rng.choice(SYSTEMS), rng.choice(WORDINGS), fields), varied


# --- about a training ---------------------------------------------------------------------------


def size(mix: Mapping) -> int:
    """Number of samples to generate."""
    return mix["extended"]


def prompt(mix: Mapping) -> str:
    """Name of the prompt in which a model trained on this mix is evaluated."""
    return mix["prompt"] if mix["show_schema"] else BLIND_PROMPT


def describe(samples: Collection[TrainingSample]) -> dict[str, int]:
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


def facts(mix: Mapping, counts: Mapping[str, int]) -> dict[str, object]:
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


def texts(mix: Mapping) -> dict[str, str]:
    """Texts of the model card that depend on the mix."""
    wording, shown = PROMPTS[prompt(mix)], mix["show_schema"]
    return {
        "variation": _variation(mix),
        "system": json.dumps(wording.system),
        "question": json.dumps(wording.user),
        "fields": "schema=shown, text=text" if shown else "text=text",
        "schema_note": ", with the schema as compact JSON without `$schema`" if shown else "",
    }


def _variation(mix: Mapping) -> str:
    """The variation of groups, in sentences."""
    if not mix["show_schema"]:
        return "The prompt does not show the schema."
    if not mix["vary"]:
        return "Nothing is varied."
    text = (
        "The schema of each group is varied at random: "
        f"{augment.KEEPS_STYLE:.0%} of the groups keep the style of the keys, the others use one "
        f"such as `snake_case`; {augment.KEEPS_ORDER:.0%} keep the order of the keys; "
        f"{augment.DROPS_DESCRIPTIONS:.0%} have no titles and descriptions. {USUAL:.0%} have the "
        f"prompt shown above, the others one of {len(SYSTEMS)} system messages with one of "
        f"{len(WORDINGS)} questions."
    )
    if mix["partial"]:
        text += f" {mix['partial']:.0%} ask for some of the fields only."
    if mix["restructured"]:
        text += (
            f" In {mix['restructured']:.0%} the nesting is changed: fields move out of an "
            "inner object, under a key that joins both, or into a new one named, say, `details`."
        )
    return text.replace("%", " %")
