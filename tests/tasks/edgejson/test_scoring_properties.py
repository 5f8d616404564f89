"""The scorer on published cases: if one of these fails, a wrong answer can pass for right, or some
completion can stop or stall a run.
"""

import json
import random

import pytest
from bounded import bounded
from json_values import edited, places, published, put, remove

from slmlib.tasks.edgejson import scoring


def grade(value, row, *, finish="stop"):
    return scoring.score_json(
        value if isinstance(value, str) else json.dumps(value),
        target=row["target"],
        schema=row["input"]["schema"],
        text=row["input"]["text"],
        evidence=row["meta"]["evidence"],
        finish=finish,
    )


def others(value):
    """Values that are wrong where `value` is right, the nearest first."""
    if isinstance(value, bool):
        return [not value, int(value), str(value).lower(), None]
    if isinstance(value, int | float):
        return [value + 1, -value or 5, str(value), value * 10 or 7, None]
    near = [value[:-1] + chr(ord(value[-1]) ^ 1), value.swapcase(), value + " ", "", None, [value]]
    return [other for other in near if other != value]


def order_counts(schema, path) -> bool:
    """True if the schema fixes the order of the list at a path."""
    for step in path:
        schema = schema["items"] if isinstance(step, int) else schema["properties"][step]
    return schema.get("x-order") != "set"


def damaged(row, rng, *, kinds: int):
    """Answers that are wrong by one edit: the answer, and whether FieldF1 must fall."""
    target = row["target"]
    for path, node in places(target):
        if isinstance(node, dict):
            yield edited(target, (*path, "zz"), put("zz")), True
        elif isinstance(node, list):
            for i in range(len(node) - 1 if order_counts(row["input"]["schema"], path) else 0):
                if node[i] != node[i + 1]:
                    swapped = [*node[:i], node[i + 1], node[i], *node[i + 2 :]]
                    yield edited(target, path, put(swapped)), False
        else:
            for value in rng.sample(others(node), min(kinds, len(others(node)))):
                yield edited(target, path, put(value)), True
            yield edited(target, path, remove), True


@pytest.mark.parametrize("share", [0.2, pytest.param(1, marks=pytest.mark.slow)])
def test_any_changed_removed_or_added_leaf_lowers_the_score(share):
    """All leaves of a target: another value each, or none; every object: one key more."""
    rng = random.Random(0)
    for row in rng.sample(published(), round(share * len(published()))):
        for answer, fields in damaged(row, rng, kinds=1 if share < 1 else 9):
            score, message = grade(answer, row), (row["id"], answer)
            assert score.scores["json_exact"] == score.scores["json_exact_lenient"] == 0, message
            assert score.failure in scoring.FAILURES, message
            assert not fields or score.scores["field_f1"] < 1, message


def shuffled(value, schema, rng):
    """A value that is equal by the schema: keys in another order, and the items of sets too."""
    if isinstance(value, dict):
        below = schema["properties"]
        items = [(name, shuffled(item, below[name], rng)) for name, item in value.items()]
        return dict(rng.sample(items, len(items)))
    if isinstance(value, list):
        items = [shuffled(item, schema["items"], rng) for item in value]
        return rng.sample(items, len(items)) if schema.get("x-order") == "set" else items
    return value


def test_a_target_is_perfect_with_keys_and_sets_in_any_order_and_an_empty_answer_is_wrong():
    rng = random.Random(2)
    for row in published():
        right = grade(row["target"], row)
        assert set(right.scores.values()) == {1.0} and right.failure is None, row["id"]
        assert all(filled == total for filled, total in right.counts["presence"].values())
        other = shuffled(row["target"], row["input"]["schema"], rng)
        assert grade(json.dumps(other, indent=1, ensure_ascii=False), row) == right, row["id"]
        for completion in ("", "{}", "[]", "null", "```json\n```"):
            scores = grade(completion, row).scores
            assert scores["json_exact"] == scores["field_f1"] == 0, row["id"]
        for echo in (json.dumps(row["input"]["schema"]), row["input"]["text"]):
            assert grade(echo, row).scores["json_exact"] == 0, row["id"]


ALPHABET = '{}[]":,\\`tfn0123456789.eE+-u \n\tNaI' + "\x00\ud800\udfffé\u202e\ufeff\U0001f600"
PIECES = [*ALPHABET, "", '"a": ', "[[", "```", "1e9999", "\\ud800", "null", "9" * 70, '{"', "}" * 9]
WRAPS = ["```json\n{}\n```", "So: {} {}", '{"a": {}}', "[{}]", "```{}"]
BULK = ["[" * 70, '{"a":' * 500, '"' + "x" * 9000, "[" + "0," * 6000 + "0]", '["' + "\\" * 999]


def hostile(rng) -> str:
    """A completion of one of five kinds: noise, damaged, cut, wrapped, huge."""
    right = json.dumps(rng.choice(published())["target"], ensure_ascii=rng.random() < 0.5)
    kind = rng.randrange(20)
    if kind < 6:
        return "".join(rng.choices(PIECES, k=rng.randint(0, 80)))
    if kind < 12:
        text = list(right)
        for _ in range(rng.randint(1, 6)):
            text[rng.randrange(len(text))] = rng.choice(PIECES)
        return "".join(text)
    if kind < 16:
        return right[: rng.randrange(len(right))] + rng.choice(PIECES)
    if kind < 19:
        return rng.choice(WRAPS).replace("{}", right)
    head = rng.choice(["", right[:-1] + ', "zz": '])
    return head + rng.choice([*BULK, "9" * 5000]) + rng.choice(["", "]", "}", '"'])


def test_no_completion_raises_or_takes_long():
    rng = random.Random(5)
    for _ in range(20_000):
        text, row = hostile(rng), rng.choice(published())
        with bounded():
            score = grade(text, row, finish=rng.choice(["stop", "stop", "length", "error"]))
        assert all(0 <= value <= 1 for value in score.scores.values()), text
        assert score.scores["json_exact"] <= score.scores["json_exact_lenient"], text
        assert (score.failure is None) == (score.scores["json_exact"] == 1), text
        assert score.failure is None or score.failure in scoring.FAILURES, text
