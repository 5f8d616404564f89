"""Ablations: recipes that differ from another one in one thing, evaluated on the same cases.

    slmbench ablations                            train and evaluate what is not published yet
    slmbench ablations edgejson/ablations/rank-8  only this one
    slmbench ablations --again                    train the published ones again, too

A task's ablations are the recipes in `data/recipes/<task>/ablations/`; the file `ablations.yaml`
beside them says how many cases of which splits they are compared on. Each is trained, evaluated
without constraint, and kept in `data/results/<task>/ablations/`: its training record, and results
with predictions as of any other run. Its weights are not published; recipe and seed reproduce them.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from slmlib.core import io, machine, paths
from slmlib.evaluation import results
from slmlib.evaluation.results import Result
from slmlib.evaluation.run import copy, evaluate
from slmlib.models import registry, weights
from slmlib.tasks import base as tasks
from slmlib.tasks.base import Task
from slmlib.training import recipes, sft, trainer, training_set

FOLDER = "ablations"  # of recipes, and of results


@dataclass(frozen=True)
class Ablation:
    """A recipe that was trained and evaluated."""

    name: str  # of the recipe, without its folder
    record: Mapping  # of the training
    runs: Mapping[str, Result]  # by split
    beside: str  # the ablation from which it differs in one thing; "" if it starts from none

    @property
    def about(self) -> str:
        """The recipe's own sentence, without its full stop."""
        return self.record["recipe"]["about"].rstrip(".")

    @property
    def pair(self) -> str:
        """Label of the comparison: `whole – base`."""
        return f"{self.name} – {self.beside}"


def names(task: str) -> list[str]:
    """Recipes of a task's ablations, each after the one that it starts from."""
    ablations = [name for name in recipes.names() if name.startswith(f"{task}/{FOLDER}/")]
    return sorted(ablations, key=recipes.lineage)


def cases(task: str) -> dict[str, int]:
    """The number of cases of each split on which a task's ablations are compared."""
    path = recipes.FOLDER / task / f"{FOLDER}.yaml"
    return yaml.safe_load(path.read_text("utf-8"))["splits"]


def make(
    recipe: str, *, out: Path = paths.RUNS / "full", folder: Path | None = None, again: bool = False
) -> None:
    """Train and evaluate an ablation, or go on where that was stopped.

    Args:
        recipe: name of the recipe.
        out: working folder of training and evaluation; what is finished in it is not repeated.
        folder: where records and results are kept, the task's own by default.
        again: also if the published record is that of this recipe.
    """
    task, _, name = recipe.partition(f"/{FOLDER}/")
    folder = folder or tasks.get(task).results / FOLDER
    path, settings = folder / "training" / f"{name}.json", recipes.load(recipe)
    before = io.read_json(path) if path.exists() else None
    if before and not again and is_current(before, settings):
        return
    command = f"slmbench ablations {recipe}" + (" --again" if again else "")
    run = sft.train(settings, out=out / "training", command=command)
    for split, limit in cases(task).items():
        options = {"split": split, "limit": limit, "dtype": "float32", "out": out / FOLDER}
        copy(evaluate(task, model=run.name, **options), folder)
    if before and before["run"] != run.name:
        for old in folder.glob(f"{before['run']}-*"):
            old.unlink()
    io.write_json(path, io.read_json(run / registry.RECORD))


def is_current(record: Mapping, recipe: recipes.Recipe) -> bool:
    """Return whether a record is of this recipe, of its data and of the weights here."""
    return (
        recipes.from_record(record).sha256 == recipe.sha256
        and record["version"] == trainer.VERSION
        and recipe["precision"] in ("auto", record["precision"])
        and record["data"]["datasets"] == training_set.datasets(recipe)
        and record["base"]["sha256"] == weights.fingerprint(registry.get(recipe["model"]))
    )


def load_all(task: Task, folder: Path | None = None) -> list[Ablation]:
    """Load a task's ablations, each after the one that it starts from.

    The folder of records and results is the task's own by default. Each record needs a result on
    every split, and each result a record.
    """
    folder, splits = folder or task.results / FOLDER, cases(task.name)
    by_model: dict[str, dict[str, Result]] = {}
    for result in results.load_all(folder.parent, folder.name):
        by_model.setdefault(result.model["name"], {})[result.split] = result
    ablations = []
    for recipe in names(task.name):
        *_, beside, name = ["", *(Path(each).name for each in recipes.lineage(recipe))]
        path = folder / "training" / f"{name}.json"
        if not path.exists():
            continue
        record = io.read_json(path)
        runs = by_model.pop(record["run"], {})
        if missing := sorted(splits.keys() - runs.keys()):
            raise io.DataError(
                f"{path}: no result of {record['run']} on {', '.join(missing)}. Run: "
                f"slmbench ablations {recipe}"
            )
        ablations.append(Ablation(name, record, runs, beside))
    for model in by_model:
        raise io.DataError(
            f"{folder / model}-*: has no training record in {folder / 'training'}. Remove it."
        )
    return ablations


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and evaluate ablations that are not published yet."""
    parser = argparse.ArgumentParser(prog="slmbench ablations", description=main.__doc__)
    parser.add_argument("recipes", nargs="*", help="default: all that suit this machine")
    parser.add_argument("--again", action="store_true", help="train the published ones again, too")
    options = parser.parse_args(arguments)
    every, gpu = [name for task in tasks.names() for name in names(task)], machine.has_gpu()
    for recipe in options.recipes or every:
        if recipe in options.recipes or gpu or recipes.load(recipe)["precision"] != "bfloat16":
            print(f"== {recipe}", flush=True)
            make(recipe, again=options.again)
