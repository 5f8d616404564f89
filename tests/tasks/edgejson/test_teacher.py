"""Teachers: would break if a text without its whole record were accepted, or a good one lost."""

import json
import re

import pytest
import toy_server
from bounded import bounded

from slmlib import __main__ as cli
from slmlib.core import io, paths
from slmlib.engines.base import Completion
from slmlib.tasks.edgejson.generate import checks, evidence, teacher
from slmlib.tasks.edgejson.phrases import PHRASES


def obj(**properties) -> dict:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def text(limit: int = 40, **keywords) -> dict:
    return {"type": "string", "maxLength": limit, **keywords}


def number(kind: str = "number", low: int = 0, high: int = 9999) -> dict:
    return {"type": kind, "minimum": low, "maximum": high}


DAY = {"type": "string", "format": "date"}
ITEM = obj(what=text(), count=number("integer"))
COURIER = {"title": "Courier order", "description": "One collection by a courier."} | obj(
    ref=text(),
    customer=obj(name=text(), phone={"type": "string", "pattern": "^\\+\\d{8,14}$"}),
    day=DAY,
    ready={"type": "string", "pattern": "^([01]\\d|2[0-3]):[0-5]\\d$"},
    weight_kg=number(),
    service={"enum": ["same_day", "next_day"]},
    fragile={"type": "boolean"},
    items={"type": "array", "minItems": 1, "maxItems": 3, "items": ITEM},
    price=obj(total=number(), currency={"enum": ["EUR", "GBP", "USD"]}),
)
TABLES = {
    "service": {"same_day": ["the same day", "today's run"], "next_day": ["overnight"]},
    "fragile": {True: ["handle with care", "is fragile"], False: ["not fragile"]},
}
RECORD = {
    "ref": "C-4821",
    "customer": {"name": "Ida Brandt", "phone": "+4930555012"},
    "day": "2026-05-03",
    "ready": "14:30",
    "weight_kg": 12.5,
    "service": "next_day",
    "fragile": True,
    "items": [{"what": "oak shelves", "count": 3}, {"what": "lamps", "count": 2}],
    "price": {"total": 48.0, "currency": "EUR"},
}
GOOD = """Hello,

please collect three oak shelves and two lamps from Ida Brandt on the 3rd of May 2026, from
2:30 pm. That is 12.5 kg in all, so please handle with care. Send it overnight for €48.00; the
order is C-4821. Call me on +49 30 555 012.

Thank you"""
NAME = "qwen2.5-7b-instruct"
TEACHER = teacher.TEACHERS[NAME]


@pytest.fixture(autouse=True)
def toy_phrases(monkeypatch):
    """Phrase tables of the toy schema."""
    for field, phrases in TABLES.items():
        meanings = {phrase: value for value, each in phrases.items() for phrase in each}
        monkeypatch.setitem(PHRASES, f"courier.{field}", {"": phrases})
        monkeypatch.setitem(PHRASES.meanings, f"courier.{field}", meanings)


def row(record=RECORD, *, register: str = "email") -> dict:
    return {
        "id": "edgejson-train-0001",
        "task": "edgejson",
        "split": "train",
        "group": "courier",
        "slices": {"tier": "complex", "origin": "composed", "register": register},
        "input": {"text": "an earlier text", "schema": COURIER},
        "target": record,
        "meta": {"domain": "logistics", "template": "courier/1", "evidence": {}},
    }


def faults(written: str, record=RECORD) -> set[str]:
    return {fault.partition(":")[0] for fault in evidence.locate(written, row(record))[1]}


def judge(written: str, finish: str = "stop") -> tuple[dict | None, str]:
    return teacher.judge(row(), {"text": written, "finish": finish, "error": ""})


def test_a_good_text_has_evidence_for_every_leaf():
    accepted, reason = judge(GOOD)
    assert accepted, reason
    places = accepted["meta"]["evidence"]
    assert set(places) == {pointer for pointer, _ in checks.leaves(RECORD)}
    words = {at: GOOD[place["start"] : place["end"]] for at, place in places.items()}
    assert words["/items/0/count"] == "three" and words["/day"] == "the 3rd of May 2026"
    assert words["/price/currency"] == "€" and words["/service"] == "overnight"


