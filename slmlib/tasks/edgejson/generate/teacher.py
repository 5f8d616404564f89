"""Texts written by a language model for records of EdgeJSON, each accepted only with its evidence.

A teacher, on an OpenAI-compatible server, is asked for a text that states every field of a row's
record. The text is accepted if `evidence` locates each value in it and nothing else of the kind,
and if the new row passes the checks that texts from templates pass. Otherwise the next attempt has
other wordings, another order and a higher temperature. Record and schema stay as they are, and
`meta.writer` records the model, its prompt and its tokens.

Every answer is on disk before it is judged, and a prompt depends only on row and attempt, so
that a run that was killed resumes where it was.

    slmbench teach edgejson qwen2.5-7b-instruct --limit 100     # see teachers.yaml
"""

import argparse
import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import yaml

from slmlib.core import io, paths, progress
from slmlib.core.names import choose
from slmlib.core.resume_log import ResumeLog
from slmlib.engines.openai import Call, OpenAI
from slmlib.tasks.edgejson.generate import checks, evidence
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.textgen import formats, templates

CONFIGURATION = yaml.safe_load((paths.DATA / "edgejson" / "teachers.yaml").read_text("utf-8"))
PROMPT, TEACHERS = CONFIGURATION["prompt"], CONFIGURATION["teachers"]
WARMEST = 1.3  # the highest temperature of an attempt
ATTEMPTS = 5  # most texts to ask for a case
SAMPLING = ("temperature", "top_p", "seed")  # what is recorded of a call
ANSWER = ("text", "finish", "tokens_in", "tokens_out", "error")  # what is recorded of an answer

FAULTS = {  # reason -> pattern of a text that is not only the text; `^` is the start of any line
    "markup": r"```|\*\*|^#{1,6} |</?[a-z]+>|\"\w+\"\s*:|\|\s*:?-{3,}",
    "about the task": r"\A.*\b(?:here(?:'s| is| are)|below is)\b.*:$|\A(?:the|this) text\b"
    r"|^\(?note: this|\b(?:an ai|language model|the facts|as requested|hope this helps)\b",
    "blanks": r"\[[a-z][^\]\n]{0,40}\]|<[a-z][^>\n]{0,40}>|\bX{3,}\b|_{3,}",
    "copied example": "|".join(PROMPT["example"]),
}
_PLAIN = str.maketrans("‘’‚“”„\u00a0\u202f\u2011\u2212", "'''\"\"\"  --")


def prompt(row: dict, teacher: dict, attempt: int) -> Call:
    """The call of an attempt, of which the first is 1; it depends on nothing but its arguments."""
    rng = Random(f"{row['id']}/{attempt}")
    facts = "\n".join(state_facts(row, rng))
    register, schema = row["slices"]["register"], row["input"]["schema"]
    layout = PROMPT["prose" if register in templates.PROSE else "list"]
    about = {key: schema.get(key, "") for key in ("title", "description")}
    kind = PROMPT["registers"][register]
    question = PROMPT["user"].format(register=kind, facts=facts, **about)
    messages = [
        {"role": "system", "content": PROMPT["system"].format(shape=layout["shape"])},
        {"role": "user", "content": layout["facts"]},
        {"role": "assistant", "content": layout["text"]},
        {"role": "user", "content": question},
    ]
    warmer = teacher["temperature"] + teacher["temperature_step"] * (attempt - 1)
    temperature, number = round(min(warmer, WARMEST), 3), rng.randrange(2**31)
    return Call(messages, 120 + len(facts), temperature, teacher["top_p"], number)


def state_facts(row: dict, rng: Random) -> list[str]:
    """A line for each field of the record, with labels and values as people write them.

    A text keeps to one notation of dates and one of times.
    """
    kinds = evidence.kinds(row)
    styles = {
        "number": "plain",
        "date": rng.choice(("long", "us", "ordinal", "weekday", "iso")),
        "time": rng.choice(("h24", "ampm")),
        "moment": "utc_log",
    }

    def say(value, pointer: str) -> str:
        if isinstance(value, dict):
            return "; ".join(f"{label(k)} {say(v, f'{pointer}/{k}')}" for k, v in value.items())
        if isinstance(value, list):
            return ", then ".join(say(item, f"{pointer}/*") for item in value)
        kind = kinds[pointer]
        if kind.startswith(evidence.PHRASE):
            table = PHRASES[kind.removeprefix(evidence.PHRASE)]
            forms = [table[""]] if "" in table else table.values()
            phrases = [phrase for form in forms for phrase in form.get(value, ())]
            clear = [p for p in phrases if p.casefold() not in evidence.FUNCTION_WORDS]
            return rng.choice(clear) if clear else str(value)
        if kind == "currency":
            return f"{formats.SYMBOLS[value][1]} ({formats.SYMBOLS[value][0]})"
        return formats.STYLES[styles.get(kind, "string")](value, rng)[0]

    lines = [f"- {label(key)}: {say(value, f'/{key}')}" for key, value in row["target"].items()]
    rng.shuffle(lines)
    return lines


