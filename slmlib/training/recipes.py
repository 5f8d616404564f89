"""Training recipes: YAML files that decide everything a training run makes.

`data/recipes/recipe.schema.json` says which keys there are, their bounds and their defaults. A recipe may
start from another one and change a few keys, so that an ablation reads as its difference.
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

from slmlib.core import io, paths
from slmlib.core.names import choose

SCHEMA = paths.DATA / "recipes" / "recipe.schema.json"


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as the number that it is in YAML 1.2; refuses a key that is there twice, .nan and .inf."""

    def construct_mapping(self, node, deep=False):
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            again = Counter(key.value for key, _ in node.value).most_common(1)[0][0]
            raise yaml.YAMLError(f"{again} is there twice, {str(node.start_mark).strip()}. Keep one.")
        return found

    def construct_yaml_float(self, node):
        value = super().construct_yaml_float(node)
        if not math.isfinite(value):
            raise yaml.YAMLError(f"{node.value} is no finite number, {str(node.start_mark).strip()}")
        return value


_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
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
        """Of what the run depends on: another name or sentence makes no other model."""
        deciding = {key: value for key, value in self.settings.items() if key != "about"}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def names(folder: Path | None = None) -> list[str]:
    """The recipes of a folder, by their paths without suffix."""
    folder = folder or SCHEMA.parent
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def load(name: str, *, seed: int | None = None, folder: Path | None = None) -> Recipe:
    """A recipe by name.

    Args:
        name: of a file of `data/recipes/`, without suffix.
        seed: in place of the recipe's own.
        folder: another folder of recipes.

    Raises:
        UnknownName: there is no such recipe; the message lists them.
        DataError: an unknown key or a value out of bounds; the message names file, key and rule.
    """
    folder = folder or SCHEMA.parent
    given = _read(choose("recipe", name, names(folder)), folder, ())
    given |= {} if seed is None else {"seed": seed}
    io.check(given, SCHEMA, where=str(_path(name, folder)))
    return Recipe(name, _filled(given, json.loads(SCHEMA.read_text("utf-8"))))


def of_record(record: Mapping) -> Recipe:
    """The recipe in a training's record; a key that recipes did not have then is at its default."""
    given = {key: value for key, value in record["recipe"].items() if key != "name"}
    return Recipe(record["recipe"]["name"], _filled(given, json.loads(SCHEMA.read_text("utf-8"))))


def starts_from(name: str, *, folder: Path | None = None) -> str:
    """The recipe that a recipe names in `from`; empty if it names none."""
    folder = folder or SCHEMA.parent
    return _given(choose("recipe", name, names(folder)), folder).get("from", "")


def _path(name: str, folder: Path) -> Path:
    return folder / f"{name}.yaml"


def _read(name: str, folder: Path, below: tuple[str, ...]) -> dict:
    """The recipe's keys over those of the recipe that it starts from."""
    if name in below:
        line = " from ".join((*below, name))
        raise io.DataError(f"{_path(name, folder)}: starts from itself, by {line}.")
    given = _given(name, folder)
    base = given.pop("from", None)
    return given if base is None else _merged(_read(base, folder, (*below, name)), given)


def _given(name: str, folder: Path) -> dict:
    """A recipe as its file has it, checked."""
    path = _path(name, folder)
    try:
        given = yaml.load(path.read_text("utf-8"), _Loader)
    except OSError as error:
        raise io.DataError(f"{path}: {error.strerror}. There are: {', '.join(names(folder))}.") from None
    except UnicodeDecodeError as error:
        raise io.DataError(f"{path}: not UTF-8: {error}. Save it as UTF-8.") from None
    except yaml.YAMLError as error:
        raise io.DataError(f"{path}: not YAML as recipes are: {' '.join(str(error).split())}") from None
    io.check(given, SCHEMA, where=str(path))
    return given


def _merged(base: Mapping, changes: Mapping) -> dict:
    both = dict(base)
    for key, value in changes.items():
        inner = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        both[key] = _merged(base[key], value) if inner else value
    return both


def _filled(given: Mapping, schema: Mapping) -> dict:
    """The keys in the schema's order, its defaults where nothing is given."""
    found = {}
    for key, part in schema["properties"].items():
        if key in given or "default" in part:
            value = copy.deepcopy(given.get(key, part.get("default")))
            if part.get("type") == "object":
                value = _filled(value, part)
            elif part.get("type") == "integer":
                value = int(value)  # 4e4 is an integer to JSON Schema and a float to Python
            found[key] = value
    return found
