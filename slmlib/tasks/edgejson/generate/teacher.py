"""Teacher writers: the record of a row put into words by a language model.

A teacher is asked for a text of the row's register that tells every field. Its text is taken only
if `evidence` finds each leaf of the record in it and nothing of the kind that is not in the record;
otherwise the next attempt asks with other wordings, in another order, at a higher temperature.
Why texts were rejected is counted. A new row keeps record and schema of the old one; `meta.writer`
says who wrote it, from which version of the prompt, in how many attempts and with how many tokens.

Every answer is on disk before it is judged. What an attempt asks follows from the row, the seed and
the attempt's number alone, so a run that was killed goes on with the very call it was waiting for.

    python -m slmlib.tasks.edgejson.generate.teacher qwen2.5-7b-instruct --limit 100     # a server, see teachers.yaml
    python -m slmlib.tasks.edgejson.generate.teacher smollm2-135m-instruct --limit 5     # in this process
"""

import argparse
import hashlib
import json
import re
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property, partial
from pathlib import Path
from random import Random
from typing import Protocol

import yaml

from slmlib.core import io, paths, progress
from slmlib.core.names import choose
from slmlib.core.resume_log import Busy, Journal
from slmlib.core.tables import NONE, Table
from slmlib.engines.openai_client import Call, Client, Endpoint, EndpointError, Reply, Usage
from slmlib.models import registry as models
from slmlib.tasks.edgejson.generate import checks, evidence, local_generator
from slmlib.textgen import formats, templates

CONFIGURED = paths.DATA / "edgejson" / "teachers.yaml"
WARMEST = 1.3

PROMPT_VERSION = "1.0.0"  # goes up with every change of the wording; a test knows its hash
SYSTEM = """You write texts as they turn up at work and at home. You are given the kind of text and the \
facts. You answer with the text itself and nothing else: no introduction, no comment, no markdown, no JSON.

The text tells every fact. Names, numbers, dates, times, codes and phrases stand in it exactly as they are \
given, and lists in the order given. There is no other date, time, number, amount, code, telephone number or \
e-mail address in it: what is not given did not happen. There are no gaps to fill in. {shape}"""
PROSE_SHAPE = (
    "It is made of sentences, as people write or say them; the labels of the facts do not stand in it."
)
LIST_SHAPE = "It is laid out as such papers are, with labels of its own."
USER = "Write {register}. {title}: {description}\nFacts:\n{facts}"
PROSE_SHOT = (
    """Write an e-mail. Library loan: A book lent to a reader.
Facts:
- due by: 25 March 2025
- fee: 1.50
- currency: euros (€)
- reader: Ines Falk
- book: name The Salt Road; condition a torn cover
- lent on: 4 March 2025""",
    """Dear Ines Falk,

We hope you enjoy The Salt Road, which you took home on 4 March 2025. I noted that it has a torn cover, so \
do not worry about that. Please bring it back by 25 March 2025, or else there is a fee of €1.50.

Kind regards,
The library""",
)
LIST_SHOT = (
    PROSE_SHOT[0].replace("an e-mail", "the text of a printed slip"),
    """PUBLIC LIBRARY
The Salt Road (a torn cover)
Out 4 March 2025 to Ines Falk
Back 25 March 2025, else EUR 1.50""",
)
REGISTERS = {
    "email": "an e-mail",
    "chat": "a chat between two people, a line for each message, with the sender's name before it",
    "call": "the transcript of a telephone call between two people",
    "voice": "what somebody says to a voice assistant or leaves on an answering machine",
    "receipt": "the text of a printed receipt",
    "invoice": "the text of an invoice",
    "delivery_note": "the text of a delivery note",
    "form": "the text of a filled-in form",
    "log": "the lines of a machine's or a system's log",
    "minutes": "a part of the minutes of a meeting",
    "listing": "a listing on a web page",
    "note": "a short note jotted down at work",
    "report": "a short written report",
    "letter": "a letter",
}

