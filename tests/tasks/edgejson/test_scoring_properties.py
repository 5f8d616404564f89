"""The grader on all published data: if one of these fails, a wrong answer can pass for right, another
validator would judge otherwise, or some completion can stop or stall a run.

The cases of `data/edgejson` are read as they are, whatever their number. The test marked `slow` tries
every kind of wrong value where the ordinary one tries one.
"""

import copy
import json
import random
import re
from functools import cache

import pytest
from bounded import bounded

from slmlib.core import paths
from slmlib.tasks.edgejson import scoring
from slmlib.tasks.edgejson.scoring import score_json

FILES = sorted((paths.DATA / "edgejson").glob("*.jsonl"))


@cache
def rows(path) -> list[dict]:
    """The cases of a split."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@cache
def all_rows() -> list[dict]:
    return [row for path in FILES for row in rows(path)]


def grade(value, row, *, finish="stop"):
    completion = value if isinstance(value, str) else json.dumps(value)
    return score_json(
        completion,
        target=row["target"],
        schema=row["input"]["schema"],
        text=row["input"]["text"],
        evidence=row["meta"]["evidence"],
        finish=finish,
    )


def places(value, path=()):
    """Path and value of every node, the root first."""
    yield path, value
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in steps:
        yield from places(item, (*path, step))


def at(value, path):
    for step in path:
        value = value[step]
    return value


def edited(target, path, edit):
    """A copy of `target` after `edit(container, last step)`."""
    result = copy.deepcopy(target)
    edit(at(result, path[:-1]), path[-1])
    return result


def put(value):
    return lambda container, step: container.__setitem__(step, value)


def remove(container, step):
    del container[step]


def others(value):
    """Values that are wrong where `value` is right, the nearest first."""
    if isinstance(value, bool):
        return [not value, int(value), str(value).lower(), None]
    if isinstance(value, int | float):
        return [value + 1, -value or 5, str(value), value * 10 or 7, None]
    if isinstance(value, str):
        swapped = [value.swapcase()] if value.swapcase() != value else []
        return [
            value[:-1] + chr(ord(value[-1]) ^ 1) if value else "x",
            *swapped,
            value + " ",
            "",
            None,
            [value],
        ]
    return [0]


def is_set(schema, path) -> bool:
    """Whether the schema frees the order of the list at `path`."""
    for step in path:
        schema = (
            schema.get("items", {}) if isinstance(step, int) else schema.get("properties", {}).get(step, {})
        )
    return schema.get("x-order") == "set"


# Changed answers -----------------------------------------------------------------------------


def damaged(row, rng, *, kinds: int):
    """Answers that are wrong by one leaf or one key: what was done, the answer, whether FieldF1 must fall."""
    target = row["target"]
    for path, node in places(target):
        if isinstance(node, dict):
            yield f"key added at {path}", edited({"": target}, ("", *path, "zz"), put("zz"))[""], True
        if not path or (isinstance(node, dict | list) and node):
            continue
        wrong = others(node)
        for value in rng.sample(wrong, min(kinds, len(wrong))):
            yield f"{value!r} at {path}", edited(target, path, put(value)), True
        yield f"nothing at {path}", edited(target, path, remove), True
    yield from turned(row)


def turned(row):
    """Answers whose lists have two neighbours exchanged, where their order counts."""
    for path, node in places(row["target"]):
        if not isinstance(node, list) or is_set(row["input"]["schema"], path):
            continue
        for i in range(len(node) - 1):
            if node[i] != node[i + 1]:
                swapped = [*node[:i], node[i + 1], node[i], *node[i + 2 :]]
                yield f"{i} and {i + 1} exchanged at {path}", edited(row["target"], path, put(swapped)), False


def assert_every_change_counts(row, rng, *, kinds: int) -> int:
    """No damaged answer is right; returns how many there were."""
    answers = list(damaged(row, rng, kinds=kinds))
    for what, answer, fields in answers:
        score = grade(answer, row)
        assert score.scores["json_exact"] == score.scores["json_exact_lenient"] == 0, (row["id"], what)
        assert score.failure in scoring.FAILURES, (row["id"], what)
        assert not fields or score.scores["field_f1"] < 1, (row["id"], what)
    return len(answers)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_any_changed_leaf_of_any_target_lowers_the_score(path):
    """All leaves of every target: one other value each, and none; every object: one key more."""
    rng = random.Random(0)
    found = sum(assert_every_change_counts(row, rng, kinds=1) for row in rows(path))
    leaves = sum(sum(1 for _ in scoring.leaves(row["target"])) for row in rows(path))
    assert found > 2 * leaves


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_any_change_of_any_kind_lowers_the_score(path):
    rng = random.Random(1)
    for row in rows(path):
        assert_every_change_counts(row, rng, kinds=9)


def shuffled(value, schema, rng):
    """The same value by the schema: keys in another order, and the items of sets too."""
    if isinstance(value, dict):
        below = schema.get("properties", {})
        items = [(name, shuffled(item, below.get(name, {}), rng)) for name, item in value.items()]
        return dict(rng.sample(items, len(items)))
    if isinstance(value, list):
        items = [shuffled(item, schema.get("items", {}), rng) for item in value]
        return rng.sample(items, len(items)) if schema.get("x-order") == "set" else items
    return value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_order_of_keys_and_sets_changes_nothing(path):
    rng = random.Random(2)
    for row in rows(path):
        right = grade(row["target"], row)
        assert set(right.scores.values()) == {1.0} and right.failure is None
        other = shuffled(row["target"], row["input"]["schema"], rng)
        assert grade(json.dumps(other, indent=1, ensure_ascii=False), row) == right


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_target_is_right_for_an_agent_that_does_nothing(path):
    """No empty, constant or echoing answer gets a case right or a leaf of one."""
    for row in rows(path):
        for completion in ("", "{}", "[]", "null", "```json\n```"):
            score = grade(completion, row)
            assert score.scores["json_exact"] == score.scores["field_f1"] == 0
        for echo in (
            json.dumps(row["input"]["schema"]),
            row["input"]["text"],
            json.dumps(row["input"]["text"]),
        ):
            assert grade(echo, row).scores["json_exact"] == 0


# A second validator --------------------------------------------------------------------------

# the grader refuses these on purpose, `jsonschema-rs` does not: see the docstring of slmlib.tasks.edgejson.scoring
CHOSEN = (
    ("time", "23:59:60Z"),
    ("date-time", "1998-12-31T23:59:60Z"),
    ("date", "0000-01-01"),
    ("email", '"a b"@example.org'),
    ("email", "ann@[127.0.0.1]"),
    ("email", "Ann <ann@example.org>"),
    ("date", "2024-0+-29"),
    ("date-time", "2026-01-04T08:1+:00Z"),
)
DIFFERENT = re.compile(r"""[T ]?\d\d:\d\d:60|^0000-|["<\[].*@|@\[""")


