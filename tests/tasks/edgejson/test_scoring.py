"""The grader: if one of these fails, published scores are wrong or a completion can stop a run."""

import copy
import json
import random
import threading
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from bounded import bounded
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from slmlib.tasks.edgejson import scoring
from slmlib.tasks.edgejson.scoring import Completeness, Parsed, parse, parse_lenient, score_json

GOLDEN = Path(__file__).parent / "golden"  # documents, and completions by the class they must get
DOCUMENTS = json.loads((GOLDEN / "documents.json").read_text("utf-8"))
CASES = [
    {"failure": None if path.stem == "right" else path.stem, **json.loads(line)}
    for path in sorted(GOLDEN.glob("*.jsonl"))
    for line in path.read_text("utf-8").split("\n")[:-1]
]
METRICS = {"json_exact", "field_f1", "schema_compliance", "json_exact_lenient"}
checked = settings(max_examples=150, deadline=None, derandomize=True, database=None)

# Documents: a target and a schema made for it ------------------------------------------------

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
    """A closed schema that `value` is valid under, strict about types."""
    if isinstance(value, dict):
        properties = {name: schema_for(item) for name, item in value.items()}
        return {"type": "object", "properties": properties, "required": list(value)}
    if isinstance(value, list):
        return {"type": "array", "items": {"anyOf": [schema_for(item) for item in value]}}
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return {"type": kinds[type(value)]}


def leaf_paths(value, path=()):
    """Path of each scalar."""
    if isinstance(value, dict | list):
        steps = value.items() if isinstance(value, dict) else enumerate(value)
        return [found for step, item in steps for found in leaf_paths(item, (*path, step))]
    return [path]


def at(value, path):
    """What stands at `path`."""
    for step in path:
        value = value[step]
    return value


def changed(target, path, value):
    """A copy of `target` with another value at `path`."""
    result = copy.deepcopy(target)
    at(result, path[:-1])[path[-1]] = value
    return result


def shuffled(value, rng: random.Random):
    """The same value with the keys of every object in another order."""
    if isinstance(value, dict):
        items = [(name, shuffled(item, rng)) for name, item in value.items()]
        return dict(rng.sample(items, len(items)))
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


def grade(completion, target, schema=None, **options):
    text = completion if isinstance(completion, str) else json.dumps(completion)
    return score_json(text, target=target, schema=schema_for(target) if schema is None else schema, **options)


# Golden cases --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['failure']}: {case['name']}")
def test_golden(case):
    score = score_json(case["completion"], finish=case["finish"], **DOCUMENTS[case["document"]])
    assert score.failure == case["failure"]
    assert score.counts == case["counts"]
    assert score.scores == {name: float(Fraction(value)) for name, value in case["scores"].items()}


@pytest.mark.parametrize("failure", [None, *scoring.FAILURES])
def test_golden_has_twenty_of_every_class(failure):
    cases = [case for case in CASES if case["failure"] == failure]
    assert len(cases) == len({case["name"] for case in cases}) == 20
    assert len({(case["document"], case["completion"], case["finish"]) for case in cases}) == 20


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_golden_documents_are_sound(document):
    assert scoring.is_compliant(document["target"], document["schema"])
    found = dict(scoring.leaves(document["target"]))
    for pointer, mark in document["evidence"].items():
        span = document["text"][mark["start"] : mark["end"]]
        assert mark["rule"] != "verbatim" or span.strip(".") == str(found[pointer])


# Misnormalised or miscopied ------------------------------------------------------------------


def leaf_failure(target, value, span, *, rest="", rule="number"):
    """Failure class of one wrong leaf whose evidence is `span`."""
    mark = {"start": 0, "end": len(span), "rule": rule}
    return grade({"a": value}, {"a": target}, {}, text=span + rest, evidence={"/a": mark}).failure