UNITS = {  # ends of keys that are units, in words
    "l_ha": "litres per hectare", "kmh": "km/h", "kwh": "kWh", "eur": "euros", "ha": "hectares",
    "kg": "kg", "mg": "mg", "km": "km", "cm": "cm", "mm": "mm", "min": "minutes", "pct": "percent",
    "c": "degrees Celsius", "g": "grams", "h": "hours", "l": "litres", "m": "metres", "s": "seconds",
}  # fmt: skip


@dataclass(frozen=True)
class Teacher:
    """A configured teacher, as in `data/edgejson/teachers.yaml`."""

    name: str
    model: str
    licence: str
    temperature: float
    warmer: float
    top_p: float
    dtype: str = "float32"
    base_url: str = ""
    hub: str = ""
    revision: str = ""

    def temperature_of(self, attempt: int) -> float:
        """Attempts count from 1."""
        return round(min(self.temperature + self.warmer * (attempt - 1), max(WARMEST, self.temperature)), 3)


class Writer(Protocol):
    """What answers calls: `endpoint.Client` or `local_generator.Local`."""

    usage: Usage

    def describe(self) -> dict:
        """What made the answers, for the records."""

    def answers(self, calls: Iterable[Call]) -> Iterator[tuple[int, Reply]]:
        """Position and reply of each call, as they come."""


def teachers(path: Path = CONFIGURED) -> dict[str, Teacher]:
    """The configured teachers by name.

    Raises:
        DataError: the file has an unknown field, or lacks one.
    """
    known, found = {field.name for field in fields(Teacher)}, {}
    for name, options in yaml.safe_load(path.read_text("utf-8")).items():
        if unknown := set(options) - known:
            raise io.DataError(f"{path}: {name}: unknown {sorted(unknown)}; valid: {sorted(known)}")
        try:
            found[name] = Teacher(name=name, **options)
        except TypeError as error:
            raise io.DataError(f"{path}: {name}: {error}") from None
    return found


# --- the prompt ---------------------------------------------------------------------------------


def prompt_sha256() -> str:
    """Hash of all wording that does not come from the record."""
    wording = [SYSTEM, PROSE_SHAPE, LIST_SHAPE, USER, PROSE_SHOT, LIST_SHOT, REGISTERS, UNITS]
    return hashlib.sha256(json.dumps(wording).encode()).hexdigest()


def ask(row: dict, teacher: Teacher, attempt: int, seed: int) -> Call:
    """The call of an attempt; it depends on nothing but its arguments."""
    chance = Random(f"{seed}/{row['id']}/{attempt}")
    number, told = chance.randrange(2**31), "\n".join(facts(row, chance))
    register, schema = row["meta"]["register"], row["input"]["schema"]
    shape, shot = (PROSE_SHAPE, PROSE_SHOT) if register in templates.PROSE else (LIST_SHAPE, LIST_SHOT)
    user = USER.format(
        register=REGISTERS.get(register, f"a {register.replace('_', ' ')}"),
        title=schema.get("title", row["group"].replace("_", " ")),
        description=schema.get("description", ""),
        facts=told,
    )
    turns = zip(
        ("system", "user", "assistant", "user"), (SYSTEM.format(shape=shape), *shot, user), strict=True
    )
    messages = [{"role": role, "content": content} for role, content in turns]
    return Call(messages, 120 + len(told), teacher.temperature_of(attempt), teacher.top_p, number)


def facts(row: dict, chance: Random) -> list[str]:
    """A line for each field of the record, with labels and values as people write them."""
    say = Saying(row, chance)
    lines = []
    for key, value in row["target"].items():
        if isinstance(value, list) and isinstance(value[0], dict):
            count = len(value)
            lines.append(
                [f"- {label(key)} {i + 1} of {count}: {say(v, f'/{key}/{i}')}" for i, v in enumerate(value)]
            )
        else:
            lines.append([f"- {label(key)}: {say(value, f'/{key}')}"])
    chance.shuffle(lines)
    return [line for block in lines for line in block]


