"""The data card's numbers and samples, written from the data, so that no number is typed by hand.

`README.md` keeps its prose by hand; what stands between `<!-- name -->` and `<!-- /name -->` is
made here: the statistics, and the first case of each tier of each split that is not for tuning.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from statistics import median

from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import checks, samplers
from slmlib.tasks.edgejson.generate.checks import Rows
from slmlib.textgen import templates
from slmlib.textgen.templates import kind_of

SAMPLED = ("train", "test", checks.UNSEEN, checks.NOISY)  # three cases of each are shown
TOKENIZER = "smollm2-135m-instruct"  # whose tokens the card counts: every machine has it
Count = Callable[[str], int]


def render(text: str, rows: Rows, count: Count) -> str:
    """The card with its generated parts made anew; `count` gives a string's tokens."""
    for name, part in (("statistics", statistics(rows, count)), ("samples", samples(rows))):
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        text = block.sub(lambda match, part=part: f"{match[1]}{part}\n{match[2]}", text)
    return text


def statistics(rows: Rows, count: Count) -> str:
    """Tables of splits, lengths, fields, registers, noise, rules of evidence and schemas, in Markdown."""
    parts = (
        _splits(rows), _lengths(rows, count), _domains(rows), _fields(rows), _registers(rows), _noise(rows),
        _rules(rows), _schemas(rows),
    )  # fmt: skip
    return "\n\n".join(parts)


def _table(head: tuple, body) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _every(rows: Rows) -> list[dict]:
    return [row for cases in rows.values() for row in cases]


def _splits(rows: Rows) -> str:
    body = []
    for split, cases in rows.items():
        tiers = [sum(row["tier"] == tier for row in cases) for tier in schemas.TIERS]
        lists = sum(checks.looks_like_list(row["input"]["text"]) for row in cases) / len(cases)
        kinds = [len({row["group"] for row in cases}), len({row["meta"]["register"] for row in cases})]
        body.append((split, len(cases), *kinds, *tiers, f"{lists:.1%}"))
    head = ("split", "cases", "schemas", "registers", *schemas.TIERS, "look like `Key: value` lists")
    return _table(head, body)


def _spread(values: list[int]) -> str:
    return f"{median(values):.0f} ({min(values)}–{max(values)})"


def _lengths(rows: Rows, count: Count) -> str:
    body = []
    for tier in schemas.TIERS:
        cases = [row for row in _every(rows) if row["tier"] == tier]
        leaves = [len(row["meta"]["evidence"]) for row in cases]
        texts = [count(row["input"]["text"]) for row in cases]
        asked = [count(schemas.for_prompt(row["input"]["schema"])) for row in cases]
        targets = [count(json.dumps(row["target"], ensure_ascii=False)) for row in cases]
        body.append((tier, len(cases), *map(_spread, (leaves, texts, asked, targets))))
    head = ("tier", "cases", "leaves", "text", "schema as asked", "target")
    told = (
        f"Median (shortest–longest), in tokens of {TOKENIZER} but for the leaves; answers as models write "
        "JSON, with a space behind commas and colons. No target is longer than "
        f"{checks.MAX_TARGET_TOKENS} tokens: a gate refuses it."
    )
    return f"{told}\n\n{_table(head, body)}"


