"""The scorer: if one of these fails, published scores are wrong or a completion can stop a run."""

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from bounded import bounded
from hypothesis import assume, given
from hypothesis import strategies as st
from json_values import checked, grade, targets, values
from jsonschema.exceptions import SchemaError

from slmlib.tasks.edgejson import scoring
from slmlib.tasks.edgejson.compliance import is_compliant
from slmlib.tasks.edgejson.parsing import MAX_DEPTH, Parsed
from slmlib.tasks.edgejson.scoring import FAILURES, leaves, score_json

GOLDEN = Path(__file__).parent / "golden"  # documents, and completions by the class they must get
DOCUMENTS = json.loads((GOLDEN / "documents.json").read_text("utf-8"))
CASES = [
    {"failure": None if path.stem == "right" else path.stem, **json.loads(line)}
    for path in sorted(GOLDEN.glob("*.jsonl"))
    for line in path.read_text("utf-8").split("\n")[:-1]
]


def compare(target, value, schema=None):
    return scoring.compare(target, Parsed(value, None), schema or {})


# --- golden cases -------------------------------------------------------------------------------


def test_golden_cases_get_their_class_counts_and_scores():
    for case in CASES:
        document = DOCUMENTS[case["document"]]
        score = score_json(case["completion"], finish=case["finish"], **document)
        name = f"{case['failure']}: {case['name']}"
        assert score.failure == case["failure"], name
        assert score.counts == case["counts"], name
        assert score.scores == {n: float(Fraction(v)) for n, v in case["scores"].items()}, name
    distinct = {(c["failure"], c["document"], c["completion"], c["finish"]) for c in CASES}
    assert Counter(failure for failure, *_ in distinct) == dict.fromkeys((None, *FAILURES), 20)


def test_golden_documents_are_sound():
    for name, document in DOCUMENTS.items():
        assert is_compliant(document["target"], document["schema"]), name
        target = dict(leaves(document["target"]))
        for pointer, mark in document["evidence"].items():
            span = document["text"][mark["start"] : mark["end"]]
            assert mark["rule"] != "verbatim" or span.strip(".") == str(target[pointer]), name


# --- classes of wrong values --------------------------------------------------------------------

MISNORMALISED = [  # right value, wrong value, evidence
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
]
OTHER_FIELD = [  # right value, wrong value, rest of the text
    ("2027-02-10", "2027-02-04", " not February 4, 2027"),
    ("2027-02-10", "2027-10-02", " not 2027-10-02"),
    ("16:15", "11:00", " not 11.00"),
    (89601, 89122, " after 89,122"),
    (96.86, 140.0, " of 140"),
    (7.5, 75.0, " not 75"),
    (1.25, 1250, " of 1,250.00"),
    (5, -12, " below twelve"),
    ("Ann Lee", "Bo Li", " from BO  LI"),
    ("EUR", "£", " or £ 12"),
    ("EUR", "GBP", " or £12"),
]
NOT_IN_TEXT = [
    ("2027-02-10", "2026-02-10", ""),
    ("16:15", "16:25", ""),
    ("12:00", "soon", ""),
    ("00:00", "", ""),
    ("PB471247", "PB124747", ""),
    (5, -5, ""),
    (0, 10, " of 100"),
    ("back_pain", "infection", ""),
    ("Ann Lee", "Ann", " for Anna"),
    ("EUR", "£", ""),
    (True, False, " false"),
    ("x", "", ""),
    ("T", "", ""),
    ("x", None, " null"),
    (1, None, ""),
]


def leaf_failure(target, value, span, *, rest="", rule="number"):
    """Failure class of one wrong leaf whose evidence is `span`."""
    mark = {"start": 0, "end": len(span), "rule": rule}
    return grade({"a": value}, {"a": target}, {}, text=span + rest, evidence={"/a": mark}).failure


