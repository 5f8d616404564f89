"""Keys and descriptions of a generated schema: key styles, abbreviations, format hints."""

import re
from random import Random

from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity
from slmlib.textgen import templates

ABBREVIATIONS = {
    "account": "acct", "address": "addr", "amount": "amt", "average": "avg", "building": "bldg",
    "currency": "curr", "customer": "cust", "department": "dept", "description": "desc",
    "document": "doc", "estimated": "est", "identifier": "id", "language": "lang",
    "manufacturer": "mfr", "maximum": "max", "message": "msg", "minimum": "min", "minutes": "mins",
    "number": "no", "organisation": "org", "payment": "pmt", "percent": "pct", "phone": "tel",
    "postcode": "pcode", "previous": "prev", "quantity": "qty", "received": "recd",
    "reference": "ref", "registration": "reg", "telephone": "tel", "temperature": "temp",
    "vehicle": "veh",
}  # fmt: skip
CASES = ("snake",) * 9 + ("camel",) * 6 + ("pascal", "kebab")
# By the kind of a value: how it is written.
FORMAT_HINTS = {
    "date": "YYYY-MM-DD",
    "moment": "UTC, YYYY-MM-DDTHH:MM:SSZ",
    "time": "24-hour HH:MM",
}


class Style:
    """The way one schema names its properties, and how much it says about them."""

    def __init__(self, rng: Random):
        self.case = rng.choice(CASES)
        self.abbreviated = rng.random() < 0.22  # where there is a common abbreviation
        self.p_reworded = rng.choice((0.0, 0.15, 0.4, 0.7))  # another wording than the entity's own
        self.p_described = rng.choice((0.0, 0.0, 0.3, 0.6, 1.0))
        self.format_hints = rng.random() < 0.3  # descriptions say how a value is written
        self.shuffled = rng.random() < 0.35  # properties in a random order

    def key(self, wording: str) -> str:
        """A snake_case wording in this style."""
        parts = wording.split("_")
        if self.abbreviated:
            parts = [ABBREVIATIONS.get(part, part) for part in parts]
        if self.case in ("camel", "pascal"):
            pascal = "".join(part.capitalize() for part in parts)
            return pascal if self.case == "pascal" else pascal[:1].lower() + pascal[1:]
        return ("-" if self.case == "kebab" else "_").join(parts)

    def joined(self, role: str, key: str) -> str:
        """Prefix the key of a flattened child with its role, unless the key begins with it."""
        own = [part.lower() for part in re.findall(r"[A-Za-z][a-z0-9]*|\d+", key)]
        prefix = role.split("_")
        if own[: len(prefix)] == prefix:
            return key
        return self.key("_".join([*(prefix[:-1] if prefix[-1] == own[0] else prefix), *own]))

    def describe(self, text: str, node: dict, rng: Random) -> str:
        """A description or "". With format hints, a value that has a format is always described."""
        hint = ""
        if self.format_hints:
            phone = node.get("pattern", "").startswith(r"^\+")
            other = "digits only after the plus" if phone else ""
            hint = FORMAT_HINTS.get(templates.kind_of(node), other)
        if rng.random() >= self.p_described and not hint:
            return ""
        if not text or not hint or hint in text or len(text) + len(hint) > 76:
            return text or hint
        return f"{text} ({hint})" if rng.random() < 0.6 else f"{text}, {hint}"


def root_description(entity: Entity, title: str, rng: Random) -> str:
    """A description of the whole schema."""
    thing, noun = rng.choice(entity.things), title[:1].lower() + title[1:]
    article = "An" if noun[0] in "aeiou" else "A"
    return rng.choice((
        f"What the text says about {thing}.", f"{article} {noun}, as given in the text.",
        f"Facts about {thing}.", f"{title}: only what the text states.",
        f"{article} {noun} taken from a message or a document.", f"Data of {thing}.",
    ))[:80]  # fmt: skip
