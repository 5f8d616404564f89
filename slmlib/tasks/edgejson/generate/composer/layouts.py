"""The whole text of a generated case: a frame of its register around the content.

A block `=== email` of `text_frames.txt` is a frame in the language of `textgen.templates`, where
`{body}`, `{turns}`, `{points}`, `{fragments}`, `{document}` and `{lines}` stand for the content of
the case. In a block with two words, such as `=== acks call`, every line is an alternative. Running
text and log lines are written here, calls and chats in `dialogues`, forms and bills in `documents`.
"""

from datetime import timedelta
from random import Random

from slmlib.tasks.edgejson.generate.composer import dialogues, documents, entity_parser, sentences
from slmlib.tasks.edgejson.generate.composer.instances import Blueprint, Instance, leaf_paths
from slmlib.tasks.edgejson.generate.composer.planner import (
    FRAMES,
    ItemPath,
    Planner,
    phrases,
    proper_names,
)
from slmlib.textgen import templates
from slmlib.textgen.sampling_context import DAYS, FIRST_DAY
from slmlib.textgen.templates import Passage

FRIENDS = ("Alex", "Sam", "Kim", "Robin", "Chris", "Jo")  # suit every country
BULLETED = ("email", "letter", "report", "listing")
POINT_MARKS = ("{}. ", "{}) ", "- ", "* ", "TOP {}: ")


def write(blueprint: Blueprint, register: str, instance: Instance, rng: Random) -> Passage:
    """Put a record into words.

    Args:
        blueprint: The schema, from `compose`.
        register: One of `registers(blueprint)`.
        instance: The instance that `sample` drew with the record.
        rng: Chooses lines, styles and layout.
    """
    planner = Planner(instance, register, _context(blueprint, instance, rng), rng)
    dialogues.cast(planner)
    if planner.chance(0.25):
        planner.context["distractor"] = planner.phrase("distractors")
    frames, text = [frame for name, frame in FRAMES if name == register], ""
    for node in templates.parse(rng.choice(frames)):
        if not isinstance(node, str) and node[0] == "slot" and node[1] in CONTENT:
            text += CONTENT[node[1]](planner)
        else:
            planner.current, planner.new_subject = (), True
            text += planner.render((node,), ())
    text = text.strip()
    return planner.finish(dialogues.merged(text) if register == "call" else text)


def registers(blueprint: Blueprint) -> tuple[str, ...]:
    """The registers that suit a blueprint: not everything comes with a receipt."""
    entity, unsuitable = entity_parser.load(blueprint.root), set()
    if not any(field.child for field in entity.fields.values()):
        unsuitable |= {"letter"}  # nobody writes a letter about a split time
    leaves = [entity_parser.field_at(blueprint.root, p) for p in leaf_paths(blueprint.parts)]
    if not any(field.name in entity_parser.load(owner).money for owner, field in leaves):
        unsuitable |= {"receipt", "invoice"}
    unsuitable |= set(entity_parser.SPECIAL_REGISTERS) - set(entity.registers)
    return tuple(register for register in templates.TEXT_STYLES if register not in unsuitable)


def _context(blueprint: Blueprint, instance: Instance, rng: Random) -> dict:
    """Names and dates for frames: nobody who could be mistaken for a person in the record."""
    context = dict(instance.context)
    fields, own = entity_parser.load(blueprint.root).fields, proper_names(blueprint.root)
    held: set[str] = set()  # kinds of proper names that the schema asks for
    for name in {path[0] for path in leaf_paths(blueprint.parts)}:
        child = fields[name].child
        held |= set(proper_names(child).values()) if child else {own.get(name)}
    person, firm = "person" in held, "firm" in held
    if person:
        context["sender"] = context["agent"]
    firms = phrases(f"firms {blueprint.domain}") or (context["firm"],)
    context["firm"] = None if firm or rng.random() < 0.3 else rng.choice(firms)
    context["agent"] = context["friend"]
    context["clerk"] = None if person or rng.random() < 0.5 else context["agent"]
    taken = (context["agent"], context["sender"])
    context["friend"] = rng.choice([name for name in FRIENDS if name not in taken])
    context["title"] = rng.choice(entity_parser.load(blueprint.root).titles)
    context["day"] = (FIRST_DAY + timedelta(days=rng.randrange(DAYS))).isoformat()
    context["code"] = f"{rng.choice('KQWZ')}{rng.choice('HJPX')}/{rng.randint(100, 999)}"
    return context


