"""Field service: visits to repair and install."""

from datetime import date

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World, hhmm

BRANDS = words("Norvia Aquatek Halberg Lumero Brandis Frostal Ketola Domeva Siltex Ravenna")
UNITS = {  # what is installed, its models, and the hours that it takes
    "heat_pump": (("Ketola Aria 8", "Norvia HP 9", "Halberg Terra 12", "Brandis Eco 6"), (5, 8)),
    "wallbox": (("Lumero W11", "Voltano Home 22", "Siltex Charge 11", "Voltano Duo"), (2, 4)),
    "solar": (("Helianta 400", "Norvia Sun 10", "Ravenna PV 8", "Lumero Roof 6"), (5, 8)),
    "air_conditioner": (("Frostal Breeze 25", "Domeva Cool 35", "Ketola Vento", "Halberg Air 20"), (3, 6)),
    "fibre_router": (("Linkora X5", "Netvia 7530", "Siltex Fibre 2", "Linkora Pro"), (1, 2)),
    "water_softener": (("Hydrona Soft 15", "Brandis Calma", "Hydrona Mini", "Ravenna Pure 20"), (1, 3)),
}
OFFICES = words(
    "north_wing east_wing main_hall school_annex swimming_hall town_library office_tower concert_hall canteen"
)
WORKS = words(
    "rear_warehouse packing_hall cold_store old_workshop laundry paint_shop loading_hall bottling_plant"
)
MACHINES = {  # what may be checked on it, and its small parts: cents from, to, most at one visit
    "lift": (
        words("door_sensor door_closer brake guide_rails suspension_ropes"),
        (("cabin lamp", 850, 2400, 4), ("guide shoe", 2900, 6500, 4), ("door roller", 1200, 2600, 6)),
    ),
    "boiler": (
        words("burner flue_damper safety_valve pressure_gauge circulation_pump"),
        (("gasket set", 900, 2900, 2), ("ignition electrode", 1900, 4500, 2), ("fuel filter", 700, 1900, 2)),
    ),
    "forklift": (
        words("mast_chain parking_brake steering_rod hydraulic_valve battery_clamps"),
        (("hydraulic seal", 450, 1900, 6), ("brake pad", 2400, 5900, 4), ("headlamp bulb", 390, 1200, 2)),
    ),
    "compressor": (
        words("inlet_valve drive_belt oil_separator pressure_switch condensate_drain"),
        (("filter cartridge", 1800, 4900, 2), ("oil can", 1400, 3900, 3), ("hose clamp", 90, 350, 8)),
    ),
    "ventilation": (
        words("bypass_flap fan_bearing fresh_air_flap V-belt heat_wheel"),
        (
            ("pocket filter", 2200, 5400, 6),
            ("grease cartridge", 650, 1500, 2),
            ("sealing strip", 300, 900, 8),
        ),
    ),
    "rolling_gate": (
        words("springs light_barrier motor_brake side_rails limit_switch"),
        (("slat", 1900, 4800, 5), ("rubber seal", 800, 2600, 2), ("remote control", 2900, 5900, 3)),
    ),
}


@sampler
def repair_visit(world: World) -> tuple[dict, dict]:
    """Who, what is broken, and the window in which somebody comes."""
    day, start = world.workday(), world.between(8, 15)
    slot = {
        "date": day.isoformat(),
        "from": f"{start:02d}:00",
        "to": f"{start + world.between(1, 4):02d}:{world.one(('00', '30'))}",
    }
    kinds = ("washing_machine", "dishwasher", "oven", "fridge", "dryer", "boiler")
    appliance = {"type": world.one(kinds), "brand": world.one(BRANDS)}
    record = {
        "job_no": world.code("J######"),
        "customer": {"name": world.person().name, "street": world.street(), "city": world.town()[0]},
        "appliance": appliance | only(world, 0.65, error_code=world.code("@##")),
    }
    record |= only(world, 0.7, under_warranty=world.chance(0.5)) | {"slot": slot}
    record |= only(world, 0.7, technician=world.person().name)
    age = (-700, -60) if record.get("under_warranty", world.chance(0.5)) else (-2600, -1100)
    return record, {
        "bought": world.later(day, *age).isoformat(),
        "old_date": world.workday_near(day, -8, -1).isoformat(),
    }


