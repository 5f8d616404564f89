"""Logistics: goods on their way, in the yard and over the border."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import firms, words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

WAREHOUSES = words(
    "Central_Store North_Depot Dockside_Hall Cold_Store East_Hall West_Hall Airport_Hub "
    "Overflow_Depot South_Hall Spare_Parts_Store Returns_Centre Riverside_Depot"
)
STOCK = words("TAP BRK SCR LMP HSE VLV CBL FLT PMP GLV BLT SEA PNT BOX")  # how stock numbers begin
EXPORTERS = {
    "CN": firms(
        "Ningbo_Sunway_Trading Shenzhen_Brightlink Xiamen_Pacific_Goods Qingdao_Merit "
        "Dalian_Harvest"
    ),
    "TR": firms("Ege_Trading Anadolu_Export Marmara_Foreign_Trade Izmir_Union Bursa_Exports"),
    "IN": firms("Jaipur_Exports Chennai_Merchants Nilgiri_Trading Gujarat_Overseas Kochi_Goods"),
    "VN": firms(
        "Saigon_Goods Hanoi_Export_Company Da_Nang_Trading Mekong_Mercantile Hue_Craft_Export"
    ),
    "CH": firms("Alpina_Handels_AG Basel_Trading Jura_Export Limmat_Commerce Säntis_Trading"),
    "JP": firms("Kansai_Trading Osaka_Bay_Export Setouchi_Shoji Tokai_Commerce Kobe_Pier_Goods"),
    "KR": firms("Busan_Trading Hanbit_Global Incheon_Commerce Daehan_Export Jeju_Goods"),
    "GB": firms("Pennine_Exports Severn_Trading Tyne_Merchants Mersey_Overseas Solent_Goods"),
}
IMPORTERS = firms(
    "Nordkai_Import Wharf_&_Crane Continental_Supply Hanse_Waren Atlantic_Goods Delta_Wholesale "
    "Meridian_Import Eastgate_Supplies Union_Wholesale Baltic_Bazaar Rhine_Trading "
    "Shannon_Wholesale Portside_Goods Handelshuis_Zuid Kontor_West Trident_Supply Lowland_Imports "
    "Harbour_Cross_Trading Polder_Import Green_Isle_Supply"
)
GOODS = (  # HS code, description, cents for a kilogram from and to, countries it comes from
    ("610910", "cotton T-shirts", 1200, 3000, "TR IN VN CN"),
    ("630260", "cotton towels", 900, 1800, "TR IN"),
    ("940360", "wooden shelves", 300, 800, "VN CN IN"),
    ("691110", "porcelain plates", 300, 900, "CN TR JP"),
    ("851310", "LED torches", 800, 2500, "CN KR"),
    ("420221", "leather handbags", 4000, 12000, "IN CN TR"),
    ("950300", "wooden toys", 600, 1500, "CN VN"),
    ("902519", "digital thermometers", 6000, 20000, "CH JP KR CN"),
    ("821192", "kitchen knives", 2500, 9000, "JP CH CN"),
    ("090240", "black tea", 400, 1400, "IN GB VN"),
    ("850440", "phone chargers", 1200, 3500, "CN KR VN"),
    ("640399", "leather shoes", 1500, 4500, "VN IN TR"),
    ("611011", "wool jumpers", 4500, 11000, "GB TR"),
    ("731815", "steel screws", 180, 500, "CN TR KR"),
    ("903180", "measuring gauges", 8000, 30000, "CH JP KR GB"),
    ("391990", "adhesive tape", 400, 1100, "KR CN JP"),
    ("401693", "rubber gaskets", 600, 1800, "CN KR TR GB"),
    ("820559", "hand tools", 700, 2200, "CN CH GB JP"),
)  # fmt: skip
EORI = {
    "ie": "IE#######",
    "de": "DE#######",
    "nl": "NL#########",
}  # letters and digits of an importer


@sampler
def parcel_pickup(ctx: SamplingContext) -> tuple[dict, dict]:
    """Place, time and size of a collection."""
    city, postcode = ctx.town()
    day, phone = ctx.workday(), ctx.phone()
    parcels = ctx.between(1, 18)
    customer = {"name": ctx.firm()} | only(ctx, 0.6, phone=phone)
    pickup = {"street": ctx.street(), "postcode": postcode, "city": city, "date": day.isoformat()}
    pickup |= only(ctx, 0.7, ready_from=ctx.clock(7, 17, step=30))
    goods = {"parcels": parcels, "weight_kg": parcels * ctx.between(8, 140) / 10}
    goods |= only(ctx, 0.6, service=ctx.one(("standard", "express", "overnight")))
    goods |= only(ctx, 0.55, fragile=ctx.chance(0.6))
    record = {
        "reference": ctx.code("PU-#####"),
        "customer": customer,
        "pickup": pickup,
        "goods": goods,
    }
    to = ctx.one([town for town, _ in ctx.place.towns if town != city])
    return record, {
        "old_date": ctx.workday_near(day, -6, -1).isoformat(),
        "to_city": to,
        "closes": ctx.clock(17, 20),
    }


@sampler
def delivery_round(ctx: SamplingContext) -> tuple[dict, dict]:
    """Stops in the order of the clock; the odometer's end is its start plus the distance."""
    ctx.settle("ie", "de", "nl")  # kilometres
    start, distance, clock = (
        ctx.between(9_000, 240_000),
        ctx.between(18, 190),
        ctx.between(7 * 60, 9 * 60),
    )
    stops = []
    for _ in range(ctx.between(3, 5)):
        stop = {
            "customer": ctx.firm(),
            "arrived": hhmm(clock),
            "parcels": ctx.between(1, 12),
        }
        stops.append(stop | only(ctx, 0.35, signed_by=ctx.person().name))
        clock += ctx.between(14, 75)
    record = {
        "date": ctx.workday().isoformat(),
        "driver": ctx.person().name,
        "vehicle": {
            "plate": ctx.plate(),
            "odometer": {"start_km": start, "end_km": start + distance},
        },
        "distance_km": distance,
        "stops": stops,
        "stop_count": len(stops),
        "parcels_total": sum(stop["parcels"] for stop in stops),
    }
    record |= only(ctx, 0.6, returned=hhmm(clock + 60))
    complaint = {
        "customer": ctx.one(stops)["customer"],
        "about": ctx.one(("late", "damaged", "wrong_item")),
    }
    record |= only(ctx, 0.5, complaint=complaint)
    return record, {"planned_km": distance + ctx.between(3, 25), "skipped": ctx.firm()}


