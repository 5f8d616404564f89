"""Marine: port calls, inspections, buoys and crews."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

SHIPS = words(
    "Baltic_Trader Ocean_Merit Nordic_Heron Atlantic_Rose Bright_Horizon Coastal_Pride Amber_Star "
    "Polar_Lily Iron_Duchess Seabreeze_II Golden_Strait Cape_Verity Silver_Fjord Maren_K "
    "Kalmar_Bay Western_Isle Blue_Meridian Stella_Borealis"
)
HARMLESS = words(
    "steel_coils timber wheat cement paper_reels road_salt soybeans wind_turbine_blades pulp "
    "gravel sugar animal_feed rapeseed_oil kaolin"
)
HAZARDOUS = words(
    "ammonium_nitrate diesel_fuel lithium_batteries sulphur spray_paint fireworks charcoal methanol"
)
HARBOURS = words(
    "Rotterdam Hamburg Felixstowe Cork Aarhus Gdynia Bilbao Antwerp Oslo Bergen Le_Havre Riga "
    "Dublin Leith"
)
DEFICIENCIES = (  # part of the ship, what is done about it
    "lifeboat", "fire_pump", "charts", "oil_filter", "galley", "hatch_cover", "radio",
    "crew_records",
)  # fmt: skip
WITHIN = {  # when it has to be mended: days after the inspection
    "before_departure": (1, 4), "within_14_days": (14, 14), "next_port": (5, 30), "mended": (0, 0),
}  # fmt: skip
NATIONS = {  # country of the names: whose they may be
    "gb": ("British",), "ie": ("Irish",), "de": ("German", "Austrian"), "nl": ("Dutch", "Belgian"),
    "fr": ("French", "Belgian"), "es": ("Spanish", "Filipino"), "it": ("Italian", "Swiss"),
    "us": ("American",),
}  # fmt: skip
SHIPPING = frozenset(  # words in the names of firms that may well hire a ship or wait for cargo
    words(
        "Foods Spices Fish Seafoods Chandlers Rigging Stone Timber Freight Haulage Logistics "
        "Ferries Energy Wines Cheese Tools Hardware Tiles Carpets Rivet Coffee"
    )
)
RANKS = ("master", "chief_officer", "chief_engineer", "deckhand", "cook", "electrician")


def _shipping(ctx: SamplingContext) -> dict:
    """A firm that has to do with ships or their cargo, as a rule."""
    while True:
        firm = draw("organisation", ctx)
        if SHIPPING & set(firm["name"].split()) or ctx.chance(0.01):
            return firm


@entity
def cargo_lot(ctx: SamplingContext) -> dict:
    """So many tonnes of something in one hold."""
    hazardous = ctx.chance(0.35)
    return {
        "commodity": ctx.one(HAZARDOUS if hazardous else HARMLESS),
        "tonnes": ctx.steps(180, 42_000, 10),
        "hold": ctx.between(1, 5),
        "hazardous": hazardous,
        "bill_of_lading": ctx.code("BL######"),
    }


@entity
def port_call(ctx: SamplingContext) -> dict:
    """A ship comes in, works its cargo and sails; the lots sum."""
    lots = [draw("cargo_lot", ctx) for _ in range(ctx.between(2, 3))]
    came, hours = ctx.date(), ctx.between(1, 3)
    before, after = ctx.some(HARBOURS, 2, 2)
    return {
        "vessel": ctx.one(SHIPS),
        "imo_no": ctx.code("IMO9######"),
        "berth": ctx.code(f"{ctx.one('QKP')}##"),
        "arrived_at": f"{came.isoformat()}T{ctx.clock(0, 24, step=6)}:00Z",
        "sailed_at": f"{ctx.later(came, hours, hours).isoformat()}T{ctx.clock(0, 24, step=6)}:00Z",
        "last_port": before,
        "next_port": after,
        "operation": ctx.one(("loading", "discharging", "bunkering", "repairs")),
        "total_tonnes": sum(round(10 * lot["tonnes"]) for lot in lots) / 10,
        "lots": lots,
        "consignee": _shipping(ctx),
    }


@entity
def deficiency(ctx: SamplingContext) -> dict:
    """Something that an inspector found wrong, and by when it is to be mended."""
    action = ctx.one(tuple(WITHIN))
    return {
        "code": ctx.code("#####"),
        "part": ctx.one(DEFICIENCIES),
        "action": action,
        "mend_by": ctx.date().isoformat(),
        "detainable": action == "before_departure" and ctx.chance(0.6),
    }


@entity
def vessel_inspection(ctx: SamplingContext) -> dict:
    """A ship is inspected; its paper is good for some months."""
    day = ctx.date()
    found = [draw("deficiency", ctx) for _ in range(ctx.between(1, 3))]
    for one in found:
        low, high = WITHIN[one["action"]]
        one["mend_by"] = ctx.later(day, low, high).isoformat()
    grave = any(one["detainable"] for one in found)
    return {
        "inspection_no": ctx.code("VI-#####"),
        "vessel": ctx.one(SHIPS),
        "inspected_on": day.isoformat(),
        "kind": ctx.one(("initial", "detailed", "follow_up", "class_survey")),
        "outcome": "detained" if grave else ctx.one(("passed", "conditional")),
        "valid_until": ctx.later(day, 150, 730).isoformat(),
        "fee": ctx.price(18_000, 240_000) / 100,
        "currency": ctx.place.currency,
        "deficiency_count": len(found),
        "deficiencies": found,
        "charterer": _shipping(ctx),
    }


@entity
def buoy_repair(ctx: SamplingContext) -> dict:
    """A part of a buoy is mended or replaced out at sea."""
    return {
        "part": ctx.one(("lamp", "mooring", "battery", "antenna", "hull")),
        "done_on": ctx.date().isoformat(),
        "technician": ctx.person().name,
        "hours_at_sea": ctx.steps(3, 22, 2),
        "replaced": ctx.chance(0.5),
    }


@entity
def buoy_reading(ctx: SamplingContext) -> dict:
    """Waves, wind and water at a moored buoy; higher waves with more wind."""
    wind, day = ctx.between(2, 48), ctx.date()
    repairs = [
        draw("buoy_repair", ctx) | {"done_on": ctx.later(day, -before, -before).isoformat()}
        for before in sorted(ctx.some(range(3, 400), 1, 2), reverse=True)
    ]
    return {
        "buoy_id": ctx.code("BY-###"),
        "observed_at": f"{day.isoformat()}T{ctx.clock(0, 24, step=10)}:00Z",
        "wave_height_m": (2 + wind * ctx.between(4, 14)) / 100,
        "wave_period_s": ctx.steps(25, 120, 10),
        "water_temp_c": ctx.steps(12, 214, 10),
        "wind_kn": wind,
        "wind_from": ctx.one(("N", "NE", "E", "SE", "S", "SW", "W", "NW")),
        "battery_v": ctx.steps(114, 144, 10),
        "faults": ctx.some(("drifting", "lamp_out", "gps_lost", "fouled_sensor"), 1, 2),
        "repairs": repairs,
    }


@entity
def crew_member(ctx: SamplingContext) -> dict:
    """Somebody on board, with a rank and a paper."""
    return {
        "name": ctx.person().name,
        "rank": ctx.one(RANKS),
        "seaman_book": ctx.code("SB######"),
        "nationality": ctx.one(NATIONS[ctx.place.code]),
        "contract_months": ctx.between(2, 9),
    }


@entity
def crew_change(ctx: SamplingContext) -> dict:
    """Some go on board, and others leave, on one day in one port."""
    joining = [draw("crew_member", ctx) for _ in range(ctx.between(1, 3))]
    return {
        "vessel": ctx.one(SHIPS),
        "change_date": ctx.date().isoformat(),
        "port": ctx.one(HARBOURS),
        "boat_at": ctx.clock(5, 21),
        "reason": ctx.one(("end_of_contract", "illness", "leave", "promotion")),
        "leaving_count": ctx.between(1, 6),
        "joining_count": len(joining),
        "launch_fee": ctx.price(9_000, 64_000) / 100,
        "currency": ctx.place.currency,
        "joining": joining,
        "supplier": _shipping(ctx),
    }
