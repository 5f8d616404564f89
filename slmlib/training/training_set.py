"""The training set of a recipe: samples of its tasks, tokenized and packed, in order."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from random import Random

import numpy as np

import slmlib
from slmlib.core import io, progress
from slmlib.engines import chat
from slmlib.models.weights import Vocabulary
from slmlib.tasks import base as tasks
from slmlib.tasks.base import TrainingSample
from slmlib.training import packing
from slmlib.training.packing import Example, Pack
from slmlib.training.recipes import Recipe

FOLDER = "training_set"  # in the folder of a run


@dataclass(frozen=True)
class TrainingSet:
    """The training sequences of a run, in order.

    Attributes:
        packs: the training sequences.
        groups: number of groups of samples that share the beginning of their prompts.
        tasks: for each task what its samples are, in numbers.
        left_out: number of samples longer than a pack or than the model's context.
        shortest: tokens of the shortest sample, left out or not.
        saved: share of the tokens that packing saves.
    """

    packs: list[Pack]
    groups: int
    tasks: dict[str, dict[str, int]]
    left_out: int
    shortest: int
    saved: float

    @property
    def cases(self) -> int:
        """Number of samples in the packs."""
        return sum(len(pack.cases) for pack in self.packs)

    @property
    def sha256(self) -> str:
        """SHA-256 over the training tokens and their layout, in order."""
        digest = hashlib.sha256()
        for pack in self.packs:
            layout = [(tree.prefix, tree.branches) for tree in pack.trees]
            digest.update(np.asarray(pack.tokens, np.uint32).tobytes() + repr(layout).encode())
        return digest.hexdigest()


def build(recipe: Recipe, vocabulary: Vocabulary) -> TrainingSet:
    """Generate, tokenize and pack the samples of a recipe; too long ones are left out whole."""
    limit = min(recipe["batch"]["tokens"], vocabulary.context)
    size = sum(tasks.get(name).training.size(mix) for name, mix in recipe["data"].items())
    with progress.bar(total=size, desc="samples", unit="sample") as bar:
        groups = sample_groups(recipe, bar.update)
    used: dict[str, list[TrainingSample]] = {name: [] for name in recipe["data"]}
    tokenized, lengths = [], []
    for group in progress.bar(groups, desc="tokens", unit="group"):
        pairs = [(sample, tokenize(sample, vocabulary.tokenizer)) for sample in group]
        lengths += [len(example) for _, example in pairs]
        pairs = [(sample, example) for sample, example in pairs if len(example) <= limit]
        if pairs:
            used[group[0].sample.task] += [sample for sample, _ in pairs]
            tokenized.append([example for _, example in pairs])
    packs = list(packing.pack(tokenized, limit=recipe["batch"]["tokens"]))
    unpacked = sum(length for length in lengths if length <= limit)
    return TrainingSet(
        packs,
        len(tokenized),
        {name: tasks.get(name).training.describe(samples) for name, samples in used.items()},
        left_out=sum(length > limit for length in lengths),
        shortest=min(lengths, default=0),
        saved=1 - sum(map(len, packs)) / unpacked if unpacked else 0.0,
    )


def load_or_build(recipe: Recipe, vocabulary: Vocabulary, folder: Path) -> TrainingSet:
    """The training set in a run's folder; built if missing, damaged or of other generators."""
    place, sources = folder / FOLDER, _sources_sha256(recipe)
    if io.folder_fault(place) is None:
        about = io.read_json(place / "about.json")
        if about.pop("sources") == sources:
            return TrainingSet(packing.load(place / "packs.safetensors"), **about)
        print("the generators have changed, so the training set is built again", flush=True)
    built = build(recipe, vocabulary)
    if built.packs:
        with io.atomic_folder(place) as scratch:
            packing.save(built.packs, scratch / "packs.safetensors")
            about = {key: value for key, value in vars(built).items() if key != "packs"}
            io.write_json(scratch / "about.json", about | {"sources": sources})
            io.write_manifest(scratch)
    return built


def validation(recipe: Recipe, tokenizer) -> list[Pack]:
    """Validation samples whose loss is measured, prompted as in the evaluation, one in a pack."""
    samples = (
        task.training.examples(task.load(split, limit=recipe["evaluation"]["loss"]), mix)
        for task, mix in ((tasks.get(name), mix) for name, mix in recipe["data"].items())
        for split in task.split_names("val")
    )
    examples = [tokenize(sample, tokenizer) for sample in chain.from_iterable(samples)]
    return [pack for each in examples for pack in packing.pack([[each]], limit=len(each))]


def tokenize(sample: TrainingSample, tokenizer) -> Example:
    """A sample in tokens; its answer ends with the end token."""
    prompt = chat.prompt_tokens(tokenizer, sample.messages, tools=sample.tools)
    answer = tokenizer(sample.answer, add_special_tokens=False)["input_ids"]
    return Example(sample.sample.id, prompt, [*answer, tokenizer.eos_token_id])


def datasets(recipe: Recipe) -> dict[str, str]:
    """SHA-256 of the published training data of each task; several splits joined by commas."""
    digests = {}
    for name in recipe["data"]:
        task = tasks.get(name)
        files = (task.manifest()["files"][f"{split}.jsonl"] for split in task.split_names("train"))
        digests[name] = ",".join(file["sha256"] for file in files)
    return digests


def sample_groups(
    recipe: Recipe, on_sample: Callable[[], object] = lambda: None
) -> list[list[TrainingSample]]:
    """The samples of a recipe in groups; those of several tasks are shuffled together."""
    groups, size = [], recipe["batch"]["group"]
    for name, mix in recipe["data"].items():
        options = {"seed": recipe["seed"], "group_size": size, "on_sample": on_sample}
        samples = tasks.get(name).training.samples(mix, **options)
        groups += [list(group) for _, group in groupby(samples, key=lambda each: each.group)]
    if len(recipe["data"]) > 1:
        Random(f"{recipe['seed']}/tasks").shuffle(groups)
    return groups


def _sources_sha256(recipe: Recipe) -> str:
    """SHA-256 of the files from which samples are generated: the tasks' packages and `textgen`."""
    package, digest = Path(slmlib.__file__).parent, hashlib.sha256()
    modules = [packing.__file__, chat.__file__, __file__]
    for folder in ("textgen", *(f"tasks/{name}" for name in recipe["data"])):
        modules += (path for path in (package / folder).rglob("*") if path.is_file())
    for path in sorted(Path(each) for each in modules):
        if path.suffix != ".pyc":
            digest.update(f"{path.name} {io.sha256(path)}\n".encode())
    return digest.hexdigest()
