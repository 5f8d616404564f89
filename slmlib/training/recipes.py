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
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from slmlib.core import io, paths
from slmlib.core.names import UnknownName, choose
from slmlib.tasks import base as tasks

SCHEMA = paths.DATA / "recipes" / "recipe.schema.json"
IRRELEVANT = ("about", "checkpoints", "budget")  # keys that do not change the model


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number, as YAML 1.2 does; refuses duplicate keys, .nan and .inf."""

    def construct_mapping(self, node, deep=False):
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            ((key, _),) = Counter(key.value for key, _ in node.value).most_common(1)
            mark = str(node.start_mark).strip()
            raise yaml.YAMLError(f"duplicate key {key!r}, {mark}; remove one.")
        return mapping

    def construct_yaml_float(self, node):
        value = super().construct_yaml_float(node)
        if not math.isfinite(value):
            mark = str(node.start_mark).strip()
            raise yaml.YAMLError(f"{node.value} is not a finite number, {mark}")
        return value


_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


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


def names(folder: Path | None = None) -> list[str]:
    """Names of the recipes: their paths in the folder, without suffix.

    A file beside a folder of the same name is not a recipe; it says how the recipes in the folder
    are compared.
    """
    folder = folder or SCHEMA.parent
    files = (path.with_suffix("") for path in folder.rglob("*.yaml"))
    return sorted(path.relative_to(folder).as_posix() for path in files if not path.is_dir())


def load(name: str, *, seed: int | None = None, folder: Path | None = None) -> Recipe:
    """Load a recipe by name.

    Args:
        name: path of a file of `data/recipes/`, without suffix.
        seed: replaces the recipe's own.
        folder: another folder of recipes.

    Raises:
        UnknownName: no such recipe; the message lists them.
        DataError: an unknown task or key, or a value out of bounds; the message names file, key and
        rule.
    """
    folder = folder or SCHEMA.parent
    settings = _resolve(choose("recipe", name, names(folder)), folder, ())
    if seed is not None:
        settings["seed"] = seed
    where = f"{folder / name}.yaml"
    _check(settings, _shared_schema(), where)
    if not settings.get("data"):
        raise io.DataError(f"{where}: $.data: names no task. Valid: {', '.join(tasks.names())}.")
    return Recipe(name, _fill_all(settings, where))


def from_record(record: Mapping) -> Recipe:
    """The recipe in a training record; keys that did not exist then have their defaults."""
    settings = dict(record["recipe"])
    return Recipe(settings.pop("name"), _fill_all(settings, record["run"]))


def parent(name: str, *, folder: Path | None = None) -> str:
    """Name of the recipe that a recipe starts from; "" if it starts from none."""
    folder = folder or SCHEMA.parent
    return _read(choose("recipe", name, names(folder)), folder).get("from", "")


def _shared_schema() -> dict:
    return json.loads(SCHEMA.read_text("utf-8"))


def _resolve(name: str, folder: Path, below: tuple[str, ...]) -> dict:
    """The keys of a recipe over those of the recipe that it starts from."""
    if name in below:
        raise io.DataError(f"{folder / name}.yaml: circular `from`: {' → '.join((*below, name))}.")
    settings = _read(name, folder)
    base = settings.pop("from", None)
    return _merge(_resolve(base, folder, (*below, name)), settings) if base else settings


def _read(name: str, folder: Path) -> dict:
    """A recipe as it is in its file, checked."""
    path = folder / f"{name}.yaml"
    try:
        settings = yaml.load(path.read_text("utf-8"), _Loader)
    except OSError as error:
        available = ", ".join(names(folder))
        raise io.DataError(f"{path}: {error.strerror}. Available recipes: {available}.") from None
    except UnicodeDecodeError as error:
        raise io.DataError(f"{path}: not UTF-8: {error}. Save it as UTF-8.") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise io.DataError(f"{path}: not valid recipe YAML: {reason}") from None
    _check(settings, _shared_schema(), str(path))
    return settings


def _merge(base: Mapping, changes: Mapping) -> dict:
    merged = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = _merge(base[key], value) if nested else value
    return merged


def _check(value, schema: Mapping, where: str, *, path: str = "$") -> None:
    """Raise `DataError` if a value breaks a schema; for an unknown key it lists the valid ones."""
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is None:
        return
    message, place = error.message, path + error.json_path.removeprefix("$")
    if error.validator == "additionalProperties":
        valid = error.schema["properties"]
        message = str(UnknownName("key", next(k for k in error.instance if k not in valid), valid))
    raise io.DataError(f"{where}: {place}: {message}")


def _fill_all(settings: Mapping, where: str) -> dict:
    """The settings with all defaults, those of the tasks included."""
    filled = _fill(settings, _shared_schema())
    filled["data"] = {}
    for name, mix in settings["data"].items():
        path = f"$.data.{name}"
        try:
            training = tasks.get(name).training
        except UnknownName as error:
            raise io.DataError(f"{where}: {path}: {error}") from None
        if training is None:
            raise io.DataError(f"{where}: {path}: the task {name} has no training data; remove it.")
        _check(mix, training.schema, where, path=path)
        filled["data"][name] = _fill(mix, training.schema)
    return filled


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