def label(key: str) -> str:
    """A key in words: `ready_from` is `ready from`, `dose_mg` is `dose in mg`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
    unit = next((u for u in UNITS if words.endswith(f"_{u}")), None)
    named = f"{words.removesuffix(f'_{unit}')} in {UNITS[unit]}" if unit else words
    return named.replace("_", " ")


class Saying:
    """Values in words; one text keeps to one way to write dates and one to write times."""

    def __init__(self, row: dict, chance: Random):
        self.row, self.chance, self.kinds = row, chance, evidence.kinds(row)
        self.prose = row["meta"]["register"] in templates.PROSE
        dates, times = ("long", "us", "ordinal", "weekday", "iso"), ("h24", "ampm")
        self.styles = {"date": chance.choice(dates), "time": chance.choice(times), "moment": "utc_prose"}

    def __call__(self, value, pointer: str) -> str:
        if isinstance(value, dict):
            return "; ".join(f"{label(key)} {self(part, f'{pointer}/{key}')}" for key, part in value.items())
        if isinstance(value, list):
            return ", then ".join(self(part, f"{pointer}/{i}") for i, part in enumerate(value))
        kind = self.kinds[evidence.pattern(pointer)]
        if kind in evidence.TABLES:
            return self._phrase(value, evidence.TABLES[kind])
        if kind in self.styles:
            timed = kind == "moment" and not value.endswith(":00Z")  # prose has no seconds
            return formats.STYLES["utc_log" if timed else self.styles[kind]](value, self.chance)[0]
        if kind == "number":
            return self._number(value, pointer)
        return self._phone(value, pointer) if kind == "phone" else self._string(value, kind)

    def _phrase(self, value, table: dict[str, dict]) -> str:
        """One of a value's phrases, in a form that suits the register if there is one."""
        suited = [""] if self.prose else [self.row["meta"]["register"], "form", "log", ""]
        for forms in (*({"": table[name]} for name in suited if name in table), table):
            if phrases := [phrase for of, phrase in evidence.telling(forms) if of == value]:
                return self.chance.choice(phrases)
        return str(value)

    def _number(self, value, pointer: str) -> str:
        money = "currency" in self.kinds.values() or label(pointer).endswith("in euros")
        if isinstance(value, float) and money and value == round(value, 2):
            return f"{value:.2f}"
        small = self.prose and value in range(2, 13) and self.chance.random() < 0.4
        return formats.STYLES["words" if small else "plain"](value, self.chance)[0]

    def _phone(self, value: str, pointer: str) -> str:
        """In the groups in which the row's own text has it, if it has."""
        place = self.row["meta"].get("evidence", {}).get(pointer, {"rule": None})
        return self.row["input"]["text"][place["start"] : place["end"]] if place["rule"] == "phone" else value

    @staticmethod
    def _string(value, kind: str) -> str:
        return (
            f"{formats.SYMBOLS[value][1]} ({formats.SYMBOLS[value][0]})" if kind == "currency" else str(value)
        )


# --- the verdict --------------------------------------------------------------------------------

