"""Calls and chats: an informant gives the details, an asker listens and asks for more."""

import re

from slmlib.tasks.edgejson.generate.composer import sentences
from slmlib.tasks.edgejson.generate.composer.entity_parser import PREPOSITIONS
from slmlib.tasks.edgejson.generate.composer.planner import ItemPath, Planner, possessive
from slmlib.textgen.lexicon import words

LABELS = (  # of asker and informant
    ("Agent", "Caller"), ("Operator", "Caller"), ("Office", "Caller"), ("Desk", "Colleague"),
    ("A", "B"),
)  # fmt: skip
NOT_NOUNS = PREPOSITIONS | set(  # a label with one of these makes no question: "And the born?"
    words(
        "no yes born done left taken sent paid made due kept held open lost given said begun seen "
        "met what who when where so far now"
    )
)


def cast(planner: Planner) -> None:
    """Add the speakers to the context: asker, informant, and a bystander for chats."""
    context = planner.context
    asker, informant = planner.rng.choice(LABELS)
    if planner.register == "chat" or planner.chance(0.35):
        asker, informant = context["agent"], context["sender"].split()[0]
        if asker == informant:
            asker = context["friend"]
    context |= {"asker": asker, "informant": informant}
    context |= {"asker_name": asker, "informant_name": informant}
    if (asker, informant) in LABELS:  # even a "Caller" introduces themselves by name
        context |= {"asker_name": context["friend"], "informant_name": context["agent"]}
    context["bystander"] = next(name for name in (context["friend"], "Toni") if name != asker)


def turns(planner: Planner) -> str:
    """All targets in turns, some of them as answers to questions."""
    lines: list[str] = []
    todo, casual = planner.order(), planner.chance(0.5)
    while todo := [p for p in todo if planner.missing(p)]:
        fields = _askable(planner, todo[0]) if lines and planner.chance(0.45) else []
        if fields:
            lines += _exchange(planner, planner.rng.choice(fields))
        else:
            lines += _statement(planner, todo[0], first=not lines, casual=casual)
        if planner.register == "chat" and planner.chance(0.04):
            lines.append(f"{planner.context['bystander']}: {planner.phrase('bystanders')}")
    return "\n".join(lines)


def merged(text: str) -> str:
    """Turns with consecutive lines of one speaker joined."""
    lines: list[str] = []
    for line in text.split("\n"):
        speaker, _, speech = line.partition(": ")
        if lines and lines[-1].startswith(f"{speaker}: "):
            lines[-1] += f" {speech}"
        else:
            lines.append(line)
    return "\n".join(lines)


def nouns(labels: tuple[str, ...]) -> list[str]:
    """Labels that one can ask for, as in "And the unit price?"."""
    suitable = []
    for label in labels:
        parts = label.lower().split()
        short = len(label) <= 24 and re.fullmatch(r"[A-Za-zÀ-ÿ-]{3,}( [a-zà-ÿ-]+){0,2}", label)
        if short and not NOT_NOUNS & set(parts) and not parts[0].endswith("ed"):
            suitable.append(label if label.isupper() else label[0].lower() + label[1:])
    return suitable


def _statement(planner: Planner, path: ItemPath, *, first: bool, casual: bool) -> list[str]:
    """One to three sentences of the informant, at times after an acknowledgement by the asker."""
    context, chat, speech = planner.context, planner.register == "chat", []
    for _ in range(planner.rng.choice((1, 1, 2, 3))):
        speech += planner.extras(path, "sentences")
        if planner.missing(path):
            kind = "notes" if chat and not path and planner.chance(0.3) else "sentences"
            text = planner.next(path, kind)
            speech.append(sentences.casual(text) if chat and casual else text)
    lines = []
    if not first and planner.chance(0.6):
        lines.append(f"{context['asker']}: {planner.phrase(f'acks {planner.register}')}")
    if not (chat and (casual or planner.chance(0.5))):
        speech = [sentences.spoken(speech)]
    return lines + [f"{context['informant']}: {text}" for text in speech]


def _askable(planner: Planner, path: ItemPath) -> list[ItemPath]:
    """Missing targets with a label that is a noun and a note to answer with.

    A currency is mentioned with an amount, a boolean cannot answer "And the …?".
    """
    entity, fields = planner.entity(path), []
    for target in sorted(planner.missing(path)):
        field = entity.fields[target[-1]]
        boolean = not field.child and field.node.get("type") == "boolean"
        alone = any(line.required == {target[-1:]} for line in entity.lines["notes"])
        if alone and not boolean and field.name != "currency" and nouns(entity.labels[field.name]):
            fields.append(target)
    return fields


def _exchange(planner: Planner, target: ItemPath) -> list[str]:
    """A question for one value and its answer; a list may be answered item by item."""
    context, rng, path = planner.context, planner.rng, target[:-1]
    entity, name = planner.entity(path), target[-1]
    noun = rng.choice(nouns(entity.labels[name]))
    clear = not path or planner.subject == path
    context["topic"] = f"the {noun}" if clear else possessive(planner.role(path), noun)
    lines = [f"{context['asker']}: {planner.phrase(f'questions {planner.register}')}"]
    planner.subject = path

    def ended(fragment: str) -> str:
        """A fragment as a sentence of a call; mail and web addresses stay in lower case."""
        if planner.register != "call":
            return fragment
        address = "@" in fragment or ".example" in fragment
        return f"{fragment if address else planner.capital(fragment)}."

    if entity.fields[name].child and planner.chance(0.7):
        answers = [ended(item) for item in planner.items(target)]
        if len(answers) == 1 or planner.chance(0.5):
            answers = [(" " if planner.register == "call" else "; ").join(answers)]
    else:
        notes = [line for line in entity.lines["notes"] if line.required == {(name,)}]
        answers = [ended(planner.write(rng.choice(notes), path, "notes"))]
    for index, answer in enumerate(answers):
        if index and planner.chance(0.6):
            lines.append(f"{context['asker']}: {planner.phrase(f'acks {planner.register}')}")
        lines.append(f"{context['informant']}: {answer}")
    return lines
