"""A whole text of a composed record: a frame of its register around what is told.

Running text stands here: paragraphs, the points of a meeting, fragments, log lines. `dialogues`
makes calls and chats, `documents` forms and bills.
"""

from datetime import timedelta
from random import Random

from slmlib.tasks.edgejson.generate.composer import (
    dialogues,
    documents,
    entity_parser,
    sentences,
    text_frames,
)
from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity
from slmlib.tasks.edgejson.generate.composer.instances import Blueprint, Instance, Part
from slmlib.tasks.edgejson.generate.composer.surface import Path, proper_names
from slmlib.tasks.edgejson.generate.composer.text_plan import Bit, Teller
from slmlib.textgen import templates
from slmlib.textgen.sampling_context import DAYS, FIRST_DAY
from slmlib.textgen.templates import Passage

FRIENDS = ("Alex", "Sam", "Kim", "Robin", "Chris", "Jo")  # fits every country
BULLETED = ("email", "letter", "report", "listing")
POINT_MARKS = ("{}. ", "{}) ", "- ", "* ", "TOP {}: ")


def write(blueprint: Blueprint, register: str, instance: Instance, rng: Random) -> Passage:
    """Put a composed record into words.

    Args:
        blueprint: What `blueprints.compose` made.
        register: One of `registers(blueprint)`.
        instance: What `instances.sample` drew beside the record.
        rng: Chooses lines, styles and layout.
    """
    teller = Teller(instance, register, _surroundings(blueprint, instance, rng), rng)
    dialogues.cast(teller)
    if teller.chance(0.25):
        teller.context["aside"] = teller.one("asides")
    pieces = [_piece(teller, node) for node in rng.choice(text_frames.frames(register))]
    text = "".join(pieces).strip()
    return teller.finish(dialogues.merged(text) if register == "call" else text)


def registers(blueprint: Blueprint) -> tuple[str, ...]:
    """The registers in which a blueprint is natural: not everything comes with a receipt."""
    entity, barred = entity_parser.load(blueprint.root), set()
    if not any(field.child for field in entity.fields.values()):
        barred |= {"letter"}  # nobody writes a letter about a split time
    if not _asks_for_money(entity, blueprint.parts):
        barred |= {"receipt", "invoice"}
    has = set(templates.TEXT_STYLES) - set(entity_parser.SPECIAL) | set(entity.registers)
    return tuple(r for r in templates.TEXT_STYLES if r in has - barred)


def _asks_for_money(entity: Entity, parts: tuple[Part, ...]) -> bool:
    """True if an amount is among what a schema asks for, be it in a child."""
    for part in parts:
        holder = entity
        for name in part.source:
            if name in holder.money:
                return True
            child = holder.fields[name].child
            holder = entity_parser.load(child) if child else holder
        if _asks_for_money(holder, part.parts):
            return True
    return False


def _piece(teller: Teller, node: tuple | str) -> str:
    """A node of a frame in words; the slots of MADE are what is told."""
    if not isinstance(node, str) and node[0] == "slot" and node[1] in MADE:
        return MADE[node[1]](teller)
    teller.home, teller.fresh = (), True
    return teller.render((node,), ())


def _surroundings(blueprint: Blueprint, instance: Instance, rng: Random) -> dict:
    """What a frame may mention: nobody who could be taken for somebody in the record."""
    made = dict(instance.context)
    held = _names_held(blueprint.root, _fields(blueprint.parts))
    made["sender"] = made["agent"] if "person" in held else made["sender"]
    houses = text_frames.names(f"houses {blueprint.domain}") or (made["firm"],)
    made["firm"] = None if "firm" in held or rng.random() < 0.3 else rng.choice(houses)
    made["agent"] = made["friend"]
    made["clerk"] = None if "person" in held or rng.random() < 0.5 else made["agent"]
    made["friend"] = rng.choice([name for name in FRIENDS if name not in (made["agent"], made["sender"])])
    made["title"] = rng.choice(entity_parser.load(blueprint.root).titles)
    made["day"] = (FIRST_DAY + timedelta(days=rng.randrange(DAYS))).isoformat()
    made["code"] = f"{rng.choice('KQWZ')}{rng.choice('HJPX')}/{rng.randint(100, 999)}"
    return made


