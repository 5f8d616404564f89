"""Texts written by a language model for records of EdgeJSON, each accepted only with its evidence.

A teacher is asked for a text that states every field of a row's record. The text is accepted if
`evidence` locates each value in it and nothing else of the kind, and if the new row passes the
checks that texts from templates pass. Otherwise the next attempt has other wordings, another order
and a higher temperature; reasons of rejection are counted. Record and schema stay as they are, and
`meta.writer` records the model, its prompt and its tokens.

Every answer is on disk before it is judged, and a prompt depends only on row, seed and attempt, so
that a run that was killed resumes where it was.

    slmbench teach edgejson qwen2.5-7b-instruct --limit 100     # a server; see teachers.yaml
    slmbench teach edgejson smollm2-135m-instruct --limit 5     # an engine in this process
"""

import argparse
import hashlib
import json
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, takewhile
from pathlib import Path
from random import Random
from typing import NamedTuple

import yaml

from slmlib.core import io, paths, progress
from slmlib.core.names import choose
from slmlib.core.resume_log import ResumeLog
from slmlib.engines import launch
from slmlib.engines.base import Request
from slmlib.engines.openai_client import Call, Client, Endpoint
from slmlib.tasks.edgejson.generate import checks, evidence
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.textgen import formats, templates

CONFIGURATION = paths.DATA / "edgejson" / "teachers.yaml"
WARMEST = 1.3  # the highest temperature of an attempt
SAMPLING = ("temperature", "top_p", "seed")  # of servers; engines are greedy
ANSWER = ("text", "finish", "tokens_in", "tokens_out", "error")  # what is recorded of an answer


@dataclass(frozen=True)
class Teacher:
    """A configured model; `teachers.yaml` explains the fields."""

    name: str
    model: str
    licence: str
    temperature: float
    temperature_step: float
    top_p: float
    base_url: str = ""
    revision: str = ""
    engine: str = "transformers"
    dtype: str = "auto"


class Writer(NamedTuple):
    """A model that answers; `answers` yields the position of a call and its reply, in any order."""

    engine: dict
    answers: Callable[[Iterable[Call]], Iterator[tuple]]


class Verdict(NamedTuple):
    """The new row, or None and the reason for which a text was rejected."""

    row: dict | None
    reason: str = ""
    detail: str = ""


def teachers(path: Path = CONFIGURATION) -> dict[str, Teacher]:
    """The configured teachers by name; raises `DataError` for an unknown or missing field."""
    result = {}
    for name, options in yaml.safe_load(path.read_text("utf-8"))["teachers"].items():
        try:
            result[name] = Teacher(name=name, **options)
        except TypeError as error:
            raise io.DataError(f"{path}: {name}: {error}") from None
    return result


def connect(teacher: Teacher, *, base_url: str = "", concurrency: int = 8) -> Writer:
    """Connect to the teacher's server, or load its model into this process if it has none.

    Args:
        teacher: The model.
        base_url: Address of the server; the configured one by default.
        concurrency: Texts written at once.
    """
    if address := base_url or teacher.base_url:
        client = Client(Endpoint(address, teacher.model, concurrency=concurrency))
        client.check()
        return Writer({"name": "openai"}, client.answers)
    dtype = launch.resolve_dtype(teacher.dtype, engine=teacher.engine)
    engine = launch.start(teacher.engine, teacher.model, dtype=dtype, batch_size=concurrency)

    def answers(calls: Iterable[Call]) -> Iterator[tuple]:
        numbered = enumerate(calls)
        while part := list(islice(numbered, concurrency)):
            requests = [Request(str(i), call.messages, call.max_tokens) for i, call in part]
            for batch in engine.batches(requests):
                for completion in engine.generate(batch):
                    yield int(completion.id), completion

    described = engine.describe()
    return Writer({key: described[key] for key in ("name", "version", "dtype")}, answers)


# The prompt

PROMPT = yaml.safe_load(CONFIGURATION.read_text("utf-8"))["prompt"]


def prompt(row: dict, teacher: Teacher, attempt: int, seed: int) -> Call:
    """The call of an attempt, of which the first is 1; it depends on nothing but its arguments."""
    rng = Random(f"{seed}/{row['id']}/{attempt}")
    facts = "\n".join(state_facts(row, rng))
    register, schema = row["slices"]["register"], row["input"]["schema"]
    layout = PROMPT["prose" if register in templates.PROSE else "list"]
    question = PROMPT["user"].format(
        register=PROMPT["registers"].get(register, f"a {register.replace('_', ' ')}"),
        title=schema.get("title", row["group"].replace("_", " ")),
        description=schema.get("description", ""),
        facts=facts,
    )
    messages = [
        {"role": "system", "content": PROMPT["system"].format(shape=layout["shape"])},
        {"role": "user", "content": layout["facts"]},
        {"role": "assistant", "content": layout["text"]},
        {"role": "user", "content": question},
    ]
    warmer = teacher.temperature + teacher.temperature_step * (attempt - 1)
    temperature = round(min(warmer, max(WARMEST, teacher.temperature)), 3)
    number = rng.randrange(2**31)
    return Call(messages, 120 + len(facts), temperature, teacher.top_p, number)


