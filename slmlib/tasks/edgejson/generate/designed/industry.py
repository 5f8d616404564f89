"""Industry: sensors, machines, quality and chemicals."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

SITES = words(  # each with a number or a letter, so that none needs an article
    "boiler_house_1 smelter_2 paint_shop_3 line_4_gearbox compressor_room_1 press_hall_2 "
    "pump_station_B tank_farm_C drying_tunnel_1 engine_room_2 loading_bay_3 kiln_1 mixing_hall_4 "
    "cooling_tower_A packing_line_2 turbine_deck_2"
)
# quantity: (id prefix, unit, steps per unit, upper limits from and to, lower limits); in steps
SENSORS = {
    "temperature": ("TMP", "°C", 10, (400, 950), (20, 150)),
    "pressure": ("PRS", "bar", 10, (40, 160), (10, 35)),
    "humidity": ("HUM", "%", 1, (55, 80), (20, 40)),
    "vibration": ("VIB", "mm/s", 10, (28, 112), None),
    "flow": ("FLW", "l/min", 1, (120, 480), (20, 90)),
}
MACHINES = (  # letters of its number, name, whether its tool wears, tens of pieces an hour
    ("FM", "filling machine", False, 150), ("PR", "punch press", True, 120),
    ("CL", "lathe", True, 6), ("RB", "welding robot", False, 9), ("CV", "conveyor", False, 90),
    ("LB", "labeller", False, 180), ("PK", "packing machine", False, 60),
    ("CP", "capping machine", False, 150), ("SW", "band saw", True, 12),
    ("GR", "grinding machine", True, 8), ("ML", "milling machine", True, 5),
    ("FL", "folding machine", False, 110),
)  # fmt: skip
PARTS = (  # part, nominal size from and to in mm, tolerances in hundredths of a mm
    ("drive shafts", 16, 60, (2, 5)), ("spacer rings", 8, 30, (5, 10)),
    ("guide pins", 6, 20, (1, 2)), ("bearing seats", 25, 90, (2, 3)),
    ("gear blanks", 40, 120, (5, 10)), ("valve stems", 5, 14, (1, 2)),
    ("cover plates", 3, 12, (10, 20)), ("bushings", 10, 45, (2, 5)), ("flanges", 60, 180, (10, 20)),
    ("piston rods", 12, 50, (2, 5)), ("cam discs", 30, 110, (5, 10)),
    ("clamping sleeves", 14, 48, (3, 5)),
)  # fmt: skip
PART_MAKERS = words(
    "Northline_Precision Delta_Machining Steelcraft_Components Rotaform Axis_Engineering Unimet "
    "Prime_Gear_Works Tectra_Machining Orbit_Turned_Parts Metallo_Components Ferrum_&_Co "
    "Linea_Precision"
)
CHEMICALS = (  # name, UN number, hazards
    ("acetone", "UN1090", ("flammable",)), ("isopropanol", "UN1219", ("flammable",)),
    ("methanol", "UN1230", ("flammable", "toxic")), ("toluene", "UN1294", ("flammable",)),
    ("ethyl acetate", "UN1173", ("flammable",)), ("xylene", "UN1307", ("flammable",)),
    ("heptane", "UN1206", ("flammable", "environment")),
    ("turpentine", "UN1299", ("flammable", "environment")),
    ("sulphuric acid", "UN1830", ("corrosive",)), ("hydrochloric acid", "UN1789", ("corrosive",)),
    ("nitric acid", "UN2031", ("corrosive", "oxidising")),
    ("phosphoric acid", "UN1805", ("corrosive",)),
    ("glacial acetic acid", "UN2789", ("corrosive", "flammable")),
    ("caustic soda solution", "UN1824", ("corrosive",)),
    ("hydrogen peroxide solution", "UN2014", ("oxidising", "corrosive")),
    ("ammonia solution", "UN2672", ("corrosive", "environment")),
    ("sodium hypochlorite solution", "UN1791", ("corrosive", "environment")),
    ("tetrachloroethylene", "UN1897", ("toxic", "environment")),
    ("iron chloride solution", "UN2582", ("corrosive",)),
    ("formic acid", "UN1779", ("corrosive", "flammable")),
)  # fmt: skip
CONTAINERS = {
    "canister": ((10, 25, 30), 4, 40),
    "drum": ((60, 120, 200), 2, 16),
    "ibc": ((600, 1000), 2, 6),
}
CHEMICAL_TRADE = words(
    "Chemtrade_West Solvent_Supply_Co Novachem Aquila_Chemicals Reagent_House Sigma_Bulk "
    "Polychem_Trading Lab_&_Plant_Supply Ionic_Chemicals Basis_Chemie Delta_Reagents Purechem"
)


@sampler
def sensor_alert(ctx: SamplingContext) -> tuple[dict, dict]:
    """A value on the wrong side of its limit; the value before it was on the right side."""
    quantity = ctx.one(tuple(SENSORS))
    prefix, unit, scale, upper, lower = SENSORS[quantity]
    kind = "upper" if lower is None or ctx.chance(0.6) else "lower"
    limit, sign = ctx.between(*(upper if kind == "upper" else lower)), 1 if kind == "upper" else -1
    beyond = ctx.between(1, min(15, limit // 2))  # never below zero
    value, before = limit + sign * beyond, limit - sign * ctx.between(2, 18)
    time, (number, other) = ctx.clock(0, 24, step=1), ctx.some(range(100, 1000), 2, 2)
    at = f"{ctx.date().isoformat()}T{time}:00Z"
    sensor = {"id": f"{prefix}-{number}", "place": ctx.one(SITES)}
    record = {
        "sensor": sensor | {"quantity": quantity},
        "reading": {"value": value / scale, "unit": unit, "at": at},
        "limit": {"value": limit / scale, "kind": kind},
        "severity": ctx.one(("info", "warning", "warning", "critical")),
    }
    record |= only(ctx, 0.65, notified=[ctx.person().name for _ in range(ctx.between(1, 3))])
    return record, {
        "before": before / scale,
        "other_id": f"{prefix}-{other}",
        "shift": "early" if "06" <= time < "14" else "late" if "14" <= time < "22" else "night",
    }


@sampler
def machine_downtime(ctx: SamplingContext) -> tuple[dict, dict]:
    """The minutes lost are those between stop and start; distractors: another machine."""
    (letters, kind, tooled, speed), (other, *_) = ctx.some(MACHINES, 2, 2)
    stop, lost = ctx.between(5 * 60, 20 * 60), ctx.between(13, 145)
    record = {"machine_id": f"{letters}-{ctx.between(1, 24):02d}"}
    causes = ("jam", "no_material", "power", "sensor_fault")
    record |= only(ctx, 0.75, cause=ctx.one((*causes, "tool_wear") if tooled else causes))
    record |= {"stopped": hhmm(stop), "restarted": hhmm(stop + lost), "lost_min": lost}
    return record, {
        "kind": kind,
        "other_id": f"{other}-{ctx.between(1, 24):02d}",
        "acked": hhmm(stop + ctx.between(2, 11)),
        "pieces": 10 * (1 + lost * speed // 60),
        "shift": ctx.one(("early", "day")) if stop < 13 * 60 else "late",
    }


@sampler
def quality_check(ctx: SamplingContext) -> tuple[dict, dict]:
    """Too small is rejected, too big is machined again, within tolerance is accepted."""
    part, low, high, tolerances = ctx.one(PARTS)
    nominal, tolerance = (
        ctx.between(low * 2, high * 2) * 50,
        ctx.one(tolerances),
    )  # hundredths of a mm
    verdict, day = ctx.one(("accepted", "accepted", "rework", "rejected")), ctx.workday()
    off = [ctx.between(-tolerance, tolerance) for _ in range(ctx.between(3, 5))]
    if verdict != "accepted":
        beyond = tolerance + ctx.between(1, 2 * tolerance)
        off[ctx.between(0, len(off) - 1)] = beyond if verdict == "rework" else -beyond
    record = {
        "lot_no": ctx.code("L#####"),
        "part": part,
        "checked": {"on": day.isoformat()} | only(ctx, 0.6, by=ctx.person().name),
        "spec": {"nominal_mm": nominal / 100, "tolerance_mm": tolerance / 100},
        "readings_mm": [(nominal + step) / 100 for step in off],
        "sample_size": len(off),
    }
    devices = ("micrometer", "projector", "cmm") + (("caliper",) if tolerance >= 5 else ())
    record |= only(ctx, 0.55, instrument=ctx.one(devices))
    marks = ("burrs", "scratches", "rust", "chatter")
    record |= only(ctx, 0.45, defects=ctx.some(marks, 1, 2))
    record["verdict"] = verdict
    return record, {
        "lot_size": ctx.between(8, 90) * 20,
        "other_lot": ctx.code("L#####"),
        "made_on": ctx.workday_near(day, -12, -1).isoformat(),
        "supplier": ctx.one(PART_MAKERS),
    }


@sampler
def chemical_delivery(ctx: SamplingContext) -> tuple[dict, dict]:
    """Litres in all are containers times litres; another product was ordered and did not come."""
    (name, un_no, hazards), (other, other_un, _) = ctx.some(CHEMICALS, 2, 2)
    kind = ctx.one(tuple(CONTAINERS))
    sizes, low, high = CONTAINERS[kind]
    count, litres, day = ctx.between(low, high), ctx.one(sizes), ctx.workday()
    record = {
        "note_no": ctx.code("LN-######"),
        "product": {"name": name, "un_no": un_no, "hazards": list(hazards)},
        "quantity": {
            "containers": count,
            "kind": kind,
            "litres_each": litres,
            "total_l": count * litres,
        },
        "delivered_on": day.isoformat(),
    }
    record |= only(ctx, 0.65, store=ctx.code("C-1#"))
    record |= only(ctx, 0.6, received_by=ctx.person().name)
    record |= only(ctx, 0.5, seals_ok=ctx.chance(0.7))
    return record, {
        "supplier": ctx.one(CHEMICAL_TRADE),
        "other": other,
        "other_un": other_un,
        "ordered_on": ctx.workday_near(day, -21, -3).isoformat(),
        "next": ctx.workday_near(day, 2, 15).isoformat(),
        "old_stock": ctx.between(3, 28) * 10,
    }