def test_values_may_be_paraphrased():
    items = "three oak shelves and two lamps"
    for old, variants in {
        "the 3rd of May 2026": "2026-05-03; May 3, 2026; Sunday, 3 May 2026; 3 May 2026 (3 May)",
        "2:30 pm": "14:30",
        items: "oak shelves (3) and lamps (2); oak shelves x3, lamps x2",
        "12.5 kg": "12.5kg",
        "€48.00": "48 euros; forty-eight euros; EUR 48",
        "+49 30 555 012": "+4930555012",
        "overnight": "overnight, not the same day",
        "Thank you": "The two of us say thank you; Ida Brandt",
    }.items():
        for new in variants.split("; "):
            assert faults(GOOD.replace(old, new)) == set(), new


def test_unclear_missing_and_foreign_values_are_faults():
    for old, new, reason in (
        ("C-4821", "C-4812", "missing"),
        ("C-4821", "C-48210", "missing"),
        ("Ida Brandt", "Ms Brandt", "missing"),
        ("the 3rd of May 2026", "3 May", "missing"),
        ("the 3rd of May 2026", "3.5.2026", "missing"),
        ("the 3rd of May 2026", "Monday, 3 May 2026", "missing"),
        ("2:30 pm", "2:30", "missing"),
        ("2:30 pm", "2:30 am", "invented"),
        ("overnight", "the same day", "invented"),
        ("overnight", "overnight or the same day", "invented"),
        ("please handle with care", "no need to handle with care", "missing"),
        ("three oak shelves and two lamps", "two oak shelves and three lamps", "order"),
        ("three oak shelves and two lamps", "two lamps and three oak shelves", "order"),
        ("€48.00", "€48.00 (was €55.00)", "invented"),
        ("€48.00", "€48.00, or £41", "invented"),
        ("12.5 kg", "12,5 kg", "missing"),
        ("Thank you", "See you on 4 May", "invented"),
        ("Thank you", "See you on 4/5/2026", "invented"),
        ("Thank you", "We close at 6 pm", "invented"),
        ("Thank you", "We close at half past six", "invented"),
        ("Thank you", "Or call +49 30 555 013", "invented"),
    ):
        assert old in GOOD and reason in faults(GOOD.replace(old, new)), (new, reason)


def test_equal_values_need_a_place_each_and_absent_ones_none():
    equal = RECORD | {"items": [{"what": "oak shelves", "count": 3}, {"what": "lamps", "count": 3}]}
    assert "missing" in faults(GOOD, equal)
    assert faults(GOOD.replace("two lamps", "three lamps"), equal) == set()
    plain = {key: value for key, value in RECORD.items() if key != "service"}
    assert "invented" in faults(GOOD, plain)
    assert "invented" in faults(GOOD, RECORD | {"customer": {"name": "Ida Brandt"}})
    assert faults(GOOD.replace("Send it overnight for", "It is"), plain) == set()


def test_no_text_raises_or_takes_long():
    parts = ("one ", "3 May ", "12:30 ", "1,1.", "+49 ", "a@", "half past ", "not ", "[{\x00\ud800")
    with bounded():
        for written in (*(part * 1500 for part in parts), "", "the first of May " * 500):
            assert evidence.locate(written, row())[1], written[:20]
            assert judge(written)[0] is None, written[:20]


def test_evidence_is_located_in_template_texts_and_never_for_another_value():
    """Many of these texts have spoken dates or distractors, which are `invented` here."""
    rows = io.read_jsonl(paths.DATA / "edgejson" / "test.jsonl")
    complete = 0
    for case in rows:
        written = case["input"]["text"]
        if any(not f.startswith("invented") for f in evidence.locate(written, case)[1]):
            continue
        complete += 1
        for key, value in case["target"].items():
            if isinstance(value, str) and re.fullmatch(r"[A-Z]+-?\d+", value):  # a code
                code = value[:-1] + str((int(value[-1]) + 1) % 10)
                other = case | {"target": case["target"] | {key: code}}
                assert evidence.locate(written, other)[1], (case["id"], key)
    assert complete >= 0.6 * len(rows), complete


