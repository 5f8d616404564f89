"""Logistics: goods on their way, in the yard and over the border."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import firms, words
from slmlib.textgen.sampling_context import World, hhmm

WAREHOUSES = words(
    "Central_Store North_Depot Dockside_Hall Cold_Store East_Hall West_Hall Airport_Hub Overflow_Depot "
    "South_Hall Spare_Parts_Store Returns_Centre Riverside_Depot"
)
STOCK = words("TAP BRK SCR LMP HSE VLV CBL FLT PMP GLV BLT SEA PNT BOX")  # how stock numbers begin
EXPORTERS = {
    "CN": firms(
        "Ningbo_Sunway_Trading Shenzhen_Brightlink Xiamen_Pacific_Goods Qingdao_Merit Dalian_Harvest"
    ),
    "TR": firms("Ege_Trading Anadolu_Export Marmara_Foreign_Trade Izmir_Union Bursa_Exports"),
    "IN": firms("Jaipur_Exports Chennai_Merchants Nilgiri_Trading Gujarat_Overseas Kochi_Goods"),
    "VN": firms("Saigon_Goods Hanoi_Export_Company Da_Nang_Trading Mekong_Mercantile Hue_Craft_Export"),
    "CH": firms("Alpina_Handels_AG Basel_Trading Jura_Export Limmat_Commerce Säntis_Trading"),
    "JP": firms("Kansai_Trading Osaka_Bay_Export Setouchi_Shoji Tokai_Commerce Kobe_Pier_Goods"),
    "KR": firms("Busan_Trading Hanbit_Global Incheon_Commerce Daehan_Export Jeju_Goods"),
    "GB": firms("Pennine_Exports Severn_Trading Tyne_Merchants Mersey_Overseas Solent_Goods"),
}
IMPORTERS = firms(
    "Nordkai_Import Wharf_&_Crane Continental_Supply Hanse_Waren Atlantic_Goods Delta_Wholesale "
    "Meridian_Import Eastgate_Supplies Union_Wholesale Baltic_Bazaar Rhine_Trading Shannon_Wholesale "
    "Portside_Goods Handelshuis_Zuid Kontor_West Trident_Supply Lowland_Imports Harbour_Cross_Trading "
    "Polder_Import Green_Isle_Supply"
)
GOODS = (  # HS code, description, cents for a kilogram from and to, countries it comes from
    ("610910", "cotton T-shirts", 1200, 3000, "TR IN VN CN"), ("630260", "cotton towels", 900, 1800, "TR IN"),
    ("940360", "wooden shelves", 300, 800, "VN CN IN"), ("691110", "porcelain plates", 300, 900, "CN TR JP"),
    ("851310", "LED torches", 800, 2500, "CN KR"), ("420221", "leather handbags", 4000, 12000, "IN CN TR"),
    ("950300", "wooden toys", 600, 1500, "CN VN"),
    ("902519", "digital thermometers", 6000, 20000, "CH JP KR CN"),
    ("821192", "kitchen knives", 2500, 9000, "JP CH CN"), ("090240", "black tea", 400, 1400, "IN GB VN"),
    ("850440", "phone chargers", 1200, 3500, "CN KR VN"), ("640399", "leather shoes", 1500, 4500, "VN IN TR"),
    ("611011", "wool jumpers", 4500, 11000, "GB TR"), ("731815", "steel screws", 180, 500, "CN TR KR"),
    ("903180", "measuring gauges", 8000, 30000, "CH JP KR GB"),
    ("391990", "adhesive tape", 400, 1100, "KR CN JP"),
    ("401693", "rubber gaskets", 600, 1800, "CN KR TR GB"),
    ("820559", "hand tools", 700, 2200, "CN CH GB JP"),
)  # fmt: skip
EORI = {"ie": "IE#######", "de": "DE#######", "nl": "NL#########"}  # letters and digits of an importer


@sampler
def parcel_pickup(world: World) -> tuple[dict, dict]:
    """Where, when and what to collect."""
    city, postcode = world.town()
    day, phone = world.workday(), world.phone()
    parcels = world.between(1, 18)
    customer = {"name": world.firm()} | only(world, 0.6, phone=phone)
    pickup = {"street": world.street(), "postcode": postcode, "city": city, "date": day.isoformat()}
    pickup |= only(world, 0.7, ready_from=world.clock(7, 17, step=30))
    goods = {"parcels": parcels, "weight_kg": parcels * world.between(8, 140) / 10}
    goods |= only(world, 0.6, service=world.one(("standard", "express", "overnight")))
    goods |= only(world, 0.55, fragile=world.chance(0.6))
    record = {"reference": world.code("PU-#####"), "customer": customer, "pickup": pickup, "goods": goods}
    to = world.one([town for town, _ in world.place.towns if town != city])
    return record, {
        "old_date": world.workday_near(day, -6, -1).isoformat(),
        "to_city": to,
        "closes": world.clock(17, 20),
    }


@sampler
def delivery_round(world: World) -> tuple[dict, dict]:
    """Stops in the order of the clock; the odometer's end is its start plus the distance."""
    world.settle("ie", "de", "nl")  # kilometres
    start, distance, clock = (
        world.between(9_000, 240_000),
        world.between(18, 190),
        world.between(7 * 60, 9 * 60),
    )
    stops = []
    for _ in range(world.between(3, 5)):
        stop = {
            "customer": world.firm(),
            "arrived": hhmm(clock),
            "parcels": world.between(1, 12),
        }
        stops.append(stop | only(world, 0.35, signed_by=world.person().name))
        clock += world.between(14, 75)
    record = {
        "date": world.workday().isoformat(),
        "driver": world.person().name,
        "vehicle": {"plate": world.plate(), "odometer": {"start_km": start, "end_km": start + distance}},
        "distance_km": distance,
        "stops": stops,
        "stop_count": len(stops),
        "parcels_total": sum(stop["parcels"] for stop in stops),
    }
    record |= only(world, 0.6, returned=hhmm(clock + 60))
    complaint = {
        "customer": world.one(stops)["customer"],
        "about": world.one(("late", "damaged", "wrong_item")),
    }
    record |= only(world, 0.5, complaint=complaint)
    return record, {"planned_km": distance + world.between(3, 25), "skipped": world.firm()}


