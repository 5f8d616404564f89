"""Teacher writers: would break if a text that does not tell its record were kept, or one that does lost."""

import copy
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import toy_server
from bounded import bounded
from toy_server import serving

from slmlib.core import io, paths
from slmlib.core.io import DataError
from slmlib.engines.openai_client import Call, Client, Endpoint, Reply
from slmlib.models import registry as models
from slmlib.tasks.edgejson.generate import checks, evidence, local_generator, teacher
from slmlib.textgen import parsers

SCHEMA = {
    "title": "Courier order",
    "description": "One collection by a courier.",
    "type": "object",
    "additionalProperties": False,
    "required": ["ref", "customer", "day", "ready", "weight_kg", "items", "price"],
    "properties": {
        "ref": {"type": "string", "pattern": "^C-\\d{4}$"},
        "customer": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "maxLength": 40},
                "phone": {"type": "string", "pattern": "^\\+\\d{8,14}$"},
            },
        },
        "day": {"type": "string", "format": "date"},
        "ready": {"type": "string", "pattern": "^([01]\\d|2[0-3]):[0-5]\\d$"},
        "weight_kg": {"type": "number", "minimum": 0, "maximum": 99},
        "service": {"enum": ["same_day", "next_day"]},
        "fragile": {"type": "boolean"},
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "what": {"type": "string", "maxLength": 40},
                    "count": {"type": "integer", "minimum": 1, "maximum": 99},
                },
            },
        },
        "price": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "total": {"type": "number", "minimum": 0, "maximum": 999},
                "currency": {"enum": ["EUR", "GBP", "USD"]},
            },
        },
    },
}
TABLES = {
    "service": {"": {"same_day": ["the same day", "today's run"], "next_day": ["the next day", "overnight"]}},
    "fragile": {"": {True: ["handle with care", "is fragile"], False: ["nothing fragile", "not fragile"]}},
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

please collect three oak shelves and two lamps from Ida Brandt on the 3rd of May 2026, from 2:30 pm. That is
12.5 kg in all, so please handle with care. Send it overnight for €48.00; the order is C-4821. Call me on
+49 30 555 012.

Thank you"""
WRITER = replace(teacher.teachers()["smollm2-135m-instruct"], name="toy", model=toy_server.MODEL)


@pytest.fixture(autouse=True)
def toy_phrases(monkeypatch):
    """Phrase tables of the toy schema."""
    for field, table in TABLES.items():
        monkeypatch.setitem(evidence.TABLES, f"phrase.courier.{field}", table)
        rule = parsers._phrase_rule(table)
        monkeypatch.setitem(parsers.NORMALISATIONS, f"phrase.courier.{field}", rule)


def row(record=RECORD, *, number: int = 1, register: str = "email") -> dict:
    return {
        "id": f"edgejson-train-{number:04d}",
        "task": "edgejson",
        "split": "train",
        "group": "courier",
        "tier": "complex",
        "input": {"text": "as the first writer had it", "schema": SCHEMA},
        "target": record,
        "meta": {"register": register, "domain": "logistics", "template": "courier/1", "evidence": {}},
    }


def changed(**values) -> dict:
    """The record with some values replaced; None takes a field out."""
    record = copy.deepcopy(RECORD)
    for path, value in values.items():
        *above, key = path.split("__")
        place = record
        for part in above:
            place = place[int(part) if part.isdigit() else part]
        if value is None:
            del place[key]
        else:
            place[key] = value
    return record


def faults(text: str, record=RECORD) -> set[str]:
    return {fault.reason for fault in evidence.find(text, row(record))[1]}


# --- evidence -----------------------------------------------------------------------------------


def test_a_good_text_has_evidence_for_every_leaf_that_the_gate_proves():
    found, against = evidence.find(GOOD, row())
    assert against == [] and set(found) == {pointer for pointer, _ in checks.leaves(RECORD)}
    told = row() | {"input": {"text": GOOD, "schema": SCHEMA}, "meta": {"evidence": found}}
    assert checks.evidence({"train": [told]}).failures == ()
    words = {at: GOOD[place["start"] : place["end"]] for at, place in found.items()}
    assert words["/items/0/count"] == "three" and words["/day"] == "the 3rd of May 2026"
    assert words["/price/currency"] == "€" and words["/service"] == "overnight"


@pytest.mark.parametrize(
    "old, new",
    [
        ("the 3rd of May 2026", "2026-05-03"),
        ("the 3rd of May 2026", "May 3, 2026"),
        ("the 3rd of May 2026", "Sunday, 3 May 2026"),
        ("the 3rd of May 2026", "the third of May twenty twenty-six"),
        ("the 3rd of May 2026", "3 May 2026 (yes, 3 May)"),
        ("2:30 pm", "14:30"),
        ("2:30 pm", "14.30"),
        ("2:30 pm", "half past two in the afternoon"),
        ("three oak shelves and two lamps", "oak shelves (3) and lamps (2)"),
        ("three oak shelves and two lamps", "3 oak shelves and 2 lamps"),
        ("12.5 kg", "12.5kg"),
        ("three oak shelves and two lamps", "oak shelves x3, lamps x2"),
        ("12.5 kg", "twelve point five kilos"),
        ("€48.00", "48 euros"),
        ("€48.00", "forty-eight euros"),
        ("€48.00", "EUR 48"),
        ("+49 30 555 012", "+4930555012"),
        ("Hello", "Dear Sir or Madam"),
        ("overnight", "overnight, not the same day"),
        ("Thank you", "Ida Brandt"),
    ],
)
def test_a_value_may_be_told_in_many_ways(old, new):
    assert old in GOOD and faults(GOOD.replace(old, new)) == set()


@pytest.mark.parametrize(
    "old, new, reason",
    [
        ("C-4821", "C-4812", "missing"),
        ("C-4821", "C-48210", "missing"),
        ("Ida Brandt", "Ms Brandt", "missing"),
        ("the 3rd of May 2026", "3 May", "missing"),
        ("the 3rd of May 2026", "3.5.2026", "undecided"),
        ("2:30 pm", "2:30", "undecided"),
        ("2:30 pm", "2:30 am", "invented"),
        ("overnight", "the same day", "ambiguous"),
        ("please handle with care", "no need to handle with care", "negated"),
        ("three oak shelves and two lamps", "two oak shelves and three lamps", "order"),
        ("three oak shelves and two lamps", "two lamps and three oak shelves", "order"),
        ("€48.00", "€48.00 (was €55.00)", "invented"),
        ("€48.00", "€48.00, or £41", "ambiguous"),
        ("12.5 kg", "12,5 kg", "undecided"),
        ("Thank you", "See you on 4 May", "invented"),
        ("Thank you", "We close at 6 pm", "invented"),
        ("Thank you", "Or call +49 30 555 013", "invented"),
        ("the 3rd of May 2026", "Monday, 3 May 2026", "wrong weekday"),
    ],
)
def test_what_is_not_told_clearly_or_not_in_the_record_is_a_fault(old, new, reason):
    assert old in GOOD and reason in faults(GOOD.replace(old, new))


def test_leaves_with_one_value_need_a_place_each():
    record = changed(items__1__count=3)
    assert "shared" in faults(GOOD, record)
    assert faults(GOOD.replace("two lamps", "three lamps"), record) == set()


def test_an_absent_field_must_not_be_told():
    assert "invented" in faults(GOOD, changed(service=None))
    assert "invented" in faults(GOOD, changed(customer__phone=None))
    assert faults(GOOD.replace("Send it overnight for", "It is"), changed(service=None)) == set()


def test_one_is_a_number_only_before_what_is_counted():
    record = changed(items=[{"what": "parcels", "count": 1}])
    told = GOOD.replace("three oak shelves and two lamps", "the usual parcels, one of them new,")
    assert "missing" in faults(told, record)
    assert faults(told.replace("Thank you", "Count: 1"), record) == set()
    shelf = changed(items=[{"what": "oak shelf", "count": 1}])
    assert faults(GOOD.replace("three oak shelves and two lamps", "one oak shelf"), shelf) == set()


def test_thousands_may_be_apart_but_neighbours_are_two_numbers():
    assert faults(GOOD.replace("€48.00", "€1 248.00"), changed(price__total=1248.0)) == set()
    pressure = changed(items=[{"what": "gauge", "count": 2}, {"what": "bar", "count": 165}])
    assert faults(GOOD.replace("three oak shelves and two lamps", "gauge 2 165 bar"), pressure) == set()


def test_a_code_is_not_found_in_a_longer_one_and_no_other_address_is_told():
    record = changed(ref="48-21")
    assert "missing" in faults(GOOD.replace("C-4821", "48-21-3"), record)
    assert faults(GOOD.replace("C-4821", "48-21"), record) == set()
    schema = copy.deepcopy(SCHEMA)
    schema["properties"]["mail"] = {"type": "string", "format": "email"}
    case = row() | {"input": {"text": "-", "schema": schema}}
    assert evidence.find(GOOD, case)[1] == []
    assert [fault.kind for fault in evidence.find(GOOD + "\nmail: me@shop.example", case)[1]] == ["email"]


@pytest.mark.parametrize(
    "text",
    ["one " * 3000, "3 May " * 1500, "12:30 " * 1500, "1,1." * 1500, "+49 " * 1500, "a@" * 3000,
     "half past " * 900, "not " * 3000, "\x00\ud800[{" * 500, "", " \n " * 3000, "the first of May " * 500],
)  # fmt: skip
def test_no_text_raises_or_takes_long(text):
    with bounded():
        call = teacher.ask(row(), WRITER, 1, 0)
        assert evidence.find(text, row())[1]
        assert teacher.judge(row(), call, Reply(text, "stop", 1, 1, 0.1, 0.1)).row is None


def test_evidence_is_found_in_what_the_embedded_writer_wrote_and_never_for_another_value():
    """Two thirds of these texts hold distractors, which is `invented` here; the rest must be found."""
    rows = io.read_jsonl(paths.DATA / "edgejson" / "test.jsonl")[:100]
    whole = [r for r in rows if {f.reason for f in evidence.find(r["input"]["text"], r)[1]} <= {"invented"}]
    assert len(whole) >= 0.85 * len(rows)
    for case in whole:
        for pointer, value in checks.leaves(case["target"]):
            if isinstance(value, str) and re.search(r"\d", value) and not re.match(r"\d{4}-|\d\d:", value):
                other = copy.deepcopy(case)
                _put(
                    other["target"],
                    pointer,
                    re.sub(r"\d", lambda d: str((int(d[0]) + 1) % 10), value, count=1),
                )
                assert evidence.find(case["input"]["text"], other)[1], (case["id"], pointer)


def _put(target, pointer: str, value) -> None:
    *above, key = (int(part) if part.isdigit() else part for part in pointer.split("/")[1:])
    for part in above:
        target = target[part]
    target[key] = value


# --- prompt -------------------------------------------------------------------------------------


def test_the_prompt_s_version_stands_for_its_wording():
    """Change the version with the wording, and then this hash."""
    assert (teacher.PROMPT_VERSION, teacher.prompt_sha256()[:16]) == ("1.0.0", "550e84d847739d30")


def test_the_prompt_tells_every_value_as_people_write_it_and_no_spelling_of_the_schema():
    for attempt in range(1, 30):
        asked = teacher.ask(row(), WRITER, attempt, 0).messages[-1]["content"]
        facts = asked.partition("Facts:\n")[2]
        known = {at for at, value in checks.leaves(RECORD) if at in evidence.find(facts, row())[0]}
        assert known == {at for at, _ in checks.leaves(RECORD)}, facts
        assert "next_day" not in asked and "weight_kg" not in asked and "True" not in asked
        assert "weight in kg" in asked


def test_a_phone_number_is_told_in_the_groups_of_the_row_s_own_text():
    case = row()
    case["input"] = {"text": "Call +49 (30) 555-012 now", "schema": SCHEMA}
    case["meta"]["evidence"] = {"/customer/phone": {"start": 5, "end": 21, "rule": "phone"}}
    assert "+49 (30) 555-012" in teacher.ask(case, WRITER, 1, 0).messages[-1]["content"]


def test_an_attempt_depends_on_row_seed_and_number_and_gets_warmer():
    calls = [teacher.ask(row(), WRITER, attempt, 7) for attempt in range(1, 12)]
    assert calls == [teacher.ask(row(), WRITER, attempt, 7) for attempt in range(1, 12)]
    assert len({call.seed for call in calls}) == 11
    assert len({call.messages[-1]["content"] for call in calls}) > 5
    heat = [call.temperature for call in calls]
    assert heat == sorted(heat) and heat[0] == WRITER.temperature and heat[-1] == teacher.WARMEST
    assert teacher.ask(row(), WRITER, 1, 8).seed != calls[0].seed


def test_prose_and_lists_are_asked_for_differently():
    letter, slip = (teacher.ask(row(register=r), WRITER, 1, 0).messages for r in ("email", "receipt"))
    assert letter[0] != slip[0] and "an e-mail" in letter[-1]["content"] and "receipt" in slip[-1]["content"]
    assert [turn["role"] for turn in letter] == ["system", "user", "assistant", "user"]


# --- verdict ------------------------------------------------------------------------------------

REJECTED = [
    ("no answer", GOOD, "error"),
    ("truncated", GOOD, "length"),
    ("refusal", "I'm sorry, but I cannot write this e-mail.", "stop"),
    ("refusal", "As an AI, I have no parcels. " + GOOD, "stop"),
    ("empty", "  Hello there \n", "stop"),
    ("too long", GOOD + " And so on." * 200, "stop"),
    ("markup", "```\n" + GOOD + "\n```", "stop"),
    ("markup", json.dumps(RECORD), "stop"),
    ("markup", "**Order** " + GOOD, "stop"),
    ("meta talk", "Sure! Here is the e-mail you asked for:\n\n" + GOOD, "stop"),
    ("meta talk", "The text reads: " + GOOD, "stop"),
    ("meta talk", GOOD + "\n\nNote: this e-mail has all facts.", "stop"),
    ("gaps", GOOD + "\n[Your Name]", "stop"),
    ("copied facts", "ASKED", "stop"),
    ("copied example", GOOD + "\nInes Falk", "stop"),
    ("key list", "Order: C-4821\nName: Ida Brandt\nDay: 2026-05-03\nWeight: 12.5 kg", "stop"),
    ("schema words", GOOD.replace("overnight", "next_day"), "stop"),
    ("language", GOOD + " Привет", "stop"),
    ("missing", GOOD.replace("C-4821", "yours"), "stop"),
    ("shared", GOOD.replace("two lamps", "lamps").replace("12.5", "3"), "stop"),
    ("undecided", GOOD.replace("2:30 pm", "2:30"), "stop"),
    ("negated", GOOD.replace("please handle", "do not handle"), "stop"),
    ("ambiguous", GOOD + ", or today's run", "stop"),
    ("invented", GOOD + ", by 7 May", "stop"),
    ("wrong weekday", GOOD.replace("the 3rd", "Friday, the 3rd"), "stop"),
    ("order", GOOD.replace("three oak", "two oak").replace("two lamps", "three lamps"), "stop"),
]


@pytest.mark.parametrize(
    "reason, text, finish", REJECTED, ids=[f"{r}-{i}" for i, (r, *_) in enumerate(REJECTED)]
)
def test_every_reason_is_told(reason, text, finish):
    record = changed(items__1__count=3, weight_kg=3.0) if reason == "shared" else RECORD
    call = teacher.ask(row(record), WRITER, 1, 0)
    text = call.messages[-1]["content"].partition("Facts:\n")[2] if text == "ASKED" else text
    verdict = teacher.judge(row(record), call, Reply(text, finish, 1, 1, 0.1, 0.1))
    assert verdict.row is None and verdict.reason == reason, verdict


def test_the_gates_have_the_last_word(monkeypatch):
    """Evidence that a gate does not accept is a reason of its own; and no reason is untested."""
    wrong = {pointer: {"start": 0, "end": 5, "rule": "verbatim"} for pointer, _ in checks.leaves(RECORD)}
    monkeypatch.setattr(evidence, "find", lambda text, row: (wrong, []))
    verdict = teacher.judge(row(), teacher.ask(row(), WRITER, 1, 0), Reply(GOOD, "stop", 1, 1, 0.1, 0.1))
    assert verdict.row is None and verdict.reason == "unproved" and "/ref" in verdict.detail
    assert set(teacher.REASONS) == {reason for reason, *_ in REJECTED} | {"unproved"}


@pytest.mark.parametrize(
    "text",
    [
        "Sorry, I cannot come down myself. " + GOOD,
        "Sure, the shelves are here. " + GOOD,
        GOOD.replace("'", "’").replace("Hello,\n", "Hello, \r\n"),
        '"' + GOOD + '"',
    ],
)
def test_what_people_write_is_not_taken_for_a_machine_s_manners(text):
    verdict = teacher.judge(row(), teacher.ask(row(), WRITER, 1, 0), Reply(text, "stop", 1, 1, 0.1, 0.1))
    sorry = text.startswith("Sorry")
    assert (verdict.reason == "refusal") if sorry else verdict.row is not None


# --- a run --------------------------------------------------------------------------------------

VISIT = {
    "title": "Visit",
    "description": "A visit.",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "ref": {"type": "string", "maxLength": 9},
        "day": {"type": "string", "format": "date"},
        "people": {"type": "integer", "minimum": 2, "maximum": 60},
    },
}


def visits(count: int) -> list[dict]:
    """Rows that need no phrase table, so that another process can read them."""
    records = [
        {"ref": f"V-{100 + i}", "day": f"2026-07-{i % 28 + 1:02d}", "people": 14 + i} for i in range(count)
    ]
    return [
        row(record, number=i + 1)
        | {"group": "visit", "tier": "simple", "input": {"text": "-", "schema": VISIT}}
        for i, record in enumerate(records)
    ]


def visitor(handler) -> None:
    """Tells a visit whole at the second attempt, some at the first; one case never."""
    asked = handler.body["messages"][-1]["content"]
    ref, people = re.search(r"V-\d+", asked)[0], re.search(r"people: (.+)", asked)[1]
    day, first = re.search(r"day: (.+)", asked)[1], handler.body["temperature"] == WRITER.temperature
    if ref == "V-103" or (first and int(ref[-1]) % 2):
        return handler.say(f"Dear all, we look forward to your visit {ref}.")
    handler.say(
        f"Dear all, the visit {ref} takes place on {day}, and we will be {people} people. See you then!"
    )


def run(rows, server, out, **options):
    concurrency = options.pop("concurrency", 3)
    client = Client(Endpoint(server.url, toy_server.MODEL, concurrency=concurrency, backoff=0.01))
    return teacher.rewrite(rows, WRITER, client, out=out, **{"attempts": 3} | options)


def test_what_is_accepted_passes_the_gates_and_the_counts_add_up(tmp_path):
    rows, out = visits(10), tmp_path / "out.jsonl"
    with serving(visitor) as server:
        report = run(rows, server, out)
    taken = io.read_jsonl(out, schema=io.EXAMPLE)
    assert [r["id"] for r in taken] == [f"{r['id']}-toy" for r in rows if r["target"]["ref"] != "V-103"]
    for gate in (checks.evidence, checks.targets, checks.contract):
        assert gate({"train": taken}).failures == ()
    assert [r["target"] for r in taken] == [r["target"] for r in rows if r["target"]["ref"] != "V-103"]
    assert (report.cases, report.accepted, report.attempts) == (10, 9, 5 + 2 * 4 + 3)
    assert report.accepted + sum(report.reasons.values()) == report.attempts == server.requests
    assert report.reasons == {"missing": 7} and report.given_up == ["edgejson-train-0004"]
    assert report.missing == {"date": 7, "number": 7}
    assert report.tokens_in == 7 * report.attempts and report.usage["requests"] == report.attempts
    assert io.read_json(tmp_path / "out.report.json")["accepted"] == 9
    rejected = io.read_jsonl(tmp_path / "out.rejected.jsonl")
    assert len(rejected) == 7 and all(r["text"] and r["detail"] for r in rejected)
    assert "accepted" in report.text() and "9 of 10 cases" in report._repr_markdown_()
    assert not list(tmp_path.glob("*.partial.jsonl"))


def test_a_row_says_who_wrote_it(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with serving(visitor) as server:
        run(visits(2), server, tmp_path / "out.jsonl")
    first, second = io.read_jsonl(tmp_path / "out.jsonl")
    assert second["meta"]["writer"] == {
        "teacher": "toy",
        "model": toy_server.MODEL,
        "engine": "openai-compatible",
        "prompt": {"version": teacher.PROMPT_VERSION, "sha256": teacher.prompt_sha256()},
        "attempts": 2,
        "temperature": 0.6,
        "seed": teacher.ask(visits(2)[1], WRITER, 2, 0).seed,
        "tokens_in": 14,
        "tokens_out": second["meta"]["writer"]["tokens_out"],
    }
    assert first["meta"]["writer"]["attempts"] == 1 and "template" not in first["meta"]
    assert first["meta"]["domain"] == "logistics" and first["meta"]["register"] == "email"
    assert server.keys[0] == "Bearer sk-very-secret"
    assert not any("secret" in path.read_text() for path in tmp_path.iterdir())


def test_answers_that_never_came_are_attempts_too(tmp_path):
    def script(handler):
        handler.fail(400, "too long") if handler.number == 1 else visitor(handler)

    with serving(script) as server:
        report = run(visits(1), server, tmp_path / "out.jsonl")
    assert report.reasons == {"no answer": 1} and report.accepted == 1
    assert "too long" in io.read_jsonl(tmp_path / "out.rejected.jsonl")[0]["detail"]


def test_a_run_with_other_settings_is_not_gone_on_with(tmp_path):
    def gone(handler):
        handler.fail(401) if handler.number > 2 else visitor(handler)

    with serving(gone) as server, pytest.raises(RuntimeError, match="status 401"):
        run(visits(6), server, tmp_path / "out.jsonl", concurrency=1)
    with serving(visitor) as server:
        with pytest.raises(DataError, match="belongs to another run"):
            run(visits(6), server, tmp_path / "out.jsonl", seed=1)
        report = run(visits(6), server, tmp_path / "out.jsonl")
    assert report.attempts == server.requests + 2 and report.accepted == 5


def start(server, rows, out) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        "slmlib.tasks.edgejson.generate.teacher",
        "smollm2-135m-instruct",
        str(rows),
    ]
    options = ["--out", str(out), "--base-url", server.url, "--concurrency", "2", "--attempts", "3"]
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT), "TQDM_DISABLE": "1"}
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, env=environment, text=True)


def test_kill_9_and_resume_lose_and_repeat_nothing(tmp_path, monkeypatch):
    """The command line, killed in the middle: no answer is asked for twice, and the bytes are the same."""
    rows, out = tmp_path / "rows.jsonl", tmp_path / "broken.jsonl"
    io.write_jsonl(rows, visits(24))
    monkeypatch.setattr(toy_server, "MODEL", "smollm2-135m-instruct")

    def slow(handler):
        time.sleep(0.05)
        visitor(handler)

    with serving(slow) as server:
        process = start(server, rows, out)
        journal, deadline = tmp_path / "broken.partial.jsonl", time.monotonic() + 60
        while not journal.exists() or journal.read_bytes().count(b"\n") < 9:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        answered, asked = journal.read_bytes().count(b'{"case"'), server.requests
        told = start(server, rows, out).communicate(timeout=60)[0]
        resumed = server.requests - asked
    with serving(visitor) as server:
        small = teacher.teachers()["smollm2-135m-instruct"]
        writer = teacher.connect(small, base_url=server.url)
        teacher.rewrite(io.read_jsonl(rows), small, writer, out=tmp_path / "whole.jsonl", attempts=3)
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert 7 <= answered < server.requests and resumed <= server.requests - answered + 1
    assert "23 of 24 cases told whole" in told and "all attempts" in told


def test_errors_of_the_command_line_are_one_line():
    def told(*arguments) -> str:
        command = [sys.executable, "-m", "slmlib.tasks.edgejson.generate.teacher", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=paths.ROOT)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        return done.stderr

    assert "did you mean 'qwen2.5-7b-instruct'" in told("qwen2.5-7b")
    nowhere = told("qwen2.5-7b-instruct", "--base-url", "http://127.0.0.1:9/v1", "--limit", "1")
    assert "http://127.0.0.1:9/v1: nothing answers there" in nowhere and "vllm serve Qwen" in nowhere


def test_teachers_are_configured_and_pinned(tmp_path):
    known = teacher.teachers()
    assert {"qwen2.5-7b-instruct", "llama-3.2-3b-instruct"} < set(known)
    assert all(re.fullmatch("[0-9a-f]{40}", t.revision) for t in known.values() if t.hub)
    assert known["smollm2-135m-instruct"].name in models.MODELS
    for text, rule in (("a: {size: 3}", "unknown.*size"), ("a: {model: b}", "missing.*licence")):
        (tmp_path / "teachers.yaml").write_text(text)
        with pytest.raises(DataError, match=rule):
            teacher.teachers(tmp_path / "teachers.yaml")


# --- in this process, and llama.cpp ---------------------------------------------------------------


def test_draws_follow_the_softmax_and_each_row_its_own_seed():
    import torch

    scores = torch.tensor([2.0, 1.0, 0.0, -9.0])
    calls = [Call([], 1, temperature=2.0, seed=seed) for seed in range(4000)]
    drawn = local_generator._Draw(calls)(None, scores.repeat(4000, 1)).argmax(-1)
    wanted = torch.softmax(scores / 2.0, -1)
    assert torch.allclose(drawn.bincount(minlength=4) / 4000, wanted, atol=0.03)
    alone = [local_generator._Draw([call])(None, scores[None].clone()).argmax().item() for call in calls[:50]]
    assert alone == drawn[:50].tolist()
    nucleus = [replace(call, top_p=0.6) for call in calls[:500]]
    assert set(local_generator._Draw(nucleus)(None, scores.repeat(500, 1)).argmax(-1).tolist()) == {0, 1}
    cold = local_generator._Draw([Call([], 1)])(None, scores[None].clone())
    assert torch.equal(cold[0], scores)


@pytest.fixture
def one_thread():
    """Two threads that wait for one another are ten times slower where the cores are busy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.model
class TestModel:
    def test_in_process_and_loaded_from_a_folder(self, loaded, one_thread, tmp_path, monkeypatch):
        """A teacher that is not in the registry comes from the local model folder."""
        monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path))
        (tmp_path / "my-teacher").symlink_to(models.converted(models.get("smollm2-135m-instruct")))
        writer = local_generator.load("my-teacher")
        question = [{"role": "user", "content": "Write a sentence about trams."}]
        calls = [Call(question, size, temperature=0.8, seed=size) for size in (4, 20)]
        together = [reply for _, reply in writer.answers(calls)]
        alone = [
            reply
            for call in calls
            for _, reply in local_generator.Local(loaded.network, loaded.tokenizer).answers([call])
        ]
        assert [r.text for r in together] == [r.text for r in alone] and together[1].text
        assert together[0].finish == "length" and together[0].tokens_out == 4
        assert writer.usage.tokens_out == sum(r.tokens_out for r in together)
        ((_, reply),) = writer.answers([Call([{"role": "user", "content": "word " * 9000}], 5)])
        assert reply.finish == "error" and "context" in reply.error

    def test_a_model_that_is_nowhere_is_told_with_the_remedy(self, tmp_path, monkeypatch):
        monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path))
        with pytest.raises(models.ModelError, match=r"weights of nobody not found.*hf auth login"):
            local_generator.load("nobody", hub="no/such/name", revision="0" * 40)

    def test_llama_cpp_s_own_server_as_a_teacher(self, tmp_path):
        """The embedded model is far too small for this; what counts is that all is accounted for."""
        server, small = toy_server.llama(), teacher.teachers()["smollm2-135m-instruct"]
        writer = teacher.connect(small, base_url=f"{server.listening_address}/v1", concurrency=2)
        notes = [r | {"meta": r["meta"] | {"register": "note"}} for r in visits(2)]
        report = teacher.rewrite(notes, small, writer, out=tmp_path / "out.jsonl", attempts=2)
        taken = io.read_jsonl(tmp_path / "out.jsonl", schema=io.EXAMPLE)
        assert report.accepted + sum(report.reasons.values()) == report.attempts == writer.usage.answers
        assert len(taken) == report.accepted and checks.evidence({"train": taken}).ok
        assert len(taken) + len(report.given_up) == 2 and report.tokens_out == writer.usage.tokens_out > 20
