"""Training recipes: YAML files that determine a training run.

`data/recipes/recipe.schema.json` lists the keys, their bounds and their defaults; what a recipe
takes of a task's training data is checked by the task's own schema. A recipe may start from another
one and change a few keys, so that an ablation reads as its difference.
"""

import copy
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from slmlib.core import io, paths
from slmlib.core.names import UnknownName, choose
from slmlib.tasks import base as tasks

FOLDER = paths.DATA / "recipes"
SCHEMA = FOLDER / "recipe.schema.json"
IRRELEVANT = ("about", "checkpoints", "budget")  # keys that do not change the model


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number, as YAML 1.2 does; refuses duplicate keys, .nan and .inf."""

    def construct_mapping(self, node, deep=False):
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            problem = "a key occurs twice; remove one"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return mapping

    def construct_yaml_float(self, node):
        value = super().construct_yaml_float(node)
        if not math.isfinite(value):
            problem = f"{node.value} is not a finite number"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return value


_FLOAT = "tag:yaml.org,2002:float"
_EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
_Loader.add_constructor(_FLOAT, _Loader.construct_yaml_float)
_Loader.add_implicit_resolver(_FLOAT, _EXPONENT, list("-+0123456789"))


@dataclass(frozen=True)
class Recipe:
    """A checked recipe with every key filled in; `recipe["batch"]["tokens"]` reads one."""

    name: str
    settings: Mapping

    def __getitem__(self, key: str):
        return self.settings[key]

    @property
    def sha256(self) -> str:
        """SHA-256 of the settings that affect the model, without the name and `IRRELEVANT` keys."""
        relevant = {key: value for key, value in self.settings.items() if key not in IRRELEVANT}
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def names() -> list[str]:
    """Names of the recipes: their paths in the folder, without suffix.

    A file beside a folder of the same name is not a recipe; it says how the recipes in the folder
    are compared.
    """
    files = (path.with_suffix("") for path in FOLDER.rglob("*.yaml"))
    return sorted(path.relative_to(FOLDER).as_posix() for path in files if not path.is_dir())


def load(name: str, *, seed: int | None = None) -> Recipe:
    """Load a recipe by name; a seed replaces the recipe's own.

    Raises:
        UnknownName: no such recipe; the message lists them.
        DataError: an unknown task or key, or a value out of bounds; the message names file, key and
            rule.
    """
    settings: dict = {}
    for each in lineage(name):
        settings = _merge(settings, _read(FOLDER / f"{each}.yaml"))
    settings.pop("from", None)
    if seed is not None:
        settings["seed"] = seed
    path = FOLDER / f"{name}.yaml"
    _check(settings, path)
    if not settings.get("data"):
        raise io.DataError(f"{path}: $.data: names no task. Valid: {', '.join(tasks.names())}.")
    return Recipe(name, _fill(settings, _schema()))


def lineage(name: str) -> list[str]:
    """A recipe's name, after those of the recipes that it starts from, the first one first."""
    valid = names()
    line = [choose("recipe", name, valid)]
    while origin := _read(path := FOLDER / f"{line[0]}.yaml").get("from"):
        if origin in line or origin not in valid:
            raise io.DataError(
                f"{path}: $.from: {origin!r} is not another recipe. Valid: {', '.join(valid)}."
            )
        line.insert(0, origin)
    return line


def from_record(record: Mapping) -> Recipe:
    """The recipe in a training record; keys that did not exist then have their defaults."""
    return Recipe(record["recipe"]["name"], _fill(record["recipe"], _schema()))


def _schema() -> dict:
    """The schema of recipes; what `data` takes of a task is described by the task's own schema."""
    schema = json.loads(SCHEMA.read_text("utf-8"))
    training = {name: tasks.get(name).training for name in tasks.names()}
    data = {name: each.schema for name, each in training.items() if each is not None}
    schema["properties"]["data"] |= {"properties": data, "additionalProperties": False}
    return schema


def _read(path: Path) -> dict:
    """A recipe as it is in its file, checked."""
    try:
        settings = yaml.load(path.read_bytes(), _Loader)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise io.DataError(f"{path}: not valid YAML in UTF-8: {reason}") from None
    _check(settings, path)
    return settings


def _merge(base: Mapping, changes: Mapping) -> dict:
    merged = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = _merge(base[key], value) if nested else value
    return merged


def _check(settings, path: Path) -> None:
    """Raise `DataError` if settings break the schema; an unknown key lists the valid ones."""
    error = best_match(Draft202012Validator(_schema()).iter_errors(settings))
    if error is None:
        return
    message = error.message
    if error.validator == "additionalProperties":
        valid = error.schema["properties"]
        message = str(UnknownName("key", next(k for k in error.instance if k not in valid), valid))
    raise io.DataError(f"{path}: {error.json_path}: {message}")


def _fill(given: Mapping, schema: Mapping) -> dict:
    """The keys in the schema's order, with its defaults where nothing is given."""
    filled = {}
    for key, part in schema["properties"].items():
        if key in given or "default" in part:
            value = copy.deepcopy(given.get(key, part.get("default")))
            if "properties" in part:
                value = _fill(value, part)
            elif part.get("type") == "integer":
                value = int(value)  # 4e4 is an integer to JSON Schema and a float to Python
            filled[key] = value
    return filled