def test_the_prompt_states_every_value_in_words_and_no_spelling_of_the_schema():
    leaves = {at for at, _ in checks.leaves(RECORD)}
    calls = [teacher.prompt(row(), TEACHER, attempt) for attempt in range(1, 20)]
    assert calls == [teacher.prompt(row(), TEACHER, attempt) for attempt in range(1, 20)]
    for call in calls:
        facts = call.messages[-1]["content"].partition("Facts:\n")[2]
        assert set(evidence.locate(facts, row())[0]) == leaves, facts
        assert not re.search("next_day|weight_kg|True", facts) and "weight in kg" in facts
    assert len({call.messages[-1]["content"] for call in calls}) > 5
    heat = [call.temperature for call in calls]
    assert heat == sorted(heat) and (heat[0], heat[-1]) == (0.7, teacher.WARMEST)
    assert len({call.seed for call in calls}) == 19
    slip = teacher.prompt(row(register="receipt"), TEACHER, 1)
    assert slip.messages[:3] != calls[0].messages[:3] and "receipt" in slip.messages[-1]["content"]


def test_every_fault_of_a_text_has_its_reason():
    keys = "Order: C-4821\nName: Ida Brandt\nDay: 2026-05-03\nWeight: 12.5 kg"
    for reason, written in (
        ("missing", "I'm sorry, but I cannot write this e-mail."),
        ("about the task", "As an AI, I have no parcels. " + GOOD),
        ("about the task", "Sure! Here is the e-mail you asked for:\n\n" + GOOD),
        ("about the task", "The text reads: " + GOOD),
        ("about the task", GOOD + "\n\nNote: this e-mail has all facts."),
        ("markup", "```\n" + GOOD + "\n```"),
        ("markup", json.dumps(RECORD)),
        ("blanks", GOOD + "\n[Your Name]"),
        ("copied example", GOOD + "\nInes Falk"),
        ("key list", keys),
        ("missing", GOOD.replace("overnight", "next_day")),
        ("check English", GOOD + " Привет"),
    ):
        accepted, why = judge(written)
        assert accepted is None and why.partition(":")[0] == reason, (reason, why)
    assert "length" in judge(GOOD, finish="length")[1]
    for written in (
        "Sure, the shelves are here. " + GOOD,
        "Your order, as in our letter:\n" + GOOD,
        GOOD.replace("'", "’").replace("Hello,\n", "Hello, \r\n"),
    ):
        assert judge(written)[0], written


def test_the_checks_of_the_data_have_the_last_word(monkeypatch):
    wrong = {"start": 0, "end": 5, "rule": "verbatim"}
    places = {pointer: wrong for pointer, _ in checks.leaves(RECORD)}
    monkeypatch.setattr(evidence, "locate", lambda written, case: (places, []))
    reason = judge(GOOD)[1]
    assert reason.startswith("check evidence: ") and "/ref" in reason


VISIT = obj(ref=text(9), day=DAY, people=number("integer", 2, 60))


def visits(count: int) -> list[dict]:
    """Rows without phrases."""
    return [
        row({"ref": f"V-{100 + i}", "day": f"2026-07-{i % 28 + 1:02d}", "people": 14 + i})
        | {"id": f"edgejson-train-{i + 1:04d}", "group": "visit"}
        | {"slices": {"tier": "simple", "origin": "composed", "register": "email", "noise": "case"}}
        | {"input": {"text": "-", "schema": VISIT}}
        for i in range(count)
    ]


