"""Random and published JSON targets, schemas for them, and edits, for the tests of scoring."""

import copy
import json
from functools import cache

from hypothesis import settings
from hypothesis import strategies as st

from slmlib.core import paths
from slmlib.tasks.edgejson.scoring import score_json

checked = settings(max_examples=150, deadline=None, derandomize=True, database=None)
names = st.text("abcxyz/~. é", min_size=1, max_size=5)
scalars = st.one_of(
    st.integers(-1000, 10**12),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.booleans(),
    st.none(),
    st.text(max_size=8).filter(lambda text: text.isprintable()),
)


def values(depth: int = 3):
    """JSON values without empty containers, which are leaves of a special kind."""
    if depth == 0:
        return scalars
    below = values(depth - 1)
    lists = st.lists(below, min_size=1, max_size=4)
    return st.one_of(scalars, lists, st.dictionaries(names, below, min_size=1, max_size=4))


targets = st.dictionaries(names, values(), min_size=1, max_size=5)


def schema_for(value) -> dict:
    """A schema that a value is valid under, strict about types."""
    if isinstance(value, dict):
        properties = {name: schema_for(item) for name, item in value.items()}
        return {"type": "object", "properties": properties, "required": list(value)}
    if isinstance(value, list):
        return {"type": "array", "items": {"anyOf": [schema_for(item) for item in value]}}
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return {"type": kinds[type(value)]}


@cache
def published() -> list[dict]:
    """The cases of all splits."""
    files = sorted((paths.DATA / "edgejson").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.open(encoding="utf-8")]


def places(value, path=()):
    """Path and value of every node, the root first."""
    yield path, value
    if isinstance(value, dict | list):
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, step))


def at(value, path):
    """The value at a path."""
    for step in path:
        value = value[step]
    return value


def edited(target, path, edit):
    """A copy of a target after `edit(container, last step)`."""
    result = copy.deepcopy({"": target})
    path = ("", *path)
    edit(at(result, path[:-1]), path[-1])
    return result[""]


def put(value):
    """An edit that sets a value."""
    return lambda container, step: container.__setitem__(step, value)


def remove(container, step):
    """An edit that removes a value."""
    del container[step]


def grade(completion, target, schema=None, **options):
    """Score a completion, given as text or as a value."""
    text = completion if isinstance(completion, str) else json.dumps(completion)
    schema = schema_for(target) if schema is None else schema
    return score_json(text, target=target, schema=schema, **options)
