"""Entities: the typed things of which the composer makes schemas.

An entity is a sampler and a text file. The sampler is in the module of its domain and returns
every scalar field of one instance, consistent with itself; `<entity>.txt` beside it says what the
fields are and how texts state them (`composer.entity_parser`). `shared` entities, such as a person
or an address, are parts of others.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

from slmlib.textgen.sampling_context import SamplingContext

FOLDER = Path(__file__).parent
SHARED = "shared"  # domain of the entities that are only parts of others
Sampler = Callable[[SamplingContext], dict]
SAMPLERS: dict[str, Sampler] = {}


def entity(function: Sampler) -> Sampler:
    """Register a sampler under its own name."""
    SAMPLERS[function.__name__] = function
    return function


@cache
def samplers() -> dict[str, Sampler]:
    """Entity -> sampler, of all domains, in alphabetical order."""
    for module in pkgutil.iter_modules([str(FOLDER)], f"{__name__}."):
        importlib.import_module(module.name)
    return dict(sorted(SAMPLERS.items()))


def draw(name: str, ctx: SamplingContext) -> dict:
    """An instance of an entity: its scalars, and those children that its sampler draws itself."""
    return samplers()[name](ctx)


def domain(name: str) -> str:
    """The domain of an entity: the module of its sampler."""
    return samplers()[name].__module__.rpartition(".")[2]
