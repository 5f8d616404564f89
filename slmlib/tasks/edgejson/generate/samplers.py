"""Truth first: one sampler per hand-designed schema draws a record in which every rule holds.

A sampler takes a `SamplingContext` and returns `(record, context)`: the record is the target; the
context has what the text may mention besides (other people, earlier dates, old prices), the
distractors. Optional fields are omitted with a fixed probability, and then the text lacks them
too. Samplers are in `designed`, one module for each domain, and register themselves under their
own name, the schema's. The reserved domains are kept for the split of unseen schemas.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache

from slmlib.tasks.edgejson.generate import designed
from slmlib.textgen.sampling_context import SamplingContext

Sampler = Callable[[SamplingContext], tuple[dict, dict]]
RESERVED = ("education", "marine", "museum", "sport", "veterinary")  # never in training data
SAMPLERS: dict[str, Sampler] = {}


def sampler(function: Sampler) -> Sampler:
    """Register a sampler under its own name."""
    SAMPLERS[function.__name__] = function
    return function


@cache
def samplers() -> dict[str, Sampler]:
    """Group -> sampler, of all domains."""
    for module in pkgutil.iter_modules(designed.__path__, f"{designed.__name__}."):
        importlib.import_module(module.name)
    return SAMPLERS


def domain(group: str) -> str:
    """The domain of a hand-designed schema: the module of its sampler."""
    return samplers()[group].__module__.rpartition(".")[2]


def reserved(group: str) -> bool:
    """True for a hand-designed schema that occurs only in the split of unseen schemas."""
    return domain(group) in RESERVED


def sample(group: str, ctx: SamplingContext) -> tuple[dict, dict]:
    """A record of a hand-designed schema and the context of its text."""
    record, context = samplers()[group](ctx)
    return record, ctx.surroundings() | context


def only(ctx: SamplingContext, share: float, **fields) -> dict:
    """The fields, each present in this share of cases."""
    return {key: value for key, value in fields.items() if ctx.chance(share)}
