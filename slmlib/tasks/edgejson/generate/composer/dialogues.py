"""Calls and chats: one tells, the other one listens and asks for what is missing."""

import re

from slmlib.tasks.edgejson.generate.composer import sentences
from slmlib.tasks.edgejson.generate.composer.surface import Path, of
from slmlib.tasks.edgejson.generate.composer.text_plan import Teller

ROLES = (("Agent", "Caller"), ("Operator", "Caller"), ("Office", "Caller"), ("Desk", "Colleague"), ("A", "B"))
NOT_NOUNS = frozenset(  # words of labels that do not make a question: "And the born?"
    [
        *("to", "by", "at", "on", "from", "for", "of", "in", "with", "until", "since", "as", "per", "via"),
        *(
            "no",
            "yes",
            "born",
            "done",
            "left",
            "taken",
            "sent",
            "paid",
            "made",
            "due",
            "kept",
            "held",
            "open",
        ),
        *(
            "lost",
            "given",
            "said",
            "begun",
            "seen",
            "met",
            "what",
            "who",
            "when",
            "where",
            "so",
            "far",
            "now",
        ),
    ]
)


def cast(teller: Teller) -> None:
    """Who asks and who tells; somebody else may listen to a chat."""
    names = teller.context
    asker, tells = teller.rng.choice(ROLES)
    if teller.register == "chat" or teller.chance(0.35):
        asker, tells = names["agent"], names["sender"].split()[0]
        asker, tells = (asker, tells) if asker != tells else (names["friend"], tells)
    labelled = (asker, tells) in ROLES  # "Caller": what they say of themselves is a name all the same
    names |= {"asker_name": names["friend"] if labelled else asker, "asker": asker}
    names |= {"teller_name": names["agent"] if labelled else tells, "teller": tells}
    names["third"] = next(name for name in (names["friend"], "Toni") if name != asker)


def turns(teller: Teller) -> str:
    """What is told, in turns."""
    lines: list[str] = []
    todo, casual = teller.homes(), teller.chance(0.5)
    while todo := [home for home in todo if teller.need(home)]:
        asked = _askable(teller, todo[0]) if lines and teller.chance(0.45) else []
        if asked:
            lines += _exchange(teller, teller.rng.choice(asked))
        else:
            lines += _statement(teller, todo[0], later=bool(lines), casual=casual)
        if teller.register == "chat" and teller.chance(0.04):
            lines.append(f"{teller.context['third']}: {teller.one('thirds')}")
    return "\n".join(lines)


def merged(text: str) -> str:
    """Turns, where what one speaker says one after the other is one turn."""
    made: list[str] = []
    for line in text.split("\n"):
        speaker, _, words = line.partition(": ")
        if made and made[-1].startswith(f"{speaker}: "):
            made[-1] += f" {words}"
        else:
            made.append(line)
    return "\n".join(made)


def _statement(teller: Teller, home: Path, *, later: bool, casual: bool) -> list[str]:
    """One to three sentences of the one who tells; the other one shows that they listen."""
    names, chat, said = teller.context, teller.register == "chat", []
    for _ in range(teller.rng.choice((1, 1, 2, 3))):
        said += [bit.text for bit in teller.beside(home, "sentences")]
        if teller.need(home):
            kind = "notes" if chat and not home and teller.chance(0.3) else "sentences"
            text = teller.next(home, kind).text
            said.append(sentences.casual(text) if chat and casual else text)
    heard = (
        [f"{names['asker']}: {teller.one(f'acks {teller.register}')}"] if later and teller.chance(0.6) else []
    )
    if chat and (casual or teller.chance(0.5)):
        return heard + [f"{names['teller']}: {text}" for text in said]
    return [*heard, f"{names['teller']}: {sentences.spoken(said)}"]


def _askable(teller: Teller, home: Path) -> list[Path]:
    """What one can ask for by a word of its label, and be answered by a fragment."""
    entity, found = teller.entity(home), []
    alone = {min(line.needs) for line in entity.notes if len(line.needs) == 1}
    for unit in sorted(teller.need(home)):
        field = entity.fields[unit[-1]]
        plain = field.child or field.node.get("type") != "boolean"
        plain = plain and field.name != "currency"  # that is told with an amount
        if plain and unit[-1:] in alone and nouns(entity.labels[unit[-1]]):
            found.append(unit)
    return found


def nouns(labels: tuple[str, ...]) -> list[str]:
    """Labels that one can ask for, as in "And the unit price?"."""
    return [label if label.isupper() else label[0].lower() + label[1:] for label in labels if _is_noun(label)]


def _is_noun(label: str) -> bool:
    if len(label) > 24 or not re.fullmatch(r"[A-Za-zÀ-ÿ-]{3,}( [a-zà-ÿ-]+){0,2}", label):
        return False
    parts = label.lower().split()
    return not NOT_NOUNS & set(parts) and not parts[0].endswith("ed")


def _exchange(teller: Teller, unit: Path) -> list[str]:
    """A question for one value and its answer; a list may be answered item by item."""
    names, home = teller.context, unit[:-1]
    entity = teller.entity(home)
    noun = teller.rng.choice(nouns(entity.labels[unit[-1]]))
    known = not home or teller.subject == home
    names["what"] = f"the {noun}" if known else of(teller.role(home), noun)
    asked = f"{names['asker']}: {teller.one(f'asks {teller.register}')}"
    teller.subject = home
    if entity.fields[unit[-1]].child and teller.chance(0.7):
        return [asked, *_recited(teller, teller.items(unit, len(teller.value(unit))))]
    lines = [line for line in entity.notes if line.needs == {unit[-1:]}]
    answer = teller.tell(teller.rng.choice(lines), home, "notes")
    return [asked, f"{names['teller']}: {_ended(teller, answer)}"]


def _recited(teller: Teller, items: list[str]) -> list[str]:
    """The items of a list, one a turn or all at once."""
    names, items = teller.context, [_ended(teller, item) for item in items]
    if len(items) == 1 or teller.chance(0.5):
        return [f"{names['teller']}: {(' ' if teller.register == 'call' else '; ').join(items)}"]
    lines = []
    for index, item in enumerate(items):
        heard = index and teller.chance(0.6)
        lines += [f"{names['asker']}: {teller.one(f'acks {teller.register}')}"] if heard else []
        lines.append(f"{names['teller']}: {item}")
    return lines


def _ended(teller: Teller, fragment: str) -> str:
    """A fragment as a sentence of a call; an address of mail or web keeps its small letter."""
    if teller.register != "call":
        return fragment
    address = "@" in fragment or ".example" in fragment
    return f"{fragment if address else teller.capital(fragment)}."