# Running text.


def _paragraphs(planner: Planner) -> list[str]:
    """Sentences in paragraphs: one for each entity, or several entities together."""
    rng, segments, groups = planner.rng, planner.segments("sentences"), [[]]
    longest, subject = rng.choice((3, 4, 5, 7)), segments[0][0]
    for path, text in segments:
        limit = longest if path == subject else rng.choice((1, 2, 3))
        full = len(groups[-1]) >= limit
        leans = sentences.first_word(text) in sentences.PRONOUNS
        if groups[-1] and ("\n" in groups[-1][-1] or (full and not leans)):
            groups.append([])
        groups[-1].append(sentences.with_bullets(text))
        subject = path
    share = rng.choice((0.0, 0.3, 0.6))
    return [sentences.joined(group, share, rng) for group in groups]


def _body(planner: Planner) -> str:
    """Paragraphs; a listing may also be fragments."""
    planner.bullets = planner.register in BULLETED and planner.chance(0.4)
    if planner.register == "listing" and planner.chance(0.5):
        return _fragments(planner)
    separator = " "
    if planner.register != "voice":
        separator = "\n\n" if planner.chance(0.75) else "\n"
    return separator.join(_paragraphs(planner))


def _points(planner: Planner) -> str:
    """The points of a meeting: those of this case among others."""
    points, rng = _paragraphs(planner), planner.rng
    points.insert(rng.randint(0, len(points)), planner.phrase("points"))
    if planner.chance(0.5) and (other := planner.phrase("points")) not in points:
        points.insert(rng.choice((0, len(points))), other)
    mark = rng.choice(POINT_MARKS)
    return "\n".join(mark.format(i) + point for i, point in enumerate(points, 1))


# Fragments.


def _note(planner: Planner) -> str:
    """Mostly fragments, otherwise sentences."""
    return _fragments(planner) if planner.chance(0.75) else "\n".join(_paragraphs(planner))


def _fragments(planner: Planner) -> str:
    """Fragments, those of one entity on one line, or each on a line of its own."""
    runs, rng = _runs(planner), planner.rng
    separator = rng.choice((", ", ", ", "; ", " / ", " - ", ". "))
    stop = "." if separator == ". " else ""
    if planner.chance(0.2):
        bullet = rng.choice(("- ", "* ", "", "> "))
        texts = [text for head, run in runs for text in (head + run[0], *run[1:])]
        return "".join(f"\n{bullet}{text}" for text in texts)
    lines = [head + separator.join(texts) + stop for head, texts in runs]
    return rng.choice(("\n", "\n", " " if stop else ". ")).join(lines)


def _runs(planner: Planner) -> list[tuple[str, list[str]]]:
    """The fragments of each entity after its role, those of the root first."""
    runs: dict[ItemPath, list[str]] = {(): []}
    for path, text in planner.segments("notes"):
        runs.setdefault(path, []).append(text)
    heading = documents.heading
    heads = {path: f"{heading(planner, path)}: " if path else "" for path in runs if runs[path]}
    return [(head, runs[path]) for path, head in heads.items()]


def _log(planner: Planner) -> str:
    """Log lines: a head, then fragments with separators."""
    rng, head, lines = planner.rng, planner.phrase("log heads"), []
    separator, size = rng.choice((" | ", "; ", ", ", " :: ")), rng.choice((1, 2, 3, 5))
    for role, texts in _runs(planner):
        for at in range(0, len(texts), size):
            lines.append(f"{head} {role.lower()}{separator.join(texts[at : at + size])}")
    if planner.chance(0.4):
        lines.insert(rng.randint(0, len(lines)), f"{head} {planner.context['code']} ok")
    return "\n".join(lines)


CONTENT = {  # slot of a frame -> its text
    "body": _body,
    "points": _points,
    "turns": dialogues.turns,
    "fragments": _note,
    "document": documents.document,
    "lines": _log,
}