def _counted(head: tuple, counts: Counter) -> str:
    """A table of names and how often they occur, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    body = [(f"`{name}`", count, f"{count / counts.total():.1%}") for name, count in ordered]
    return _table(head, body)


def _domains(rows: Rows) -> str:
    counts = Counter(row["meta"]["domain"] for row in _every(rows))
    reserved = ", ".join(samplers.RESERVED)
    told = f"Domains; {reserved} occur in `{checks.UNSEEN}` alone:"
    return f"{told}\n\n{_counted(('domain', 'cases', 'share'), counts)}"


def _fields(rows: Rows) -> str:
    counts = Counter(kind for row in _every(rows) for kind in kinds(row["input"]["schema"], row["meta"]))
    return "Leaves of the targets by kind:\n\n" + _counted(("kind", "leaves", "share"), counts)


def kinds(schema: dict, meta: dict) -> list[str]:
    """The kind of every leaf of a target."""
    known = {pointer: _kind(node) for pointer, node in schemas.leaves(schema).items()}
    return [known[re.sub(r"/\d+(?=/|$)", "/*", pointer)] for pointer in meta["evidence"]]


def _kind(node: dict) -> str:
    """What a leaf holds, a little finer than its type."""
    if "enum" in node:
        return "enum"
    kind = kind_of(node)
    return "code" if kind == "string" and "pattern" in node else node.get("format", kind)


def _registers(rows: Rows) -> str:
    every = _every(rows)
    templates = [t for group in schemas.groups() for t in templates.templates(group)]
    body = []
    for register in sorted(templates.TEXT_STYLES):
        written = [template for template in templates if template.register == register]
        groups = {template.group for template in written}
        cases = sum(row["meta"]["register"] == register for row in every)
        body.append((register, len(groups), len(written), cases))
    return _table(("register", "hand-designed schemas", "templates", "cases"), body)


def _noise(rows: Rows) -> str:
    counts = Counter(kind for row in _every(rows) for kind in row["meta"].get("noise", ()))
    return "Noise:\n\n" + _counted(("kind", "cases", "share"), counts)


def _rules(rows: Rows) -> str:
    rules = (place["rule"] for row in _every(rows) for place in row["meta"]["evidence"].values())
    counts = Counter(re.sub(r"phrase\..*", "phrase", rule) for rule in rules)
    told = (
        "How the leaves are found in the text (`phrase` stands for all phrase tables; what stands before a "
    )
    return f"{told}`+` mends what noise has done):\n\n" + _counted(("rule", "leaves", "share"), counts)


def _schemas(rows: Rows) -> str:
    tally = Counter(row["group"] for row in _every(rows))
    body = []
    for group in sorted(schemas.groups(), key=lambda g: (schemas.TIERS.index(schemas.tier(g)), g)):
        schema = schemas.load(group)
        nodes = [node for _, node in schemas.walk(schema)]
        optional = sum(len(n.get("properties", {})) - len(n.get("required", ())) for n in nodes)
        counts = (len(schemas.leaves(schema)), optional, len(schema.get("x-rules", ())), tally[group])
        body.append((f"`{group}`", schemas.tier(group), samplers.domain(group), *counts))
    head = ("schema", "tier", "domain", "leaf fields", "optional properties", "cross-field rules", "cases")
    composed = {row["group"]: row["meta"]["root"] for row in _every(rows) if "composed" in row["meta"]}
    roots = ", ".join(f"`{root}` {count}" for root, count in sorted(Counter(composed.values()).items()))
    told = f"Beside them {len(composed)} composed schemas, by root entity: {roots}."
    return f"Hand-designed schemas:\n\n{_table(head, body)}\n\n{told}"


def samples(rows: Rows) -> str:
    """The first case of each tier of the sampled splits, unedited."""
    firsts = [
        next(row for row in rows[split] if row["tier"] == tier)
        for split in SAMPLED if split in rows
        for tier in schemas.TIERS
    ]  # fmt: skip
    return "\n\n".join(map(_sample, firsts))


def _sample(row: dict) -> str:
    target = json.dumps(row["target"], ensure_ascii=False)
    noise = "".join(f" · {kind}" for kind in row["meta"].get("noise", ()))
    head = f"**{row['id']}** · `{row['group']}` · {row['tier']} · {row['meta']['register']}{noise}"
    fence = "`" * max(4, *(len(run) + 1 for run in re.findall("`+", row["input"]["text"])), 4)
    return f"{head}\n\n{fence}text\n{row['input']['text']}\n{fence}\n\n{fence}json\n{target}\n{fence}"


def highlight(row: dict) -> str:
    """The text of a case as HTML, the evidence marked and each mark naming its fields and rules."""
    text, evidence = row["input"]["text"], row["meta"]["evidence"]
    cuts = sorted({0, len(text), *(place[side] for place in evidence.values() for side in ("start", "end"))})
    pieces = [_piece(text[a:b], _covering(evidence, a, b)) for a, b in pairwise(cuts)]
    return f'<div style="white-space: pre-wrap">{"".join(pieces)}</div>'


def _covering(evidence: dict, start: int, end: int) -> list[str]:
    covers = (item for item in evidence.items() if item[1]["start"] <= start and end <= item[1]["end"])
    return [f"{pointer} ({place['rule']})" for pointer, place in covers]


def _piece(text: str, fields: list[str]) -> str:
    if not fields:
        return html.escape(text)
    style = "background: #009e7355; color: inherit; border-radius: 3px"
    return f'<mark style="{style}" title="{html.escape(", ".join(fields))}">{html.escape(text)}</mark>'
