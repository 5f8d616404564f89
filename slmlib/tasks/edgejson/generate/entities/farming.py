"""Farming: milk, soil and tractors."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import business, lines_of
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

PARCELS = words(
    "Long_Meadow Church_Field Lower_Acre Mill_Piece Hillside_South Willow_Bottom Ten_Acre "
    "Quarry_Field Brook_Close Far_Pasture Windmill_Field Old_Orchard Sandy_Piece Gallows_Hill "
    "Pond_Field River_Flats Badger_Bank Chapel_Croft"
)
CROPS = words(
    "winter_wheat spring_barley silage_maize sugar_beet oilseed_rape grass_ley potatoes "
    "field_beans oats carrots red_clover sunflowers"
)
TRACTORS = (
    "Fendt 516", "John Deere 6130", "Claas Arion 550", "New Holland T6.180", "Massey Ferguson 5713",
    "Case Puma 150", "Valtra N135", "Kubota M7", "Deutz 6175", "Steyr 4120", "Zetor Forterra 135",
    "Lindner Geotrac 94",
)  # fmt: skip

LORRIES = (
    ("Scania", "R 450"), ("Scania", "G 410"), ("Volvo", "FH 460"), ("Volvo", "FM 420"),
    ("MAN", "TGS 26"), ("MAN", "TGX 18"), ("DAF", "XF 480"), ("DAF", "CF 430"), ("Iveco", "S-Way"),
    ("Renault", "T 480"),
)  # fmt: skip
FITTED = (  # part, cents from, to, most of it
    ("oil filter", 1290, 3900, 2), ("fuel filter", 1490, 4900, 2), ("air filter", 3900, 12900, 2),
    ("hydraulic hose", 2900, 8900, 3), ("V-belt", 1900, 6900, 2), ("cabin filter", 2400, 7900, 2),
    ("glow plug", 1500, 4200, 4), ("battery 12 V", 9900, 21900, 2), ("wiper blade", 900, 2400, 2),
    ("brake pad set", 6900, 15900, 2), ("work light", 2900, 9900, 4),
    ("coolant 5 l", 1900, 3900, 3),
)  # fmt: skip


@entity
def milk_delivery(ctx: SamplingContext) -> dict:
    """A tanker takes milk from a farm and its quality is measured."""
    make, model = ctx.one(LORRIES)
    return {
        "docket_no": ctx.code("MD-#####"),
        "collected_on": ctx.date().isoformat(),
        "collected_at": ctx.clock(4, 22, step=5),
        "litres": ctx.between(420, 9800),
        "fat_percent": ctx.steps(340, 460, 100),
        "protein_percent": ctx.steps(305, 375, 100),
        "milk_temp_c": ctx.steps(24, 59, 10),
        "cell_count": ctx.between(80, 390),
        "antibiotics": ctx.chance(0.15),
        "farm": business(ctx, "farm"),
        "tanker": draw("vehicle", ctx) | {"make": make, "model": model, "fuel": "diesel"},
    }


@entity
def soil_sample(ctx: SamplingContext) -> dict:
    """A sample of a field's soil, and what the laboratory read from it."""
    taken = ctx.date(months=(2, 3, 4, 8, 9, 10, 11))
    return {
        "sample_no": ctx.code("SO-####"),
        "parcel": ctx.one(PARCELS),
        "crop": ctx.one(CROPS),
        "taken_on": taken.isoformat(),
        "analysed_on": ctx.later(taken, 3, 25).isoformat(),
        "depth_cm": ctx.one((15, 20, 25, 30, 60, 90)),
        "ph": ctx.steps(52, 78, 10),
        "organic_percent": ctx.steps(14, 68, 10),
        "texture": ctx.one(("sand", "loam", "clay", "silt", "peat")),
        "nitrogen_kg_ha": ctx.between(18, 145),
        "laboratory": business(ctx, "laboratory"),
    }


@entity
def tractor_service(ctx: SamplingContext) -> dict:
    """A tractor's service; the parts fitted and the work make the bill."""
    hours = ctx.between(180, 9400)
    fitted, labour = lines_of(ctx, FITTED, 1, 3), ctx.between(90, 900) * 100
    parts = sum(round(line["amount"] * 100) for line in fitted)
    return {
        "tractor": ctx.one(TRACTORS),
        "serviced_on": ctx.date().isoformat(),
        "engine_hours": hours,
        "next_at_hours": hours + ctx.one((250, 300, 400, 500, 600)),
        "oil_litres": ctx.between(13, 26),
        "labour": labour / 100,
        "parts": parts / 100,
        "total": (labour + parts) / 100,
        "currency": ctx.place.currency,
        "workshop": f"{ctx.person().last} "
        + ctx.one(("Farm Machinery", "Agri Service", "Tractor Works")),
        "parts_used": fitted,
    }
