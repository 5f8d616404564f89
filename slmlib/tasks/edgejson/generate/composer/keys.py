"""How a composed schema names and describes things: key styles, abbreviations, descriptions."""

import re
from dataclasses import dataclass
from random import Random

from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity, Field
from slmlib.textgen.lexicon import words

ABBREVIATIONS = {
    "account": "acct", "address": "addr", "amount": "amt", "average": "avg", "building": "bldg",
    "currency": "curr", "customer": "cust", "department": "dept", "description": "desc",
    "document": "doc", "estimated": "est", "identifier": "id", "language": "lang", "manufacturer": "mfr",
    "maximum": "max", "message": "msg", "minimum": "min", "minutes": "mins", "number": "no",
    "organisation": "org", "payment": "pmt", "percent": "pct", "phone": "tel",
    "postcode": "pcode", "previous": "prev", "quantity": "qty", "received": "recd", "reference": "ref",
    "registration": "reg", "telephone": "tel", "temperature": "temp", "vehicle": "veh",
}  # fmt: skip
CASES = ("snake",) * 9 + ("camel",) * 6 + ("pascal", "kebab")
PREPOSITIONS = frozenset(words("to by at on from for of in with until since as per via"))
FORMATS = {"date": "YYYY-MM-DD", "date-time": "UTC, YYYY-MM-DDTHH:MM:SSZ"}


@dataclass(frozen=True)
class Style:
    """How one schema names its keys and how much it says about them."""

    case: str
    short: bool  # abbreviated where there is a common abbreviation
    reworded: float  # share of keys in another wording than the entity's own
    described: float  # share of properties with a description
    formats: bool  # descriptions say how a value is written
    shuffled: bool  # properties in a random order

    def key(self, wording: str) -> str:
        """A snake_case wording in this style."""
        parts = wording.split("_")
        if self.short:
            parts = [ABBREVIATIONS.get(part, part) for part in parts]
        if self.case in ("camel", "pascal"):
            big = "".join(part.capitalize() for part in parts)
            return big if self.case == "pascal" else big[:1].lower() + big[1:]
        return ("-" if self.case == "kebab" else "_").join(parts)

    def joined(self, role: str, key: str) -> str:
        """A child's key beside those of its parent: the role before it, unless it says so already."""
        own = [part.lower() for part in re.findall(r"[A-Za-z][a-z0-9]*|\d+", key)]
        before = role.split("_")
        if own[: len(before)] == before:
            return key
        return self.key("_".join([*(before[:-1] if before[-1] == own[0] else before), *own]))

    def describe(self, text: str, node: dict, rng: Random) -> str:
        """A description, or nothing; where formats are said, always for a value that has one."""
        said = written(node) if self.formats else ""
        if rng.random() >= self.described and not said:
            return ""
        if not text or not said or said in text or len(text) + len(said) > 76:
            return text or said
        return f"{text} ({said})" if rng.random() < 0.6 else f"{text}, {said}"


def style(rng: Random) -> Style:
    """A style by chance."""
    return Style(
        case=rng.choice(CASES),
        short=rng.random() < 0.22,
        reworded=rng.choice((0.0, 0.15, 0.4, 0.7)),
        described=rng.choice((0.0, 0.0, 0.3, 0.6, 1.0)),
        formats=rng.random() < 0.3,
        shuffled=rng.random() < 0.35,
    )


def written(node: dict) -> str:
    """How a value of a node is written, in words."""
    if node.get("format") in FORMATS:
        return FORMATS[node["format"]]
    pattern = node.get("pattern", "")
    if pattern.endswith(r":[0-5]\d$"):
        return "24-hour HH:MM"
    return "digits only after the plus" if pattern.startswith(r"^\+") else ""


def role_words(field: Field) -> str:
    """A child's field as words for the child: `billing address`; a wording that ends a noun."""
    return (noun_wordings(field) or [field.name])[0].replace("_", " ")


def noun_wordings(field: Field) -> list[str]:
    """The wordings of a field that can stand after "the": `return_address`, not `collect_from`."""
    return [w for w in field.wordings if not PREPOSITIONS & set(w.split("_"))]


def about(entity: Entity, title: str, rng: Random) -> str:
    """A description of the root."""
    thing, known = rng.choice(entity.things), title[:1].lower() + title[1:]
    article = "An" if known[0] in "aeiou" else "A"
    return rng.choice((
        f"What the text says about {thing}.", f"{article} {known}, as given in the text.",
        f"Facts about {thing}.", f"{title}: only what the text states.",
        f"{article} {known} taken from a message or a document.", f"Data of {thing}.",
    ))[:80]  # fmt: skip
