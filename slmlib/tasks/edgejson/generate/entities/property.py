"""Property: rents, repairs and notices to quit."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import at_home, business, slot_on
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

FAULTS = {  # fixture -> what goes wrong with it, after "it has a"
    "kitchen tap": ("steady drip", "loose handle"),
    "bathroom radiator": ("leaking valve", "stuck thermostat"),
    "front door lock": ("sticking cylinder", "bent bolt"),
    "bedroom window": ("broken handle", "cracked pane"),
    "shower drain": ("blocked trap", "bad smell"),
    "ceiling light": ("loose wire", "broken fitting"),
    "extractor fan": ("rattling motor", "burnt smell"),
    "balcony door": ("draughty frame", "jammed hinge"),
    "toilet cistern": ("leaking float valve", "cracked lid"),
    "boiler": ("dripping pipe", "faulty pilot light"),
    "intercom": ("silent handset", "dead display"),
    "roller blind": ("torn strap", "snapped spring"),
    "stair light": ("flickering tube", "faulty timer"),
    "garage door": ("stalling motor", "broken cable"),
}

REASONS = {"tenant": ("new_job", "bigger_flat", "moving_abroad"), "landlord": ("own_use", "sale")}
JOBS = words(
    "repaint_the_hallway clean_the_oven fill_the_drill_holes take_down_the_curtains "
    "defrost_the_freezer return_the_cellar_key read_the_meters clear_the_attic "
    "replace_the_broken_tile wash_the_windows remove_the_shelves empty_the_letter_box"
)


@entity
def rent_payment(ctx: SamplingContext) -> dict:
    """A month's rent; what is paid is the rent with the service charge."""
    tenant, flat = at_home(ctx)
    rent, charge = ctx.between(42, 210) * 1000, ctx.between(50, 290) * 100
    return {
        "tenancy_no": ctx.code("TN-####"),
        "paid_on": ctx.date().isoformat(),
        "rent": rent / 100,
        "service_charge": charge / 100,
        "amount_paid": (rent + charge) / 100,
        "currency": ctx.place.currency,
        "method": ctx.one(("bank_transfer", "standing_order", "cash", "card")),
        "days_late": ctx.between(2, 20),
        "tenant": tenant,
        "flat": flat,
        "landlord": business(ctx, "housing"),
    }


@entity
def repair_request(ctx: SamplingContext) -> dict:
    """Something in a flat is broken; its fault is one that such a thing has."""
    fixture = ctx.one(tuple(FAULTS))
    tenant, flat = at_home(ctx)
    seen = ctx.date()
    reported = ctx.later(seen, 1, 12)
    return {
        "ticket_no": ctx.code("RR-#####"),
        "fixture": fixture,
        "fault": ctx.one(FAULTS[fixture]),
        "noticed_on": seen.isoformat(),
        "reported_on": reported.isoformat(),
        "urgency": ctx.one(("emergency", "soon", "routine")),
        "access": ctx.one(("tenant_home", "key_with_caretaker", "call_first")),
        "photos": ctx.between(2, 8),
        "tenant": tenant,
        "flat": flat,
        "visit": slot_on(ctx, ctx.later(reported, 1, 14)),
    }


@entity
def tenancy_notice(ctx: SamplingContext) -> dict:
    """A tenancy is ended: who ends it, when it ends, and what is given back."""
    given = ctx.date()
    ends, giver = ctx.later(given, 28, 185), ctx.one(("tenant", "tenant", "landlord"))
    jobs = [draw("task", ctx) | {"task": job} for job in ctx.some(JOBS, 1, 3)]
    for job in jobs:
        job["due_on"] = ctx.later(ends, -20, -1).isoformat()
    return {
        "flat_no": ctx.code(ctx.one(("#", "##"))).replace("0", "1") + ctx.one("ABCD"),
        "given_by": giver,
        "given_on": given.isoformat(),
        "ends_on": ends.isoformat(),
        "reason": ctx.one(REASONS[giver]),
        "deposit": ctx.between(8, 60) * 5000 / 100,
        "currency": ctx.place.currency,
        "keys": ctx.between(2, 9),
        "to_do": jobs,
        "handover": slot_on(ctx, ctx.later(ends, -3, 0)),
    }
