"""Utilities: water, meters and tariffs."""

from slmlib.tasks.edgejson.generate.entities import entity
from slmlib.tasks.edgejson.generate.entities.fitting import at_home, business, holder_and_account
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

POINTS = words(
    "waterworks_outlet school_kitchen well_3 reservoir_north hydrant_at_the_market "
    "hospital_basement house_inlet village_fountain pumping_station swimming_hall "
    "kindergarten_tap high_tank spring_intake fire_station old_people's_home campsite_tap"
)
TARIFFS = words(
    "Basis_Plus Green_Home Night_Saver Family_24 Direct_Online Eco_Fix_12 City_Light Comfort_Flex "
    "Sun_and_Wind Easy_Start Heat_Pump_Extra Village_Power Student_Mini Fair_Fixed"
)


@entity
def water_test(ctx: SamplingContext) -> dict:
    """A sample of drinking water and what the laboratory measured in it."""
    taken = ctx.date()
    return {
        "sample_no": ctx.code("WT-#####"),
        "sampling_point": ctx.one(POINTS),
        "sampled_on": taken.isoformat(),
        "reported_on": ctx.later(taken, 2, 14).isoformat(),
        "ph": ctx.steps(66, 89, 10),
        "chlorine_mg_l": ctx.steps(2, 58, 100),
        "nitrate_mg_l": ctx.between(2, 48),
        "hardness_dh": ctx.steps(35, 248, 10),
        "verdict": ctx.one(("drinkable", "drinkable", "boil_first", "not_drinkable")),
        "laboratory": business(ctx, "laboratory"),
    }


@entity
def meter_exchange(ctx: SamplingContext) -> dict:
    """An old meter goes, a new one comes; the new one starts nearly at nothing."""
    customer, address = at_home(ctx)
    medium = ctx.one(("electricity", "gas", "water", "heat"))
    prefix = {"electricity": "EM", "gas": "GM", "water": "WM", "heat": "HM"}[medium]
    return {
        "medium": medium,
        "exchanged_on": ctx.date().isoformat(),
        "old_meter_no": ctx.code(f"{prefix}#######"),
        "old_final_reading": ctx.between(1_200, 98_000),
        "new_meter_no": ctx.code(f"{prefix}#######"),
        "new_start_reading": ctx.between(0, 8),
        "seal_no": ctx.code("S-#####"),
        "reason": ctx.one(("calibration_expired", "defect", "smart_meter", "tariff_upgrade")),
        "fitter": ctx.person().name,
        "customer": customer,
        "address": address,
    }


@entity
def tariff_change(ctx: SamplingContext) -> dict:
    """A customer moves from one tariff to another."""
    ordered = ctx.date()
    old, new = ctx.some(TARIFFS, 2, 2)
    customer, account = holder_and_account(ctx)
    return {
        "contract_no": ctx.code("CN-########"),
        "old_tariff": old,
        "new_tariff": new,
        "ordered_on": ordered.isoformat(),
        "effective_from": ctx.later(ordered, 14, 75).isoformat(),
        "unit_price_cents": ctx.steps(182, 461, 10),
        "base_fee": ctx.between(490, 1890) / 100,
        "currency": ctx.place.currency,
        "term_months": ctx.one((12, 18, 24, 36)),
        "customer": customer,
        "account": account,
        "supplier": business(ctx, "energy"),
    }
