"""The data card's numbers and samples, written from the data, so that no number is typed by hand.

The prose of `README.md` is written by hand; the parts between `<!-- name -->` and `<!-- /name -->`
are generated: the statistics, and the first case of each tier of the training and test splits.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from statistics import median

from slmlib.models import weights
from slmlib.tasks.data_checks import every
from slmlib.tasks.datasets import Rows
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import case_sources, checks, samplers
from slmlib.textgen.templates import TEXT_STYLES, kind_of

SAMPLED = ("train", "test", checks.UNSEEN, checks.NOISY)  # three cases of each are shown
TOKENIZER = "smollm2-135m-instruct"  # the card counts its tokens: every installation has it


@cache
def counter(model: str) -> Callable[[str], int]:
    """A function that counts the tokens of a string for a model."""
    tokenizer = weights.vocabulary(model).tokenizer
    return lambda text: len(tokenizer.encode(text))


def render(card: str, rows: Rows) -> str:
    """The card with its parts generated again."""
    for name, part in (("statistics", statistics(rows)), ("samples", samples(rows))):
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        card = block.sub(lambda match, part=part: f"{match[1]}{part}\n{match[2]}", card)
    return card


def statistics(rows: Rows) -> str:
    """Tables of splits, lengths, domains, fields, registers, noise, rules and schemas."""
    cases, count = list(every(rows)), counter(TOKENIZER)
    splits, lengths = [], []
    for split, part in rows.items():
        tally = Counter(row["slices"]["tier"] for row in part)
        lists = sum(checks.looks_like_list(row["input"]["text"]) for row in part) / len(part)
        registers = {row["slices"]["register"] for row in part}
        numbers = (len(part), len({row["group"] for row in part}), len(registers))
        splits.append((split, *numbers, *(tally[t] for t in schemas.TIERS), f"{lists:.1%}"))
    for tier in schemas.TIERS:
        part = [row for row in cases if row["slices"]["tier"] == tier]
        columns = (
            [len(row["meta"]["evidence"]) for row in part],
            [count(row["input"]["text"]) for row in part],
            [count(schemas.for_prompt(row["input"]["schema"])) for row in part],
            [count(json.dumps(row["target"], ensure_ascii=False)) for row in part],
        )
        spreads = (f"{median(c):.0f} ({min(c)}–{max(c)})" for c in columns)
        lengths.append((tier, len(part), *spreads))
    domains = Counter(row["meta"]["domain"] for row in cases)
    leaves = Counter(k for row in cases for k in kinds(row["input"]["schema"], row["meta"]))
    noises = Counter(row["slices"]["noise"] for row in cases if "noise" in row["slices"])
    places = (place for row in cases for place in row["meta"]["evidence"].values())
    rules = Counter(re.sub(r"phrase\..*", "phrase", place["rule"]) for place in places)
    registers = Counter(row["slices"]["register"] for row in cases)
    templates = [t for group in schemas.groups() for t in case_sources.templates_of(group)]
    texts = []
    for register in sorted(TEXT_STYLES):
        groups = [t.group for t in templates if t.register == register]
        texts.append((register, len(set(groups)), len(groups), registers[register]))
    split_head = f"split | cases | schemas | registers | {' | '.join(schemas.TIERS)} | look like"
    parts = (
        _table(f"{split_head} `Key: value` lists", splits),
        f"Median (minimum–maximum), in tokens of {TOKENIZER} except for the leaves; answers are "
        "measured as models write JSON, with a space after commas and colons. No target is longer "
        f"than {checks.MAX_TARGET_TOKENS} tokens: a check refuses it.",
        _table("tier | cases | leaves | text | schema in the prompt | target", lengths),
        f"Domains; {', '.join(samplers.RESERVED)} occur only in `{checks.UNSEEN}`:",
        _shares("domain", "cases", domains),
        "Leaves of the targets by kind:",
        _shares("kind", "leaves", leaves),
        _table("register | hand-designed schemas | templates | cases", texts),
        "Noise:",
        _shares("kind", "cases", noises),
        "How the leaves are read from the text (`phrase` stands for all phrase tables; a name "
        "before `+` repairs what noise has changed):",
        _shares("rule", "leaves", rules),
        *_schemas(cases),
    )
    return "\n\n".join(parts)


def _table(head: str, body) -> str:
    names = head.split(" | ")
    lines = [names, ["---"] * len(names), *body]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _shares(name: str, unit: str, counts: Counter) -> str:
    """A table of names and how often they occur, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    body = [(f"`{name}`", count, f"{count / counts.total():.1%}") for name, count in ordered]
    return _table(f"{name} | {unit} | share", body)


def _schemas(cases: list[dict]) -> tuple[str, str, str]:
    """The hand-designed schemas, and the number of composed ones by root entity."""
    tally, body = Counter(row["group"] for row in cases), []
    for group in sorted(schemas.groups(), key=lambda g: (schemas.TIERS.index(schemas.tier(g)), g)):
        schema = schemas.load(group)
        nodes = [node for _, node in schemas.walk(schema)]
        optional = sum(len(n.get("properties", {})) - len(n.get("required", ())) for n in nodes)
        fields, rules = len(schemas.leaves(schema)), len(schema.get("x-rules", ()))
        about = (f"`{group}`", schemas.tier(group), samplers.domain(group))
        body.append((*about, fields, optional, rules, tally[group]))
    head = "schema | tier | domain | leaf fields | optional properties | cross-field rules | cases"
    roots = {row["group"]: row["meta"]["root"] for row in cases if "root" in row["meta"]}
    counts = sorted(Counter(roots.values()).items())
    listed = ", ".join(f"`{root}` {count}" for root, count in counts)
    composed = f"Besides them {len(roots)} composed schemas, by root entity: {listed}."
    return "Hand-designed schemas:", _table(head, body), composed


def kinds(schema: dict, meta: dict) -> list[str]:
    """The kind of every leaf of a target, a little finer than its type."""
    names = {}
    for pointer, node in schemas.leaves(schema).items():
        kind = kind_of(node)
        code = kind == "string" and "pattern" in node
        names[pointer] = "enum" if "enum" in node else "code" if code else node.get("format", kind)
    return [names[re.sub(r"/\d+(?=/|$)", "/*", pointer)] for pointer in meta["evidence"]]


def samples(rows: Rows) -> str:
    """The first case of each tier of the sampled splits, unedited."""
    parts = []
    for split in SAMPLED:
        for tier in schemas.TIERS if split in rows else ():
            row = next(row for row in rows[split] if row["slices"]["tier"] == tier)
            slices, text = row["slices"], row["input"]["text"]
            noise = f" · {slices['noise']}" if "noise" in slices else ""
            head = f"**{row['id']}** · `{row['group']}` · {tier} · {slices['register']}{noise}"
            fence = "`" * max([4, *(len(run) + 1 for run in re.findall("`+", text))])
            target = json.dumps(row["target"], ensure_ascii=False)
            blocks = (f"{fence}text\n{text}\n{fence}", f"{fence}json\n{target}\n{fence}")
            parts += [head, *blocks]
    return "\n\n".join(parts)