def test_wrong_values_are_classified():
    for target, value, span in MISNORMALISED:
        assert leaf_failure(target, value, span) == "misnormalised", (target, value)
    for failure, table in (("other_field", OTHER_FIELD), ("not_in_text", NOT_IN_TEXT)):
        for target, value, rest in table:
            assert leaf_failure(target, value, "€?", rest=rest) == failure, (target, value)


def test_a_moved_decimal_point_is_misnormalised_only_where_there_is_a_normalisation():
    assert leaf_failure(80, 8, "80", rule="verbatim") == "not_in_text"
    assert grade({"a": 8}, {"a": 80}, {}).failure == "not_in_text"  # without evidence


def test_a_value_of_the_target_is_another_fields():
    """Also where the text gives it in no notation that is read, and however it is written."""
    mark = {"start": 0, "end": 3, "rule": "number"}
    for here, there in ((1, 10), ("a", "Bo Li"), ("x", "A-17")):
        target, answer = {"a": here, "b": there}, {"a": there, "b": there}
        score = grade(answer, target, {}, text="one, ?", evidence={"/a": mark})
        assert score.failure == "other_field", there
    assert grade({"a": False, "b": False}, {"a": True, "b": False}, {}).failure == "not_in_text"


def test_the_first_class_of_several_wrong_values_is_given():
    target = {"day": "2024-03-05", "name": "Ann", "n": 3}
    answer = {"day": "2024-05-03", "name": "Bo", "n": 4}
    for text, failure in (("", "misnormalised"), ("2024-05-03", "other_field")):
        assert grade(answer, target, {}, text=text).failure == failure
    assert grade(answer | {"day": target["day"]}, target, {}, text="four").failure == "other_field"
    assert grade(answer | {"day": target["day"]}, target, {}, text="?").failure == "not_in_text"


