"""The published runs and trainings, as `data/runs.yaml` lists them by task.

A list as a value means one run for each of its items, so that a few lines name many runs. Missing
keys take their value from `defaults`. A run is named after its task, split, model and what is not
the default.
"""

from itertools import product
from pathlib import Path

import yaml

from slmlib.core import io, paths
from slmlib.tasks import base as tasks

TRAINING = {"recipe": "", "seed": 0, "publish_as": "", "quick": False, "gpu": False}


def runs(path: Path | None = None) -> dict[str, dict]:
    """Published runs by name: parameters of notebook 02, and whether it is part of `make quick`.

    Raises:
        DataError: two runs have the same name, or a run has a parameter without a default.
    """
    defaults, listed = _read(path)
    named: dict[str, dict] = {}
    for task, lists in listed.items():
        for entry in lists["runs"]:
            _refuse_unknown(entry, defaults)
            values = [value if isinstance(value, list) else [value] for value in entry.values()]
            for combination in product(*values):
                run = {"task": task, **defaults, **dict(zip(entry, combination, strict=True))}
                name = _name(run, defaults)
                if name in named:
                    raise io.DataError(f"runs.yaml: the run {name} is listed twice; remove one.")
                named[name] = run
    return named


def _name(run: dict, defaults: dict) -> str:
    parts = [run["task"], run["split"], run["model"]]
    if not is_control(run):
        parts.append(run["decoding"])
        if (run["engine"], run["dtype"]) != (defaults["engine"], defaults["dtype"]):
            parts += [run["engine"], run["dtype"]]
        if run["prompt"]:
            parts.append(run["prompt"])
    return "-".join(parts).replace("_", "-")


def is_control(run: dict) -> bool:
    """Return whether a run needs no model."""
    return run["model"] in tasks.get(run["task"]).controls


def trainings(path: Path | None = None) -> dict[str, dict]:
    """Trainings by name: parameters of notebook 03, and whether it is `quick` and needs a `gpu`.

    Raises:
        DataError: an entry has a parameter that the notebook does not take.
    """
    named = {}
    for lists in _read(path)[1].values():
        for entry in lists.get("training", []):
            _refuse_unknown(entry, TRAINING)
            training = TRAINING | entry
            seed = f"-{training['seed']}" if training["seed"] else ""
            named[training["recipe"].replace("/", "-") + seed] = training
    return named


def listed_tasks() -> list[str]:
    """The tasks that have runs."""
    return list(_read(None)[1])


def _read(path: Path | None) -> tuple[dict, dict[str, dict]]:
    """The defaults, and the lists of each task."""
    path = path or paths.repository("the list of runs") / "data" / "runs.yaml"
    config = yaml.safe_load(path.read_text("utf-8"))
    return config.pop("defaults"), config


def _refuse_unknown(entry: dict, valid: dict) -> None:
    if unknown := sorted(set(entry) - set(valid)):
        raise io.DataError(f"runs.yaml: unknown {', '.join(unknown)}. Valid: {', '.join(valid)}.")