REASONS = {  # in the order in which they are looked for: the first is counted
    "no answer": "the server gave none, after all its retries",
    "truncated": "it did not end within the tokens allowed",
    "refusal": "the model declined",
    "empty": "fewer than three words",
    "too long": "far more words than the facts need",
    "markup": "JSON, markdown or tags",
    "meta talk": "words about the task, such as `Here is the e-mail`",
    "gaps": "gaps to fill in, such as `[Your Name]`",
    "copied facts": "the list of facts, copied",
    "copied example": "something of the example in the prompt",
    "key list": "`Key: value` lines where sentences were asked for",
    "schema words": "keys or values spelt as in the schema",
    "language": "not English in Latin letters",
    "missing": "a field is not told",
    "shared": "one place would have to tell two fields",
    "undecided": "a date, time or number that can be read in two ways",
    "negated": "a phrase stands behind a negation",
    "ambiguous": "two values of one field are told",
    "invented": "a date, time, number or choice that is not in the record",
    "wrong weekday": "a date does not fall on its weekday",
    "order": "the items of a list are mixed up",
    "unproved": "the gates of the data set do not accept it",
}
_KINDS = r"text|e-?mail|message|passage|note|transcript|receipt|invoice|form|log|report|letter|listing|chat"
REFUSAL = re.compile(
    r"\A\W*(?:i'm sorry|i am sorry|sorry|i apologi[sz]e|unfortunately)\b[^.\n]*\b(?:can't|cannot|unable)\b"
    r"|\bas an ai\b|\b(?:ai|language) model\b",
    re.I,
)
META = re.compile(
    r"\A\W*(?:(?:sure|certainly|of course|absolutely|okay)\b\W*)?(?:here(?:'s| is| are)|below is|this is)\b"
    rf"[^\n]{{0,60}}\b(?:{_KINDS})\b[^\n]{{0,60}}:"
    rf"|\A\W*(?:the|this)? ?(?:\w+ )?(?:{_KINDS}) (?:is|reads|says|tells)\b|\A[^\n]{{0,40}}\btext:"
    r"|\A\W*(?:sure|certainly|absolutely)[!,][^\n]*:\s*\n"
    r"|\bhope this helps\b|\bthe facts (?:above|given|provided)\b|\bword for word\b|\bas requested\b"
    r"|^\(?note: (?:this|the|i|all)\b",
    re.I | re.M,
)
MARKUP = re.compile(r"```|\*\*|^#{1,6} |</?[a-z]+>|\"\w+\"\s*:|\A\s*[{\[]\s*[\"{]|\|\s*:?-{3,}", re.M)
EXAMPLE = re.compile(r"\bInes Falk\b|\bSalt Road\b|\btorn cover\b|\bpublic library\b", re.I)
GAPS = re.compile(r"\[[A-Za-z][^\]\n]{0,40}\]|<[A-Z][^>\n]{0,40}>|\bX{3,}\b|_{3,}")
_CHARACTERS = str.maketrans("‘’‚“”„\u00a0\u202f\u2011\u2212", "'''\"\"\"  --")


@dataclass(frozen=True)
class Verdict:
    """What became of a text: a row, or the reason why not. `faults` are those of the evidence."""

    row: dict | None
    reason: str = ""
    faults: tuple[evidence.Fault, ...] = ()

    @property
    def detail(self) -> str:
        return "; ".join(fault.detail for fault in self.faults)


def clean(text: str) -> str:
    """The text as it is kept: plain quotes and spaces, nothing around it."""
    text = unicodedata.normalize("NFC", text).translate(_CHARACTERS)
    text = re.sub(r"[ \t]+$", "", text.replace("\r\n", "\n"), flags=re.M).strip()
    quoted = len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]
    return text[1:-1].strip() if quoted else text


def judge(row: dict, call: Call, reply: Reply) -> Verdict:
    """Take a text or say why not.

    Args:
        row: The row whose record it tells.
        call: What was asked.
        reply: What came back.
    """
    text = clean(reply.text)
    if reason := _formal(text, row, call, reply):
        return Verdict(None, reason)
    found, faults = evidence.find(text, row)
    if faults:
        reasons = {fault.reason for fault in faults}
        return Verdict(None, next(reason for reason in REASONS if reason in reasons), tuple(faults))
    meta = {k: v for k, v in row["meta"].items() if k not in ("template", "noise", "evidence")}
    told = row | {"input": row["input"] | {"text": text}, "meta": meta | {"evidence": found}}
    return _proved(told)


def _formal(text: str, row: dict, call: Call, reply: Reply) -> str | None:
    """The first fault that shows without looking for evidence."""
    asked, register = call.messages[-1]["content"], row["meta"]["register"]
    words = len(text.split())
    return next(
        (
            reason
            for reason, holds in (
                ("no answer", reply.finish == "error"),
                ("truncated", reply.finish == "length"),
                ("refusal", REFUSAL.search(text)),
                ("empty", words < 3),
                ("too long", words > 60 + 3 * len(asked.partition("Facts:\n")[2].split())),
                ("markup", MARKUP.search(text)),
                ("meta talk", META.search(text)),
                ("gaps", GAPS.search(text) and register != "log"),  # logs have their [INFO]
                ("copied facts", _copied(text, asked)),
                ("copied example", EXAMPLE.search(text)),
                ("key list", register in templates.PROSE and checks.looks_like_list(text)),
                ("schema words", _schema_words(text, row)),
            )
            if holds
        ),
        None,
    )