def visit(messages, temperature: float) -> str:
    """State a visit at the second attempt, some at the first, one never."""
    asked = messages[-1]["content"]
    ref, people, day = (re.search(p, asked)[1] for p in (r"(V-\d+)", r"people: (.+)", r"day: (.+)"))
    if ref == "V-103" or (temperature == TEACHER["temperature"] and int(ref[-1]) % 2):
        return f"Dear all, we look forward to your visit {ref}."
    return f"Dear all, the visit {ref} is on {day}, and we will be {people} people. Bye!"


class Writer:
    """Answers calls in reverse order; the power may go after some of them."""

    def __init__(self, limit: int = 10**6):
        self.asked, self.limit = 0, limit

    def answers(self, calls):
        for index, call in reversed(list(enumerate(calls))):
            if self.asked == self.limit:
                raise KeyboardInterrupt
            self.asked += 1
            text = visit(call.messages, call.temperature)
            yield index, Completion(str(index), text, "stop", 7, 5, 0.1, 0.1)


def test_accepted_rows_pass_the_checks_and_counts_add_up(tmp_path):
    rows, out, client = visits(10), tmp_path / "out.jsonl", Writer()
    report = teacher.rewrite(rows, NAME, client, out=out)
    accepted = io.read_jsonl(out, schema=checks.SAMPLE)
    expected = [case for case in rows if case["target"]["ref"] != "V-103"]
    assert [r["id"] for r in accepted] == [f"{case['id']}-{NAME}" for case in expected]
    assert [r["target"] for r in accepted] == [case["target"] for case in expected]
    assert all(check.ok for check in checks.per_case({"train": accepted}))
    assert client.asked == 5 + 2 * 4 + teacher.ATTEMPTS
    counts = {"cases": 10, "accepted": 9, "rejected": {"missing": 9}, "tokens": 12 * client.asked}
    assert report == counts
    rejected = io.read_jsonl(tmp_path / "out.rejected.jsonl")
    assert len(rejected) == 9 and all(r["text"] and "/people" in r["reason"] for r in rejected)
    assert not list(tmp_path.glob("*.partial.jsonl"))
    writer, call = accepted[1]["meta"]["writer"], teacher.prompt(rows[1], TEACHER, 2)
    assert (writer["name"], writer["model"]) == (NAME, TEACHER["model"])
    assert (writer["temperature"], writer["seed"]) == (call.temperature, call.seed)
    assert "template" not in accepted[1]["meta"] and "noise" not in accepted[1]["slices"]


def test_a_stopped_run_resumes_without_asking_again(tmp_path):
    """It writes the same bytes as one that was not disturbed."""
    rows, broken, whole = visits(12), tmp_path / "broken.jsonl", tmp_path / "whole.jsonl"
    first, second, undisturbed = Writer(15), Writer(), Writer()
    with pytest.raises(KeyboardInterrupt):
        teacher.rewrite(rows, NAME, first, out=broken)
    report = teacher.rewrite(rows, NAME, second, out=broken)
    assert report == teacher.rewrite(rows, NAME, undisturbed, out=whole)
    assert broken.read_bytes() == whole.read_bytes()
    assert first.asked + second.asked == undisturbed.asked


def test_the_command_writes_or_says_what_to_do(tmp_path, capsys, monkeypatch):
    assert cli.main(["teach", "edgejson", "qwen2.5-7b"]) == 1
    assert f"did you mean {NAME!r}" in capsys.readouterr().err
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    io.write_jsonl(rows, visits(2))
    monkeypatch.setattr(toy_server, "MODEL", TEACHER["model"])
    command = ["teach", "edgejson", NAME, str(rows), "--out", str(out), "--base-url"]
    assert cli.main([*command, "http://127.0.0.1:9/v1"]) == 1
    assert "nothing answers there" in capsys.readouterr().err
    script = lambda handler: handler.say(visit(handler.body["messages"], 1.0))  # noqa: E731
    with toy_server.serving(script) as server:
        assert cli.main([*command, server.url]) == 0
    assert '"accepted": 2' in capsys.readouterr().out and len(io.read_jsonl(out)) == 2


def test_configured_teachers_are_pinned():
    assert all(re.fullmatch("[0-9a-f]{40}", each["revision"]) for each in teacher.TEACHERS.values())
