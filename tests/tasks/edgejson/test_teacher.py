"""Teachers: would break if a text without its whole record were accepted, or a good one lost."""

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

from slmlib import __main__ as cli
from slmlib.core import io, paths
from slmlib.engines.openai_client import Client, Endpoint
from slmlib.models import registry
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
WRITER_NAME = "smollm2-135m-instruct"
WRITER = replace(teacher.teachers()[WRITER_NAME], name="toy", model=toy_server.MODEL)


@pytest.fixture(autouse=True)
def toy_phrases(monkeypatch):
    """Phrase tables of the toy schema."""
    for field, phrases in TABLES.items():
        meanings = {phrase: value for value, each in phrases.items() for phrase in each}
        monkeypatch.setitem(PHRASES.tables, f"courier.{field}", {"": phrases})
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
    return {fault.reason for fault in evidence.locate(written, row(record))[1]}


def judge(written: str, record=RECORD, finish: str = "stop") -> teacher.Verdict:
    asked = teacher.prompt(row(record), WRITER, 1, 0).messages[-1]["content"]
    answer = {"text": written, "finish": finish, "tokens_in": 1, "tokens_out": 1, "error": ""}
    return teacher.judge(row(record), asked, answer)


# Evidence


def test_a_good_text_has_evidence_for_every_leaf():
    verdict = judge(GOOD)
    assert verdict.row is not None, verdict
    places = verdict.row["meta"]["evidence"]
    assert set(places) == {pointer for pointer, _ in checks.leaves(RECORD)}
    words = {at: GOOD[place["start"] : place["end"]] for at, place in places.items()}
    assert words["/items/0/count"] == "three" and words["/day"] == "the 3rd of May 2026"
    assert words["/price/currency"] == "€" and words["/service"] == "overnight"


