"""Industry: alarms, batches and what a building uses."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World, hhmm

PLANTS = words(
    "north_pumping_station sewage_works_east boiler_house cooling_tower_A tank_farm borehole_4 dye_works "
    "fire_water_station bottling_hall drainage_shaft_2 acid_store rinse_line paper_mill_basement brine_plant "
    "condensate_room transfer_station_6"
)
FAULTS = words(
    "dry_running seal_leakage motor_overload strainer_blockage excess_vibration bearing_overheating "
    "low_suction_pressure check_valve_failure power_failure cavitation level_sensor_failure coupling_wear"
)
PRODUCTS = words(
    "strawberry_jam hand_cream floor_cleaner wood_varnish tomato_ketchup shower_gel screen_wash mayonnaise "
    "white_wall_paint bread_mix body_lotion cough_syrup tile_adhesive fruit_yoghurt mustard engine_coolant "
    "dishwashing_liquid vanilla_custard"
)
STEPS = (  # step, °C from and to, in the order in which a plant does them
    ("weighing", 18, 24), ("mixing", 20, 45), ("heating", 60, 95), ("homogenising", 45, 70),
    ("cooling", 8, 25), ("filtering", 15, 35), ("filling", 12, 30), ("labelling", 16, 24),
)  # fmt: skip
BUILDINGS = words(
    "town_hall sports_hall primary_school bakery library cold_store office_block_B swimming_pool laundry "
    "fire_station printing_works greenhouse_3 warehouse_7 care_home community_centre bus_depot"
)
SAVINGS = (  # measure, what it may save in kWh from and to, in hundreds
    ("LED lighting", 20, 180), ("roof insulation", 60, 420), ("heat recovery", 90, 510),
    ("boiler replacement", 80, 460), ("pipe insulation", 10, 70), ("night setback", 15, 90),
    ("fan speed control", 25, 160), ("draught sealing", 10, 60), ("solar power", 70, 480),
    ("triple glazing", 40, 260), ("compressor leak repair", 15, 120), ("presence detection", 8, 55),
)  # fmt: skip


@entity
def pump_alarm(world: World) -> dict:
    """A pump reports a fault; the pressure is under what it should be, and sensors were read just then."""
    setpoint, day = world.between(25, 90), world.date().isoformat()
    minute = world.between(20, 24 * 60 - 1)
    return {
        "pump_id": world.code("P-###"),
        "plant": world.one(PLANTS),
        "alarm_code": world.code("A##"),
        "fault": world.one(FAULTS),
        "raised_at": f"{day}T{_clock(minute)}:00Z",
        "setpoint_bar": setpoint / 10,
        "pressure_bar": world.between(4, setpoint - 5) / 10,
        "state": world.one(("open", "acknowledged", "cleared")),
        "downtime_min": world.between(4, 340),
        "readings": [_reading(world, day, minute) for _ in range(world.between(1, 3))],
    }


def _reading(world: World, day: str, minute: int) -> dict:
    """What a sensor of a pump showed in the minutes before."""
    reading = draw("measurement", world)
    while reading["quantity"] in ("humidity", "co2", "pressure"):
        reading = draw("measurement", world)
    return reading | {"taken_at": f"{day}T{_clock(minute - world.between(0, 15))}:00Z"}


def _clock(minute: int) -> str:
    return hhmm(minute)


@entity
def batch_record(world: World) -> dict:
    """A batch: what was good and what was not make up what came out; its steps follow the clock."""
    good, rejected = world.between(180, 4200), world.between(2, 90)
    clock = world.between(6 * 60, 9 * 60)
    chosen = sorted(world.some(range(len(STEPS)), 2, 4))
    steps = [_step(world, *STEPS[i]) for i in chosen]
    for step in steps:
        clock += world.between(3, 20)
        clock = _timed(step, clock, clock + world.between(12, 130))
    return {
        "batch_no": world.code("B######"),
        "product": world.one(PRODUCTS),
        "made_on": world.date().isoformat(),
        "good_kg": good,
        "rejected_kg": rejected,
        "total_kg": good + rejected,
        "tank": world.code("T##"),
        "step_count": len(steps),
        "steps": steps,
    }


@entity
def batch_step(world: World) -> dict:
    """One step of making something."""
    step, start = _step(world, *world.one(STEPS)), world.between(6 * 60, 20 * 60)
    _timed(step, start, start + world.between(12, 130))
    return step


def _step(world: World, name: str, low: int, high: int) -> dict:
    return {
        "step": name,
        "temperature_c": world.between(low, high),
        "operator": world.person().name,
        "checked": world.chance(0.6),
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
def energy_audit(world: World) -> dict:
    """A building's use, and what could be saved of it in per cent and in kWh."""
    use, percent = world.between(120, 9800) * 100, world.between(6, 38)
    return {
        "audit_no": world.code("EA-####"),
        "building": world.one(BUILDINGS),
        "audited_on": world.date().isoformat(),
        "auditor": world.person().name,
        "floor_area_m2": world.between(22, 940) * 10,
        "use_kwh": use,
        "saving_percent": percent,
        "saving_kwh": use * percent // 100,
        "rating": world.one("ABCDEFG"),
    }


@entity
def saving_measure(world: World) -> dict:
    """Something that would save energy, what it costs and when it has paid for itself."""
    measure, low, high = world.one(SAVINGS)
    saves, years = world.between(low, high) * 100, world.between(12, 140)
    return {
        "measure": measure,
        "saves_kwh": saves,
        "cost": saves * years // 40 * 100 / 100,
        "currency": world.place.currency,
        "payback_years": years / 10,
        "priority": world.one(("first", "second", "third")),
    }