@pytest.mark.parametrize(
    ("target", "value", "span"),
    [
        ("2024-03-05", "5  MARCH 2024", "5 March 2024"),
        ("2024-03-05", "2024/3/5", "5 March 2024"),
        ("2024-03-05", "March 5th, 2024", "5 March 2024"),
        ("2024-03-05", "24-03-05", "5 March 2024"),
        ("2024-03-05", "2024-05-03", "2024-03-05"),
        ("16:15", "04:15", "quarter past four"),
        ("16:15", "4:15 pm", "quarter past four"),
        ("12:30", "00:30", "half past twelve"),
        ("12:00", "00:00", "noon"),
        ("08:13", "13:08", "8.13"),
        ("2025-08-05T23:18:00Z", "2025-05-08T23:18:00Z", "5 Aug 2025 at 23:18 UTC"),
        ("2025-08-05T23:18:00Z", "2025-08-05T11:18:00Z", "5 Aug 2025 at 23:18 UTC"),
        (89122, 89.122, "89,122"),
        (89122, "89,122", "89,122"),
        (4.5, 450, "4.50"),
        (4.5, 45.0, "4.50"),
        (4, "4", "four"),
        (True, 1, "yes"),
        (True, "true", "yes"),
        (10**20, 1e18, "a lot"),
        ("back_pain", "Back pain", "low back pain"),
        ("back_pain", "low back pain", "low back pain"),
        ("EUR", "€", "€"),
        ("+31305550148", "+31 30 555 0148", "+31 30 555 0148"),
    ],
)
def test_misnormalised_needs_a_sign_of_the_right_place(target, value, span):
    assert leaf_failure(target, value, span) == "misnormalised"


@pytest.mark.parametrize(
    ("target", "value", "rest"),
    [
        ("2027-02-10", "2027-02-04", " not February 4, 2027"),
        ("2027-02-10", "2026-02-10", ""),
        ("2027-02-10", "2027-10-02", " not 2027-10-02"),
        ("16:15", "11:00", " not 11.00"),
        ("16:15", "16:25", ""),
        ("12:00", "soon", ""),
        ("00:00", "", ""),
        ("PB471247", "PB124747", ""),
        (89601, 89122, " after 89,122"),
        (96.86, 140.0, " of 140"),
        (7.5, 75.0, " not 75"),
        (1.25, 1250, " of 1,250.00"),
        (5, -5, ""),
        (0, 10, ""),
        ("back_pain", "infection", ""),
        ("EUR", "£", ""),
        (True, False, ""),
        ("x", "", ""),
        ("T", "", ""),
        ("x", None, ""),
        (1, None, ""),
    ],
)
def test_everything_else_is_miscopied(target, value, rest):
    assert leaf_failure(target, value, "€?", rest=rest) == "miscopied"


def test_a_scale_is_a_matter_of_normalisation():
    assert leaf_failure(80, 8, "80", rule="verbatim") == "miscopied"
    assert grade({"a": 8}, {"a": 80}, {}).failure == "miscopied"


def test_a_value_of_another_leaf_is_miscopied():
    target, mark = {"a": 1, "b": 10}, {"start": 0, "end": 3, "rule": "number"}
    score = grade({"a": 10.0, "b": 10}, target, {}, text="one, ten", evidence={"/a": mark})
    assert score.failure == "miscopied"


@pytest.mark.parametrize("piece", ["1", "1,", "1,234", "a", "0", "-", "may", "2024-", "٣", "é "])
def test_judging_wrong_values_takes_linear_time(piece):
    """A long answer and a long text; the numbers stand at its end, so that it is read to the end."""
    long = piece * (900_000 // len(piece))
    numbers = {f"n{i}": i + 100 for i in range(20)}
    targets = {"day": "2024-03-05", "name": "Ann"} | numbers
    answer = {"day": long[:450_000], "name": long[450_000:]} | {n: 10 * v for n, v in numbers.items()}
    text = long[:50_000] + "".join(f" {10 * value}" for value in numbers.values())
    marks = {f"/{name}": {"start": 0, "end": 1, "rule": "number"} for name in targets}
    with bounded():
        score = grade(json.dumps(answer, ensure_ascii=False), targets, {}, text=text, evidence=marks)
    assert (score.failure, score.counts["wrong"]) == ("miscopied", len(targets))


# Parsing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("completion", "error"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("``````", "empty"),
        ("nothing", "syntax"),
        ('{"a": 1', "syntax"),
        ("{'a': 1}", "syntax"),
        ('{"a": 1,}', "syntax"),
        ('{"a": "\n"}', "syntax"),
        ("\ufeff{}", "syntax"),
        ("\u00a0{}", "syntax"),
        ('{"a": 1} and', "trailing_text"),
        ("{}{}", "trailing_text"),
        ("01", "trailing_text"),
        ("```json\n{}", "fence"),
        ("```json\n{}\n``` ok", "fence"),
        ("```json\n{}\n```\n```json\n{}\n```", "trailing_text"),
        ("```JSON\n{}\n```", "syntax"),
        ('{"a": 1, "a": 1}', "duplicate_key"),
        ('[{"b": {"a": 1, "\\u0061": 2}}]', "duplicate_key"),
        ("NaN", "not_finite"),
        ("[-Infinity]", "not_finite"),
        ("[1e999999]", "not_finite"),
        ("[-1e400]", "not_finite"),
        ("[" + "9" * 65 + "]", "long_number"),
        ("[0." + "9" * 65 + "]", "long_number"),
        ("[" * 65 + "]" * 65, "too_deep"),
        ('["\\ud800"]', "surrogate"),
        ('{"\\udc00": 1}', "surrogate"),
        ('["\ud800"]', "surrogate"),
        ("[" + "0," * 5000 + "0]", "too_many_values"),
        (" " * 1_000_001, "too_long"),
    ],
)
def test_parse_refuses(completion, error):
    assert parse(completion) == Parsed(None, error)