def test_values_may_be_paraphrased():
    items = "three oak shelves and two lamps"
    for old, variants in {
        "the 3rd of May 2026": (
            "2026-05-03; May 3, 2026; Sunday, 3 May 2026; 3 May 2026 (yes, 3 May); "
            "the third of May twenty twenty-six"
        ),
        "2:30 pm": "14:30; 14.30; half past two in the afternoon",
        items: "oak shelves (3) and lamps (2); oak shelves x3, lamps x2",
        "12.5 kg": "12.5kg; twelve point five kilos",
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
        ("the 3rd of May 2026", "Monday, 3 May 2026", "weekday"),
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


def test_spaced_thousands_are_one_number_and_neighbours_two():
    large = RECORD | {"price": {"total": 1248.0, "currency": "EUR"}}
    assert faults(GOOD.replace("€48.00", "€1 248.00"), large) == set()
    gauge = RECORD | {"items": [{"what": "gauge", "count": 2}, {"what": "bar", "count": 165}]}
    assert (
        faults(GOOD.replace("three oak shelves and two lamps", "gauge 2 165 bar"), gauge) == set()
    )


def test_no_text_raises_or_takes_long():
    parts = ("one ", "3 May ", "12:30 ", "1,1.", "+49 ", "a@", "half past ", "not ", "[{\x00\ud800")
    with bounded():
        for written in (*(part * 1500 for part in parts), "", "the first of May " * 500):
            assert evidence.locate(written, row())[1], written[:20]
            assert judge(written).row is None, written[:20]


def test_evidence_is_located_in_template_texts_and_never_for_another_value():
    """Two thirds of these texts have distractors, which are `invented` here."""
    rows = io.read_jsonl(paths.DATA / "edgejson" / "test.jsonl")
    complete = 0
    for case in rows:
        written = case["input"]["text"]
        if {fault.reason for fault in evidence.locate(written, case)[1]} - {"invented"}:
            continue
        complete += 1
        for key, value in case["target"].items():
            if isinstance(value, str) and re.fullmatch(r"[A-Z]+-?\d+", value):  # a code
                code = value[:-1] + str((int(value[-1]) + 1) % 10)
                other = case | {"target": case["target"] | {key: code}}
                assert evidence.locate(written, other)[1], (case["id"], key)
    assert complete >= 0.85 * len(rows)


# The prompt


def test_the_prompt_states_every_value_in_words_and_no_spelling_of_the_schema():
    for attempt in range(1, 30):
        facts = teacher.prompt(row(), WRITER, attempt, 0).messages[-1]["content"]
        facts = facts.partition("Facts:\n")[2]
        assert set(evidence.locate(facts, row())[0]) == {at for at, _ in checks.leaves(RECORD)}, (
            facts
        )
        assert not re.search("next_day|weight_kg|True", facts) and "weight in kg" in facts


def test_attempts_depend_on_row_seed_and_number_and_get_warmer():
    calls = [teacher.prompt(row(), WRITER, attempt, 7) for attempt in range(1, 12)]
    assert calls == [teacher.prompt(row(), WRITER, attempt, 7) for attempt in range(1, 12)]
    assert len({call.messages[-1]["content"] for call in calls}) > 5
    heat = [call.temperature for call in calls]
    assert heat == sorted(heat) and (heat[0], heat[-1]) == (WRITER.temperature, teacher.WARMEST)
    assert len({call.seed for call in calls} | {teacher.prompt(row(), WRITER, 1, 8).seed}) == 12
    slip = teacher.prompt(row(register="receipt"), WRITER, 1, 7)
    assert slip.messages[:3] != calls[0].messages[:3] and "receipt" in slip.messages[-1]["content"]


# The verdict


def test_every_fault_of_form_has_its_reason():
    facts = teacher.prompt(row(), WRITER, 1, 0).messages[-1]["content"].partition("Facts:\n")[2]
    keys = "Order: C-4821\nName: Ida Brandt\nDay: 2026-05-03\nWeight: 12.5 kg"
    for reason, written in (
        ("refusal", "I'm sorry, but I cannot write this e-mail."),
        ("refusal", "As an AI, I have no parcels. " + GOOD),
        ("empty", "  Hello there \n"),
        ("too long", GOOD + " And so on." * 200),
        ("markup", "```\n" + GOOD + "\n```"),
        ("markup", json.dumps(RECORD)),
        ("about the task", "Sure! Here is the e-mail you asked for:\n\n" + GOOD),
        ("about the task", "The text reads: " + GOOD),
        ("about the task", GOOD + "\n\nNote: this e-mail has all facts."),
        ("blanks", GOOD + "\n[Your Name]"),
        ("copied facts", facts),
        ("copied example", GOOD + "\nInes Falk"),
        ("key list", keys),
        ("schema words", GOOD.replace("overnight", "next_day")),
        ("missing", GOOD.replace("C-4821", "yours")),
        ("check: English", GOOD + " Привет"),
    ):
        verdict = judge(written)
        assert verdict.row is None and verdict.reason == reason, (reason, verdict)
    assert judge(GOOD, finish="error").reason == "no answer"
    assert judge(GOOD, finish="length").reason == "truncated"


def test_ordinary_wording_is_not_a_fault_of_form():
    for written in (
        "Sure, the shelves are here. " + GOOD,
        "Your order, as in our letter:\n" + GOOD,
        GOOD.replace("'", "’").replace("Hello,\n", "Hello, \r\n"),
        '"' + GOOD + '"',
    ):
        assert judge(written).row is not None, written


def test_the_checks_of_the_data_have_the_last_word(monkeypatch):
    wrong = {"start": 0, "end": 5, "rule": "verbatim"}
    places = {pointer: wrong for pointer, _ in checks.leaves(RECORD)}
    monkeypatch.setattr(evidence, "locate", lambda written, case: (places, []))
    verdict = judge(GOOD)
    assert verdict.reason == "check: evidence" and "/ref" in verdict.detail


# A run

VISIT = obj(ref=text(9), day=DAY, people=number("integer", 2, 60))


def visits(count: int) -> list[dict]:
    """Rows without phrases, so that another process can read them."""
    return [
        row({"ref": f"V-{100 + i}", "day": f"2026-07-{i % 28 + 1:02d}", "people": 14 + i})
        | {"id": f"edgejson-train-{i + 1:04d}", "group": "visit"}
        | {"slices": {"tier": "simple", "origin": "composed", "register": "email", "noise": "case"}}
        | {"input": {"text": "-", "schema": VISIT}}
        for i in range(count)
    ]


def visitor(handler) -> None:
    """State a visit at the second attempt, some at the first, one never."""
    asked = handler.body["messages"][-1]["content"]
    ref, people, day = (re.search(p, asked)[1] for p in (r"(V-\d+)", r"people: (.+)", r"day: (.+)"))
    first = handler.body["temperature"] == WRITER.temperature
    if ref == "V-103" or (first and int(ref[-1]) % 2):
        handler.say(f"Dear all, we look forward to your visit {ref}.")
    else:
        handler.say(f"Dear all, the visit {ref} is on {day}, and we will be {people} people. Bye!")


def run(rows, server, out, *, concurrency: int = 3, **options) -> dict:
    client = Client(Endpoint(server.url, toy_server.MODEL, concurrency=concurrency, backoff=0.01))
    writer = teacher.Writer({"name": "openai"}, client.answers)
    return teacher.rewrite(rows, WRITER, writer, out=out, **{"attempts": 3} | options)


def test_accepted_rows_pass_the_checks_and_counts_add_up(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    rows, out = visits(10), tmp_path / "out.jsonl"
    with serving(visitor) as server:
        report = run(rows, server, out)
    accepted = io.read_jsonl(out, schema=checks.SAMPLE)
    expected = [case for case in rows if case["target"]["ref"] != "V-103"]
    assert [r["id"] for r in accepted] == [f"{case['id']}-toy" for case in expected]
    assert [r["target"] for r in accepted] == [case["target"] for case in expected]
    assert all(check.ok for check in checks.per_case({"train": accepted}))
    assert (report["cases"], report["accepted"], report["attempts"]) == (10, 9, 5 + 2 * 4 + 3)
    assert report["rejected"] == {"missing": 7} and report["complete"]
    assert report["attempts"] == server.requests and report["tokens_in"] == 7 * server.requests
    assert io.read_json(tmp_path / "out.report.json") == report
    rejected = io.read_jsonl(tmp_path / "out.rejected.jsonl")
    assert len(rejected) == 7 and all(r["text"] and r["detail"] for r in rejected)
    assert not list(tmp_path.glob("*.partial.jsonl"))
    writer, call = accepted[1]["meta"]["writer"], teacher.prompt(rows[1], WRITER, 2, 0)
    assert (writer["name"], writer["model"]) == ("toy", toy_server.MODEL)
    assert (writer["attempts"], writer["tokens_in"]) == (2, 14)
    assert (writer["temperature"], writer["seed"]) == (call.temperature, call.seed)
    assert "template" not in accepted[1]["meta"] and "noise" not in accepted[1]["slices"]
    assert server.keys[0] == "Bearer sk-very-secret"
    assert not any("secret" in path.read_text() for path in tmp_path.iterdir())


def test_a_failed_call_is_an_attempt(tmp_path):
    def script(handler):
        handler.fail(400, "too long") if handler.number == 1 else visitor(handler)

    with serving(script) as server:
        report = run(visits(1), server, tmp_path / "out.jsonl")
    assert report["rejected"] == {"no answer": 1} and report["accepted"] == 1
    assert "too long" in io.read_jsonl(tmp_path / "out.rejected.jsonl")[0]["detail"]


def test_a_budget_ends_a_run_and_a_larger_one_continues_it(tmp_path):
    out = tmp_path / "out.jsonl"
    with serving(visitor) as server:
        first = run(visits(6), server, out, budget=30, concurrency=1)
        assert not first["complete"] and 0 < first["attempts"] < 4
        with pytest.raises(io.DataError, match="seed"):  # the log is of another run
            run(visits(6), server, out, seed=1)
        last = run(visits(6), server, out)
    assert last["complete"] and last["accepted"] == 5 and last["attempts"] == server.requests


def start(server, rows, out) -> subprocess.Popen:
    command = [sys.executable, "-m", "slmlib", "teach", "edgejson", WRITER_NAME, str(rows)]
    options = ["--out", str(out), "--base-url", server.url, "--concurrency", "2", "--attempts", "3"]
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT), "TQDM_DISABLE": "1"}
    return subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, env=environment, text=True
    )


