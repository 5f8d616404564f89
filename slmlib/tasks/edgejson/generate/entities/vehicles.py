"""Vehicles: sold, fined and inspected."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import business, papers, slot_on
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

MODELS = (  # model, fuels, price in hundreds when nearly new
    ("VW Golf", ("petrol", "diesel", "hybrid"), 260), ("Opel Corsa", ("petrol", "electric"), 190),
    ("Renault Zoe", ("electric",), 240), ("Toyota Yaris", ("petrol", "hybrid"), 210),
    ("Ford Transit", ("diesel",), 340), ("Skoda Octavia", ("petrol", "diesel"), 270),
    ("Fiat 500", ("petrol", "electric"), 170), ("Volvo V60", ("petrol", "diesel", "hybrid"), 420),
    ("Nissan Leaf", ("electric",), 260), ("Kia Ceed", ("petrol", "hybrid"), 230),
    ("Mazda 3", ("petrol",), 250), ("Peugeot Partner", ("diesel", "electric"), 220),
    ("Honda Jazz", ("hybrid",), 220), ("Seat Ibiza", ("petrol",), 180),
    ("Dacia Duster", ("petrol", "diesel"), 200),
    ("Hyundai Kona", ("petrol", "electric", "hybrid"), 290), ("BMW 320", ("petrol", "diesel"), 430),
)  # fmt: skip
DEFECTS = {  # part -> what an inspector finds, each part with the places where it sits
    "brake pad": (("worn", "cracked"), ("front_left", "front_right", "rear_left", "rear_right")),
    "brake disc": (("scored", "rusty"), ("front_left", "front_right", "rear_left", "rear_right")),
    "tyre": (
        ("worn", "cracked", "bulging"),
        ("front_left", "front_right", "rear_left", "rear_right"),
    ),
    "shock absorber": (
        ("leaking", "bent"),
        ("front_left", "front_right", "rear_left", "rear_right"),
    ),
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
def vehicle_sale(ctx: SamplingContext) -> dict:
    """A used car is sold; the deposit is part of the price."""
    model, fuels, new = ctx.one(MODELS)
    age = ctx.between(1, 14)
    price = max(9, new * (20 - age) // 20 - ctx.between(5, 40)) * 100 + ctx.one((0, 0, 50, 90))
    sold = ctx.date()
    return {
        "model": model,
        "fuel": ctx.one(fuels),
        "first_registered": sold.year - age,
        "mileage_km": age * ctx.between(7_000, 19_000) + ctx.between(100, 900),
        "price": float(price),
        "deposit": float(ctx.between(1, 8) * 50),
        "currency": ctx.place.currency,
        "sold_on": sold.isoformat(),
        "previous_owners": ctx.between(2, 5),
        "papers": papers(ctx, ("contract", "certificate", "manual"), sold),
        "collection": slot_on(ctx, ctx.later(sold, 0, 10)),
    }


@entity
def traffic_fine(ctx: SamplingContext) -> dict:
    """A fine for what somebody did on the road, to be paid some weeks later."""
    offence = ctx.one(tuple(_FINES))
    day = ctx.date()
    return {
        "notice_no": ctx.code("TF-######"),
        "plate": ctx.plate(),
        "offence": offence,
        "offence_date": day.isoformat(),
        "offence_time": ctx.clock(0, 24, step=1),
        "road": ctx.one(ROADS),
        "amount": ctx.between(*_FINES[offence]) * 500 / 100,
        "currency": ctx.place.currency,
        "pay_by": ctx.later(day, 14, 45).isoformat(),
        "issued_by": business(ctx, "office"),
    }


_FINES = {"speeding": (6, 60), "red_light": (18, 50), "illegal_parking": (2, 14),
"phone_use": (12, 30),
          "bus_lane": (5, 16)}  # fmt: skip


@entity
def car_inspection(ctx: SamplingContext) -> dict:
    """A car is looked over; the next time is a year or two later."""
    day = ctx.date()
    defects = [draw("inspection_defect", ctx) for _ in range(ctx.between(1, 3))]
    for defect in defects:
        defect["repair_by"] = ctx.later(day, 7, 30).isoformat()
    mileage = ctx.between(8_000, 260_000)
    harmless = all(defect["severity"] == "minor" for defect in defects)
    return {
        "certificate_no": ctx.code("IC-######"),
        "inspected_on": day.isoformat(),
        "station": f"{ctx.person().last} {ctx.one(('Garage', 'Motors', 'Test Centre'))}",
        "inspector": ctx.person().name,
        "mileage_km": mileage,
        "result": ctx.one(("pass", "pass_with_defects")) if harmless else "fail",
        "co_percent": ctx.steps(1, 45, 100),
        "next_due": ctx.later(day, 360, 735).isoformat(),
        "defects": defects,
        "vehicle": draw("vehicle", ctx) | {"mileage_km": mileage},
    }


@entity
def inspection_defect(ctx: SamplingContext) -> dict:
    """One thing that an inspector found."""
    part = ctx.one(tuple(DEFECTS))
    conditions, corners = DEFECTS[part]
    return {
        "part": part,
        "condition": ctx.one(conditions),
        "corner": ctx.one(corners),
        "severity": ctx.one(("minor", "minor", "major", "dangerous")),
        "repair_by": ctx.date().isoformat(),
    }