@pytest.mark.parametrize(
    ("completion", "value"),
    [
        ("null", None),
        (' {"a": [1, 2.5, true]}\n', {"a": [1, 2.5, True]}),
        ("```json\n{}\n```", {}),
        ("```\n[]\n```\n", []),
        ('```json {"a": "```"} ```', {"a": "```"}),
        ('"[[[[ {{{{"', "[[[[ {{{{"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"\\\\ud800"', "\\ud800"),
        ("[" * 64 + "]" * 64, None),
        ('["' + "[" * 100 + '"]', ["[" * 100]),
    ],
)
def test_parse_accepts(completion, value):
    parsed = parse(completion)
    assert parsed.ok
    assert value is None or parsed.value == value


@pytest.mark.parametrize(
    ("completion", "value"),
    [
        ('Sure! {"a": 1}', {"a": 1}),
        ('{"a": "}"} trailing {"b": 2}', {"a": "}"}),
        ('Say "{ hello" first: {"a": 1}} ', None),
        ('[see below] {"a": 1}', {"a": 1}),
        ('```json\n{"a": 1}', {"a": 1}),
        ('{"items": [{"a": 1}, {"a": ', None),
        ('{"a": "\\"}"} x', {"a": '"}'}),
        ("no value", None),
    ],
)
def test_parse_lenient(completion, value):
    parsed = parse_lenient(completion)
    assert (parsed.value if parsed.ok else None) == value


@checked
@given(
    targets, st.sampled_from([None, 0, 2]), st.sampled_from(["{}", " {}\n", "```json\n{}\n```", "```{}```"])
)
def test_parse_returns_what_was_written(target, indent, frame):
    text = frame.replace("{}", json.dumps(target, indent=indent, ensure_ascii=False))
    assert parse(text) == Parsed(target, None)


# Completeness --------------------------------------------------------------------------------


def first_complete(pieces) -> int | None:
    """Characters fed when the watcher first says complete."""
    watch, fed = Completeness(), 0
    for piece in pieces:
        fed += len(piece)
        if watch.feed(piece):
            return fed
    return None


frames = st.sampled_from(
    ["{}", "{} more", "So: {}", "```json\n{}\n```", "```\n{}\n``` x {}", "`a` {}\n```", "{}{}"]
)
bracketed = values(2).filter(lambda value: isinstance(value, dict | list))


@checked
@given(bracketed, frames, st.sampled_from([None, 2]))
def test_completeness_stops_where_the_value_ends(value, frame, indent):
    body = json.dumps(value, indent=indent, ensure_ascii=False)
    text = frame.replace("{}", body)
    end = text.index(body) + len(body)
    if frame.startswith("```"):
        end = text.index("```", end) + 3
    assert first_complete(text) == end
    assert parse_lenient(text[:end]).value == value
    if parse(text).ok:
        assert parse(text[:end]) == parse(text)


@checked
@given(st.text('{}[]"\\`a \n', max_size=40), st.lists(st.integers(0, 40)))
def test_completeness_does_not_depend_on_the_pieces(text, cuts):
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in pairwise(places)]
    whole, end = Completeness().feed(text), first_complete(text)
    assert (first_complete(pieces) is not None) == whole == (end is not None)
    if whole:
        assert Completeness().feed(text[:end]) and not Completeness().feed(text[: end - 1])


def test_completeness_waits_only_for_an_open_fence():
    assert first_complete("```text``` {} ```") == len("```text``` {}")


def test_completeness_gives_up_on_a_fence_that_cannot_close():
    assert first_complete("```json\n{} so") == len("```json\n{} s")
    assert first_complete("```json\n{}\n``x") == len("```json\n{}\n``x")
    assert first_complete("```json\n{}  \n ``") is None


# Oracle, no-op, and changes ------------------------------------------------------------------