def test_a_killed_run_resumes_without_asking_again(tmp_path, monkeypatch):
    """The resumed run writes the same bytes as one that was not disturbed."""
    rows, out = tmp_path / "rows.jsonl", tmp_path / "broken.jsonl"
    io.write_jsonl(rows, visits(24))
    monkeypatch.setattr(toy_server, "MODEL", WRITER_NAME)

    def slow(handler):
        time.sleep(0.05)
        visitor(handler)

    with serving(slow) as server:
        process = start(server, rows, out)
        log, deadline = tmp_path / "broken.partial.jsonl", time.monotonic() + 60
        while not log.exists() or log.read_bytes().count(b"\n") < 9:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        answered, asked = log.read_bytes().count(b"\n") - 1, server.requests
        shown = start(server, rows, out).communicate(timeout=60)[0]
        resumed = server.requests - asked
    with serving(visitor) as server:
        small = teacher.teachers()[WRITER_NAME]
        writer = teacher.connect(small, base_url=server.url)
        whole = tmp_path / "whole.jsonl"
        teacher.rewrite(io.read_jsonl(rows), small, writer, out=whole, attempts=3)
    assert out.read_bytes() == whole.read_bytes()
    assert answered >= 7 and resumed <= server.requests - answered + 1
    assert '"accepted": 23' in shown