@sampler
def goods_receipt(ctx: SamplingContext) -> tuple[dict, dict]:
    """Goods that came in for an order; distractors: another order that is still open."""
    day = ctx.workday()
    record = {
        "po_number": ctx.code("PO-######"),
        "pallets": ctx.between(1, 26),
        "received_on": day.isoformat(),
    }
    other = {"other_po": ctx.code("PO-######"), "other_pallets": ctx.between(2, 19)}
    return record, other | {
        "supplier": ctx.assigned(IMPORTERS),
        "checker": ctx.person().name,
        "sent": ctx.workday_near(day, -4, -1).isoformat(),
        "due": ctx.workday_near(day, -9, -2).isoformat(),
        "next": ctx.workday_near(day, 2, 12).isoformat(),
        "cartons": record["pallets"] * ctx.between(12, 48),
        "gate": ctx.between(13, 29),
        "at": ctx.clock(6, 17, step=1),
        "note_no": ctx.code("4#######"),
    }


@sampler
def warehouse_transfer(ctx: SamplingContext) -> tuple[dict, dict]:
    """The total is the sum of the lines; distractors: a line that was struck off."""
    here, there, elsewhere = ctx.some(WAREHOUSES, 3, 3)
    day = ctx.workday()
    stock = [ctx.code(f"{letters}-####") for letters in ctx.some(STOCK, 3, 5)]
    lines = [{"sku": sku, "units": ctx.between(2, 40) * ctx.one((1, 5, 6))} for sku in stock[1:]]
    record = {
        "transfer_no": ctx.code("T####-@"),
        "from": {"site": here, "bay": ctx.code("@##-##")},
        "to": {"site": there} | only(ctx, 0.6, bay=ctx.code("@##-##")),
        "lines": lines,
        "units_total": sum(line["units"] for line in lines),
        "moved": {"on": day.isoformat()} | only(ctx, 0.55, by=ctx.person().name),
    }
    reasons = ("replenishment", "overstock", "rebuild", "rush_order")
    record |= only(ctx, 0.6, reason=ctx.one(reasons))
    return record, {
        "planned": ctx.workday_near(day, -8, -1).isoformat(),
        "elsewhere": elsewhere,
        "struck": stock[0],
        "struck_units": ctx.between(12, 90),
        "at": ctx.clock(6, 20, step=1),
    }


@sampler
def customs_declaration(ctx: SamplingContext) -> tuple[dict, dict]:
    """Kilograms and values add up; the gross weight is above the net one."""
    ctx.settle("ie", "de", "nl")
    country, day = ctx.one(tuple(EXPORTERS)), ctx.workday()
    kinds = ctx.some([kind for kind in GOODS if country in kind[4].split()], 1, 3)
    goods, tenths, cents = [], 0, 0
    for hs_code, name, low, high, places in kinds:
        net, origin = (
            ctx.between(150, 4_800),
            country if ctx.chance(0.75) else ctx.one(places.split()),
        )
        value = net * ctx.between(low, high) // 10
        line = {"hs_code": hs_code, "description": name, "origin": origin}
        goods.append(line | {"net_kg": net / 10, "value_eur": value / 100})
        tenths, cents = tenths + net, cents + value
    city, postcode = ctx.town()
    importer = {"name": ctx.assigned(IMPORTERS)}
    importer |= only(ctx, 0.7 if len(goods) < 3 else 0, eori=ctx.code(EORI[ctx.place.code]))
    record = {
        "mrn": f"{day.year % 100}{ctx.place.code.upper()}{ctx.code('####@#@######@')}",
        "lodged_on": day.isoformat(),
        "exporter": {"name": ctx.assigned(EXPORTERS[country]), "country": country},
        "importer": importer
        | {"address": {"street": ctx.street(), "postcode": postcode, "city": city}},
        "goods": goods,
        "totals": {
            "packages": ctx.between(2, 60),
            "net_kg": tenths / 10,
            "gross_kg": (tenths * ctx.between(105, 125) // 100 + 5) / 10,
            "value_eur": cents / 100,
        },
    }
    record |= only(ctx, 0.6, incoterm=ctx.one(("EXW", "FCA", "FOB", "CIF", "DAP", "DDP")))
    return record, {
        "arrived": ctx.workday_near(day, -5, -1).isoformat(),
        "old_mrn": f"{day.year % 100}{ctx.place.code.upper()}{ctx.code('####@#@######@')}",
        "freight": ctx.price(19000, 99000) / 100,
        "invoice": ctx.code("@@-#####"),
        "old_value": cents // 100 + ctx.between(30, 400),
        "office": ctx.one([town for town, _ in ctx.place.towns]),
    }
