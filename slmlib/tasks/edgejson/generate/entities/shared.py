"""Shared: people, places, amounts and things that stand inside the entities of every domain."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World, hhmm

LANGUAGES = {"de": "de", "nl": "nl", "fr": "fr", "es": "es", "it": "it"}  # elsewhere English
GOODS = (  # product, cents from, to
    ("hex bolts M8", 12, 45), ("cable ties 200 mm", 12, 29), ("work gloves", 190, 990),
    ("wall plugs 10 mm", 12, 34), ("LED tubes 120 cm", 690, 1890), ("safety glasses", 350, 1490),
    ("masking tape", 150, 690),
    ("copper pipe 15 mm", 490, 1290), ("silicone sealant", 290, 990), ("sanding discs", 35, 140),
    ("extension leads 5 m", 790, 2490), ("paint rollers", 240, 890), ("door hinges", 190, 1250),
    ("padlocks 40 mm", 590, 1990), ("printer paper A4", 350, 790), ("toner cartridges", 3900, 11900),
    ("ring binders", 190, 590), ("whiteboard markers", 90, 290), ("rubbish bags 120 l", 12, 60),
    ("hand towels", 290, 1190), ("smoke alarms", 990, 3490), ("air filters G4", 590, 2490),
    ("storage boxes 45 l", 690, 1990), ("batteries AA", 30, 110), ("fuses 16 A", 60, 250),
    ("garden hose couplings", 190, 790),
)  # fmt: skip
CARS = (
    ("Volkswagen", words("Golf Polo Caddy Passat")), ("Ford", words("Focus Transit Fiesta Kuga")),
    ("Toyota", words("Corolla Yaris Hilux Proace")), ("Renault", words("Clio Kangoo Megane Master")),
    ("Skoda", words("Octavia Fabia Kodiaq Superb")), ("Opel", words("Corsa Astra Vivaro Combo")),
    ("Peugeot", words("Partner Expert Boxer Rifter")), ("Volvo", words("V60 XC40 V90 XC60")),
)  # fmt: skip
GADGETS = (  # maker, models
    ("Teltrix", words("GW-20 GW-45 EdgeBox_2")), ("Norvent", words("AirNode_3 AirNode_5 ClimaHub")),
    ("Halvorsen", words("HV-110 HV-220 FlowEye")), ("Sensoria", words("S-Tag_1 S-Tag_4 MultiSense")),
    ("Lumira", words("Cam_360 Cam_Mini DoorEye")), ("Kapteyn", words("RX-7 RX-9 Logger_Pro")),
)  # fmt: skip
SECTORS = {  # what firms do, by a word of their names; the others are shops
    "craft": words(
        "Optics Interiors Finch Stone Works Studio Joinery Hazel Flooring Pottery Plumbing Electrical "
        "Roofing Timber Signs Zodiac Framing Ceramics Doors Rivet Yardarm Garage Rooms Laundry"
    ),
    "transport": words("Travel Logistics Freight Haulage Ferries Turnpike Anchor Zephyr"),
    "health": words("Dental Pharmacy Opticians Gym Physio Orthodontics Surgery Vets"),
    "food": words(
        "Foods Kitchen Bakery Spices Tea Wines Fish Deli Salads Café Seafoods Cheese Coffee Quince Nettle"
    ),
    "it": words("Audio Labs Design Security Cameras Beacon Prints"),
    "public": words("School Energy Legal Estates Press"),
}
BUILDINGS = words(
    "Block_A Block_C North_Wing South_Wing Annexe Old_Mill Harbour_House Main_Building Tower_2 Workshop_Hall "
    "Pavilion Library_Building Gatehouse West_Hall"
)
BANKS = (  # name, four letters
    ("Meridian Bank", "MRDN"), ("Harbour Savings", "HBSV"), ("Nordwest Bank", "NOWB"),
    ("Castle Trust", "CSTL"), ("First Lakeside", "FLKS"), ("Volkskas", "VLKS"), ("Union Credit", "UNCR"),
    ("Bridge & Co", "BRDG"),
)  # fmt: skip
QUANTITIES = (  # quantity, unit, least, most, scale
    ("temperature", "°C", -120, 860, 10), ("pressure", "bar", 8, 160, 10), ("humidity", "%", 18, 97, 1),
    ("co2", "ppm", 390, 2400, 1), ("voltage", "V", 110, 4150, 10), ("noise", "dB", 31, 104, 1),
)  # fmt: skip
TASKS = words(
    "replace_the_filter order_spare_parts update_the_floor_plan test_the_smoke_alarms call_the_supplier "
    "repaint_the_hallway check_the_first-aid_box file_the_receipts book_the_meeting_room collect_the_keys "
    "archive_the_old_folders clean_the_gutters renew_the_licence print_the_name_badges label_the_shelves "
    "scan_the_signed_forms"
)


@entity
def person(world: World) -> dict:
    """Somebody with what is known of them."""
    who = world.person()
    return {
        "name": who.name,
        "phone": world.phone(),
        "email": world.email(who),
        "birth_date": world.later(world.date(), -24000, -8800).isoformat(),
        "language": world.one((*(LANGUAGES.get(who.place.code, "en"),) * 6, "fr", "es", "pl")),
    }


def aged(world: World, day: date, low: int, high: int) -> dict:
    """Somebody who is between `low` and `high` years old on a day."""
    born = world.later(day, -365 * (high + 1) + 30, -366 * low - 1)
    return draw("person", world) | {"birth_date": born.isoformat()}


def sector(firm: str) -> str:
    """What a firm does, as far as its name tells."""
    said = set(firm.split())
    return next((name for name, parts in SECTORS.items() if said & set(parts)), "retail")


@entity
def contact(world: World) -> dict:
    """Whom to talk to, as what, and how."""
    who = world.person()
    return {
        "name": who.name,
        "job": world.one(("sales", "support", "reception", "accounts", "site_manager", "technician")),
        "phone": world.phone(),
        "email": world.email(who),
        "available_from": world.clock(7, 14, step=30),
    }


@entity
def address(world: World) -> dict:
    """A postal address of the case's country."""
    city, postcode = world.town()
    return {
        "street": world.street(),
        "unit": f"{world.one(('Flat', 'Unit', 'Suite'))} {world.between(1, 48)}",
        "postcode": postcode,
        "city": city,
        "country": world.place.code.upper(),
    }