def _copied(text: str, asked: str) -> bool:
    """True if half of the facts' lines stand in the text as they were given, and two at least."""
    lines = [line[2:] for line in asked.splitlines() if line.startswith("- ")]
    return sum(line in text for line in lines) >= max(2, len(lines) / 2)


def _schema_words(text: str, row: dict) -> bool:
    """True if the text has a word with an underscore that the record does not have; logs may."""
    if row["meta"]["register"] == "log":
        return False
    values = {
        str(value) for _, value in checks.leaves(row["target"]) if "_" not in str(value) or "@" in str(value)
    }
    return any(not any(word in value for value in values) for word in re.findall(r"\b[A-Za-z]+_\w+\b", text))


def _proved(row: dict) -> Verdict:
    """The data set's own gates have the last word."""
    gates = [gate({row["split"]: [row]}) for gate in (checks.language, checks.evidence)]
    failed = next((gate for gate in gates if not gate.ok), None)
    if failed is None:
        return Verdict(row)
    fault = evidence.Fault("unproved", failed.name, "; ".join(failed.failures))
    return Verdict(None, "language" if failed is gates[0] else "unproved", (fault,))


# --- the run ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What a run came to. `reasons` and the accepted texts add up to `attempts`."""

    teacher: str
    cases: int
    accepted: int
    attempts: int
    reasons: dict[str, int]
    missing: dict[str, int]  # kinds of leaves that were not told, over all texts that lacked any
    given_up: list[str]  # cases that no attempt told whole
    tokens_in: int
    tokens_out: int
    usage: dict  # of the writer in its last session: requests, retries, faults
    seconds: float  # of the last session

    @cached_property
    def table(self) -> Table:
        """Why texts were rejected, and how many were not."""
        rows = [("accepted", self.accepted, "")]
        rows += [(r, self.reasons[r], why) for r, why in REASONS.items() if r in self.reasons]
        rows += [("all attempts", self.attempts, f"for {self.cases} cases")]
        share = [f"{100 * count / self.attempts:.1f} %" if self.attempts else NONE for _, count, _ in rows]
        lines = [(name, f"{n:,}", part, why) for (name, n, why), part in zip(rows, share, strict=True)]
        return Table.of(("texts", "count", "share", "because"), lines)

    @property
    def summary(self) -> str:
        """One paragraph for people."""
        missed = ", ".join(f"{kind.removeprefix('phrase.')} {n}" for kind, n in self.missing.items())
        each = f" ({self.tokens_out / self.accepted:.0f} written for each)" if self.accepted else ""
        return (
            f"{self.teacher}: {self.accepted} of {self.cases} cases told whole in {self.attempts} attempts; "
            f"{self.tokens_in:,} tokens read and {self.tokens_out:,} written{each}; {self.seconds:.0f} s, "
            f"{self.usage['requests']} requests, {self.usage['retries']} retries."
            + (f"\nNot told, by kind: {missed}." if missed else "")
        )

    def text(self) -> str:
        """For a terminal."""
        return f"{self.table.text()}\n{self.summary}\n"

    def _repr_markdown_(self) -> str:
        return f"{self.table.markdown()}\n{self.summary}\n"