@checked
@given(targets)
def test_oracle_is_perfect(target):
    score = grade(target, target)
    assert set(score.scores) == METRICS and set(score.scores.values()) == {1.0}
    assert score.failure is None
    assert score.counts["right"] == len(leaf_paths(target))
    assert not any(score.counts[outcome] for outcome in ("wrong", "omitted", "invented"))


@checked
@given(targets, st.sampled_from(["", "null", "{}", "[]", "I do not know.", "```json\n```"]))
def test_no_op_gets_nothing(target, completion):
    score = grade(completion, target)
    assert score.scores["json_exact"] == score.scores["field_f1"] == score.scores["schema_compliance"] == 0
    assert score.failure in ("no_json", "off_schema")


@checked
@given(targets, scalars, st.data())
def test_any_changed_leaf_lowers_the_scores(target, value, data):
    path = data.draw(st.sampled_from(leaf_paths(target)))
    before = at(target, path)
    assume(type(before) is not type(value) or before != value)
    score = grade(changed(target, path, value), target, {})
    assert score.scores["json_exact"] == 0 and score.scores["field_f1"] < 1 and score.failure


@checked
@given(targets, st.data())
def test_any_removed_or_added_leaf_lowers_the_scores(target, data):
    name = data.draw(st.sampled_from(sorted(target)))
    fewer = {key: value for key, value in target.items() if key != name}
    for other in (fewer, target | {"new": 1}):
        score = grade(other, target, {})
        assert score.scores["json_exact"] == 0 and score.scores["field_f1"] < 1 and score.failure


@checked
@given(targets, st.randoms(use_true_random=False))
def test_key_order_is_free(target, rng):
    assert grade(shuffled(target, rng), target) == grade(target, target)


@checked
@given(targets, targets)
def test_outcomes_account_for_every_leaf(target, value):
    """Every leaf of either side has one outcome, so FieldF1 is 2·right over all leaves."""
    counts = grade(value, target, {}).counts
    assert counts["right"] + counts["wrong"] + counts["omitted"] == len(leaf_paths(target))
    assert counts["right"] + counts["wrong"] + counts["invented"] == len(leaf_paths(value))


@checked
@given(targets, targets)
def test_exact_means_no_failure_of_any_kind(target, value):
    for answer in (value, target):
        score = grade(answer, target, {})
        counted = [score.counts[name] for name in ("wrong", "omitted", "invented")]
        exact = not any(counted) and score.failure != "structure"
        assert score.scores["json_exact"] == exact == (score.failure is None)


# Lists ---------------------------------------------------------------------------------------

items = st.lists(values(2), min_size=2, max_size=5)


@checked
@given(items, st.randoms(use_true_random=False))
def test_a_set_has_no_order(rows, rng):
    schema = {"properties": {"rows": {"type": "array", "x-order": "set"}}}
    other = rng.sample(rows, len(rows))
    assert grade({"rows": other}, {"rows": rows}, schema).scores["json_exact"] == 1
    twice = grade({"rows": [*other, other[0]]}, {"rows": rows}, schema)
    assert twice.scores["json_exact"] == 0 and twice.failure == "structure"


@checked
@given(items, st.randoms(use_true_random=False))
def test_a_list_has_an_order(rows, rng):
    other = rng.sample(rows, len(rows))
    assume(json.dumps(other, sort_keys=True) != json.dumps(rows, sort_keys=True) and other != rows)
    score = grade({"rows": other}, {"rows": rows}, {})
    assert score.scores["json_exact"] == 0 and score.failure == "structure"
    assert score.scores["field_f1"] == 1


def best_by_brute_force(target: list, value: list) -> int:
    """Most right leaves over all pairings, by trying each."""
    if not target or not value:
        return 0
    skipped = best_by_brute_force(target[1:], value)
    rest = [best_by_brute_force(target[1:], value[:j] + value[j + 1 :]) for j in range(len(value))]
    here = [scoring._right(target[0], item, scoring._shape({})) for item in value]
    return max(skipped, *(a + b for a, b in zip(here, rest, strict=True)))


small = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2), min_size=1, max_size=3)


@checked
@given(st.lists(small | st.integers(0, 2), max_size=4), st.lists(small | st.integers(0, 2), max_size=4))
def test_matching_is_the_best_one(target, value):
    assume(target)
    assert scoring._right(target, value, scoring._shape({})) == best_by_brute_force(target, value)


def test_equal_items_keep_their_place():
    score = grade({"a": [9, 2, 1]}, {"a": [1, 2, 1]}, {})
    assert score.failure == "miscopied" and score.counts["right"] == 2


