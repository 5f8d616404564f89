"""The data card's numbers and samples, written from the data, so that no number is typed by hand.

`README.md` keeps its prose by hand; what stands between `<!-- name -->` and `<!-- /name -->` is
made here: the statistics, and a case of each kind.
"""

import html
import json
import re
from itertools import pairwise
from statistics import median

from slmlib.edgejson import passages, schemas, validation
from slmlib.edgejson.validation import Rows

SAMPLES = (  # group and register of the cases shown
    ("smart_home_command", "chat"),
    ("expense_claim", "call"),
    ("sensor_alert", "note"),
    ("parcel_pickup", "email"),
    ("crop_treatment", "voice"),
    ("delivery_round", "chat"),
)
LIMIT = (
    f"No target is longer than {validation.MAX_TARGET_TOKENS} tokens of SmolLM2's tokenizer; a gate refuses "
    "it. A run allows more than that for an answer and names its limit (`max_new_tokens`) in its result."
)


def render(text: str, rows: Rows) -> str:
    """The card with its generated parts made anew."""
    for name, part in (("statistics", statistics(rows)), ("samples", samples(rows))):
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        text = block.sub(lambda match, part=part: f"{match[1]}{part}\n{match[2]}", text)
    return text


def statistics(rows: Rows) -> str:
    """Tables of splits, schemas, registers and rules of evidence, in Markdown."""
    parts = (_splits(rows), _lengths(rows), _schemas(rows), _registers(rows), _rules(rows))
    return "\n\n".join((*parts, LIMIT))


def _table(head: tuple, body) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _every(rows: Rows) -> list[dict]:
    return [row for cases in rows.values() for row in cases]


def _splits(rows: Rows) -> str:
    body = []
    for split, cases in rows.items():
        tiers = [sum(row["tier"] == tier for row in cases) for tier in schemas.TIERS]
        share = sum(validation.looks_like_list(row["input"]["text"]) for row in cases) / len(cases)
        body.append((split, len(cases), *tiers, f"{share:.1%}"))
    return _table(("split", "cases", *schemas.TIERS, "look like `Key: value` lists"), body)


def _spread(values: list[int]) -> str:
    return f"{median(values):.0f} ({min(values)}–{max(values)})"


def _lengths(rows: Rows) -> str:
    body = []
    for tier in schemas.TIERS:
        cases = [row for row in _every(rows) if row["tier"] == tier]
        leaves = [len(row["meta"]["evidence"]) for row in cases]
        texts = [len(row["input"]["text"]) for row in cases]
        prompts = [len(schemas.for_prompt(row["input"]["schema"])) for row in cases]
        targets = [len(schemas.compact(row["target"])) for row in cases]
        body.append((tier, *map(_spread, (leaves, texts, prompts, targets))))
    head = ("tier", "leaves", "text", "schema as asked", "target")
    return "Median (shortest–longest), in characters but for the leaves:\n\n" + _table(head, body)


def _schemas(rows: Rows) -> str:
    body = []
    for group in sorted(schemas.groups(), key=lambda g: (schemas.TIERS.index(schemas.tier(g)), g)):
        schema = schemas.load(group)
        optional = sum(
            len(n.get("properties", {})) - len(n.get("required", ())) for _, n in schemas.walk(schema)
        )
        cases = sum(row["group"] == group for row in _every(rows))
        rules = len(schema.get("x-rules", ()))
        body.append((f"`{group}`", schemas.tier(group), len(schemas.leaves(schema)), optional, rules, cases))
    return _table(
        ("schema", "tier", "leaf fields", "optional properties", "cross-field rules", "cases"), body
    )


def _registers(rows: Rows) -> str:
    every = _every(rows)
    body = []
    for register in sorted({row["meta"]["register"] for row in every}):
        groups = [group for group in schemas.groups() if register in passages.registers(group)]
        templates = sum(len(passages.templates(group)[register]) for group in groups)
        body.append(
            (register, len(groups), templates, sum(row["meta"]["register"] == register for row in every))
        )
    return _table(("register", "schemas", "templates", "cases"), body)


def _rules(rows: Rows) -> str:
    used: dict[str, int] = {}
    for row in _every(rows):
        for place in row["meta"]["evidence"].values():
            rule = "phrase" if place["rule"].startswith("phrase.") else place["rule"]
            used[rule] = used.get(rule, 0) + 1
    body = [
        (f"`{rule}`", count, f"{count / sum(used.values()):.1%}")
        for rule, count in sorted(used.items(), key=_rank)
    ]
    return "How the leaves are found in the text (`phrase` stands for all phrase tables):\n\n" + _table(
        ("rule", "leaves", "share"), body
    )


def _rank(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def samples(rows: Rows) -> str:
    """The last case of each kind in `SAMPLES`, from test if there is one, unedited."""
    return "\n\n".join(
        _sample(next(row for row in _every(rows)[::-1] if _is(row, *kind))) for kind in SAMPLES
    )


def _is(row: dict, group: str, register: str) -> bool:
    return row["group"] == group and row["meta"]["register"] == register


def _sample(row: dict) -> str:
    target = json.dumps(row["target"], ensure_ascii=False)
    head = f"**{row['id']}** · `{row['group']}` · {row['tier']} · {row['meta']['register']}"
    return f"{head}\n\n````text\n{row['input']['text']}\n````\n\n````json\n{target}\n````"


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
