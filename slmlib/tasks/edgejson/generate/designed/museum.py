"""Museums: tickets and loans."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

EXHIBITIONS = words(
    "Salt_and_Silver Treasures_of_the_Deep The_Age_of_Steam Amber_Roads Masks_and_Mirrors "
    "Ice_Age_Hunters A_Century_of_Chairs Birds_on_Paper The_Lost_Harbour Clay,_Fire,_Glaze "
    "Light_in_the_North Roman_Kitchens Maps_of_the_Unknown Weaving_the_World Stars_over_Babylon "
    "Toys_of_Tin The_Glass_Garden Women_of_the_Bauhaus"
)
ENTRIES = tuple(f"{hour}:{half}" for hour in range(10, 17) for half in ("00", "30"))
HOUSES = words(
    "Harbour_Museum Museum_of_Rural_Life City_Art_Gallery Museum_of_Glass_and_Ceramics "
    "National_Toy_Museum Maritime_Collection Guildhall_Gallery Museum_of_Textiles "
    "Old_Observatory_Museum Railway_Museum Museum_of_Printing Civic_Archaeology_Collection "
    "Museum_of_Musical_Instruments Weavers'_House_Museum"
)
OBJECTS = (  # title, thousands from, to for which it is insured
    ("View of a Frozen Harbour", 40, 380), ("Portrait of a Ship's Surgeon", 25, 160),
    ("Still Life with Herring", 60, 450), ("Long-Case Clock by J. Amory", 8, 45),
    ("Bronze Age Torque", 30, 220),
    ("Astrolabe of 1571", 90, 600), ("Silver Guild Cup", 20, 130),
    ("Quilt with Sailing Ships", 4, 18), ("Walnut Spinet", 15, 80),
    ("Model of the Brig Fortuna", 6, 40), ("Attic Red-Figure Vase", 35, 240),
    ("Illuminated Book of Hours", 150, 900), ("Tin Carousel", 3, 14), ("Amber Chess Set", 12, 70),
    ("Two Washerwomen", 30, 260), ("Celestial Globe", 45, 310), ("Samurai Helmet", 18, 95),
    ("Map of the Southern Sea", 10, 75),
)  # fmt: skip
REGISTERS = ("19##.###", "19##.###", "200#.###", "201#.###")  # year of acquisition and number
CONDITIONS = ("no_flash", "low_light", "climate_case", "guarded_room", "single_venue")


@sampler
def ticket_booking(ctx: SamplingContext) -> tuple[dict, dict]:
    """A visit; distractors: the slot and the exhibition that were asked for first."""
    kind = ctx.one(("full", "full", "reduced", "school", "members"))
    exhibition, other = ctx.some(EXHIBITIONS, 2, 2)
    day, hour = ctx.date(), ctx.one(ENTRIES)
    tickets = ctx.between(11, 28) if kind == "school" else ctx.between(1, 7)
    record = {"exhibition": exhibition, "visit_date": day.isoformat(), "tickets": tickets}
    record |= only(ctx, 0.65, ticket_type=kind)
    return record, {
        "other": other,
        "entry_time": hour,
        "old_date": ctx.later(day, -8, -1).isoformat(),
        "old_time": ctx.one([entry for entry in ENTRIES if entry != hour]),
        "closes": ctx.clock(18, 20, step=30),
        "name": ctx.person().name,
        "code": ctx.code("@@####"),
        "until": ctx.later(day, 20, 120).isoformat(),
    }


@sampler
def loan_agreement(ctx: SamplingContext) -> tuple[dict, dict]:
    """An object lent by one house to another: signed, then lent, then given back."""
    lender, borrower, third = ctx.some(HOUSES, 3, 3)
    (title, low, high), (other, _, _) = ctx.some(OBJECTS, 2, 2)
    start, thousands = ctx.date(), ctx.between(low, high)
    end = ctx.later(start, 60, 260)
    lent = {"title": title, "accession_no": ctx.code(ctx.one(REGISTERS))}
    record = {
        "agreement_no": ctx.code("LA-###/##"),
        "lender": lender,
        "borrower": borrower,
        "object": lent | {"insured_value": float(1000 * thousands), "currency": ctx.place.currency},
        "period": {"from": start.isoformat(), "to": end.isoformat()},
        "conditions": ctx.some(CONDITIONS, 1, 3),
    }
    record |= only(ctx, 0.55, courier=ctx.chance(0.55))
    record |= only(ctx, 0.5, signed_on=ctx.later(start, -80, -12).isoformat())
    return record, {
        "third": third,
        "other": other,
        "old_end": ctx.later(end, -30, -5).isoformat(),
        "old_value": 1000 * (thousands - ctx.between(1, low // 2)),
        "asked_on": ctx.later(start, -300, -120).isoformat(),
        "exhibition": ctx.one(EXHIBITIONS),
    }