def test_classifying_wrong_values_takes_linear_time():
    """A long answer and a long text, with numbers at its end, so that all of it is read."""
    for piece in ("1", "1,", "1,234", "a", "0", "-", "may", "2024-", "٣", "é "):
        long = piece * (900_000 // len(piece))
        numbers = {f"n{i}": i + 100 for i in range(20)}
        target = {"day": "2024-03-05", "name": "Ann"} | numbers
        answer = {"day": long[:450_000], "name": long[450_000:]}
        answer |= {name: 10 * value for name, value in numbers.items()}
        text = long[:5_000] + "".join(f" {10 * value}" for value in numbers.values())
        marks = {f"/{name}": {"start": 0, "end": 1, "rule": "number"} for name in target}
        with bounded():
            score = grade(
                json.dumps(answer, ensure_ascii=False), target, {}, text=text, evidence=marks
            )
        assert score.failure == "other_field" and score.scores["field_f1"] == 0, piece


# --- presence -----------------------------------------------------------------------------------

ROOM = {"properties": {"no": {}, "view": {}}, "required": ["no"]}
STAY = {
    "properties": {
        "guest": {},
        "email": {},
        "pets": {},
        "room": ROOM,
        "nights": {"type": "array", "items": ROOM},
    },
    "required": ["guest"],
}


def presence(answer, target):
    counts = grade(answer, target, STAY).counts["presence"]
    return counts["present"], counts["absent"]


def test_presence_counts_filled_and_left_out_fields():
    target = {"guest": "Ann", "email": "a@b.c", "room": {"no": 1, "view": "sea"}}
    assert presence(target, target) == ([3, 3], [2, 2])
    assert presence({"guest": "?", "pets": 0, "room": {}}, target) == ([1, 3], [1, 2])
    assert presence(target | {"email": None, "pets": None}, target) == ([3, 3], [1, 2])
    assert presence(target | {"other": 1}, target) == ([3, 3], [2, 2])


def test_presence_decides_only_in_objects_that_both_have():
    target = {"guest": "Ann", "room": {"no": 1, "view": "sea"}}
    assert presence({"guest": "Ann"}, target) == ([0, 1], [3, 3])
    assert presence({"guest": "Ann", "room": "1"}, target) == ([1, 1], [3, 3])


def test_presence_in_lists_follows_the_matching_of_items():
    target = {"guest": "Ann", "nights": [{"no": 1, "view": "sea"}, {"no": 2}]}
    assert presence({"nights": [{"no": 2, "view": "sea"}, {"no": 1}]}, target)[0] == [1, 2]
    assert presence({"nights": [{"no": 2}, {"no": 1, "view": "sea"}]}, target)[0] == [2, 2]
    assert presence({"nights": [{"no": 1}]}, target) == ([1, 2], [3, 3])


def test_an_answer_that_is_not_an_object_gets_every_decision_wrong():
    """Silence must not score like leaving everything out, which is right half of the time."""
    target = {"guest": "Ann", "room": {"no": 1}, "nights": [{"no": 2, "view": "sea"}]}
    for answer in ("", "?", "null", "[]", '"Ann"', '{"guest": "Ann"'):
        assert presence(answer, target) == ([0, 3], [0, 3]), answer
    assert presence("{}", target) == ([0, 2], [2, 2])
    error = grade(target, target, STAY, finish="error")
    assert error.counts["presence"] == {"present": [0, 3], "absent": [0, 3]}


# --- outcomes -----------------------------------------------------------------------------------


@checked
@given(targets, targets)
def test_every_leaf_has_one_outcome_and_an_exact_answer_has_no_fault(target, value):
    for answer in (value, target):
        score, comparison = grade(answer, target, {}), compare(target, answer)
        counts = comparison.counts
        both = counts["right"] + counts["wrong"]
        assert both + counts["omitted"] == len(dict(leaves(target)))
        assert both + counts["invented"] == len(dict(leaves(answer)))
        sides = {"omitted": (True, False), "invented": (False, True)}
        for leaf, other, outcome in comparison.leaves:
            assert (leaf is not None, other is not None) == sides.get(outcome, (True, True))
        exact = both == counts["right"] == len(comparison.leaves) and not comparison.disordered
        assert score.scores["json_exact"] == exact == (score.failure is None)


# --- lists --------------------------------------------------------------------------------------

items = st.lists(values(2), min_size=2, max_size=5)
small = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2), min_size=1, max_size=3)
small_items = st.lists(small | st.integers(0, 2), max_size=4)


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
    totals = [best_by_brute_force(target[1:], value)]
    for j, item in enumerate(value):
        rest = best_by_brute_force(target[1:], value[:j] + value[j + 1 :])
        totals.append(compare(target[0], item).counts["right"] + rest)
    return max(totals)


@checked
@given(small_items, small_items)
def test_matching_is_the_best_one(target, value):
    assume(target or value)
    assert compare(target, value).counts["right"] == best_by_brute_force(target, value)


def test_equal_items_and_items_with_nothing_right_are_compared_in_place():
    assert grade({"a": [9, 2, 1]}, {"a": [1, 2, 1]}, {}).counts["field_f1_micro"] == [4, 6]
    comparison = compare([{"k": 0}, {"k": 1}, {"k": 2}], [{"k": 2}, {"k": 8}, {"k": 9}])
    wrong = [leaf for leaf in comparison.leaves if leaf[2] == "wrong"]
    assert wrong == [(("/0/k", 0), ("/2/k", 9), "wrong"), (("/1/k", 1), ("/1/k", 8), "wrong")]


def test_a_set_inside_another_array_counts_duplicates():
    for outer in ("list", "set"):
        schema = {"x-order": outer, "items": {"items": {}, "x-order": "set"}}
        target = [["a", "b", "a"], ["c"]]
        for answer, exact in (([["b", "a", "a"], ["c"]], 1), ([["b", "b", "a"], ["c"]], 0)):
            assert grade(answer, target, schema).scores["json_exact"] == exact, (outer, answer)


