"""Public service: offices, permits, complaints and public transport."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

LOST_ITEMS = words(
    "umbrella rucksack scarf wallet laptop_sleeve cycle_helmet violin_case lunch_box "
    "walking_stick briefcase school_bag raincoat passport_holder tote_bag camera_bag pencil_case "
    "sports_bag woollen_hat suitcase key_ring"
)
LINES = words(
    "bus_42 bus_7A tram_11 tram_3 line_U6 line_S2 night_bus_N14 line_RE7 bus_118 coach_X30 tram_9 "
    "line_RB26 bus_64 line_U3 shuttle_B5 tram_16"
)
BULKY = (  # a large thing, and the cubic metres that it may fill
    ("corner sofa", (1.8, 2.2, 2.4)), ("double mattress", (0.5, 0.6, 0.7)),
    ("single mattress", (0.3, 0.4)), ("oak wardrobe", (1.6, 2.1, 2.5)),
    ("chest freezer", (0.6, 0.8, 0.9)), ("tumble dryer", (0.4, 0.5)),
    ("washing machine", (0.4, 0.5)), ("bunk bed", (1.2, 1.4, 1.5)),
    ("dining table", (0.7, 0.9, 1.1)), ("garden bench", (0.5, 0.7)),
    ("rolled-up carpet", (0.3, 0.4, 0.6)), ("upright piano", (1.3, 1.5)),
    ("desk with drawers", (0.6, 0.8)), ("kitchen cupboard", (0.7, 1.1, 1.3)),
    ("wing chair", (0.5, 0.6)), ("exercise bike", (0.5, 0.7)), ("rabbit hutch", (0.4, 0.6)),
    ("ping-pong table", (0.6, 0.9)), ("sofa bed", (1.4, 1.6, 1.9)), ("bookcase", (0.6, 0.8, 1.2)),
    ("slatted bed frame", (0.4, 0.6)), ("fridge-freezer", (0.8, 0.9, 1.1)),
    ("shower cabin", (0.9, 1.2)), ("chest of drawers", (0.5, 0.7)),
)  # fmt: skip
NOISES = {  # what makes the noise, and the hours between which it begins
    "music": (18, 21), "dog": (6, 20), "building_work": (6, 19), "party": (19, 21),
    "machine": (5, 20), "alarm": (6, 21),
}  # fmt: skip
WHEN = words("00 05 10 15 20 30 40 45 50")


@sampler
def lost_item(ctx: SamplingContext) -> tuple[dict, dict]:
    """The thing, the line and the day; distractors: the day of the report."""
    lost_on = ctx.date()
    record = {"item": ctx.one(LOST_ITEMS)}
    colours = ("black", "blue", "brown", "green", "grey", "red", "white", "yellow")
    record |= only(ctx, 0.75, colour=ctx.one(colours))
    record |= {"line": ctx.one(LINES), "lost_on": lost_on.isoformat()}
    phone = ctx.phone()
    record |= only(ctx, 0.65, phone=phone)
    other = ctx.one([line for line in LINES if line != record["line"]])
    return record, {
        "reported_on": ctx.later(lost_on, 1, 5).isoformat(),
        "other_line": other,
        "stop": ctx.town()[0] + " Central",
        "contents": ctx.one(
            (
                "a library book",
                "a pair of sunglasses",
                "a season ticket",
                "a water bottle",
                "a spare key",
            )
        ),
    }


@sampler
def parking_permit(ctx: SamplingContext) -> tuple[dict, dict]:
    """A permit and its time; distractors: the car, the zone and the permit before it."""
    start, zone = ctx.date(), f"{ctx.one('ABCDEFGH')}{ctx.between(1, 18)}"
    end = ctx.later(start, *ctx.one(((13, 29), (89, 91), (180, 183), (364, 365))))
    record = {"plate": ctx.plate(), "zone": zone, "valid_from": start.isoformat()}
    record |= {"valid_until": end.isoformat()}
    record |= only(ctx, 0.65, kind=ctx.one(("resident", "visitor", "business", "carer")))
    return record, {
        "old_plate": ctx.plate(),
        "old_zone": f"{ctx.one([c for c in 'ABCDEFGH' if c != zone[0]])}{ctx.between(1, 18)}",
        "old_until": ctx.later(start, -20, -1).isoformat(),
        "applied": ctx.later(start, -45, -4).isoformat(),
        "seen": ctx.later(start, 2, 12).isoformat(),
        "fee": ctx.between(6, 48) * 250 / 100,
        "town": ctx.town()[0],
    }


@sampler
def bulky_waste_pickup(ctx: SamplingContext) -> tuple[dict, dict]:
    """A piece of furniture and its day; distractors: another piece and the day first planned."""
    day = ctx.workday()
    item, volumes = ctx.one(BULKY)
    record = {"item": item, "street": ctx.street(), "pickup_on": day.isoformat()}
    record |= only(ctx, 0.6, volume_m3=ctx.one(volumes))
    record |= only(ctx, 0.6, carry_out=ctx.chance(0.5))
    return record, {
        "other_item": ctx.one([name for name, _ in BULKY if name.split()[-1] != item.split()[-1]]),
        "old_date": ctx.later(day, *ctx.one(((-7, -7), (-14, -14)))).isoformat(),
        "booked": ctx.later(day, -35, -15).isoformat(),
        "other_street": ctx.one([s for s in ctx.place.streets if s not in record["street"]]),
        "crew_starts": ctx.one(("06:00", "06:30", "07:00", "07:30")),
        "slip": ctx.code("######"),
    }


@sampler
def noise_complaint(ctx: SamplingContext) -> tuple[dict, dict]:
    """Disturbances on one to three days; distractors: the resident's own address and the limit."""
    who, phone, day = ctx.person(), ctx.phone(), ctx.date()
    kind = ctx.one(tuple(NOISES))
    first, last = NOISES[kind]
    source = {"kind": kind, "street": ctx.street()} | only(ctx, 0.5, floor=ctx.between(1, 6))
    diary = []
    for _ in range(ctx.between(1, 3)):
        begin = ctx.between(first, last)
        end = f"{begin + ctx.between(1, 2):02d}:{5 * ctx.between(0, 11):02d}"
        diary.append({"date": day.isoformat(), "from": f"{begin:02d}:{ctx.one(WHEN)}", "to": end})
        day = ctx.later(day, 1, 6)
    record = {
        "reported_by": {"name": who.name} | only(ctx, 0.5, phone=phone),
        "source": source,
        "diary": diary,
    }
    record |= only(ctx, 0.45, peak_db=ctx.between(58, 91))
    record |= only(ctx, 0.6, spoken_to=ctx.chance(0.5))
    return record, {
        "home": ctx.street(),
        "filed": ctx.later(day, 1, 4).isoformat(),
        "ref": ctx.code("N/#####"),
        "limit_db": ctx.one((45, 50, 55)),
        "office_phone": ctx.phones[ctx.phone()],
    }