def state_facts(row: dict, rng: Random) -> list[str]:
    """A line for each field of the record, with labels and values as people write them.

    A text keeps to one notation of dates and one of times.
    """
    kinds, prose = evidence.kinds(row), row["slices"]["register"] in templates.PROSE
    priced = "currency" in kinds.values()
    day = rng.choice(("long", "us", "ordinal", "weekday", "iso"))
    styles = {"date": day, "time": rng.choice(("h24", "ampm")), "moment": "utc_prose"}

    def say(value, pointer: str) -> str:
        if isinstance(value, dict):
            return "; ".join(f"{label(k)} {say(v, f'{pointer}/{k}')}" for k, v in value.items())
        if isinstance(value, list):
            items = [say(v, f"{pointer}/{i}") for i, v in enumerate(value)]
            if isinstance(value[0], dict):
                return " ".join(f"({i}) {item}" for i, item in enumerate(items, 1))
            return ", then ".join(items)
        kind = kinds[evidence.general(pointer)]
        if kind.startswith(evidence.PHRASE):
            table = PHRASES[kind.removeprefix(evidence.PHRASE)]
            forms = [table[""]] if prose and "" in table else table.values()
            phrases = [phrase for form in forms for phrase in form.get(value, ())]
            clear = [p for p in phrases if p.casefold() not in evidence.FUNCTION_WORDS]
            return rng.choice(clear) if clear else str(value)
        if kind == "currency":
            return f"{formats.SYMBOLS[value][1]} ({formats.SYMBOLS[value][0]})"
        if kind == "number":
            money = priced and isinstance(value, float) and value == round(value, 2)
            return formats.STYLES["money" if money else "plain"](value, rng)[0]
        if kind == "moment" and not value.endswith(":00Z"):  # prose has no seconds
            return formats.STYLES["utc_log"](value, rng)[0]
        return formats.STYLES[styles.get(kind, "string")](value, rng)[0]

    lines = [f"- {label(key)}: {say(value, f'/{key}')}" for key, value in row["target"].items()]
    rng.shuffle(lines)
    return lines