def test_surplus_list_items_count_as_invented():
    counts = compare({"a": [999, 1000]}, {"a": list(range(1000))}).counts
    assert counts == {"right": 1, "wrong": 1, "invented": 998}
    target, objects = {"a": [{"x": 0, "y": 999}]}, [{"x": 1000 + i, "y": i} for i in range(1000)]
    counts = compare(target, {"a": objects}).counts
    assert counts == {"wrong": 2, "invented": 1998}  # the 1,000th item is not tried
    assert compare(target, {"a": objects[950:]}).counts["right"] == 1


# --- types --------------------------------------------------------------------------------------

EQUALITY = [  # target, value, type in the schema, whether they are equal
    *((1, 1.0, "number", True), (1.0, 1, "number", True), (0.0, -0.0, "number", True)),
    *((0.1, 0.10, "number", True), (1, True, "number", False), (1, 1.0, "integer", False)),
    *((1, 1.0, None, False), (1, True, None, False), (0, False, None, False)),
    *((1, "1", None, False), ("", None, None, False), (None, False, None, False)),
    *(([], {}, None, False), ("é", "e\u0301", None, False)),
]


def test_equality_is_aware_of_types():
    for target, value, kind, exact in EQUALITY:
        leaf = {"type": kind} if kind else {}
        for wrap, schema in [
            (lambda x: {"a": x}, {"properties": {"a": leaf}}),
            (lambda x: {"a": [[x]]}, {"properties": {"a": {"items": {"items": leaf}}}}),
        ]:
            score = grade(wrap(value), wrap(target), schema)
            assert score.scores["json_exact"] == exact, (wrap(target), wrap(value))


def test_a_broken_schema_is_not_a_wrong_answer():
    with pytest.raises(SchemaError):
        grade({}, {"a": 1}, {"type": "no such type"})


def test_empty_containers_are_leaves():
    table = [([], [], "right", 1), ([1], [], "invented", 1), ([], [1, 2], "omitted", 2)]
    for value, target, outcome, count in [*table, ({}, [], "wrong", 1)]:
        assert compare({"a": target}, {"a": value}).counts == {outcome: count}, (value, target)


def test_leaves_are_json_pointers():
    value = {"a/b": [1, {"c~": None}], "": {}}
    assert dict(leaves(value)) == {"/a~1b/0": 1, "/a~1b/1/c~0": None, "/": {}}


# --- robustness ---------------------------------------------------------------------------------

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
    "many list items": json.dumps({"lines": [{"item": str(i % 7)} for i in range(2400)]}),
    "many equal items": json.dumps({"lines": [{"item": "a"}] * 2400}),
    "many tags": json.dumps({"tags": [str(i) for i in range(4900)]}),
    "colliding hashes": json.dumps({"tags": [i * (2**61 - 1) for i in range(4900)]}),
    "lists of lists": json.dumps({"lines": [[[i, j] for i in range(20)] for j in range(60)]}),
}


def test_time_is_bounded():
    rows = [{"item": f"thing {i}", "quantity": i, "price": i / 4} for i in range(40)]
    document = DOCUMENTS["order"] | {"target": DOCUMENTS["order"]["target"] | {"lines": rows}}
    for text in HOSTILE.values():
        with bounded():
            score_json(text, **document)


def test_nested_lists_take_bounded_time():
    numbers = [[[100 * k + 10 * j + i for i in range(4)] for j in range(4)] for k in range(4)]
    mixed = [[[i, {"a": 1}] for i in range(20)]] * 40
    for answer in ([[[9] * 4] * 15] * 60, [[[i] for i in range(40)]] * 60, mixed):
        with bounded():
            grade({"m": answer}, {"m": numbers}, {})


def test_the_deepest_answer_that_is_read_can_be_graded():
    target, schema = 1, {"type": "number"}
    for _ in range(MAX_DEPTH):
        target, schema = {"a": target}, {"properties": {"a": schema}}
    answer = json.dumps(target).replace("1", "1.0")
    assert set(grade(answer, target, schema).scores.values()) == {1.0}
