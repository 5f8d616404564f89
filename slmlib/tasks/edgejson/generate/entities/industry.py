"""Industry: alarms, batches and what a building uses."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

PLANTS = words(
    "north_pumping_station sewage_works_east boiler_house cooling_tower_A tank_farm borehole_4 "
    "dye_works fire_water_station bottling_hall drainage_shaft_2 acid_store rinse_line "
    "paper_mill_basement brine_plant condensate_room transfer_station_6"
)
FAULTS = words(
    "dry_running seal_leakage motor_overload strainer_blockage excess_vibration "
    "bearing_overheating low_suction_pressure check_valve_failure power_failure cavitation "
    "level_sensor_failure coupling_wear"
)
PRODUCTS = words(
    "strawberry_jam hand_cream floor_cleaner wood_varnish tomato_ketchup shower_gel screen_wash "
    "mayonnaise white_wall_paint bread_mix body_lotion cough_syrup tile_adhesive fruit_yoghurt "
    "mustard engine_coolant dishwashing_liquid vanilla_custard"
)
STEPS = (  # step, °C from and to, in the order in which a plant does them
    ("weighing", 18, 24), ("mixing", 20, 45), ("heating", 60, 95), ("homogenising", 45, 70),
    ("cooling", 8, 25), ("filtering", 15, 35), ("filling", 12, 30), ("labelling", 16, 24),
)  # fmt: skip
BUILDINGS = words(
    "town_hall sports_hall primary_school bakery library cold_store office_block_B swimming_pool "
    "laundry fire_station printing_works greenhouse_3 warehouse_7 care_home community_centre "
    "bus_depot"
)
SAVINGS = (  # measure, what it may save in kWh from and to, in hundreds
    ("LED lighting", 20, 180), ("roof insulation", 60, 420), ("heat recovery", 90, 510),
    ("boiler replacement", 80, 460), ("pipe insulation", 10, 70), ("night setback", 15, 90),
    ("fan speed control", 25, 160), ("draught sealing", 10, 60), ("solar power", 70, 480),
    ("triple glazing", 40, 260), ("compressor leak repair", 15, 120), ("presence detection", 8, 55),
)  # fmt: skip


@entity
def pump_alarm(ctx: SamplingContext) -> dict:
    """A pump reports a fault: the pressure is too low, and sensors were read at that moment."""
    setpoint, day = ctx.between(25, 90), ctx.date().isoformat()
    minute = ctx.between(20, 24 * 60 - 1)
    return {
        "pump_id": ctx.code("P-###"),
        "plant": ctx.one(PLANTS),
        "alarm_code": ctx.code("A##"),
        "fault": ctx.one(FAULTS),
        "raised_at": f"{day}T{_clock(minute)}:00Z",
        "setpoint_bar": setpoint / 10,
        "pressure_bar": ctx.between(4, setpoint - 5) / 10,
        "state": ctx.one(("open", "acknowledged", "cleared")),
        "downtime_min": ctx.between(4, 340),
        "readings": [_reading(ctx, day, minute) for _ in range(ctx.between(1, 3))],
    }


def _reading(ctx: SamplingContext, day: str, minute: int) -> dict:
    """The reading of a sensor of a pump in the minutes before."""
    reading = draw("measurement", ctx)
    while reading["quantity"] in ("humidity", "co2", "pressure"):
        reading = draw("measurement", ctx)
    return reading | {"taken_at": f"{day}T{_clock(minute - ctx.between(0, 15))}:00Z"}


def _clock(minute: int) -> str:
    return hhmm(minute)


@entity
def batch_record(ctx: SamplingContext) -> dict:
    """A batch: what was good and what was not make up what came out; its steps follow the clock."""
    good, rejected = ctx.between(180, 4200), ctx.between(2, 90)
    clock = ctx.between(6 * 60, 9 * 60)
    chosen = sorted(ctx.some(range(len(STEPS)), 2, 4))
    steps = [_step(ctx, *STEPS[i]) for i in chosen]
    for step in steps:
        clock += ctx.between(3, 20)
        clock = _timed(step, clock, clock + ctx.between(12, 130))
    return {
        "batch_no": ctx.code("B######"),
        "product": ctx.one(PRODUCTS),
        "made_on": ctx.date().isoformat(),
        "good_kg": good,
        "rejected_kg": rejected,
        "total_kg": good + rejected,
        "tank": ctx.code("T##"),
        "step_count": len(steps),
        "steps": steps,
    }


@entity
def batch_step(ctx: SamplingContext) -> dict:
    """One step of making something."""
    step, start = _step(ctx, *ctx.one(STEPS)), ctx.between(6 * 60, 20 * 60)
    _timed(step, start, start + ctx.between(12, 130))
    return step


def _step(ctx: SamplingContext, name: str, low: int, high: int) -> dict:
    return {
        "step": name,
        "temperature_c": ctx.between(low, high),
        "operator": ctx.person().name,
        "checked": ctx.chance(0.6),
    }


def _timed(step: dict, start: int, end: int) -> int:
    """Give a step its times; returns its end."""
    step |= {
        "started_at": _clock(start),
        "ended_at": _clock(end),
        "minutes": end - start,
    }
    return end


@entity
def energy_audit(ctx: SamplingContext) -> dict:
    """A building's use, and what could be saved of it in per cent and in kWh."""
    use, percent = ctx.between(120, 9800) * 100, ctx.between(6, 38)
    return {
        "audit_no": ctx.code("EA-####"),
        "building": ctx.one(BUILDINGS),
        "audited_on": ctx.date().isoformat(),
        "auditor": ctx.person().name,
        "floor_area_m2": ctx.between(22, 940) * 10,
        "use_kwh": use,
        "saving_percent": percent,
        "saving_kwh": use * percent // 100,
        "rating": ctx.one("ABCDEFG"),
    }


@entity
def saving_measure(ctx: SamplingContext) -> dict:
    """Something that would save energy, what it costs and when it has paid for itself."""
    measure, low, high = ctx.one(SAVINGS)
    saves, years = ctx.between(low, high) * 100, ctx.between(12, 140)
    return {
        "measure": measure,
        "saves_kwh": saves,
        "cost": saves * years // 40 * 100 / 100,
        "currency": ctx.place.currency,
        "payback_years": years / 10,
        "priority": ctx.one(("first", "second", "third")),
    }