def label(key: str) -> str:
    """A key in words: `ready_from` is `ready from`, `dose_mg` is `dose in mg`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
    unit = next((unit for unit in PROMPT["units"] if words.endswith(f"_{unit}")), None)
    if unit:
        words = f"{words.removesuffix(f'_{unit}')} in {PROMPT['units'][unit]}"
    return words.replace("_", " ")


# The verdict

_KIND = r"(?:text|e-?mail|message|note|transcript|receipt|invoice|form|log|report|letter|chat)"
PATTERNS = {  # faults of form; `^` is the start of any line
    "refusal": r"\A\W*(?:(?:i'm|i am) )?(?:sorry|unfortunately|i apologi[sz]e)\b[^.\n]*"
    r"\b(?:can't|cannot|unable)\b|\bas an ai\b|\b(?:ai|language) model\b",
    "markup": r"```|\*\*|^#{1,6} |</?[a-z]+>|\"\w+\"\s*:|\A\s*[{\[]\s*[\"{]|\|\s*:?-{3,}",
    "about the task": r"\A[^\n]{0,30}\b(?:here(?:'s| is| are)|below is|this is)\b"
    rf"[^\n]{{0,60}}\b{_KIND}\b[^\n]{{0,60}}:|\A[^\n]{{0,40}}\btext:"
    rf"|\A\W*(?:the|this)? ?(?:\w+ )?{_KIND} (?:is|reads|says|tells)\b|\bhope this helps\b"
    r"|\A\W*(?:sure|certainly|absolutely)[!,][^\n]*:\s*\n|\bas requested\b"
    r"|\bthe facts (?:above|given|provided)\b|^\(?note: (?:this|the|i|all)\b",
    "blanks": r"\[[a-z][^\]\n]{0,40}\]|<[a-z][^>\n]{0,40}>|\bX{3,}\b|_{3,}",
    "copied example": "|".join(PROMPT["example"]),
}
_PLAIN = str.maketrans("‘’‚“”„\u00a0\u202f\u2011\u2212", "'''\"\"\"  --")


def clean(text: str) -> str:
    """The text as it is stored: plain quotes and spaces, nothing around it."""
    text = unicodedata.normalize("NFC", text).translate(_PLAIN)
    text = re.sub(r"[ \t]+$", "", text.replace("\r\n", "\n"), flags=re.M).strip()
    quoted = len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]
    return text[1:-1].strip() if quoted else text


def judge(row: dict, question: str, answer: dict) -> Verdict:
    """Accept a text, or give the first reason against it.

    Args:
        row: The row whose record the text states.
        question: The last message of the prompt, which lists the facts.
        answer: A recorded answer, with the keys of `ANSWER`.
    """
    if answer["finish"] != "stop":
        reason = "no answer" if answer["finish"] == "error" else "truncated"
        return Verdict(None, reason, answer["error"])
    text, facts = clean(answer["text"]), question.partition("Facts:\n")[2]
    if reason := _formal_fault(text, facts, row):
        return Verdict(None, reason)
    places, faults = evidence.locate(text, row)
    if faults:
        return Verdict(None, faults[0].reason, "; ".join(fault.detail for fault in faults))
    slices = {key: value for key, value in row["slices"].items() if key != "noise"}
    meta = {k: v for k, v in row["meta"].items() if k != "template"} | {"evidence": places}
    new = row | {"slices": slices, "input": row["input"] | {"text": text}, "meta": meta}
    for check in checks.per_case({row["split"]: [new]}):
        if not check.ok:
            return Verdict(None, f"check: {check.name}", "; ".join(check.failures))
    return Verdict(new)


def _formal_fault(text: str, facts: str, row: dict) -> str | None:
    """The first fault that shows without a search for evidence."""
    register, words = row["slices"]["register"], len(text.split())
    if not 3 <= words <= 60 + 3 * len(facts.split()):
        return "empty" if words < 3 else "too long"
    for reason, pattern in PATTERNS.items():
        if re.search(pattern, text, re.I | re.M) and (reason, register) != ("blanks", "log"):
            return reason  # a log may contain [INFO]
    lines = [line[2:] for line in facts.splitlines() if line.startswith("- ")]
    if sum(line in text for line in lines) >= max(2, len(lines) / 2):
        return "copied facts"
    if register in templates.PROSE and checks.looks_like_list(text):
        return "key list"
    strings = [str(value) for _, value in checks.leaves(row["target"])]
    values = " ".join(value for value in strings if "_" not in value or "@" in value)
    foreign = any(key not in values for key in re.findall(r"\b[A-Za-z]+_\w+\b", text))
    return "schema words" if foreign and register != "log" else None


# A run


def rewrite(
    rows: Sequence[dict],
    teacher: Teacher,
    writer: Writer,
    *,
    out: Path,
    attempts: int = 5,
    budget: int | None = None,
    seed: int = 0,
) -> dict:
    """Have a teacher write new texts for rows, and write the rows of accepted texts to `out`.

    Beside `out` are `.rejected.jsonl`, with the reason of each rejection, and `.report.json`.

    Args:
        rows: Rows of EdgeJSON with different ids.
        teacher: Model and temperature.
        writer: The connected model.
        out: A `.jsonl` file.
        attempts: Most texts to ask for a case.
        budget: Tokens, read and written, after which no further text is asked for.
        seed: Seed of wordings and sampling.

    Returns:
        Counts of cases, attempts, accepted and rejected texts and tokens; `complete` is False if
        the budget ended the run, which a call with a larger one resumes.

    Raises:
        EndpointError: the server cannot be used; answers so far are kept.
        DataError: `out` was begun with other rows or settings.
    """
    if out.suffix != ".jsonl":
        raise ValueError(f"{out}: the file's name must end in .jsonl")
    if len({row["id"] for row in rows}) < len(rows):
        raise io.DataError("rows to rewrite must have different ids")
    settings = {
        "teacher": asdict(teacher) | {"base_url": ""},  # a server may move
        "engine": writer.engine,
        "prompt_sha256": hashlib.sha256(json.dumps(PROMPT).encode()).hexdigest(),
        "attempts": attempts,
        "seed": seed,
        "rows": hashlib.sha256("".join(map(io.dumps, rows)).encode()).hexdigest(),
    }
    accepted: dict[str, dict] = {}
    rejected: list[dict] = []
    with ResumeLog(out.with_suffix(".partial.jsonl"), settings) as log:
        answers = dict(log.done)

        def affordable(_) -> bool:
            spent = (answer["tokens_in"] + answer["tokens_out"] for answer in answers.values())
            return budget is None or sum(spent) < budget

        for attempt in range(1, attempts + 1):
            pending = [row for row in rows if row["id"] not in accepted]
            new = [row for row in pending if (row["id"], attempt) not in answers]
            bar = progress.bar(new, desc=f"attempt {attempt}", unit="text")
            calls = (prompt(r, teacher, attempt, seed) for r in takewhile(affordable, bar))
            last = time.perf_counter()
            for position, reply in writer.answers(calls):
                key = new[position]["id"], attempt
                answers[key] = {name: getattr(reply, name) for name in ANSWER}
                now = time.perf_counter()
                log.add(key, answers[key], now - last)
                last = now
            for row in pending:
                if answer := answers.get((row["id"], attempt)):
                    call = prompt(row, teacher, attempt, seed)
                    verdict = judge(row, call.messages[-1]["content"], answer)
                    if verdict.row:
                        every = [answers[row["id"], number + 1] for number in range(attempt)]
                        accepted[row["id"]] = _signed(verdict.row, settings, call, every)
                    else:
                        why = {"reason": verdict.reason, "detail": verdict.detail}
                        rejected.append({"id": row["id"], "attempt": attempt, **why, **answer})
        counts = Counter(answer["reason"] for answer in rejected).most_common()
        report = {
            "teacher": teacher.name,
            "cases": len(rows),
            "attempts": len(answers),
            "accepted": len(accepted),
            "rejected": dict(counts),
            "tokens_in": sum(answer["tokens_in"] for answer in answers.values()),
            "tokens_out": sum(answer["tokens_out"] for answer in answers.values()),
            "seconds": round(log.seconds, 3),
            "complete": all(r["id"] in accepted or (r["id"], attempts) in answers for r in rows),
        }
        io.write_jsonl(out, [accepted[row["id"]] for row in rows if row["id"] in accepted])
        io.write_jsonl(out.with_suffix(".rejected.jsonl"), rejected)
        io.write_json(out.with_suffix(".report.json"), report)
        if report["complete"]:
            log.discard()
    return report


def _signed(row: dict, settings: dict, call: Call, answers: list[dict]) -> dict:
    """The row under a new id, with the record of its writer: model, prompt, sampling and tokens."""
    teacher, engine = settings["teacher"], settings["engine"]
    sampled = SAMPLING if engine["name"] == "openai" else ()
    writer = {
        **{key: teacher[key] for key in ("name", "model", "revision")},
        "engine": engine,
        "prompt_sha256": settings["prompt_sha256"],
        **{key: getattr(call, key) for key in sampled},
        "attempts": len(answers),
        "tokens_in": sum(answer["tokens_in"] for answer in answers),
        "tokens_out": sum(answer["tokens_out"] for answer in answers),
    }
    meta = row["meta"] | {"writer": writer}
    return row | {"id": f"{row['id']}-{teacher['name']}", "meta": meta}


def main(arguments: list[str] | None = None) -> None:
    """Run the command `slmbench teach edgejson`."""
    parser = argparse.ArgumentParser(
        prog="slmbench teach edgejson",
        description="Have a language model rewrite texts of EdgeJSON; only texts that state their "
        "whole record are accepted.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    train = paths.DATA / "edgejson" / "train.jsonl"
    parser.add_argument("teacher", help="a name in data/edgejson/teachers.yaml")
    parser.add_argument("rows", nargs="?", type=Path, default=train, help="rows to rewrite")
    parser.add_argument("--out", type=Path, help="file to write; by default in runs/teacher")
    parser.add_argument("--limit", type=int, help="rewrite only the first rows")
    parser.add_argument("--attempts", type=int, default=5, help="most texts for a row")
    parser.add_argument("--budget", type=int, help="tokens after which no more texts are asked for")
    parser.add_argument("--seed", type=int, default=0, help="seed of wordings and sampling")
    parser.add_argument("--base-url", default="", help="address of the server, if another")
    parser.add_argument("--concurrency", type=int, default=8, help="texts written at once")
    options = parser.parse_args(arguments)
    teacher = teachers()[choose("teacher", options.teacher, teachers())]
    rows = io.read_jsonl(options.rows, schema=checks.SAMPLE)[: options.limit]
    out = options.out or paths.RUNS / "teacher" / f"{options.rows.stem}-{teacher.name}.jsonl"
    writer = connect(teacher, base_url=options.base_url, concurrency=options.concurrency)
    limits = {"attempts": options.attempts, "budget": options.budget, "seed": options.seed}
    report = rewrite(rows, teacher, writer, out=out, **limits)
    print(json.dumps(report, indent=2))
    if not report["complete"]:
        print("The budget is used up: run the command again with a larger one to continue.")
    print(f"Written: {out}")
