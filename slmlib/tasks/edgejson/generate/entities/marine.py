"""Marine: port calls, inspections, buoys and crews."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World

SHIPS = words(
    "Baltic_Trader Ocean_Merit Nordic_Heron Atlantic_Rose Bright_Horizon Coastal_Pride Amber_Star Polar_Lily "
    "Iron_Duchess Seabreeze_II Golden_Strait Cape_Verity Silver_Fjord Maren_K Kalmar_Bay Western_Isle "
    "Blue_Meridian Stella_Borealis"
)
HARMLESS = words(
    "steel_coils timber wheat cement paper_reels road_salt soybeans wind_turbine_blades pulp gravel sugar "
    "animal_feed rapeseed_oil kaolin"
)
HAZARDOUS = words(
    "ammonium_nitrate diesel_fuel lithium_batteries sulphur spray_paint fireworks charcoal methanol"
)
HARBOURS = words(
    "Rotterdam Hamburg Felixstowe Cork Aarhus Gdynia Bilbao Antwerp Oslo Bergen Le_Havre Riga Dublin Leith"
)
DEFICIENCIES = (  # part of the ship, what is done about it
    "lifeboat", "fire_pump", "charts", "oil_filter", "galley", "hatch_cover", "radio", "crew_records",
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
        "Foods Spices Fish Seafoods Chandlers Rigging Stone Timber Freight Haulage Logistics Ferries Energy "
        "Wines Cheese Tools Hardware Tiles Carpets Rivet Coffee"
    )
)
RANKS = ("master", "chief_officer", "chief_engineer", "deckhand", "cook", "electrician")


def _shipping(world: World) -> dict:
    """A firm that has to do with ships or their cargo, as a rule."""
    while True:
        firm = draw("organisation", world)
        if SHIPPING & set(firm["name"].split()) or world.chance(0.01):
            return firm


@entity
def cargo_lot(world: World) -> dict:
    """So many tonnes of something in one hold."""
    hazardous = world.chance(0.35)
    return {
        "commodity": world.one(HAZARDOUS if hazardous else HARMLESS),
        "tonnes": world.steps(180, 42_000, 10),
        "hold": world.between(1, 5),
        "hazardous": hazardous,
        "bill_of_lading": world.code("BL######"),
    }


@entity
def port_call(world: World) -> dict:
    """A ship comes in, works its cargo and sails; the lots sum."""
    lots = [draw("cargo_lot", world) for _ in range(world.between(2, 3))]
    came, hours = world.date(), world.between(1, 3)
    before, after = world.some(HARBOURS, 2, 2)
    return {
        "vessel": world.one(SHIPS),
        "imo_no": world.code("IMO9######"),
        "berth": world.code(f"{world.one('QKP')}##"),
        "arrived_at": f"{came.isoformat()}T{world.clock(0, 24, step=6)}:00Z",
        "sailed_at": f"{world.later(came, hours, hours).isoformat()}T{world.clock(0, 24, step=6)}:00Z",
        "last_port": before,
        "next_port": after,
        "operation": world.one(("loading", "discharging", "bunkering", "repairs")),
        "total_tonnes": sum(round(10 * lot["tonnes"]) for lot in lots) / 10,
        "lots": lots,
        "consignee": _shipping(world),
    }


@entity
def deficiency(world: World) -> dict:
    """Something that an inspector found wrong, and by when it is to be mended."""
    action = world.one(tuple(WITHIN))
    return {
        "code": world.code("#####"),
        "part": world.one(DEFICIENCIES),
        "action": action,
        "mend_by": world.date().isoformat(),
        "detainable": action == "before_departure" and world.chance(0.6),
    }


@entity
def vessel_inspection(world: World) -> dict:
    """A ship is inspected; its paper is good for some months."""
    day = world.date()
    found = [draw("deficiency", world) for _ in range(world.between(1, 3))]
    for one in found:
        low, high = WITHIN[one["action"]]
        one["mend_by"] = world.later(day, low, high).isoformat()
    grave = any(one["detainable"] for one in found)
    return {
        "inspection_no": world.code("VI-#####"),
        "vessel": world.one(SHIPS),
        "inspected_on": day.isoformat(),
        "kind": world.one(("initial", "detailed", "follow_up", "class_survey")),
        "outcome": "detained" if grave else world.one(("passed", "conditional")),
        "valid_until": world.later(day, 150, 730).isoformat(),
        "fee": world.price(18_000, 240_000) / 100,
        "currency": world.place.currency,
        "deficiency_count": len(found),
        "deficiencies": found,
        "charterer": _shipping(world),
    }


@entity
def buoy_repair(world: World) -> dict:
    """A part of a buoy is mended or replaced out at sea."""
    return {
        "part": world.one(("lamp", "mooring", "battery", "antenna", "hull")),
        "done_on": world.date().isoformat(),
        "technician": world.person().name,
        "hours_at_sea": world.steps(3, 22, 2),
        "replaced": world.chance(0.5),
    }


@entity
def buoy_reading(world: World) -> dict:
    """Waves, wind and water at a moored buoy; higher waves with more wind."""
    wind, day = world.between(2, 48), world.date()
    repairs = [
        draw("buoy_repair", world) | {"done_on": world.later(day, -before, -before).isoformat()}
        for before in sorted(world.some(range(3, 400), 1, 2), reverse=True)
    ]
    return {
        "buoy_id": world.code("BY-###"),
        "observed_at": f"{day.isoformat()}T{world.clock(0, 24, step=10)}:00Z",
        "wave_height_m": (2 + wind * world.between(4, 14)) / 100,
        "wave_period_s": world.steps(25, 120, 10),
        "water_temp_c": world.steps(12, 214, 10),
        "wind_kn": wind,
        "wind_from": world.one(("N", "NE", "E", "SE", "S", "SW", "W", "NW")),
        "battery_v": world.steps(114, 144, 10),
        "faults": world.some(("drifting", "lamp_out", "gps_lost", "fouled_sensor"), 1, 2),
        "repairs": repairs,
    }


@entity
def crew_member(world: World) -> dict:
    """Somebody on board, with a rank and a paper."""
    return {
        "name": world.person().name,
        "rank": world.one(RANKS),
        "seaman_book": world.code("SB######"),
        "nationality": world.one(NATIONS[world.place.code]),
        "contract_months": world.between(2, 9),
    }


@entity
def crew_change(world: World) -> dict:
    """Some go on board, and others leave, on one day in one port."""
    joining = [draw("crew_member", world) for _ in range(world.between(1, 3))]
    return {
        "vessel": world.one(SHIPS),
        "change_date": world.date().isoformat(),
        "port": world.one(HARBOURS),
        "boat_at": world.clock(5, 21),
        "reason": world.one(("end_of_contract", "illness", "leave", "promotion")),
        "leaving_count": world.between(1, 6),
        "joining_count": len(joining),
        "launch_fee": world.price(9_000, 64_000) / 100,
        "currency": world.place.currency,
        "joining": joining,
        "supplier": _shipping(world),
    }