@sampler
def goods_receipt(world: World) -> tuple[dict, dict]:
    """What came in for an order, beside another order that is still open."""
    day = world.workday()
    record = {
        "po_number": world.code("PO-######"),
        "pallets": world.between(1, 26),
        "received_on": day.isoformat(),
    }
    other = {"other_po": world.code("PO-######"), "other_pallets": world.between(2, 19)}
    return record, other | {
        "supplier": world.dealt(IMPORTERS),
        "checker": world.person().name,
        "sent": world.workday_near(day, -4, -1).isoformat(),
        "due": world.workday_near(day, -9, -2).isoformat(),
        "next": world.workday_near(day, 2, 12).isoformat(),
        "cartons": record["pallets"] * world.between(12, 48),
        "gate": world.between(13, 29),
        "at": world.clock(6, 17, step=1),
        "note_no": world.code("4#######"),
    }


@sampler
def warehouse_transfer(world: World) -> tuple[dict, dict]:
    """The total is the sum of the lines; a line that was struck off stands beside them."""
    here, there, elsewhere = world.some(WAREHOUSES, 3, 3)
    day = world.workday()
    stock = [world.code(f"{letters}-####") for letters in world.some(STOCK, 3, 5)]
    lines = [{"sku": sku, "units": world.between(2, 40) * world.one((1, 5, 6))} for sku in stock[1:]]
    record = {
        "transfer_no": world.code("T####-@"),
        "from": {"site": here, "bay": world.code("@##-##")},
        "to": {"site": there} | only(world, 0.6, bay=world.code("@##-##")),
        "lines": lines,
        "units_total": sum(line["units"] for line in lines),
        "moved": {"on": day.isoformat()} | only(world, 0.55, by=world.person().name),
    }
    reasons = ("replenishment", "overstock", "rebuild", "rush_order")
    record |= only(world, 0.6, reason=world.one(reasons))
    return record, {
        "planned": world.workday_near(day, -8, -1).isoformat(),
        "elsewhere": elsewhere,
        "struck": stock[0],
        "struck_units": world.between(12, 90),
        "at": world.clock(6, 20, step=1),
    }


@sampler
def customs_declaration(world: World) -> tuple[dict, dict]:
    """Kilograms and values add up; the gross weight is above the net one."""
    world.settle("ie", "de", "nl")
    country, day = world.one(tuple(EXPORTERS)), world.workday()
    kinds = world.some([kind for kind in GOODS if country in kind[4].split()], 1, 3)
    goods, tenths, cents = [], 0, 0
    for hs_code, name, low, high, places in kinds:
        net, origin = world.between(150, 4_800), country if world.chance(0.75) else world.one(places.split())
        value = net * world.between(low, high) // 10
        line = {"hs_code": hs_code, "description": name, "origin": origin}
        goods.append(line | {"net_kg": net / 10, "value_eur": value / 100})
        tenths, cents = tenths + net, cents + value
    city, postcode = world.town()
    importer = {"name": world.dealt(IMPORTERS)}
    importer |= only(world, 0.7 if len(goods) < 3 else 0, eori=world.code(EORI[world.place.code]))
    record = {
        "mrn": f"{day.year % 100}{world.place.code.upper()}{world.code('####@#@######@')}",
        "lodged_on": day.isoformat(),
        "exporter": {"name": world.dealt(EXPORTERS[country]), "country": country},
        "importer": importer | {"address": {"street": world.street(), "postcode": postcode, "city": city}},
        "goods": goods,
        "totals": {
            "packages": world.between(2, 60),
            "net_kg": tenths / 10,
            "gross_kg": (tenths * world.between(105, 125) // 100 + 5) / 10,
            "value_eur": cents / 100,
        },
    }
    record |= only(world, 0.6, incoterm=world.one(("EXW", "FCA", "FOB", "CIF", "DAP", "DDP")))
    return record, {
        "arrived": world.workday_near(day, -5, -1).isoformat(),
        "old_mrn": f"{day.year % 100}{world.place.code.upper()}{world.code('####@#@######@')}",
        "freight": world.price(19000, 99000) / 100,
        "invoice": world.code("@@-#####"),
        "old_value": cents // 100 + world.between(30, 400),
        "office": world.one([town for town, _ in world.place.towns]),
    }