def _fields(parts: tuple[Part, ...]) -> set[str]:
    return {name for part in parts for name in (part.source[:1] or _fields(part.parts))}


def _names_held(root: str, names: set[str]) -> set[str]:
    """Whether a schema asks for names of people or of firms."""
    fields, own, found = entity_parser.load(root).fields, proper_names(root), set()
    for name in names:
        child = fields[name].child
        found |= set(proper_names(child).values()) if child else {own[name]} if name in own else set()
    return found


# Running text.


def _body(teller: Teller) -> str:
    """Paragraphs; a listing may also be fragments."""
    teller.bullets = teller.register in BULLETED and teller.chance(0.4)
    if teller.register == "listing" and teller.chance(0.5):
        return _fragment_lines(teller)
    joint = " " if teller.register == "voice" else "\n\n" if teller.chance(0.75) else "\n"
    return joint.join(_paragraphs(teller, teller.bits("sentences")))


def _points(teller: Teller) -> str:
    """The points of a meeting: those of this case among others."""
    points = _paragraphs(teller, teller.bits("sentences"))
    points.insert(teller.rng.randint(0, len(points)), teller.one("points"))
    if teller.chance(0.5) and (other := teller.one("points")) not in points:
        points.insert(teller.rng.choice((0, len(points))), other)
    mark = teller.rng.choice(POINT_MARKS)
    return "\n".join(mark.format(i) + point for i, point in enumerate(points, 1))


def _paragraphs(teller: Teller, bits: list[Bit]) -> list[str]:
    """Sentences in paragraphs: one for each thing, or several things together."""
    most, groups, home = teller.rng.choice((3, 4, 5, 7)), [[]], bits[0].home
    for bit in bits:
        full = len(groups[-1]) >= (most if bit.home == home else teller.rng.choice((1, 2, 3)))
        if groups[-1] and ("\n" in groups[-1][-1] or (full and not sentences.leans(bit.text))):
            groups.append([])
        groups[-1].append(sentences.listed_apart(bit.text))
        home = bit.home
    weaving = teller.rng.choice((0.0, 0.3, 0.6))
    return [sentences.woven(group, weaving, teller.rng) for group in groups]


# Fragments.


def _fragments(teller: Teller) -> str:
    if teller.chance(0.75):
        return _fragment_lines(teller)
    return "\n".join(_paragraphs(teller, teller.bits("sentences")))


def _fragment_lines(teller: Teller) -> str:
    """Fragments, those of one thing on one line, or each on a line of its own."""
    runs, rng = _runs(teller), teller.rng
    mark = rng.choice((", ", ", ", "; ", " / ", " - ", ". "))
    if teller.chance(0.2):
        lead = rng.choice(("- ", "* ", "", "> "))
        return "\n" + "\n".join(lead + text for head, texts in runs for text in (head + texts[0], *texts[1:]))
    lines = [head + mark.join(texts) + ("." if mark == ". " else "") for head, texts in runs]
    return rng.choice(("\n", "\n", " " if mark == ". " else ". ")).join(lines)


def _runs(teller: Teller) -> list[tuple[str, list[str]]]:
    """Fragments of one thing together, after what it is to its parent; those of the root come first."""
    runs: dict[Path, list[str]] = {(): []}
    for bit in teller.bits("notes"):
        runs.setdefault(bit.home, []).append(bit.text)
    told = {home: texts for home, texts in runs.items() if texts}
    return [(f"{documents.heading(teller, home)}: " if home else "", texts) for home, texts in told.items()]


def _lines(teller: Teller) -> str:
    """Log lines: a head, then fragments between marks."""
    rng, lines = teller.rng, []
    head, mark, size = (
        teller.one("log heads"),
        rng.choice((" | ", "; ", ", ", " :: ")),
        rng.choice((1, 2, 3, 5)),
    )
    for role, texts in _runs(teller):
        for at in range(0, len(texts), size):
            lines.append(f"{head} {role.lower()}{mark.join(texts[at : at + size])}")
    if teller.chance(0.4):
        lines.insert(rng.randint(0, len(lines)), f"{head} {teller.context['code']} ok")
    return "\n".join(lines)


MADE = {
    "body": _body,
    "points": _points,
    "turns": dialogues.turns,
    "fragments": _fragments,
    "document": documents.document,
    "lines": _lines,
}