def label(key: str) -> str:
    """A key in words: `readyFrom` is `ready from`, `dose_mg` is `dose in mg`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
    unit = next((unit for unit in PROMPT["units"] if words.endswith(f"_{unit}")), None)
    if unit:
        words = f"{words.removesuffix(f'_{unit}')} in {PROMPT['units'][unit]}"
    return words.replace("_", " ")


def judge(row: dict, answer: dict) -> tuple[dict | None, str]:
    """The row with an accepted text and its evidence, or None and a reason against the text.

    Args:
        row: The row whose record the text states.
        answer: A recorded answer, with the keys of `ANSWER`.
    """
    if answer["finish"] != "stop":
        return None, f"no whole answer: {answer['finish']} {answer['error']}"
    text = re.sub(r"[ \t\r]+$", "", answer["text"].translate(_PLAIN), flags=re.M).strip()
    register = row["slices"]["register"]
    for reason, pattern in FAULTS.items():
        if re.search(pattern, text, re.I | re.M) and (reason, register) != ("blanks", "log"):
            return None, reason  # a log may contain [INFO]
    if register in templates.PROSE and checks.looks_like_list(text):
        return None, "key list"
    places, faults = evidence.locate(text, row)
    if faults:
        return None, "; ".join(faults)
    slices = {key: value for key, value in row["slices"].items() if key != "noise"}
    meta = {k: v for k, v in row["meta"].items() if k != "template"} | {"evidence": places}
    new = row | {"slices": slices, "input": row["input"] | {"text": text}, "meta": meta}
    for check in checks.per_case({row["split"]: [new]}):
        if not check.ok:
            return None, f"check {check.name}: {'; '.join(check.failures)}"
    return new, ""


def rewrite(rows: Sequence[dict], name: str, client: OpenAI, *, out: Path) -> dict:
    """Have a teacher write new texts for rows, and write the rows of accepted texts to `out`.

    Beside `out` is `.rejected.jsonl`, with the reason of each rejection.

    Args:
        rows: Rows of EdgeJSON with different ids.
        name: The teacher's name in `teachers.yaml`.
        client: Of the server that has its model; an error of it keeps the answers so far.
        out: A `.jsonl` file.

    Returns:
        Counts of cases, accepted and rejected texts, and tokens.
    """
    teacher, prompt_sha256 = TEACHERS[name], hashlib.sha256(io.dumps(PROMPT).encode()).hexdigest()
    settings = {
        "teacher": teacher | {"base_url": ""},  # a server may move
        "prompt_sha256": prompt_sha256,
        "rows": hashlib.sha256("".join(map(io.dumps, rows)).encode()).hexdigest(),
    }
    accepted: dict[str, dict] = {}
    rejected: list[dict] = []
    with ResumeLog(out.with_suffix(".partial.jsonl"), settings) as log:
        answers = dict(log.done)
        for attempt in range(1, ATTEMPTS + 1):
            pending = {row["id"]: row for row in rows if row["id"] not in accepted}
            calls = {key: prompt(row, teacher, attempt) for key, row in pending.items()}
            new = [key for key in pending if (key, attempt) not in answers]
            replies = client.answers([calls[key] for key in new])
            for index, reply in progress.bar(replies, total=len(new), desc=f"attempt {attempt}"):
                answer = {field: getattr(reply, field) for field in ANSWER}
                answers[new[index], attempt] = answer
                log.add((new[index], attempt), answer, reply.seconds)
            for key, row in pending.items():
                answer = answers[key, attempt]
                result, reason = judge(row, answer)
                if result is None:
                    rejected.append({"id": key, "attempt": attempt, "reason": reason, **answer})
                    continue
                writer = {
                    **{"name": name, "model": teacher["model"], "revision": teacher["revision"]},
                    "prompt_sha256": prompt_sha256,
                    **{field: getattr(calls[key], field) for field in SAMPLING},
                    "attempt": attempt,
                    **{field: answer[field] for field in ("tokens_in", "tokens_out")},
                }
                meta = result["meta"] | {"writer": writer}
                accepted[key] = result | {"id": f"{key}-{name}", "meta": meta}
        io.write_jsonl(out, [accepted[row["id"]] for row in rows if row["id"] in accepted])
        io.write_jsonl(out.with_suffix(".rejected.jsonl"), rejected)
        log.discard()
    reasons = Counter(each["reason"].partition(":")[0] for each in rejected)
    return {
        "cases": len(rows),
        "accepted": len(accepted),
        "rejected": dict(reasons.most_common()),
        "tokens": sum(each["tokens_in"] + each["tokens_out"] for each in answers.values()),
    }


def main(arguments: list[str] | None = None) -> None:
    """Have a language model rewrite texts; those that state their whole record are accepted."""
    parser = argparse.ArgumentParser(prog="slmbench teach edgejson", description=main.__doc__)
    train = paths.DATA / "edgejson" / "train.jsonl"
    parser.add_argument("teacher", help="a name in data/edgejson/teachers.yaml")
    parser.add_argument(
        "rows",
        nargs="?",
        type=Path,
        default=train,
        help="rows to rewrite; the training split by default",
    )
    parser.add_argument("--out", type=Path, help="file to write; by default in runs/teacher")
    parser.add_argument("--limit", type=int, help="rewrite only the first rows")
    parser.add_argument(
        "--base-url", help="address of the server, instead of the one in teachers.yaml"
    )
    parser.add_argument(
        "--concurrency", type=int, default=8, help="texts written at once, 8 by default"
    )
    options = parser.parse_args(arguments)
    teacher = TEACHERS[choose("teacher", options.teacher, TEACHERS)]
    rows = io.read_jsonl(options.rows, schema=checks.SAMPLE)[: options.limit]
    out = options.out or paths.RUNS / "teacher" / f"{options.rows.stem}-{options.teacher}.jsonl"
    address = options.base_url or teacher["base_url"]
    client = OpenAI(address, teacher["model"], batch_size=options.concurrency)
    client.check()
    report = rewrite(rows, options.teacher, client, out=out)
    print(f"{json.dumps(report, indent=2)}\nWritten: {out}")