def moment(digit: str) -> re.Pattern:
    """What `jsonschema-rs` reads as a date or time, with such digits."""
    day = rf"{digit}{{4}}-{digit}{{2}}-{digit}{{2}}"
    zone = rf"(?:[Zz]|[+-]{digit}{{2}}:{digit}{{2}})"
    return re.compile(rf"(?:{day})?[Tt]?(?:{digit}{{2}}:{digit}{{2}}:{digit}{{2}}(?:\.{digit}+)?{zone})?")


TAKEN, MEANT = moment("[-+./0-9]"), moment("[0-9]")  # it takes `+`, `-`, `.` and `/` for digits, a mistake


def differ(text: str) -> bool:
    """Whether the two validators treat such a string differently, on purpose or by that mistake."""
    return bool(DIFFERENT.search(text) or (TAKEN.fullmatch(text) and not MEANT.fullmatch(text)))


CHECKED = {
    "date": "2024-02-29",
    "time": "12:30:00+01:00",
    "date-time": "2024-02-29T12:30:00.5Z",
    "duration": "P1DT2H30M",
    "email": "ann.b@mail.example.org",
    "hostname": "mail.example.org",
    "ipv4": "10.0.0.255",
    "ipv6": "fe80::12:1",
    "uri": "https://example.org/a?b=c#d",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
}


@cache
def second(schema: str):
    """The other validator, formats checked."""
    validators = pytest.importorskip("jsonschema_rs")
    return validators.Draft202012Validator(json.loads(schema), validate_formats=True)


def agree(value, schema) -> bool:
    """Both verdicts, which must be one."""
    ours, theirs = scoring.is_compliant(value, schema), second(json.dumps(schema)).is_valid(value)
    assert ours == theirs, (value, schema)
    return ours


def respelled(text: str, rng) -> str:
    """A string with one character changed, lost or added."""
    place = rng.randint(0, len(text))
    new = rng.choice(["", "", *"0159aZ-:.+ _@/T\n", "é", "٣"])
    return text[:place] + new + text[place + rng.randint(0, 1) :]


def disturbed(target, rng):
    """An instance near the target: none to three random edits."""
    result = copy.deepcopy(target)
    for _ in range(rng.randint(0, 3)):
        path, node = rng.choice([place for place in places(result) if place[0]] or [((), result)])
        if path:
            container, step = at(result, path[:-1]), path[-1]
            rng.choice([remove, put(near(node, rng)), put(near(node, rng)), put(near(node, rng)), twice])(
                container, step
            )
    return result


def twice(container, step):
    """A list item once more; a property under another name."""
    if isinstance(container, list):
        container.insert(step, copy.deepcopy(container[step]))
    else:
        container[f"{step}2"] = container[step]


