"""Field service: visits to repair and install."""

from datetime import date

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

BRANDS = words("Norvia Aquatek Halberg Lumero Brandis Frostal Ketola Domeva Siltex Ravenna")
UNITS = {  # what is installed, its models, and the hours that it takes
    "heat_pump": (("Ketola Aria 8", "Norvia HP 9", "Halberg Terra 12", "Brandis Eco 6"), (5, 8)),
    "wallbox": (("Lumero W11", "Voltano Home 22", "Siltex Charge 11", "Voltano Duo"), (2, 4)),
    "solar": (("Helianta 400", "Norvia Sun 10", "Ravenna PV 8", "Lumero Roof 6"), (5, 8)),
    "air_conditioner": (
        ("Frostal Breeze 25", "Domeva Cool 35", "Ketola Vento", "Halberg Air 20"),
        (3, 6),
    ),
    "fibre_router": (("Linkora X5", "Netvia 7530", "Siltex Fibre 2", "Linkora Pro"), (1, 2)),
    "water_softener": (
        ("Hydrona Soft 15", "Brandis Calma", "Hydrona Mini", "Ravenna Pure 20"),
        (1, 3),
    ),
}
OFFICES = words(
    "north_wing east_wing main_hall school_annex swimming_hall town_library office_tower "
    "concert_hall canteen"
)
WORKS = words(
    "rear_warehouse packing_hall cold_store old_workshop laundry paint_shop loading_hall "
    "bottling_plant"
)
MACHINES = {  # what may be checked on it, and its small parts: cents from, to, most at one visit
    "lift": (
        words("door_sensor door_closer brake guide_rails suspension_ropes"),
        (
            ("cabin lamp", 850, 2400, 4),
            ("guide shoe", 2900, 6500, 4),
            ("door roller", 1200, 2600, 6),
        ),
    ),
    "boiler": (
        words("burner flue_damper safety_valve pressure_gauge circulation_pump"),
        (
            ("gasket set", 900, 2900, 2),
            ("ignition electrode", 1900, 4500, 2),
            ("fuel filter", 700, 1900, 2),
        ),
    ),
    "forklift": (
        words("mast_chain parking_brake steering_rod hydraulic_valve battery_clamps"),
        (
            ("hydraulic seal", 450, 1900, 6),
            ("brake pad", 2400, 5900, 4),
            ("headlamp bulb", 390, 1200, 2),
        ),
    ),
    "compressor": (
        words("inlet_valve drive_belt oil_separator pressure_switch condensate_drain"),
        (
            ("filter cartridge", 1800, 4900, 2),
            ("oil can", 1400, 3900, 3),
            ("hose clamp", 90, 350, 8),
        ),
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
def repair_visit(ctx: SamplingContext) -> tuple[dict, dict]:
    """A customer, a broken device, and the time window of the visit."""
    day, start = ctx.workday(), ctx.between(8, 15)
    slot = {
        "date": day.isoformat(),
        "from": f"{start:02d}:00",
        "to": f"{start + ctx.between(1, 4):02d}:{ctx.one(('00', '30'))}",
    }
    kinds = ("washing_machine", "dishwasher", "oven", "fridge", "dryer", "boiler")
    appliance = {"type": ctx.one(kinds), "brand": ctx.one(BRANDS)}
    record = {
        "job_no": ctx.code("J######"),
        "customer": {"name": ctx.person().name, "street": ctx.street(), "city": ctx.town()[0]},
        "appliance": appliance | only(ctx, 0.65, error_code=ctx.code("@##")),
    }
    record |= only(ctx, 0.7, under_warranty=ctx.chance(0.5)) | {"slot": slot}
    record |= only(ctx, 0.7, technician=ctx.person().name)
    age = (-700, -60) if record.get("under_warranty", ctx.chance(0.5)) else (-2600, -1100)
    return record, {
        "bought": ctx.later(day, *age).isoformat(),
        "old_date": ctx.workday_near(day, -8, -1).isoformat(),
    }


@sampler
def installation_job(ctx: SamplingContext) -> tuple[dict, dict]:
    """A device, who installed it and how long it took; distractors: the plan and the old device."""
    day, kind = ctx.workday(), ctx.one(tuple(UNITS))
    models, (least, most) = UNITS[kind]
    begin, took = (
        5 * ctx.between(7 * 12 + 6, (16 - most) * 12),
        5 * ctx.between(12 * least, 12 * most),
    )
    unit = {"kind": kind, "model": ctx.one(models)} | only(ctx, 0.6, serial=ctx.code("@@#######"))
    work = {"date": day.isoformat(), "from": hhmm(begin), "to": hhmm(begin + took)}
    record = {
        "job_no": ctx.code("IN-####"),
        "unit": unit,
        "site": {"contact": ctx.person().name, "street": ctx.street()},
        "crew": [
            ctx.person().name for _ in range(ctx.one((1, 2, 2, 3) if most < 5 else (2, 2, 3)))
        ],
        "work": work | only(ctx, 0.6, minutes=took),
    }
    record |= only(ctx, 0.6, signed=ctx.chance(0.6))
    return record, {
        "planned": ctx.workday_near(day, -12, -1).isoformat(),
        "planned_from": hhmm(begin - 30),
        "quoted": took + ctx.one((-25, -10, 15, 40, 60)),
        "old_serial": ctx.code("@@#######"),
        "other_model": ctx.one([model for model in models if model != unit["model"]]),
    }


@sampler
def maintenance_report(ctx: SamplingContext) -> tuple[dict, dict]:
    """Checks and parts that fit the machine; distractors: another machine, the last service."""
    ctx.settle("ie", "de", "nl", "fr", "es", "it")  # prices are in euros
    kind, day = ctx.one(tuple(MACHINES)), ctx.workday()
    points, parts = MACHINES[kind]
    results = ("ok", "ok", "adjusted", "cleaned", "replaced", "defective")
    checks = [{"point": point, "result": ctx.one(results)} for point in ctx.some(points, 1, 3)]
    asset = {"tag": ctx.code("@@@-##"), "kind": kind, "location": _location(ctx, kind)}
    visit = {"date": day.isoformat(), "engineer": ctx.person().name}
    record = {
        "report_no": ctx.code("M#####"),
        "asset": asset,
        "visit": visit | only(ctx, 0.5, arrived=ctx.clock(6, 16, step=5)),
        "checks": checks,
    }
    record |= only(ctx, 0.45, parts=[_part(ctx, part) for part in ctx.some(parts, 1, 2)])
    if kind not in ("lift", "rolling_gate"):
        record |= only(ctx, 0.7, running_hours=ctx.between(180, 24_000))
    broken = any(check["result"] == "defective" for check in checks)
    record |= only(ctx, 0.65, in_service=not broken)
    record |= only(ctx, 0.65, next_service=_next_service(ctx, day))
    return record, {
        "other_tag": ctx.code("@@@-##"),
        "last_on": ctx.later(day, -380, -90).isoformat(),
        "other_building": ctx.one(
            [b for b in _buildings(kind) if b != asset["location"]["building"]]
        ),
        "spare": ctx.one([p for p in points if p not in {check["point"] for check in checks}]),
    }


def _buildings(kind: str) -> tuple[str, ...]:
    return OFFICES if kind in ("lift", "boiler", "ventilation") else WORKS


def _location(ctx: SamplingContext, kind: str) -> dict:
    """A building in which such a machine stands; lifts, gates and forklifts have no level."""
    location = {"building": ctx.one(_buildings(kind))}
    if kind in ("boiler", "ventilation", "compressor"):
        location |= only(
            ctx, 0.75, level=ctx.one((-1, 1, 2, 3, 4) if kind == "ventilation" else (-2, -1, 1))
        )
    return location


def _next_service(ctx: SamplingContext, day: date) -> dict:
    days = ctx.one((28, 56, 84, 91, 119, 168, 182, 364))
    return {"on": ctx.later(day, days, days).isoformat()} | only(ctx, 0.5, in_days=days)


def _part(ctx: SamplingContext, part: tuple) -> dict:
    name, low, high, most = part
    return {"name": name, "pieces": ctx.between(1, most), "price_eur": ctx.price(low, high) / 100}
