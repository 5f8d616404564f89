"""Truth first: one sampler per schema draws a record whose cross-field rules hold by construction.

A sampler gets a `SamplingContext` and returns `(record, context)`: the record is the target; the context
holds what the text may mention beside it (other people, earlier dates, old prices), the
distractors. Optional fields are left out with a fixed chance, and then the text lacks them too.
Samplers stand in `domains`, one module for each domain, and register themselves under their own
name, the group's. The reserved domains are kept for the split of unseen schemas.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache

from slmlib.tasks.edgejson.generate import designed
from slmlib.textgen.sampling_context import SamplingContext

Sampler = Callable[[SamplingContext], tuple[dict, dict]]
RESERVED = ("education", "marine", "museum", "sport", "veterinary")  # seen by no training
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
    """The domain in which a group's sampler stands."""
    return samplers()[group].__module__.rpartition(".")[2]


def reserved(group: str) -> bool:
    """True for the groups that only the split of unseen schemas holds."""
    return domain(group) in RESERVED


def sample(group: str, ctx: SamplingContext) -> tuple[dict, dict]:
    """A record of the group and the context of its text."""
    record, context = samplers()[group](ctx)
    return record, surroundings(ctx) | context


def surroundings(ctx: SamplingContext) -> dict:
    """What every text may mention: people to write to and from, a firm; and how numbers are said."""
    people = {"agent": ctx.person().first, "sender": ctx.person().name, "friend": ctx.person().first}
    return people | {"firm": ctx.firm(), "phones": ctx.phones, "currency": ctx.place.currency}


def only(ctx: SamplingContext, share: float, **fields) -> dict:
    """The fields, each present in this share of cases."""
    return {key: value for key, value in fields.items() if ctx.chance(share)}