def test_errors_are_one_line_with_the_remedy(tmp_path, capsys):
    assert cli.main(["teach", "edgejson", "qwen2.5-7b"]) == 1
    assert "did you mean 'qwen2.5-7b-instruct'" in capsys.readouterr().err
    nowhere = ["--base-url", "http://127.0.0.1:9/v1", "--limit", "1"]
    assert cli.main(["teach", "edgejson", "qwen2.5-7b-instruct", *nowhere]) == 1
    error = capsys.readouterr().err
    assert "http://127.0.0.1:9/v1: nothing answers there" in error and "vllm serve Qwen" in error
    for options, fault in (("{size: 3}", "size"), ("{model: b}", "missing.*licence")):
        (tmp_path / "teachers.yaml").write_text(f"teachers: {{a: {options}}}")
        with pytest.raises(io.DataError, match=rf"teachers.yaml: a: .*{fault}"):
            teacher.teachers(tmp_path / "teachers.yaml")


def test_configured_teachers_are_pinned():
    for each in teacher.teachers().values():
        served = bool(each.base_url) and bool(re.fullmatch("[0-9a-f]{40}", each.revision))
        assert served or each.model in registry.MODELS, each.name


@pytest.mark.model
def test_the_embedded_model_writes_in_this_process_and_on_llama_cpp(tmp_path):
    """The model is far too small for the task; every text must be accounted for all the same."""
    server, small = toy_server.llama(), teacher.teachers()[WRITER_NAME]
    for name, address in (("process", ""), ("server", f"{server.listening_address}/v1")):
        writer, out = teacher.connect(small, base_url=address), tmp_path / f"{name}.jsonl"
        report = teacher.rewrite(visits(1), small, writer, out=out, attempts=1)
        accepted = io.read_jsonl(out, schema=checks.SAMPLE)
        assert checks.evidence({"train": accepted}).ok and len(accepted) == report["accepted"]
        assert report["accepted"] + sum(report["rejected"].values()) == report["attempts"] == 1
        assert report["complete"] and report["tokens_out"] > 20