@entity
def organisation(world: World) -> dict:
    """A firm and how to find it."""
    name = world.firm()
    flat = "".join(c for c in name.lower().replace("é", "e") if c.isalnum())
    return {
        "name": name,
        "registration_no": world.code("HR ######"),
        "sector": sector(name),
        "website": f"www.{flat}.example",
        "phone": world.phone(),
        "staff": world.between(3, 480),
    }


@entity
def time_slot(world: World) -> dict:
    """A day and two times on it; the minutes lie between them."""
    start, length = world.between(28, 70) * 15, world.between(2, 16) * 15
    end = start + length
    return {
        "day": world.date().isoformat(),
        "starts_at": hhmm(start),
        "ends_at": hhmm(end),
        "minutes": length,
    }


@entity
def period(world: World) -> dict:
    """A first and a last day, and how many days later the last one is."""
    first, days = world.date(), world.between(2, 120)
    return {
        "first_day": first.isoformat(),
        "last_day": world.later(first, days, days).isoformat(),
        "days": days,
    }


@entity
def money_amount(world: World) -> dict:
    """A price before and after tax."""
    net, rate = world.price(400, 240_000), world.one((5, 7, 9, 19, 20, 21, 23))
    tax = int((Decimal(net * rate) / 100).quantize(Decimal(1), ROUND_HALF_UP))
    return {
        "net": net / 100,
        "tax_percent": rate,
        "tax": tax / 100,
        "gross": (net + tax) / 100,
        "currency": world.place.currency,
    }


