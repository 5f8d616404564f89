"""Farming: spraying, watering and what comes off the field."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import firms, words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

SPRAYED = (  # crop, months in which it is sprayed
    ("wheat", (3, 4, 5, 6, 10)), ("barley", (3, 4, 5, 10)), ("maize", (5, 6, 7)),
    ("rapeseed", (3, 4, 9, 10)), ("potato", (5, 6, 7, 8, 9)), ("sugar_beet", (4, 5, 6, 7, 8)),
)  # fmt: skip
PRODUCTS_FARM = words(
    "Cerovant_250 Fungara_Pro Herbistop_SL Aphidex_100 Triguard_EC Rustoban_Plus Weedline_40 "
    "Paranil_F Mazeron_SC Granoshield"
)
HARVESTS = (  # crop, months, moisture in tenths of a percent, price of a tonne in cents
    ("wheat", (7, 8), (118, 184), (17500, 24900)), ("barley", (7, 7), (115, 178), (15900, 22500)),
    ("oats", (7, 8), (116, 175), (16900, 23900)), ("maize", (9, 10), (170, 328), (15500, 21900)),
    ("rapeseed", (7, 8), (60, 98), (40900, 49900)), ("field_beans", (8, 9), (132, 198),
    (21900, 29900)),
)  # fmt: skip
LAND = {  # country: names of fields
    "gb": words(
        "Long_Acre Church_Field Top_Meadow Ten_Acre Kiln_Piece Lower_Paddock Windmill_Field "
        "Stony_Bank"
    ),
    "ie": words(
        "Glebe_Field Bog_Road Far_Meadow Lime_Kiln_Field Lough_Side Mill_Race Chapel_Field "
        "Turf_Bank"
    ),
    "de": words(
        "Mühlfeld Birkenschlag Seefeld Kirchacker Steinkamp Langes_Stück Hinterfeld Am_Weiher"
    ),
    "nl": words(
        "Molenveld Achterland Hoge_Kamp Polder_Zuid Dijkakker Kerkenland Lange_Strook Het_Broek"
    ),
}
STORES = {  # country: who takes in grain
    "gb": firms("Fenland_Stores Midland_Grain Wolds_Grain_Co-op Riverside_Mill Vale_Grain_Intake"),
    "ie": firms("Corrib_Grain_Intake Bann_Valley_Mill Suir_Grain Boyne_Side_Co-op Barrow_Grain"),
    "de": firms(
        "Aller_Getreidehandel Landhandel_Süd Agrarhof_West Getreidelager_Nord Mühlenkontor_Ost"
    ),
    "nl": firms("Polder_Graan Graansilo_Oost Maasgraan Silo_Noordland Graanhandel_Zuid"),
}
BLOCKS = words(
    "Apple_Block_3 Pear_Block_1 Cherry_Block_2 Lower_Orchard Upper_Orchard North_Tunnel "
    "South_Tunnel Tunnel_5 Strawberry_Field Blueberry_Field Carrot_Field Onion_Field Lettuce_Beds "
    "Leek_Beds Nursery_East Nursery_West Tomato_House Cabbage_Field"
)


@sampler
def crop_treatment(ctx: SamplingContext) -> tuple[dict, dict]:
    """Total litres are hectares times the rate, exactly."""
    ctx.settle("gb", "ie", "de", "nl")  # hectares
    area, rate = ctx.between(21, 380), ctx.one([n for n in range(6, 41) if n != 10])  # tenths
    (crop, months), (field, other) = ctx.one(SPRAYED), ctx.some(LAND[ctx.place.code], 2, 2)
    record = {
        "field": {"name": field, "area_ha": area / 10},
        "crop": crop,
        "product": {
            "name": ctx.one(PRODUCTS_FARM),
            "rate_l_ha": rate / 10,
            "total_l": area * rate / 100,
        },
    }
    weather = {"wind_kmh": ctx.between(3, 19), "temperature_c": ctx.between(6, 26)}
    record |= only(ctx, 0.7, weather=weather)
    record |= {"operator": ctx.person().name, "date": ctx.date(months=months).isoformat()}
    record |= only(ctx, 0.6, start=ctx.clock(5, 21))
    return record, {"other_field": other, "farm_area": area // 10 + ctx.between(40, 160)}


@sampler
def harvest_load(ctx: SamplingContext) -> tuple[dict, dict]:
    """Gross is tare and net, in the steps of 20 kg that a weighbridge shows."""
    ctx.settle("gb", "ie", "de", "nl")  # kilograms
    crop, months, water, prices = ctx.one(HARVESTS)
    net, last = (20 * ctx.between(350, 1250) for _ in range(2))
    tare = net * ctx.between(28, 46) // 2000 * 20
    record = {"crop": crop, "gross_kg": tare + net, "tare_kg": tare, "net_kg": net}
    record |= only(ctx, 0.65, moisture_pct=ctx.steps(*water, 10))
    minute = ctx.between(8 * 60, 20 * 60)
    return record, {
        "booked": net + 20 * ctx.between(3, 40),
        "last_net": last if last != net else last + 20,
        "date": ctx.date(months=range(months[0], months[1] + 1)).isoformat(),
        "at": hhmm(minute),
        "out": hhmm(minute + ctx.between(6, 25)),
        "field": ctx.one(LAND[ctx.place.code]),
        "ticket": ctx.code("####"),
        "ticket_2": ctx.code("####"),
        "elevator": ctx.assigned(STORES[ctx.place.code]),
        "price": ctx.price(*prices) / 100,
    }


@sampler
def irrigation_run(ctx: SamplingContext) -> tuple[dict, dict]:
    """Litres are minutes times the flow; the soil is wetter afterwards."""
    ctx.settle("gb", "ie", "de", "nl")  # litres
    day, start, minutes = (
        ctx.date(months=range(4, 10)),
        ctx.between(4 * 60, 20 * 60),
        ctx.between(45, 190),
    )
    flow, block, other = ctx.between(8, 84) * 5, *ctx.some(BLOCKS, 2, 2)
    record = {
        "date": day.isoformat(),
        "block": block,
        "valves": sorted(ctx.some([f"V{number:02d}" for number in range(1, 25)], 1, 4)),
        "run": {"start": hhmm(start), "end": hhmm(start + minutes), "minutes": minutes},
        "water": {"flow_l_min": flow, "total_l": flow * minutes},
    }
    record["water"] |= only(ctx, 0.6, source=ctx.one(("well", "pond", "river", "mains")))
    dry = ctx.between(12, 24)
    record |= only(ctx, 0.6, soil={"before_pct": dry, "after_pct": dry + ctx.between(5, 14)})
    record |= only(ctx, 0.55, started_by=ctx.one(("timer", "hand", "sensor")))
    return record, {
        "other": other,
        "planned": minutes + ctx.one((-20, -10, 10, 20, 30)),
        "last_run": ctx.later(day, -6, -1).isoformat(),
        "next_run": ctx.later(day, 1, 5).isoformat(),
        "bar": ctx.steps(18, 45, 10),
    }