def test_items_with_nothing_right_are_compared_in_place():
    target, value = [{"k": 0}, {"k": 1}, {"k": 2}], [{"k": 2}, {"k": 8}, {"k": 9}]
    assert scoring._pairs(target, value, scoring._shape({})) == [(0, 2), (1, 1), (2, 0)]


KEYED = {"properties": {"rows": {"type": "array", "x-key": "sku"}}}


def test_items_are_matched_by_key():
    """Quantities and prices exchanged: without the key, the assignment would blame the sku."""
    target = [{"sku": "A", "n": 1, "p": 2}, {"sku": "B", "n": 3, "p": 4}]
    value = [{"sku": "A", "n": 3, "p": 4}, {"sku": "B", "n": 1, "p": 2}]
    counts = grade({"rows": value}, {"rows": target}, KEYED).counts
    assert (counts["right"], counts["wrong"]) == (2, 4)
    counts = grade({"rows": value}, {"rows": target}, {}).counts
    assert (counts["right"], counts["wrong"]) == (4, 2)


def test_a_wrong_key_leaves_the_item_to_the_assignment():
    target = [{"sku": "A", "n": 1}, {"sku": "B", "n": 2}, {"n": 5}, 7]
    value = [{"sku": "B", "n": 9}, {"sku": "C", "n": 1}, {"n": 5}, 7]
    score = grade({"rows": value}, {"rows": target}, KEYED)
    assert scoring._pairs(target, value, scoring._shape(KEYED).child("rows")) == [
        *((0, 1), (1, 0)),
        *((2, 2), (3, 3)),
    ]
    assert (score.counts["right"], score.counts["wrong"]) == (4, 2)


@checked
@given(
    st.lists(
        st.fixed_dictionaries({"sku": st.integers(0, 3), "n": st.integers(0, 3)}), min_size=1, max_size=5
    ),
    st.randoms(use_true_random=False),
)
def test_keys_move_no_exactness(rows, rng):
    other = [row | {"n": rng.randint(0, 3)} for row in rng.sample(rows, len(rows))]
    keyed, plain = (grade({"rows": other}, {"rows": rows}, schema) for schema in (KEYED, {}))
    assert keyed.scores["json_exact"] == plain.scores["json_exact"]
    assert keyed.counts["right"] <= plain.counts["right"]


@pytest.mark.parametrize("outer", ["list", "set"])
def test_a_set_inside_another_array_counts_duplicates(outer):
    schema = {"x-order": outer, "items": {"items": {}, "x-order": "set"}}
    assert grade([["b", "a", "a"], ["c"]], [["a", "b", "a"], ["c"]], schema).scores["json_exact"] == 1
    assert grade([["b", "b", "a"], ["c"]], [["a", "b", "a"], ["c"]], schema).scores["json_exact"] == 0


# Types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "value", "schema", "exact"),
    [
        (1, 1.0, {"type": "number"}, True),
        (1.0, 1, {"type": "number"}, True),
        (1, 1.0, {"type": ["number", "null"]}, True),
        (1, 1.0, {"anyOf": [{"type": "null"}, {"type": "number"}]}, True),
        (1, 1.0, {"$ref": "#/$defs/amount"}, True),
        (1, 1.0, {"type": "integer"}, False),
        (1, 1.0, {}, False),
        (1, True, {"type": "number"}, False),
        (1, True, {}, False),
        (0, False, {}, False),
        (0.0, -0.0, {"type": "number"}, True),
        (0.1, 0.10, {"type": "number"}, True),
        (1, "1", {}, False),
        ("", None, {}, False),
        (None, False, {}, False),
        ([], {}, {}, False),
        ("é", "e\u0301", {}, False),
    ],
)
def test_type_aware_equality(target, value, schema, exact):
    defs = {"$defs": {"amount": {"type": "number"}}}
    for wrap in (lambda leaf: {"a": leaf}, lambda leaf: [leaf], lambda leaf: {"a": {"b": [[leaf]]}}):
        score = grade(wrap(value), wrap(target), around(wrap(0), schema) | defs)
        assert score.scores["json_exact"] == exact


def around(sample, schema: dict) -> dict:
    """A schema that has `schema` at the only leaf of `sample`."""
    if isinstance(sample, dict):
        return {"properties": {name: around(item, schema) for name, item in sample.items()}}
    return {"items": around(sample[0], schema)} if isinstance(sample, list) else schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"properties": {"a": True}},
        {"properties": {"a": {"$ref": "#"}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}}}}},
        {"properties": {"a": {"$ref": "#/$defs/x~1y%25"}}, "$defs": {"x/y%": {"type": "number"}}},
        {"additionalProperties": {"type": "number"}},
        {"prefixItems": [{"type": "string"}]},
        {"allOf": [{"oneOf": [{"type": "object"}]}]},
        {"x-order": "set", "type": ["object"]},
    ],
)
def test_odd_schemas_do_not_raise(schema):
    assert grade({"a": 1}, {"a": 1}, schema).scores["json_exact"] == 1


