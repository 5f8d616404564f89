"""Children that fit their parents: a farm with a farm's name, an account of its holder."""

import unicodedata
from datetime import date

from slmlib.tasks.edgejson.generate.entities import draw
from slmlib.textgen.sampling_context import SamplingContext

TRADES = {  # trade: (words after a surname, its sector)
    "farm": (("Farm", "Dairy Farm", "Farms"), "food"),
    "coaches": (("Coaches", "Travel", "Bus Lines"), "transport"),
    "practice": (("Medical Practice", "Surgery", "Health Centre"), "health"),
    "laboratory": (("Laboratories", "Analytics", "Lab Services"), "health"),
    "energy": (("Energy", "Power Supply", "Utilities"), "public"),
    "kitchen": (("Catering", "Kitchens", "Restaurant"), "food"),
    "office": (("District Council", "Traffic Office", "County Office"), "public"),
    "housing": (("Housing", "Homes", "Housing Association"), "public"),
    "parts": (("Parts", "Machine Supplies", "Industrial Supply"), "craft"),
}


def business(ctx: SamplingContext, trade: str) -> dict:
    """An organisation of a trade; the surname in its name is assigned by role, as all are."""
    endings, sector = TRADES[trade]
    name = f"{ctx.person().last} {ctx.one(endings)}"
    plain = unicodedata.normalize("NFKD", name.lower())
    site = "".join(c for c in plain if c.isascii() and c.isalnum())
    return draw("organisation", ctx) | {
        "name": name,
        "sector": sector,
        "website": f"www.{site}.example",
        "staff": ctx.between(3, 90),
    }


def holder_and_account(ctx: SamplingContext) -> tuple[dict, dict]:
    """Somebody, and a bank account in their name."""
    person = draw("person", ctx)
    return person, draw("bank_account", ctx) | {"account_holder": person["name"]}


def at_home(ctx: SamplingContext) -> tuple[dict, dict]:
    """Somebody with a home address, and the same address once more."""
    address = draw("address", ctx)
    return draw("person", ctx) | {"home": dict(address)}, address


def slot_on(ctx: SamplingContext, day: date) -> dict:
    """Some hours of a day."""
    return draw("time_slot", ctx) | {"day": day.isoformat()}


def lines_of(ctx: SamplingContext, goods: tuple, low: int, high: int) -> list[dict]:
    """Between `low` and `high` product lines of these goods: (product, cents from, to, maximum)."""
    lines = []
    for product, cheap, dear, most in ctx.some(goods, low, high):
        quantity, price = ctx.between(2, most), ctx.price(cheap, dear)
        line = {"product": product, "quantity": quantity, "unit_price": price / 100}
        lines.append(draw("product_line", ctx) | line | {"amount": quantity * price / 100})
    return lines


def papers(ctx: SamplingContext, kinds: tuple[str, ...], until: date) -> list[dict]:
    """One to three documents of these kinds, issued by a day at the latest."""
    found = [draw("document_ref", ctx) for _ in range(ctx.between(1, 3))]
    for paper in found:
        paper |= {"doc_type": ctx.one(kinds), "issued_on": ctx.later(until, -500, 0).isoformat()}
    return found