def rewrite(
    rows: Sequence[dict], teacher: Teacher, writer: Writer, *, out: Path, attempts: int = 5, seed: int = 0
) -> Report:
    """Have a teacher put the records of rows into words, and write the rows that came of it.

    What is written: `out` with the rows in the order of `rows`; beside it `.rejected.jsonl` with
    every text that was not taken and why, and `.report.json`. A run that was stopped goes on.

    Args:
        rows: Rows of EdgeJSON, of any split.
        teacher: Who writes, and how warm.
        writer: Where the model runs.
        out: A `.jsonl` file.
        attempts: The most texts asked for a case.
        seed: Another seed gives other texts.

    Raises:
        EndpointError: the server cannot be used; what was answered is kept.
        DataError: `out` was begun with other rows or settings.
    """
    if out.suffix != ".jsonl":
        raise ValueError(f"{out}: the file's name must end in .jsonl")
    settings = {
        "teacher": asdict(teacher) | {"base_url": None},  # a server may move
        "engine": writer.describe(),
        "prompt": {"version": PROMPT_VERSION, "sha256": prompt_sha256()},
        "attempts": attempts,
        "seed": seed,
        "rows": hashlib.sha256("".join(map(io.dumps, rows)).encode()).hexdigest(),
    }
    start = time.perf_counter()
    with Journal(out.with_suffix(".partial.jsonl"), settings) as journal:
        tries = _tries(rows, teacher, writer, journal, attempts, seed)
        taken = [_finished(row, mine, teacher, settings) for row, mine in zip(rows, tries, strict=True)]
        report = _report(rows, tries, writer, teacher.name, time.perf_counter() - start)
        _write(out, rows, tries, [row for row in taken if row], report)
        journal.discard()
    return report


@dataclass(frozen=True)
class Try:
    """An attempt at a case and what became of it."""

    number: int
    reply: Reply
    verdict: Verdict


def _tries(
    rows, teacher: Teacher, writer: Writer, journal: Journal, attempts: int, seed: int
) -> list[list[Try]]:
    """Attempts of every case, in rounds: a round asks once for each case that has no text yet."""
    known = {number: Reply(**record) for number, record in journal.done.items()}
    tries: list[list[Try]] = [[] for _ in rows]
    pending = list(range(len(rows)))
    with progress.bar(total=len(rows), unit="case", desc=teacher.name) as bar:
        for attempt in range(1, attempts + 1):
            calls = {index: partial(ask, rows[index], teacher, attempt, seed) for index in pending}
            first = (attempt - 1) * len(rows)  # the number of an attempt in the journal
            for index, reply in _replies(calls, writer, journal, known, first):
                verdict = judge(rows[index], calls[index](), reply)
                tries[index].append(Try(attempt, reply, verdict))
                bar.update(verdict.row is not None)
                bar.set_postfix_str(f"attempt {attempt} of {attempts}, {writer.usage.tokens_out:,} tokens")
            pending = [index for index in pending if tries[index][-1].verdict.row is None]
    return tries


def _replies(calls: dict[int, Callable[[], Call]], writer: Writer, journal: Journal, known: dict, first: int):
    """Case and reply: what the journal holds, then what the writer says, written down at once."""
    new = [index for index in calls if first + index not in known]
    yield from ((index, known[first + index]) for index in calls if first + index in known)
    for position, reply in writer.answers(calls[index]() for index in new):
        journal.case(first + new[position], asdict(reply), reply.seconds)
        yield new[position], reply


def _finished(row: dict, tries: list[Try], teacher: Teacher, settings: dict) -> dict | None:
    """The new row, with its writer named; None if no attempt told the record whole."""
    told = tries[-1].verdict.row if tries else None
    if told is None:
        return None
    call = ask(row, teacher, tries[-1].number, settings["seed"])
    made = {
        "teacher": teacher.name,
        "model": teacher.model,
        **settings["engine"],
        "prompt": settings["prompt"],
        "attempts": len(tries),
        "temperature": call.temperature,
        "seed": call.seed,
        "tokens_in": sum(each.reply.tokens_in for each in tries),
        "tokens_out": sum(each.reply.tokens_out for each in tries),
    }
    return told | {"id": f"{row['id']}-{teacher.name}", "meta": told["meta"] | {"writer": made}}


def _report(rows, tries: list[list[Try]], writer: Writer, name: str, seconds: float) -> Report:
    every = [each for mine in tries for each in mine]
    rejected = [each.verdict for each in every if each.verdict.row is None]
    missing = Counter(f.kind for verdict in rejected for f in verdict.faults if f.reason == "missing")
    return Report(
        teacher=name,
        cases=len(rows),
        accepted=len(every) - len(rejected),
        attempts=len(every),
        reasons=dict(Counter(verdict.reason for verdict in rejected).most_common()),
        missing=dict(missing.most_common()),
        given_up=[
            r["id"] for r, mine in zip(rows, tries, strict=True) if not mine or mine[-1].verdict.row is None
        ],
        tokens_in=sum(each.reply.tokens_in for each in every),
        tokens_out=sum(each.reply.tokens_out for each in every),
        usage=writer.usage.as_dict(),
        seconds=round(seconds, 3),
    )


