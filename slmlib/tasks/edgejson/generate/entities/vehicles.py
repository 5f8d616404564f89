"""Vehicles: sold, fined and inspected."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import business, papers, slot_on
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World

MODELS = (  # model, fuels, price in hundreds when nearly new
    ("VW Golf", ("petrol", "diesel", "hybrid"), 260), ("Opel Corsa", ("petrol", "electric"), 190),
    ("Renault Zoe", ("electric",), 240), ("Toyota Yaris", ("petrol", "hybrid"), 210),
    ("Ford Transit", ("diesel",), 340), ("Skoda Octavia", ("petrol", "diesel"), 270),
    ("Fiat 500", ("petrol", "electric"), 170), ("Volvo V60", ("petrol", "diesel", "hybrid"), 420),
    ("Nissan Leaf", ("electric",), 260), ("Kia Ceed", ("petrol", "hybrid"), 230),
    ("Mazda 3", ("petrol",), 250), ("Peugeot Partner", ("diesel", "electric"), 220),
    ("Honda Jazz", ("hybrid",), 220), ("Seat Ibiza", ("petrol",), 180),
    ("Dacia Duster", ("petrol", "diesel"), 200), ("Hyundai Kona", ("petrol", "electric", "hybrid"), 290),
    ("BMW 320", ("petrol", "diesel"), 430),
)  # fmt: skip
DEFECTS = {  # part -> what an inspector finds, each part with the places where it sits
    "brake pad": (("worn", "cracked"), ("front_left", "front_right", "rear_left", "rear_right")),
    "brake disc": (("scored", "rusty"), ("front_left", "front_right", "rear_left", "rear_right")),
    "tyre": (("worn", "cracked", "bulging"), ("front_left", "front_right", "rear_left", "rear_right")),
    "shock absorber": (("leaking", "bent"), ("front_left", "front_right", "rear_left", "rear_right")),
    "dipped headlight": (("too high", "blown"), ("front_left", "front_right")),
    "indicator": (("blown", "cracked"), ("front_left", "front_right", "rear_left", "rear_right")),
    "brake light": (("blown", "cracked"), ("rear_left", "rear_right")),
    "wheel bearing": (("noisy", "loose"), ("front_left", "front_right", "rear_left", "rear_right")),
    "coil spring": (("broken", "rusty"), ("front_left", "front_right", "rear_left", "rear_right")),
    "track rod end": (("loose", "worn"), ("front_left", "front_right")),
    "seat belt": (("frayed", "jammed"), ("front_left", "front_right", "rear_left", "rear_right")),
    "door mirror": (("cracked", "loose"), ("front_left", "front_right")),
}
ROADS = words(
    "Ring_Road Harbour_Bridge Station_Street Park_Avenue Northern_Bypass High_Street Tunnel_Road "
    "Cathedral_Hill Old_Mill_Junction Airport_Road Canal_Street Victoria_Square Riverside_Drive "
    "Lime_Tree_Avenue"
)


@entity
def vehicle_sale(world: World) -> dict:
    """A used car is sold; the deposit is part of the price."""
    model, fuels, new = world.one(MODELS)
    age = world.between(1, 14)
    price = max(9, new * (20 - age) // 20 - world.between(5, 40)) * 100 + world.one((0, 0, 50, 90))
    sold = world.date()
    return {
        "model": model,
        "fuel": world.one(fuels),
        "first_registered": sold.year - age,
        "mileage_km": age * world.between(7_000, 19_000) + world.between(100, 900),
        "price": float(price),
        "deposit": float(world.between(1, 8) * 50),
        "currency": world.place.currency,
        "sold_on": sold.isoformat(),
        "previous_owners": world.between(2, 5),
        "papers": papers(world, ("contract", "certificate", "manual"), sold),
        "collection": slot_on(world, world.later(sold, 0, 10)),
    }


@entity
def traffic_fine(world: World) -> dict:
    """A fine for what somebody did on the road, to be paid some weeks later."""
    offence = world.one(tuple(_FINES))
    day = world.date()
    return {
        "notice_no": world.code("TF-######"),
        "plate": world.plate(),
        "offence": offence,
        "offence_date": day.isoformat(),
        "offence_time": world.clock(0, 24, step=1),
        "road": world.one(ROADS),
        "amount": world.between(*_FINES[offence]) * 500 / 100,
        "currency": world.place.currency,
        "pay_by": world.later(day, 14, 45).isoformat(),
        "issued_by": business(world, "office"),
    }


_FINES = {"speeding": (6, 60), "red_light": (18, 50), "illegal_parking": (2, 14), "phone_use": (12, 30),
          "bus_lane": (5, 16)}  # fmt: skip


@entity
def car_inspection(world: World) -> dict:
    """A car is looked over; the next time is a year or two later."""
    day = world.date()
    defects = [draw("inspection_defect", world) for _ in range(world.between(1, 3))]
    for defect in defects:
        defect["repair_by"] = world.later(day, 7, 30).isoformat()
    mileage = world.between(8_000, 260_000)
    harmless = all(defect["severity"] == "minor" for defect in defects)
    return {
        "certificate_no": world.code("IC-######"),
        "inspected_on": day.isoformat(),
        "station": f"{world.person().last} {world.one(('Garage', 'Motors', 'Test Centre'))}",
        "inspector": world.person().name,
        "mileage_km": mileage,
        "result": world.one(("pass", "pass_with_defects")) if harmless else "fail",
        "co_percent": world.steps(1, 45, 100),
        "next_due": world.later(day, 360, 735).isoformat(),
        "defects": defects,
        "vehicle": draw("vehicle", world) | {"mileage_km": mileage},
    }


@entity
def inspection_defect(world: World) -> dict:
    """One thing that an inspector found."""
    part = world.one(tuple(DEFECTS))
    conditions, corners = DEFECTS[part]
    return {
        "part": part,
        "condition": world.one(conditions),
        "corner": world.one(corners),
        "severity": world.one(("minor", "minor", "major", "dangerous")),
        "repair_by": world.date().isoformat(),
    }
