"""Field service: surveys, callouts and spare parts."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import at_home, business, lines_of
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

SYSTEMS = {  # what broke -> what is done about it
    "passenger lift": words("door_sensor_cleaned control_board_replaced brake_adjusted"),
    "cold room": words("fan_motor_replaced refrigerant_topped_up door_gasket_renewed"),
    "roller shutter": words("spring_replaced limit_switch_adjusted guide_rail_straightened"),
    "fire alarm panel": words("battery_replaced loop_card_replaced detector_cleaned"),
    "gas boiler": words("ignition_electrode_replaced expansion_vessel_refilled flue_cleaned"),
    "coffee machine": words("pump_replaced boiler_descaled grinder_burrs_renewed"),
    "heat pump": words("flow_sensor_replaced filter_cleaned pressure_switch_reset"),
    "automatic door": words("motor_belt_replaced radar_sensor_aligned hinge_greased"),
    "dishwasher": words("drain_hose_cleared spray_arm_replaced door_latch_adjusted"),
    "conveyor belt": words("belt_tracked roller_bearing_replaced emergency_stop_reset"),
    "barrier gate": words("loop_detector_reset boom_arm_replaced gearbox_greased"),
    "ventilation unit": words("V-belt_replaced filters_renewed damper_freed"),
}
PARTS = (  # name, cents from, to, most in one order
    ("drive belt", 890, 4900, 4), ("door gasket", 1290, 6900, 6),
    ("proximity sensor", 1990, 8900, 8), ("ball bearing", 390, 2900, 12),
    ("air filter", 590, 3900, 12), ("solenoid valve", 2490, 11900, 5),
    ("control board", 8900, 48900, 3), ("circulation pump", 11900, 39900, 3),
    ("contact switch", 490, 2900, 10), ("ignition electrode", 990, 3900, 6),
    ("pressure gauge", 1490, 5900, 6), ("cable gland", 90, 490, 30),
    ("motor capacitor", 690, 2900, 8), ("heating element", 2900, 12900, 4),
    ("sealing ring", 40, 390, 40), ("fan blade", 1290, 5900, 6), ("limit switch", 890, 4900, 8),
    ("fuse 10 A", 35, 190, 40),
)  # fmt: skip

MATERIAL = (  # for putting something in: product, cents from, to, most of it
    ("cable duct 2 m", 290, 990, 20), ("wall bracket", 490, 2900, 8),
    ("copper pipe 15 mm", 690, 1490, 12), ("junction box", 190, 790, 6),
    ("earth cable 10 m", 1290, 2900, 3), ("circuit breaker 16 A", 590, 1690, 4),
    ("heavy-duty anchor", 90, 390, 24), ("sealing foam", 490, 1190, 6),
    ("pipe insulation 2 m", 190, 590, 16), ("mounting rail", 990, 3900, 10),
    ("surge protector", 3900, 11900, 2), ("fibre patch cable", 690, 1990, 4),
)  # fmt: skip


@entity
def site_survey(ctx: SamplingContext) -> dict:
    """Somebody looks at a place before something is put in there."""
    day, (customer, site) = ctx.date(), at_home(ctx)
    return {
        "survey_no": ctx.code("SV-####"),
        "purpose": ctx.one(
            ("heat_pump", "solar_panels", "charging_point", "fibre_line", "stair_lift")
        ),
        "surveyed_on": day.isoformat(),
        "surveyor": ctx.person().name,
        "cable_m": ctx.between(6, 85),
        "wall": ctx.one(("brick", "concrete", "timber", "plasterboard")),
        "crew_size": ctx.between(2, 5),
        "work_days": ctx.between(2, 9),
        "obstacles": ctx.some(
            ("narrow_stairs", "no_parking", "asbestos", "low_ceiling", "dog"), 1, 3
        ),
        "suitable": ctx.chance(0.75),
        "customer": customer,
        "site": site,
        "material": lines_of(ctx, MATERIAL, 1, 3),
    }


@entity
def callout(ctx: SamplingContext) -> dict:
    """An engineer is called, comes and mends; the minutes are those on site."""
    system = ctx.one(tuple(SYSTEMS))
    called, way, stay = ctx.between(6 * 60, 17 * 60), ctx.between(25, 130), ctx.between(15, 150)
    arrived, left = called + way, called + way + stay
    return {
        "job_no": ctx.code("CO-#####"),
        "system": system,
        "callout_date": ctx.date().isoformat(),
        "called_at": hhmm(called),
        "arrived_at": hhmm(arrived),
        "left_at": hhmm(left),
        "minutes_on_site": stay,
        "remedy": ctx.one(SYSTEMS[system]),
        "engineer": ctx.person().name,
        "fixed": ctx.chance(0.8),
    }


@entity
def spare_part_order(ctx: SamplingContext) -> dict:
    """Spare parts are ordered; the total is that of the lines with the carriage."""
    day = ctx.date()
    lines = [draw("spare_part", ctx) for _ in range(ctx.between(1, 4))]
    carriage = ctx.one((490, 590, 790, 990, 1490, 1990))
    goods = sum(round(line["amount"] * 100) for line in lines)
    return {
        "order_no": ctx.code("SP-#####"),
        "ordered_on": day.isoformat(),
        "needed_by": ctx.later(day, 2, 30).isoformat(),
        "shipping": ctx.one(("standard", "express", "collect")),
        "carriage": carriage / 100,
        "total": (goods + carriage) / 100,
        "currency": ctx.place.currency,
        "machine_no": ctx.code("M-####"),
        "lines": lines,
        "supplier": business(ctx, "parts"),
    }


@entity
def spare_part(ctx: SamplingContext) -> dict:
    """A part that is ordered; the amount is pieces times price."""
    part, low, high, most = ctx.one(PARTS)
    pieces, price = ctx.between(2, most), ctx.price(low, high)
    return {
        "part_no": ctx.code("@@-####"),
        "part": part,
        "pieces": pieces,
        "unit_price": price / 100,
        "amount": pieces * price / 100,
        "lead_days": ctx.between(2, 28),
    }