def _write(out: Path, rows, tries: list[list[Try]], taken: list[dict], report: Report) -> None:
    for row in taken:
        io.check(row, io.EXAMPLE, where=row["id"])
    rejected = [
        {
            "id": row["id"],
            "attempt": each.number,
            "reason": each.verdict.reason,
            "detail": each.verdict.detail or each.reply.error,
            "text": each.reply.text,
        }
        for row, mine in zip(rows, tries, strict=True)
        for each in mine
        if each.verdict.row is None
    ]
    io.write_jsonl(out.with_suffix(".rejected.jsonl"), rejected)
    io.write_json(out.with_suffix(".report.json"), asdict(report))
    io.write_jsonl(out, taken)


def connect(
    teacher: Teacher, *, base_url: str = "", device: str = "cpu", batch_size: int = 8, **options
) -> Writer:
    """The teacher's server, checked, or the model loaded into this process if it has none.

    Args:
        teacher: Who writes.
        base_url: Address of an OpenAI-compatible server; default the configured one. "local" loads
            the model into this process.
        device, batch_size: where and how many at a time, in this process.
        options: `concurrency`, `timeout`, `retries`, `key_variable` of an `Endpoint`.
    """
    address = base_url or teacher.base_url or "local"
    if address == "local":
        source = {"hub": teacher.hub, "revision": teacher.revision}
        return local_generator.load(
            teacher.name, **source, dtype=teacher.dtype, device=device, batch_size=batch_size
        )
    client = Client(Endpoint(address, teacher.model, **options))
    client.check()
    return client


def main(arguments: list[str] | None = None) -> None:
    """Put EdgeJSON records into words by a language model; only texts that tell a record whole are kept."""
    options = vars(_parser().parse_args(arguments))
    teacher = teachers()[choose("teacher", options.pop("teacher"), teachers())]
    source, limit = options.pop("rows"), options.pop("limit")
    out = options.pop("out") or paths.RUNS / "teacher" / f"{source.stem}-{teacher.name}.jsonl"
    run = {key: options.pop(key) for key in ("attempts", "seed")}
    rows = io.read_jsonl(source, schema=io.EXAMPLE)[:limit]
    report = rewrite(rows, teacher, connect(teacher, **options), out=out, **run)
    print(f"{report.text()}\nwritten: {out}")


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m slmlib.tasks.edgejson.generate.teacher",
        description=main.__doc__,
        formatter_class=formatter,
    )
    add: Callable = parser.add_argument
    add("teacher", help=f"one of {', '.join(teachers())}")
    add("rows", nargs="?", type=Path, default=paths.DATA / "edgejson" / "train.jsonl", help="rows to rewrite")
    add("--limit", type=int, help="only the first so many rows")
    add("--out", type=Path, help="file to write; by default in runs/teacher/")
    add("--attempts", type=int, default=5, help="the most texts asked for a case")
    add("--seed", type=int, default=0, help="another seed gives other texts")
    add(
        "--base-url",
        default="",
        help="the server, or `local` for this process; by default the configured one",
    )
    add("--concurrency", type=int, default=8, help="requests under way at once")
    add("--timeout", type=float, default=Endpoint.timeout, help="seconds for one try")
    add("--retries", type=int, default=5, help="further tries after a fault that may pass")
    add("--key-variable", default="OPENAI_API_KEY", help="environment variable with the server's key")
    add("--device", default="cpu", help="torch device, in this process")
    add("--batch-size", type=int, default=8, help="texts made together, in this process")
    return parser


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; what was answered is kept. Run the same command again to go on.")
    except (ValueError, OSError, EndpointError, models.ModelError, Busy) as error:
        sys.exit(f"error: {error}")
