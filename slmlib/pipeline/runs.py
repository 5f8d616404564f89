"""The published runs, as `data/runs.yaml` lists them.

A list in place of a value stands for one run with each of its items, so that a few lines name many
runs. What is not given is that of `defaults`. A run is named after what it differs in.
"""

from itertools import product
from pathlib import Path

import yaml

from slmlib.core import paths
from slmlib.models import registry as models

FILE = paths.DATA / "runs.yaml"


def runs(path: Path = FILE) -> dict[str, dict]:
    """Parameters of notebook 02 for each published run, and whether `make quick` runs it, by name.

    Raises:
        ValueError: two runs have the same name, or one has a parameter that `defaults` does not.
    """
    listed = yaml.safe_load(path.read_text("utf-8"))
    defaults, found = listed["defaults"], {}
    for entry in listed["runs"]:
        unknown = sorted(set(entry) - set(defaults))
        if unknown:
            raise ValueError(f"{path}: unknown {', '.join(unknown)}. Valid: {', '.join(defaults)}.")
        for run in _expanded(entry):
            run = defaults | run
            name = _name(run, defaults)
            if name in found:
                raise ValueError(f"{path}: the run {name} is listed twice. Take one of them out.")
            found[name] = run
    return found


TRAINING = {"recipe": "", "seed": 0, "publish_as": "", "quick": False, "gpu": False}


def trainings(path: Path = FILE) -> dict[str, dict]:
    """Parameters of notebook 03 for each training run by name, and whether it is `quick` and wants a `gpu`.

    Raises:
        ValueError: an entry has a parameter that the notebook does not take.
    """
    found = {}
    for entry in yaml.safe_load(path.read_text("utf-8")).get("training", []):
        unknown = sorted(set(entry) - set(TRAINING))
        if unknown:
            raise ValueError(f"{path}: unknown {', '.join(unknown)}. Valid: {', '.join(TRAINING)}.")
        chosen = TRAINING | entry
        seed = f"-{chosen['seed']}" if chosen["seed"] else ""
        found[f"{chosen['recipe'].replace('/', '-')}{seed}"] = chosen
    return found


def _expanded(entry: dict):
    """One entry for each combination of the listed values."""
    values = [value if isinstance(value, list) else [value] for value in entry.values()]
    return (dict(zip(entry, combination, strict=True)) for combination in product(*values))


def _name(run: dict, defaults: dict) -> str:
    parts = [run["task"], run["split"], run["model"]]
    if run["model"] not in models.CONTROLS:
        parts.append(run["decoding"])
        if (run["engine"], run["dtype"]) != (defaults["engine"], defaults["dtype"]):
            parts += [run["engine"], run["dtype"]]
        parts += [run["prompt"]] if run["prompt"] else []
    return "-".join(parts).replace("_", "-")