@pytest.mark.parametrize(
    "schema",
    [
        *(
            True,
            None,
            [],
            {"type": 7},
            {"properties": []},
            {"items": 3},
            {"anyOf": {"a": 1}},
            {"x-order": []},
        ),
        *(
            {"$ref": 5},
            {"$ref": "#anchor"},
            {"$ref": "#/no/where"},
            {"$ref": "http://a.b"},
            {"prefixItems": {}},
        ),
    ],
)
def test_shapes_of_broken_schemas_say_nothing(schema):
    shape = scoring._shape(schema)
    for place in (shape, shape.child("a"), shape.item(3), shape.child("a").item(0).child("b")):
        assert not place.number and not place.unordered and not place.names


def test_reference_with_escapes_is_followed():
    schema = {"properties": {"a": {"$ref": "#/$defs/x~1y%25"}}, "$defs": {"x/y%": {"type": "number"}}}
    assert grade({"a": 1.0}, {"a": 1}, schema).scores["json_exact"] == 1


def test_a_broken_schema_is_not_a_wrong_answer():
    with pytest.raises(SchemaError):
        grade({}, {"a": 1}, {"type": "no such type"})


def test_tuple_items_follow_their_own_schema():
    schema = {"prefixItems": [{"type": "integer"}, {"type": "number"}], "items": {"type": "number"}}
    assert grade("[1, 1.0, 1.0]", [1, 1, 1], schema).scores["json_exact"] == 1
    assert grade("[1.0, 1, 1]", [1, 1, 1], schema).scores["json_exact"] == 0


# Compliance ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "good", "bad"),
    [
        ("date", "2024-02-29", "2023-02-29"),
        ("time", "12:30:00Z", "25:00:00Z"),
        ("date-time", "2024-02-29T12:30:00Z", "2024-02-29 12:30"),
        ("duration", "PT30M", "30 minutes"),
        ("duration", "P1Y2M3D", "P1.5D"),
        ("duration", "P2W", "-P1D"),
        ("email", "ann@example.org", "ann"),
        ("email", "ann.b+c@mail.example", "ann@"),
        ("email", "o'neil@a-b.example", "ann@-b.example"),
        ("email", "ann@localhost", "ann@@localhost"),
        ("email", "a_b@x.org", "a b@x.org"),
        ("email", "a" * 64 + "@x.org", "a" * 65 + "@x.org"),
        ("hostname", "example.org", "-example-"),
        ("hostname", "localhost", "example.org."),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "::1", "1::2::3"),
        ("uri", "https://example.org/a", "example"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "12_e4567-e89b-12d3-a456-426614174000"),
        ("date-time", "2024-02-29T12:30:00.5+02:00", "2024-02-29T12:30:00Z\n"),
        ("time", "23:59:59z", "12:30:00Z\n"),
        ("hostname", "a-1.example", "a-1.example\n"),
        ("hostname", "a3.example", "a٣.example"),
        ("uri", "urn:isbn:1", "https://example.org/\n"),
        ("date", "0001-01-01", "٢٠٢٤-01-01"),
    ],
)
def test_formats_are_checked(format, good, bad):
    schema = {"type": "string", "format": format}
    assert scoring.is_compliant(good, schema) and not scoring.is_compliant(bad, schema)
    assert not scoring.is_compliant(good + "0" * scoring.MAX_FORMATTED, schema)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^\d{3}$", "123", "123\n"),
        (r"^\d{3}$", "123", "١٢٣"),
        (r"^\w+$", "abc_1", "naïve"),
        (r"^(a|b$)", "b", "b\n"),
        (r"^[$]\d+\$$", "$5$", "$5$\n"),
        (r"x", "a x b", "y"),
    ],
)
def test_patterns_mean_what_ecma_262_says(pattern, good, bad):
    schema = {"type": "string", "pattern": pattern}
    assert scoring.is_compliant(good, schema) and not scoring.is_compliant(bad, schema)


def test_an_overlong_string_fits_no_pattern():
    schema = {"pattern": "^a+$"}
    assert scoring.is_compliant("a" * scoring.MAX_FORMATTED, schema)
    assert not scoring.is_compliant("a" * (scoring.MAX_FORMATTED + 1), schema)


