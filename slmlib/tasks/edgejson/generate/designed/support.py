"""Support: software and customers."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

SOFTWARE = words(
    "Ledgerly FieldMate Paperdeck Tillpoint RosterBee Stocklamp NoteHarbor Crewplan ShopWarden "
    "Voltaire_Sync Quotewise Binderly Shiftmate Formhive Routely Taskbarn Claimdesk Mailgrove "
    "Datumly Tablesmith"
)
RETURNED = (  # what customers send back, cents from, to
    ("rain jacket", 4900, 12900), ("desk lamp", 2400, 6900), ("hand blender", 2900, 7900),
    ("swivel chair", 8900, 24900), ("duvet set", 3500, 8900), ("tea kettle", 2500, 6500),
    ("hiking backpack", 5900, 15900), ("wall clock", 1900, 5900), ("bread maker", 6900, 13900),
    ("yoga mat", 1800, 4500), ("bathroom scale", 2200, 5500), ("camping stove", 3900, 9900),
    ("wool blanket", 4500, 9900), ("bookshelf", 5900, 18900), ("coffee grinder", 4900, 14900),
    ("scooter helmet", 3500, 8900), ("travel cot", 6900, 16900), ("wireless mouse", 1900, 5900),
    ("garden hose", 2400, 6400), ("picture frame", 1500, 4900), ("winter coat", 8900, 21900),
    ("waffle iron", 2900, 6900), ("pair of boots", 7900, 17900), ("set of saucepans", 6900, 19900),
)  # fmt: skip


@sampler
def support_case(ctx: SamplingContext) -> tuple[dict, dict]:
    """A software problem; distractors: an older version and the day of the last update."""
    since, who, phone = ctx.date(), ctx.person(), ctx.phone()
    problem = ctx.one(("login", "payment", "crash", "sync", "slow", "printing"))
    tries = ["restart", "reinstall", "clear_cache", "other_device"] + ["reset_password"] * (
        problem == "login"
    )
    version = (ctx.between(1, 9), ctx.between(0, 20))
    record = {
        "case_no": ctx.code("C-######"),
        "customer": {"name": who.name, "email": ctx.email(who)},
        "product": {
            "name": ctx.one(SOFTWARE),
            "version": f"{version[0]}.{version[1] + 1}{ctx.one(('', '.1', '.2'))}",
        },
        "problem": problem,
    }
    record |= only(ctx, 0.7, severity=ctx.one(("low", "normal", "high", "urgent")))
    record |= {"since": since.isoformat(), "tried": ctx.some(tries, 1, 2)}
    callback = {"phone": phone} | only(ctx, 0.6, after=ctx.clock(9, 18, step=30))
    record |= only(ctx, 0.55, callback=callback)
    opened = ctx.later(since, 1, 6).isoformat()
    return record, {
        "old_version": f"{version[0]}.{version[1]}",
        "opened": opened,
        "seats": ctx.between(3, 40),
    }


@sampler
def licence_request(ctx: SamplingContext) -> tuple[dict, dict]:
    """Product, seats and address; distractors: the seats there are now and another address."""
    who, other, start, seats = ctx.person(), ctx.person(), ctx.date(), ctx.between(2, 60)
    record = {"product": ctx.one(SOFTWARE), "seats": seats, "contact": ctx.email(who)}
    record |= only(ctx, 0.65, starts_on=start.isoformat())
    record |= only(ctx, 0.65, billing=ctx.one(("monthly", "yearly", "one_off")))
    return record, {
        "who": who.name,
        "old_seats": seats + ctx.one((-1, 1)) * ctx.between(1, 3) if seats > 4 else seats + 3,
        "other_product": ctx.one([name for name in SOFTWARE if name != record["product"]]),
        "sender": other.name,
        "other_email": ctx.email(other),
        "asked_on": ctx.later(start, -30, -2).isoformat(),
        "ref": ctx.code("Q-####"),
    }


@sampler
def refund_case(ctx: SamplingContext) -> tuple[dict, dict]:
    """The price is the refund and, for most articles that are no longer wanted, a fee."""
    item, low, high = ctx.one(RETURNED)
    who, paid, placed = ctx.person(), ctx.price(low, high), ctx.date()
    reason = ctx.one(
        ("damaged", "wrong_item", "late", "not_as_described", "changed_mind", "changed_mind")
    )
    fee = ctx.one((290, 395, 490, 500, 650)) if reason == "changed_mind" and ctx.chance(0.8) else 0
    order = {"no": ctx.code("####-#####")} | only(ctx, 0.6, placed_on=placed.isoformat())
    refund = {"amount": (paid - fee) / 100} | ({"fee": fee / 100} if fee else {})
    refund |= only(ctx, 0.6, method=ctx.one(("card", "bank_transfer", "voucher")))
    record = {
        "case_no": ctx.code("R######"),
        "customer": {"name": who.name} | only(ctx, 0.55, email=ctx.email(who)),
        "order": order | {"paid": paid / 100},
        "reason": reason,
        "refund": refund | only(ctx, 0.5, by=ctx.later(placed, 25, 45).isoformat()),
        "currency": ctx.place.currency,
    }
    return record, {
        "item": item,
        "asked_on": ctx.later(placed, 8, 20).isoformat(),
        "first_offer": float(paid // 200),
        "other_case": ctx.code("R######"),
        "label": ctx.code("RET-####"),
    }
