"""Public service: offices, permits, complaints and public transport."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World

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
    ("corner sofa", (1.8, 2.2, 2.4)), ("double mattress", (0.5, 0.6, 0.7)), ("single mattress", (0.3, 0.4)),
    ("oak wardrobe", (1.6, 2.1, 2.5)), ("chest freezer", (0.6, 0.8, 0.9)), ("tumble dryer", (0.4, 0.5)),
    ("washing machine", (0.4, 0.5)), ("bunk bed", (1.2, 1.4, 1.5)), ("dining table", (0.7, 0.9, 1.1)),
    ("garden bench", (0.5, 0.7)), ("rolled-up carpet", (0.3, 0.4, 0.6)), ("upright piano", (1.3, 1.5)),
    ("desk with drawers", (0.6, 0.8)), ("kitchen cupboard", (0.7, 1.1, 1.3)), ("wing chair", (0.5, 0.6)),
    ("exercise bike", (0.5, 0.7)), ("rabbit hutch", (0.4, 0.6)), ("ping-pong table", (0.6, 0.9)),
    ("sofa bed", (1.4, 1.6, 1.9)), ("bookcase", (0.6, 0.8, 1.2)), ("slatted bed frame", (0.4, 0.6)),
    ("fridge-freezer", (0.8, 0.9, 1.1)), ("shower cabin", (0.9, 1.2)), ("chest of drawers", (0.5, 0.7)),
)  # fmt: skip
NOISES = {  # what makes the noise, and the hours between which it begins
    "music": (18, 21), "dog": (6, 20), "building_work": (6, 19), "party": (19, 21), "machine": (5, 20),
    "alarm": (6, 21),
}  # fmt: skip
WHEN = words("00 05 10 15 20 30 40 45 50")


@sampler
def lost_item(world: World) -> tuple[dict, dict]:
    """The thing, the line and the day; the day of the report beside it."""
    lost_on = world.date()
    record = {"item": world.one(LOST_ITEMS)}
    colours = ("black", "blue", "brown", "green", "grey", "red", "white", "yellow")
    record |= only(world, 0.75, colour=world.one(colours))
    record |= {"line": world.one(LINES), "lost_on": lost_on.isoformat()}
    phone = world.phone()
    record |= only(world, 0.65, phone=phone)
    other = world.one([line for line in LINES if line != record["line"]])
    return record, {
        "reported_on": world.later(lost_on, 1, 5).isoformat(),
        "other_line": other,
        "stop": world.town()[0] + " Central",
        "contents": world.one(
            ("a library book", "a pair of sunglasses", "a season ticket", "a water bottle", "a spare key")
        ),
    }


@sampler
def parking_permit(world: World) -> tuple[dict, dict]:
    """A permit and its time; the car, the zone and the permit before it beside it."""
    start, zone = world.date(), f"{world.one('ABCDEFGH')}{world.between(1, 18)}"
    end = world.later(start, *world.one(((13, 29), (89, 91), (180, 183), (364, 365))))
    record = {"plate": world.plate(), "zone": zone, "valid_from": start.isoformat()}
    record |= {"valid_until": end.isoformat()}
    record |= only(world, 0.65, kind=world.one(("resident", "visitor", "business", "carer")))
    return record, {
        "old_plate": world.plate(),
        "old_zone": f"{world.one([c for c in 'ABCDEFGH' if c != zone[0]])}{world.between(1, 18)}",
        "old_until": world.later(start, -20, -1).isoformat(),
        "applied": world.later(start, -45, -4).isoformat(),
        "seen": world.later(start, 2, 12).isoformat(),
        "fee": world.between(6, 48) * 250 / 100,
        "town": world.town()[0],
    }


@sampler
def bulky_waste_pickup(world: World) -> tuple[dict, dict]:
    """A piece of furniture and its day; another piece and the day first planned beside it."""
    day = world.workday()
    item, volumes = world.one(BULKY)
    record = {"item": item, "street": world.street(), "pickup_on": day.isoformat()}
    record |= only(world, 0.6, volume_m3=world.one(volumes))
    record |= only(world, 0.6, carry_out=world.chance(0.5))
    return record, {
        "other_item": world.one([name for name, _ in BULKY if name.split()[-1] != item.split()[-1]]),
        "old_date": world.later(day, *world.one(((-7, -7), (-14, -14)))).isoformat(),
        "booked": world.later(day, -35, -15).isoformat(),
        "other_street": world.one([s for s in world.place.streets if s not in record["street"]]),
        "crew_starts": world.one(("06:00", "06:30", "07:00", "07:30")),
        "slip": world.code("######"),
    }


@sampler
def noise_complaint(world: World) -> tuple[dict, dict]:
    """Disturbances on one to three days; the resident's own address and the limit beside it."""
    who, phone, day = world.person(), world.phone(), world.date()
    kind = world.one(tuple(NOISES))
    first, last = NOISES[kind]
    source = {"kind": kind, "street": world.street()} | only(world, 0.5, floor=world.between(1, 6))
    diary = []
    for _ in range(world.between(1, 3)):
        begin = world.between(first, last)
        end = f"{begin + world.between(1, 2):02d}:{5 * world.between(0, 11):02d}"
        diary.append({"date": day.isoformat(), "from": f"{begin:02d}:{world.one(WHEN)}", "to": end})
        day = world.later(day, 1, 6)
    record = {
        "reported_by": {"name": who.name} | only(world, 0.5, phone=phone),
        "source": source,
        "diary": diary,
    }
    record |= only(world, 0.45, peak_db=world.between(58, 91))
    record |= only(world, 0.6, spoken_to=world.chance(0.5))
    return record, {
        "home": world.street(),
        "filed": world.later(day, 1, 4).isoformat(),
        "ref": world.code("N/#####"),
        "limit_db": world.one((45, 50, 55)),
        "office_phone": world.phones[world.phone()],
    }