@sampler
def installation_job(world: World) -> tuple[dict, dict]:
    """A device, those who installed it, and how long it took; the plan and the old device beside it."""
    day, kind = world.workday(), world.one(tuple(UNITS))
    models, (least, most) = UNITS[kind]
    begin, took = 5 * world.between(7 * 12 + 6, (16 - most) * 12), 5 * world.between(12 * least, 12 * most)
    unit = {"kind": kind, "model": world.one(models)} | only(world, 0.6, serial=world.code("@@#######"))
    work = {"date": day.isoformat(), "from": hhmm(begin), "to": hhmm(begin + took)}
    record = {
        "job_no": world.code("IN-####"),
        "unit": unit,
        "site": {"contact": world.person().name, "street": world.street()},
        "crew": [world.person().name for _ in range(world.one((1, 2, 2, 3) if most < 5 else (2, 2, 3)))],
        "work": work | only(world, 0.6, minutes=took),
    }
    record |= only(world, 0.6, signed=world.chance(0.6))
    return record, {
        "planned": world.workday_near(day, -12, -1).isoformat(),
        "planned_from": hhmm(begin - 30),
        "quoted": took + world.one((-25, -10, 15, 40, 60)),
        "old_serial": world.code("@@#######"),
        "other_model": world.one([model for model in models if model != unit["model"]]),
    }


@sampler
def maintenance_report(world: World) -> tuple[dict, dict]:
    """Checks and parts that fit the machine; a neighbouring machine and the last service beside it."""
    world.settle("ie", "de", "nl", "fr", "es", "it")  # prices are in euros
    kind, day = world.one(tuple(MACHINES)), world.workday()
    points, parts = MACHINES[kind]
    results = ("ok", "ok", "adjusted", "cleaned", "replaced", "defective")
    checks = [{"point": point, "result": world.one(results)} for point in world.some(points, 1, 3)]
    asset = {"tag": world.code("@@@-##"), "kind": kind, "location": _location(world, kind)}
    visit = {"date": day.isoformat(), "engineer": world.person().name}
    record = {
        "report_no": world.code("M#####"),
        "asset": asset,
        "visit": visit | only(world, 0.5, arrived=world.clock(6, 16, step=5)),
        "checks": checks,
    }
    record |= only(world, 0.45, parts=[_part(world, part) for part in world.some(parts, 1, 2)])
    if kind not in ("lift", "rolling_gate"):
        record |= only(world, 0.7, running_hours=world.between(180, 24_000))
    broken = any(check["result"] == "defective" for check in checks)
    record |= only(world, 0.65, in_service=not broken)
    record |= only(world, 0.65, next_service=_next_service(world, day))
    return record, {
        "other_tag": world.code("@@@-##"),
        "last_on": world.later(day, -380, -90).isoformat(),
        "other_building": world.one([b for b in _buildings(kind) if b != asset["location"]["building"]]),
        "spare": world.one([p for p in points if p not in {check["point"] for check in checks}]),
    }


def _buildings(kind: str) -> tuple[str, ...]:
    return OFFICES if kind in ("lift", "boiler", "ventilation") else WORKS


def _location(world: World, kind: str) -> dict:
    """A building in which such a machine stands; lifts, gates and forklifts have no level."""
    location = {"building": world.one(_buildings(kind))}
    if kind in ("boiler", "ventilation", "compressor"):
        location |= only(
            world, 0.75, level=world.one((-1, 1, 2, 3, 4) if kind == "ventilation" else (-2, -1, 1))
        )
    return location


def _next_service(world: World, day: date) -> dict:
    days = world.one((28, 56, 84, 91, 119, 168, 182, 364))
    return {"on": world.later(day, days, days).isoformat()} | only(world, 0.5, in_days=days)


def _part(world: World, part: tuple) -> dict:
    name, low, high, most = part
    return {"name": name, "pieces": world.between(1, most), "price_eur": world.price(low, high) / 100}
