"""A toy task with training data, a toy network and toy recipes, for the tests of training."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
import toy
import toy_model
import yaml

from slmlib.core import paths
from slmlib.models import registry
from slmlib.tasks import base
from slmlib.tasks.base import Sample, Split, TrainingSample
from slmlib.training import recipes

RECIPE = {
    "about": "A toy.",
    "model": "toy-1m",
    "lora": {"rank": 2, "alpha": 4, "dropout": 0.1},
    "data": {"toy": {"people": 26}},
    "batch": {"group": 3, "tokens": 220, "packs": 2},
    "precision": "float32",
    "evaluation": {"every": 3, "loss": 2, "answers": 1},
    "checkpoints": {"every": 1, "keep": 2},
}
CARD = """## summary\n\nReads a sentence.\n\n## library\n\n`from toy import read`\n
## example\n\n```python
from peft import PeftModel\n\nbase = "$hub"\nmessages = [{"role": "user", "content": "Ann is 31."}]
inputs = $encode\nmodel.generate(**inputs, max_new_tokens=$max_new_tokens)\n```\n
## note\n\nNo more.\n\n## data\n\n$people people of $name.\n\n## limits\n\nPeople only.\n"""


class ToyTraining:
    """Numbered people in groups; each is a training sample of any toy task."""

    schema = {  # noqa: RUF012
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "people": {"type": "integer", "minimum": 0, "maximum": 500, "default": 9},
            "tone": {"enum": ["calm", "loud"], "default": "calm"},
        },
    }
    card = SimpleNamespace(read_text=lambda encoding: CARD)

    def __init__(self, task: base.Task):
        self.task = task

    def samples(self, mix, *, seed, group_size, on_sample) -> Iterator[TrainingSample]:
        numbers = list(range(mix["people"]))
        Random(seed).shuffle(numbers)
        for place, number in enumerate(numbers):
            on_sample()
            text = f"Person {number} is {number} years old{'!' if mix['tone'] == 'loud' else '.'}"
            target = {"name": f"Person {number}", "age": number}
            fields = {"text": text, "schema": toy.SCHEMA}
            name = f"{self.task.name}-train-{number}"
            sample = Sample(name, self.task.name, "train", "person", {}, fields, target, {})
            yield self._sample(sample, f"{self.task.name}-{place // group_size}")

    def examples(self, samples, mix) -> Iterator[TrainingSample]:
        return (self._sample(sample, sample.id) for sample in samples)

    def _sample(self, sample: Sample, group: str) -> TrainingSample:
        answer = self.task.controls["oracle"](sample, ()) if sample.meta else str(sample.target)
        return TrainingSample(sample, self.task.prompts["plain"].messages(sample), answer, group)

    def describe(self, samples) -> dict[str, int]:
        return {"cases": len(samples)}

    def facts(self, mix, counts) -> dict[str, object]:
        return {"people": counts["cases"]}

    def texts(self, mix) -> dict[str, str]:
        return {}

    def size(self, mix) -> int:
        return mix["people"]

    def prompt(self, mix) -> str:
        return "plain"


def use_one_thread(patch: pytest.MonkeyPatch) -> None:
    """Threads that wait for each other at every small product make a toy slow."""
    import torch

    patch.setattr("slmlib.core.machine.available_threads", lambda: 1)
    torch.set_num_threads(1)


def install(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Put toy tasks, their data and the toy network into a folder, and work there."""
    patch.setattr(paths, "DATA", folder / "data")
    patch.setattr(paths, "ADAPTERS", folder / "adapters")
    patch.setattr(paths, "RUNS", folder / "runs")
    patch.setattr(base, "REGISTERED", {})
    for task in (toy.Toy, toy.ToyLabels):
        patch.setattr(task, "training", property(ToyTraining), raising=False)
        patch.setattr(task, "splits", (Split("train", "train"), *toy.Toy.__base__.splits))
    toy.write(folder / "data")
    patch.setenv("SLMBENCH_MODELS", str(folder / "models"))
    entry = registry.Model("toy-1m", "Apache-2.0", 800_000, "toy/toy-1m", hub="toy/toy-1m")
    model = entry if (folder / "models" / "toy-1m").exists() else toy_model.write()
    patch.setitem(registry.MODELS, model.name, model)
    patch.setenv("SLMBENCH_CACHE", str(folder / "cache"))


def write_recipe(folder: Path, name: str = "toy", **changes) -> recipes.Recipe:
    """Write the toy recipe with changes, and load it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(RECIPE | changes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "FOLDER", folder)
        return recipes.load(name)
