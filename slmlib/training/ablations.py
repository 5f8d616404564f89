"""What made the trained model better: recipes that differ from another in one thing, on the same cases.

    python -m slmlib.training.ablations              train and evaluate what is not published yet, hours on two cores;
                                            the `large` ones only where there is a GPU
    python -m slmlib.training.ablations rank-8       only these
    python -m slmlib.training.ablations --again      those too that are published, as `make full` does

Each recipe of `data/recipes/ablations/` is trained, asked freely, and kept in `data/results/ablations/`: the
record of its training, and results with predictions as of any other run. Its weights are not published; the
recipe and its seed make them again. A test split is asked in part where the whole would take too long.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slmlib.core import io, machine, paths, tables
from slmlib.core.tables import Table
from slmlib.evaluation import comparisons, results
from slmlib.evaluation.comparisons import Groups
from slmlib.evaluation.results import Result
from slmlib.evaluation.run import copy, evaluate
from slmlib.models import registry, weights
from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson import training_data
from slmlib.training import recipes, sft

PREFIX = "ablations/"
FOLDER = paths.RESULTS / "ablations"
CASES = {"test": 100, "test_unseen": 150}  # the first so many, which hold every schema of the split


@dataclass(frozen=True)
class Ablation:
    """A recipe that was trained and asked.

    Attributes:
        name: of the recipe, without its folder.
        record: `training.json` of the run.
        runs: its results by split.
        beside: the recipe from which it differs in one thing; empty if it starts from none.
    """

    name: str
    record: Mapping
    runs: Mapping[str, Result]
    beside: str

    @property
    def about(self) -> str:
        """What the recipe says of itself."""
        return self.record["recipe"]["about"].rstrip(".")

    @property
    def pair(self) -> str:
        """What a difference is of: `whole – base`."""
        return f"{self.name} – {self.beside}"


def names() -> list[str]:
    """The ablations, each behind the one that it starts from."""
    found = [name.removeprefix(PREFIX) for name in recipes.names() if name.startswith(PREFIX)]
    return sorted(found, key=_descent)


def _descent(name: str) -> tuple[str, ...]:
    """The ablations that lead to one, from that which starts from none, and itself."""
    beside = recipes.starts_from(PREFIX + name).removeprefix(PREFIX)
    return (*_descent(beside), name) if beside else (name,)


def suited() -> list[str]:
    """The ablations that this machine can train in reasonable time: those in bfloat16 only on a GPU."""
    every = machine.has_gpu()
    return [name for name in names() if every or recipes.load(PREFIX + name)["precision"] != "bfloat16"]


def make(name: str, *, out: Path = paths.RUNS / "full", folder: Path = FOLDER, again: bool = False) -> None:
    """Train an ablation and ask it, or go on where that was stopped.

    Args:
        name: of the recipe, without its folder.
        again: make what `folder` has too; what is done in `out` is not done twice.
        out: working folder of training and evaluation.
        folder: where records and results are kept; what is there of another run of the recipe is removed.
    """
    recipe, kept = recipes.load(PREFIX + name), folder / "training" / f"{name}.json"
    if not again and kept.exists() and _stands(io.read_json(kept), recipe):
        return
    command = f"python -m slmlib.training.ablations {name}" + (" --again" if again else "")
    run = sft.train(recipe, out=out / "training", command=command)
    record = io.read_json(run / sft.RECORD)
    for split, cases in CASES.items():
        made = evaluate(
            model=run.name,
            split=split,
            prompt=training_data.prompt_for(sft.mixture(recipe)),
            dtype="float32",
            limit=cases,
            out=out / "ablations",
        )
        copy(made, folder / "edgejson")
    if kept.exists() and (before := io.read_json(kept)["run"]) != run.name:
        for path in (folder / "edgejson").glob(f"{before}-*"):
            path.unlink()
    io.write_json(kept, record)


def _stands(record: Mapping, recipe: recipes.Recipe) -> bool:
    """Whether a training is one of this recipe, on the data and from the weights that are here."""
    data, base = tasks.get("edgejson").folder / "manifest.json", registry.get(recipe["model"])
    return (
        recipes.of_record(record).sha256 == recipe.sha256
        and record.get("version", "1") == sft.VERSION
        and recipe["precision"] in ("auto", record["precision"])
        and record["data"]["manifest_sha256"] == io.sha256(data)
        and record["base"]["sha256"] == weights.fingerprint(base)
    )


def load_all(folder: Path = FOLDER) -> list[Ablation]:
    """Every ablation that was made, each behind the one that it starts from.

    Raises:
        DataError: a result is broken, or is not of a model that a training record names; or a record has
            no result.
    """
    by_model: dict[str, dict[str, Result]] = {}
    for result in results.load_all(folder, "edgejson"):
        by_model.setdefault(result.model["name"], {})[result.split] = result
    found = []
    for path in sorted((folder / "training").glob("*.json")):
        record = io.read_json(path)
        runs = by_model.get(record["run"], {})
        if runs.keys() != CASES.keys():
            lacking = ", ".join(sorted(CASES.keys() - runs.keys()))
            raise io.DataError(
                f"{path}: there is no result of {record['run']} on {lacking}. Run: "
                f"python -m slmlib.training.ablations {path.stem}"
            )
        *_, beside, name = ("", *_descent(path.stem))
        found.append(Ablation(name, record, runs, beside))
    for model in by_model.keys() - {one.record["run"] for one in found}:
        files = folder / "edgejson" / f"{model}-*"
        raise io.DataError(f"{files}: its training has no record in {folder / 'training'}. Remove it.")
    return sorted(found, key=lambda ablation: _descent(ablation.name))


def changes(
    ablations: Sequence[Ablation], split: str, metric: str = "field_f1", groups: Groups = None
) -> dict[str, dict]:
    """What each recipe changes beside the one that it starts from, on the same cases: by recipe a mean with
    its paired interval, and `p`, adjusted over the recipes.

    Args:
        ablations: recipes that were made; one whose beginning was not is left out.
        split: of `CASES`.
        metric: a score of every case.
        groups: the group of each case by id; by default as in the task's examples.
    """
    made = {one.name: one.runs[split] for one in ablations}
    pairs = {one.name: (made[one.name], made[one.beside]) for one in ablations if one.beside in made}
    return dict(zip(pairs, comparisons.differences(pairs.values(), metric, groups), strict=True))


def table(ablations: Sequence[Ablation], groups: Groups = None) -> Table:
    """One row for each recipe: its scores, and what it changes beside the one that it starts from.

    Args:
        ablations: recipes that were made.
        groups: the group of each case by id; by default as in the task's examples.
    """
    header = ["Recipe", "Beside", "What differs"]
    for split in CASES:
        header += [f"FieldF1, {split}", "Difference", "p"]
    header += [*(f"JSONExact, {split}" for split in CASES), "Cases"]
    changed = {split: changes(ablations, split, groups=groups) for split in CASES}
    return Table.of(header, [_line(one, changed) for one in ablations])


def _line(one: Ablation, changed: Mapping[str, Mapping]) -> list[str]:
    line = [one.name, one.beside or tables.NONE, one.about]
    for split in CASES:
        change = changed[split].get(one.name)
        line.append(tables.estimate("field_f1", one.runs[split].metrics["field_f1"]))
        told = [tables.difference("field_f1", change), tables.p(change["p"])] if change else [tables.NONE] * 2
        line += told
    line += [tables.estimate("json_exact", one.runs[split].metrics["json_exact"]) for split in CASES]
    return [*line, f"{one.record['data']['cases']:,}"]


def main(arguments: list[str] | None = None) -> None:
    """Train and evaluate the ablations that are not published yet."""
    parser = argparse.ArgumentParser(prog="python -m slmlib.training.ablations", description=main.__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"of: {', '.join(names())}; if none, those suited to this machine"
    )
    parser.add_argument("--again", action="store_true", help="those too that are published")
    chosen = parser.parse_args(arguments)
    for name in chosen.names or suited():
        print(f"== {name}", flush=True)
        make(name, again=chosen.again)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; run the same command again to go on")