@pytest.mark.parametrize(
    ("value", "factor", "good"),
    [
        *((19.99, 0.01, True), (0.3, 0.1, True), (4.35, 0.01, True), (19.995, 0.01, False)),
        *((7, 2, False), (8, 2, True), (7.5, 2.5, True), (1e300, 0.01, True), (10**40, 0.01, True)),
        *((True, 2, True), ("7", 2, True)),
    ],
)
def test_multiples_are_exact(value, factor, good):
    assert scoring.is_compliant(value, {"multipleOf": factor}) == good


def test_a_missing_format_checker_is_an_error(monkeypatch):
    """It would let every value pass and move scores without a word."""
    checkers = {name: check for name, check in scoring._Formats.checkers.items() if name != "duration"}
    monkeypatch.setattr(scoring._Formats, "checkers", checkers)
    with pytest.raises(ImportError, match=r"formats duration: pip install 'jsonschema\[format-nongpl\]'"):
        scoring.is_compliant({}, {"title": "not compiled before"})


@checked
@given(st.lists(values(1), max_size=6))
def test_unique_items_agrees_with_the_library(value):
    schema = {"uniqueItems": True}
    assert scoring.is_compliant(value, schema) == Draft202012Validator(schema).is_valid(value)


@checked
@given(targets, targets)
def test_compliance_agrees_with_the_library(target, value):
    schema = schema_for(target)
    for answer in (target, value):
        assert scoring.is_compliant(answer, schema) == Draft202012Validator(schema).is_valid(answer)


# Robustness ----------------------------------------------------------------------------------


def hostile_strings(count: int, rng: random.Random):
    """Random text, surrogates included, and damaged JSON."""
    alphabet = '{}[]":,\\`tfn0123456789.eE+-u \n\tNaI' + "\x00\ud800\udfffé\u202e\ufeff\U0001f600"
    seed = json.dumps(DOCUMENTS["order"]["target"])
    for number in range(count):
        if number % 2:
            yield "".join(rng.choices(alphabet, k=rng.randint(0, 120)))
            continue
        text = list(seed)
        for _ in range(rng.randint(1, 6)):
            text[rng.randrange(len(text))] = rng.choice([*alphabet, "", '"a": ', "[[", "```", "1e9999"])
        yield "".join(text)


def test_no_string_raises():
    document = DOCUMENTS["order"]
    rng = random.Random(0)
    for text in hostile_strings(2000, rng):
        score = score_json(text, finish=rng.choice(["stop", "length", "error"]), **document)
        assert set(score.scores) == METRICS
        assert all(0 <= value <= 1 for value in score.scores.values())
        assert score.scores["json_exact"] <= score.scores["json_exact_lenient"]
        assert (score.failure is None) == (score.scores["json_exact"] == 1)
        assert score.failure in (None, *scoring.FAILURES)
        Completeness().feed(text)


@settings(checked, max_examples=300)
@given(st.text())
def test_no_unicode_string_raises(text):
    for part in (text, '{"a": ' + text + "}", json.dumps(text), f'```json\n"{text}"\n```'):
        assert parse_lenient(part).ok >= parse(part).ok


