"""The training set of a recipe: samples of its tasks, tokenized and packed, in order."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
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
from slmlib.training.packing import Example, Pack, Tree
from slmlib.training.recipes import Recipe

FILE = "training_set.jsonl"  # in the folder of a run


@dataclass(frozen=True)
class TrainingSet:
    """The training sequences of a run, in order."""

    packs: list[Pack]
    groups: int  # of samples that share the beginning of their prompts
    tasks: dict[str, dict[str, int]]  # for each task what its samples are, in numbers
    left_out: int  # samples longer than a pack or than the model's context
    saved: float  # share of the tokens that packing saves

    @property
    def cases(self) -> int:
        """Number of samples in the packs."""
        return sum(len(pack.cases) for pack in self.packs)

    @property
    def sha256(self) -> str:
        """SHA-256 over the training tokens and their layout, in order."""
        digest = hashlib.sha256()
        for pack in self.packs:
            layout = [tuple(tree) for tree in pack.trees]
            digest.update(np.asarray(pack.tokens, np.uint32).tobytes() + repr(layout).encode())
            if (pack.weights != 1).any():
                digest.update(pack.weights.tobytes())
        return digest.hexdigest()


def build(recipe: Recipe, vocabulary: Vocabulary) -> TrainingSet:
    """Generate, tokenize and pack the samples of a recipe; too long ones are left out whole."""
    limit = min(recipe["batch"]["tokens"], vocabulary.context)
    used: dict[str, list[TrainingSample]] = {name: [] for name in recipe["data"]}
    tokenized, left_out = [], 0
    for group in progress.bar(_groups(recipe), desc="tokens", unit="group"):
        examples = []
        for sample in group:
            example = tokenize(sample, vocabulary.tokenizer)
            if len(example) > limit:
                left_out += 1
            else:
                examples.append(example)
                used[sample.sample.task].append(sample)
        if examples:
            tokenized.append(examples)
    packs = list(packing.pack(tokenized, limit=recipe["batch"]["tokens"]))
    unpacked = sum(len(example) for examples in tokenized for example in examples)
    return TrainingSet(
        packs,
        groups=len(tokenized),
        tasks={name: tasks.get(name).training.describe(given) for name, given in used.items()},
        left_out=left_out,
        saved=1 - sum(map(len, packs)) / unpacked if unpacked else 0.0,
    )


def _groups(recipe: Recipe) -> list[list[TrainingSample]]:
    """The samples of a recipe in groups; those of several tasks are shuffled together."""
    groups, size = [], recipe["batch"]["group"]
    number = sum(tasks.get(name).training.size(mix) for name, mix in recipe["data"].items())
    with progress.bar(total=number, desc="samples", unit="sample") as bar:
        for name, mix in recipe["data"].items():
            options = {"seed": recipe["seed"], "group_size": size, "on_sample": bar.update}
            samples = tasks.get(name).training.samples(mix, **options)
            groups += [list(group) for _, group in groupby(samples, key=lambda each: each.group)]
    if len(recipe["data"]) > 1:
        Random(f"{recipe['seed']}/tasks").shuffle(groups)
    return groups


def load_or_build(recipe: Recipe, vocabulary: Vocabulary, folder: Path) -> TrainingSet:
    """The training set in a run's folder; built if missing, damaged or of other generators."""
    path, sources = folder / FILE, _sources_sha256(recipe)
    with suppress(ValueError):  # there is none, or it is damaged
        about, *rows = io.read_jsonl(path)
        if about.pop("sources") == sources:
            return TrainingSet(packs=[_pack(**row) for row in rows], **about)
    built = build(recipe, vocabulary)
    if built.packs:
        rows = [
            {**vars(pack), "tokens": pack.tokens.tolist(), "weights": pack.weights.tolist()}
            for pack in built.packs
        ]
        about = {key: value for key, value in vars(built).items() if key != "packs"}
        io.write_jsonl(path, [about | {"sources": sources}, *rows])
    return built


def _pack(tokens: list[int], trees: list, cases: list[str], weights: list[float]) -> Pack:
    """A pack as it was before it was written."""
    trees = [Tree(prefix, tuple(map(tuple, branches))) for prefix, branches in trees]
    return Pack(np.array(tokens, np.uint32), trees, cases, np.array(weights, np.float32))


def validation(recipe: Recipe, tokenizer) -> list[Pack]:
    """Validation samples whose loss is measured, prompted as in the evaluation, one in a pack."""
    packs = []
    for name, mix in recipe["data"].items():
        task = tasks.get(name)
        for split in task.split_names("val"):
            samples = task.load(split, limit=recipe["evaluation"]["loss"])
            for sample in task.training.examples(samples, mix):
                example = tokenize(sample, tokenizer)
                packs += packing.pack([[example]], limit=len(example))
    return packs


def tokenize(sample: TrainingSample, tokenizer) -> Example:
    """A sample in tokens; its answer ends with the end token, which counts 1."""
    prompt = chat.prompt_tokens(tokenizer, sample.messages, tools=sample.tools, chat=sample.chat)
    answer = tokenizer(sample.answer, add_special_tokens=False)["input_ids"]
    weights = None
    if sample.weights is not None:
        weights = [*_weights(sample, tokenizer), 1.0]
    return Example(sample.sample.id, prompt, [*answer, tokenizer.eos_token_id], weights)


def _weights(sample: TrainingSample, tokenizer) -> list[float]:
    """The weight of each token of an answer: the largest of the stretches that it overlaps."""
    options = {"add_special_tokens": False, "return_offsets_mapping": True}
    return [
        max((w for start, end, w in sample.weights if start < last and first < end), default=0.0)
        for first, last in tokenizer(sample.answer, **options)["offset_mapping"]
    ]


def datasets(recipe: Recipe) -> dict[str, str]:
    """SHA-256 of the published training data of each task; several splits joined by commas."""
    digests = {}
    for name in recipe["data"]:
        task = tasks.get(name)
        files = (task.manifest()["files"][f"{split}.jsonl"] for split in task.split_names("train"))
        digests[name] = ",".join(file["sha256"] for file in files)
    return digests


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