@entity
def payment(world: World) -> dict:
    """Money that has changed hands, or is about to."""
    return {
        "amount": world.price(500, 180_000) / 100,
        "currency": world.place.currency,
        "method": world.one(("card", "cash", "bank_transfer", "direct_debit", "voucher")),
        "paid_on": world.date().isoformat(),
        "transaction_no": world.code("TX######"),
        "cleared": world.chance(0.6),
    }


@entity
def product_line(world: World) -> dict:
    """So many of something at a price, which makes the amount."""
    product, low, high = world.one(GOODS)
    quantity, price = world.between(2, 40), world.price(low, high)
    return {
        "product": product,
        "article_no": world.code("A-####"),
        "quantity": quantity,
        "unit_price": price / 100,
        "amount": quantity * price / 100,
    }


@entity
def measurement(world: World) -> dict:
    """A quantity, its value in its unit, and when it was taken."""
    quantity, unit, low, high, scale = world.one(QUANTITIES)
    return {
        "quantity": quantity,
        "value": world.steps(low, high, scale),
        "unit": unit,
        "taken_at": f"{world.date().isoformat()}T{world.clock(0, 24, step=1)}:00Z",
        "instrument": world.code("@@-###"),
    }


@entity
def document_ref(world: World) -> dict:
    """A paper that is referred to."""
    return {
        "doc_no": world.code("D-#####"),
        "doc_type": world.one(("contract", "certificate", "permit", "manual", "quotation", "delivery_note")),
        "issued_on": world.date().isoformat(),
        "issuer": world.firm(),
        "pages": world.between(1, 64),
        "signed": world.chance(0.6),
    }


@entity
def vehicle(world: World) -> dict:
    """A car or van."""
    make, models = world.one(CARS)
    return {
        "plate": world.plate(),
        "make": make,
        "model": world.one(models),
        "colour": world.one(("white", "black", "silver", "blue", "red", "green")),
        "mileage_km": world.between(2_000, 240_000),
        "fuel": world.one(("petrol", "diesel", "electric", "hybrid")),
    }


@entity
def device(world: World) -> dict:
    """A small networked device."""
    maker, models = world.one(GADGETS)
    return {
        "serial_no": world.code("@@########"),
        "maker": maker,
        "model": world.one(models),
        "firmware": f"{world.between(1, 6)}.{world.between(0, 19)}.{world.between(0, 9)}",
        "battery_percent": world.between(3, 100),
        "network": world.one(("wifi", "ethernet", "lte", "lora")),
    }


@entity
def place(world: World) -> dict:
    """A room in a building."""
    floor = world.between(0, 6)
    return {
        "building": world.one(BUILDINGS),
        "floor": floor,
        "room": f"{floor}.{world.between(1, 38):02d}",
        "seats": world.between(4, 120),
        "step_free": world.chance(0.6),
    }


@entity
def dimensions(world: World) -> dict:
    """Size and weight of a piece, and how it is packed."""
    longest = world.between(20, 240)
    return {
        "length_cm": longest,
        "width_cm": world.between(10, longest),
        "height_cm": world.between(5, longest),
        "weight_kg": world.steps(4, 900, 10),
        "packaging": world.one(("box", "crate", "pallet", "padded_envelope", "tube")),
    }


@entity
def bank_account(world: World) -> dict:
    """An account, its holder and its bank."""
    bank, letters = world.one(BANKS)
    country = world.place.code.upper()
    return {
        "account_holder": world.person().name,
        "iban": world.code(f"{country}##{letters}##########"),
        "bic": f"{letters}{country}{world.code('@#')}",
        "bank": bank,
        "opened_in": world.between(1995, 2024),
    }


@entity
def task(world: World) -> dict:
    """Something to be done by somebody until some day."""
    return {
        "task": world.one(TASKS),
        "assignee": world.person().name,
        "due_on": world.date().isoformat(),
        "priority": world.one(("low", "normal", "high", "urgent")),
        "done": world.chance(0.4),
    }