MEGA = 1_000_000
HOSTILE = {
    "open brackets": "[" * MEGA,
    "open braces": "{" * MEGA,
    "mixed brackets": "[{" * (MEGA // 2),
    "pairs": "[]" * (MEGA // 2),
    "closed brackets": "]" * MEGA,
    "nested keys": '{"a":' * (MEGA // 5),
    "broken items": "[" * 63 + "{x}," * (MEGA // 4 - 16),
    "broken candidates": "[x]" * (MEGA // 3),
    "good items, never closed": "[" + '{"a":1},' * (MEGA // 8 - 1),
    "quotes": '"' * MEGA,
    "escaped quotes": '["' + '\\"' * (MEGA // 2 - 1),
    "backslashes": '["' + "\\" * (MEGA - 2),
    "digits": "[" + "1" * (MEGA - 2) + "]",
    "exponent": "1e" + "9" * (MEGA - 2),
    "zeros": "[0" + ",0" * (MEGA // 2 - 1) + "]",
    "keys": "{" + ",".join(f'"{i}":0' for i in range(80_000)) + "}",
    "one key": "{" + ",".join('"a":0' for _ in range(160_000)) + "}",
    "surrogates": "\ud800" * MEGA,
    "surrogate escapes": '["' + "\\ud800" * (MEGA // 6 - 1) + '"]',
    "backticks": "`" * MEGA,
    "open fences": "```{" * (MEGA // 4),
    "white space": " " * (MEGA - 1) + "{",
    "one string": '{"order":"' + "a" * (MEGA - 20) + '"}',
    "long formatted string": '{"due":"' + "2024-" * 199_000 + '"}',
    "many list items": json.dumps({"lines": [{"item": str(i % 7), "quantity": i} for i in range(1600)]}),
    "many equal items": json.dumps({"lines": [{"item": "a"}] * 2400}),
    "many tags": json.dumps({"tags": [str(i) for i in range(4900)]}),
    "colliding hashes": json.dumps({"tags": [i * (2**61 - 1) for i in range(4900)]}),
    "lists of lists": json.dumps({"lines": [[[i, j] for i in range(20)] for j in range(60)]}),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_time_is_bounded(text):
    rows = [{"item": f"thing {i}", "quantity": i, "price": i / 4} for i in range(40)]
    document = DOCUMENTS["order"]
    document = document | {"target": document["target"] | {"lines": rows}}
    with bounded():
        score_json(text, **document)
        Completeness().feed(text)


def test_unique_items_take_bounded_time():
    with bounded():
        assert scoring.is_compliant([{"a": i} for i in range(100_000)], {"uniqueItems": True})


def test_nested_lists_take_bounded_time():
    target = {"m": [[[100 * k + 10 * j + i for i in range(4)] for j in range(4)] for k in range(4)]}
    mixed = [[[i, {"a": 1}] for i in range(20)]] * 40
    for answer in ([[[9] * 4] * 15] * 60, [[[i] for i in range(40)]] * 60, mixed):
        with bounded():
            grade({"m": answer}, target, {})


def test_surplus_list_items_count_as_invented():
    counts = grade({"a": list(range(1000))}, {"a": [999, 1000]}, {}).counts
    assert counts == {"right": 1, "wrong": 1, "omitted": 0, "invented": 998, "absent": 0}
    objects = [{"x": 1000 + i, "y": i} for i in range(1000)]
    counts = grade({"a": objects}, {"a": [{"x": 0, "y": 999}]}, {}).counts
    assert counts["invented"] == 1998 and counts["right"] == 0  # the 1,000th item is not tried
    assert grade({"a": objects[950:]}, {"a": [{"x": 0, "y": 999}]}, {}).counts["right"] == 1


def test_deep_recursive_schema():
    schema = {"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/o"}]}}}
    schema["$defs"]["o"] = {"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}}
    target, value = 1, 1.0
    for _ in range(scoring.MAX_DEPTH):
        target, value = {"a": target}, {"a": value}
    assert set(grade(value, target, schema).scores.values()) == {1.0}


def test_threads_get_the_same_scores():
    cases = CASES
    found: list[list] = [[] for _ in range(4)]

    def work(into):
        for case in cases:
            document = DOCUMENTS[case["document"]]
            into.append(score_json(case["completion"], finish=case["finish"], **document).failure)

    workers = [threading.Thread(target=work, args=(into,)) for into in found]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(into == [case["failure"] for case in cases] for into in found)


# Parts that others use -----------------------------------------------------------------------


@checked
@given(targets)
def test_leaves_are_json_pointers(target):
    found = dict(scoring.leaves(target))
    assert len(found) == len(leaf_paths(target))
    for pointer, value in found.items():
        place = target
        for step in pointer.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            place = place[int(step)] if isinstance(place, list) else place[step]
        assert place is value or place == value


def test_f1_terms_add_up_to_micro_f1():
    assert scoring.f1_terms({"right": 3, "wrong": 1, "omitted": 2, "invented": 0, "absent": 5}) == (6, 10)


def test_empty_containers():
    assert grade({"a": []}, {"a": []}, {}).counts["right"] == 1
    assert grade({"a": [1]}, {"a": []}, {}).counts["invented"] == 1
    assert grade({"a": []}, {"a": [1, 2]}, {}).counts["omitted"] == 2
    assert grade({"a": {}}, {"a": []}, {}).counts["wrong"] == 1


def test_evidence_may_be_missing():
    assert grade({"a": "x"}, {"a": "y"}, {}).failure == "miscopied"
    assert grade({"a": "x"}, {"a": "y"}, {}, text="y", evidence={}).failure == "miscopied"


def test_absent_counts_optional_properties_that_both_lack():
    schema = {"properties": {"a": {}, "b": {}, "c": {"properties": {"d": {}}}}}
    assert grade({"a": 1}, {"a": 1}, schema).counts["absent"] == 2
    assert grade({"a": 1, "b": 1}, {"a": 1}, schema).counts["absent"] == 1
    assert grade("", {"a": 1}, schema).counts["absent"] == 0