def near(node, rng):
    """A value like another one."""
    if isinstance(node, str):
        return rng.choice(
            [respelled(node, rng), respelled(node, rng), node[: len(node) // 2], node * 9, None]
        )
    if isinstance(node, bool):
        return rng.choice([not node, int(node), "true"])
    if isinstance(node, int | float):
        return rng.choice(
            [node + 1, node - 1, -node, node * 1000, float(node), node + 0.005, 1e19, str(node), 0]
        )
    return rng.choice([[], {}, [node, node], None])


def instance(rng) -> tuple:
    """A schema of the data and an instance on which the validators have no reason to differ."""
    while True:
        row = rng.choice(all_rows())
        value = disturbed(row["target"], rng)
        if not any(isinstance(leaf, str) and differ(leaf) for _, leaf in scoring.leaves(value)):
            return value, row["input"]["schema"]


def test_a_second_validator_agrees():
    """On 10,000 instances made from the targets, a good part of them valid and of them not."""
    rng = random.Random(3)
    accepted = sum(agree(*instance(rng)) for _ in range(10_000))
    assert 2_500 < accepted < 7_500


@pytest.mark.parametrize("format", CHECKED)
def test_a_second_validator_agrees_on_formats(format):
    """On a good value and 500 that are up to two characters from it."""
    schema, rng, accepted = {"type": "string", "format": format}, random.Random(4), 0
    for _ in range(500):
        text = respelled(CHECKED[format], rng)
        text = respelled(text, rng) if rng.random() < 0.5 else text
        accepted += 0 if differ(text) else agree(text, schema)
    assert agree(CHECKED[format], schema) and 0 < accepted < 500


@pytest.mark.parametrize(("format", "value"), CHOSEN)
def test_where_the_two_differ_the_grader_is_the_stricter(format, value):
    schema = {"type": "string", "format": format}
    assert second(json.dumps(schema)).is_valid(value) and not scoring.is_compliant(value, schema)
    assert differ(value)


def test_the_data_asks_only_for_formats_that_are_checked():
    nodes = [
        node for row in all_rows() for _, node in places(row["input"]["schema"]) if isinstance(node, dict)
    ]
    asked = {node["format"] for node in nodes if isinstance(node.get("format"), str)}
    assert asked <= set(CHECKED)


# Hostile completions -------------------------------------------------------------------------

ALPHABET = '{}[]":,\\`tfn0123456789.eE+-u \n\tNaI' + "\x00\ud800\udfffé\u202e\ufeff\U0001f600"
PIECES = [*ALPHABET, "", '"a": ', "[[", "```", "1e9999", "\\ud800", "null", "9" * 70, '{"', "}" * 9]
BULK = ["[" * 70, '{"a":' * 500, '"' + "x" * 9000, "[" + "0," * 6000 + "0]", '["' + "\\" * 999, "9" * 5000]


def hostile(rng) -> str:
    """A completion of one of five kinds: noise, damaged, cut, wrapped, huge."""
    right = json.dumps(rng.choice(all_rows())["target"], ensure_ascii=rng.random() < 0.5)
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
        return rng.choice(["```json\n{}\n```", "So: {} {}", '{"a": {}}', "[{}]", "```{}"]).replace(
            "{}", right
        )
    return rng.choice(["", right[:-1] + ', "zz": ']) + rng.choice(BULK) + rng.choice(["", "]", "}", '"'])


def withstand(count: int, seed: int) -> None:
    """Grade hostile completions, each in bounded time."""
    rng = random.Random(seed)
    for _ in range(count):
        text, row = hostile(rng), rng.choice(all_rows())
        with bounded():
            score = grade(text, row, finish=rng.choice(["stop", "stop", "length", "error"]))
        assert all(0 <= value <= 1 for value in score.scores.values()), text
        assert score.scores["json_exact"] <= score.scores["json_exact_lenient"], text
        assert (score.failure is None) == (score.scores["json_exact"] == 1), text
        assert score.failure is None or score.failure in scoring.FAILURES, text


def test_no_completion_raises_or_takes_long():
    withstand(100_000, seed=5)


def test_no_pattern_of_the_data_takes_long():
    """A pattern with nested repeats would take exponential time on an almost fitting string."""
    nodes = [
        node for row in all_rows() for _, node in places(row["input"]["schema"]) if isinstance(node, dict)
    ]
    patterns = {node["pattern"] for node in nodes if isinstance(node.get("pattern"), str)}
    with bounded():
        for pattern in patterns:
            for piece in ("a", "A", "0", "a ", "Aa ", "0-", "a1", "a.", " ", "-", "+", "Á"):
                scoring.is_compliant(piece * (1990 // len(piece)) + "\x00", {"pattern": pattern})
