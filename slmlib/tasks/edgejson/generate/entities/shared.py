"""Shared: people, places, amounts and things that stand inside the entities of every domain."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

LANGUAGES = {"de": "de", "nl": "nl", "fr": "fr", "es": "es", "it": "it"}  # elsewhere English
GOODS = (  # product, cents from, to
    ("hex bolts M8", 12, 45), ("cable ties 200 mm", 12, 29), ("work gloves", 190, 990),
    ("wall plugs 10 mm", 12, 34), ("LED tubes 120 cm", 690, 1890), ("safety glasses", 350, 1490),
    ("masking tape", 150, 690),
    ("copper pipe 15 mm", 490, 1290), ("silicone sealant", 290, 990), ("sanding discs", 35, 140),
    ("extension leads 5 m", 790, 2490), ("paint rollers", 240, 890), ("door hinges", 190, 1250),
    ("padlocks 40 mm", 590, 1990), ("printer paper A4", 350, 790),
    ("toner cartridges", 3900, 11900), ("ring binders", 190, 590), ("whiteboard markers", 90, 290),
    ("rubbish bags 120 l", 12, 60), ("hand towels", 290, 1190), ("smoke alarms", 990, 3490),
    ("air filters G4", 590, 2490), ("storage boxes 45 l", 690, 1990), ("batteries AA", 30, 110),
    ("fuses 16 A", 60, 250), ("garden hose couplings", 190, 790),
)  # fmt: skip
CARS = (
    ("Volkswagen", words("Golf Polo Caddy Passat")), ("Ford", words("Focus Transit Fiesta Kuga")),
    ("Toyota", words(
        "Corolla Yaris Hilux Proace"
    )), ("Renault", words(
        "Clio Kangoo Megane Master"
    )),
    ("Skoda", words("Octavia Fabia Kodiaq Superb")), ("Opel", words("Corsa Astra Vivaro Combo")),
    ("Peugeot", words("Partner Expert Boxer Rifter")), ("Volvo", words("V60 XC40 V90 XC60")),
)  # fmt: skip
GADGETS = (  # maker, models
    ("Teltrix", words("GW-20 GW-45 EdgeBox_2")), ("Norvent", words("AirNode_3 AirNode_5 ClimaHub")),
    ("Halvorsen", words(
        "HV-110 HV-220 FlowEye"
    )), ("Sensoria", words(
        "S-Tag_1 S-Tag_4 MultiSense"
    )),
    ("Lumira", words("Cam_360 Cam_Mini DoorEye")), ("Kapteyn", words("RX-7 RX-9 Logger_Pro")),
)  # fmt: skip
SECTORS = {  # what firms do, by a word of their names; the others are shops
    "craft": words(
        "Optics Interiors Finch Stone Works Studio Joinery Hazel Flooring Pottery Plumbing "
        "Electrical Roofing Timber Signs Zodiac Framing Ceramics Doors Rivet Yardarm Garage Rooms "
        "Laundry"
    ),
    "transport": words("Travel Logistics Freight Haulage Ferries Turnpike Anchor Zephyr"),
    "health": words("Dental Pharmacy Opticians Gym Physio Orthodontics Surgery Vets"),
    "food": words(
        "Foods Kitchen Bakery Spices Tea Wines Fish Deli Salads Café Seafoods Cheese Coffee "
        "Quince Nettle"
    ),
    "it": words("Audio Labs Design Security Cameras Beacon Prints"),
    "public": words("School Energy Legal Estates Press"),
}
BUILDINGS = words(
    "Block_A Block_C North_Wing South_Wing Annexe Old_Mill Harbour_House Main_Building Tower_2 "
    "Workshop_Hall Pavilion Library_Building Gatehouse West_Hall"
)
BANKS = (  # name, four letters
    ("Meridian Bank", "MRDN"), ("Harbour Savings", "HBSV"), ("Nordwest Bank", "NOWB"),
    ("Castle Trust", "CSTL"), ("First Lakeside", "FLKS"), ("Volkskas", "VLKS"),
    ("Union Credit", "UNCR"), ("Bridge & Co", "BRDG"),
)  # fmt: skip
QUANTITIES = (  # quantity, unit, least, most, scale
    ("temperature", "°C", -120, 860, 10), ("pressure", "bar", 8, 160, 10),
    ("humidity", "%", 18, 97, 1), ("co2", "ppm", 390, 2400, 1), ("voltage", "V", 110, 4150, 10),
    ("noise", "dB", 31, 104, 1),
)  # fmt: skip
TASKS = words(
    "replace_the_filter order_spare_parts update_the_floor_plan test_the_smoke_alarms "
    "call_the_supplier repaint_the_hallway check_the_first-aid_box file_the_receipts "
    "book_the_meeting_room collect_the_keys archive_the_old_folders clean_the_gutters "
    "renew_the_licence print_the_name_badges label_the_shelves scan_the_signed_forms"
)


@entity
def person(ctx: SamplingContext) -> dict:
    """Somebody with what is known of them."""
    who = ctx.person()
    return {
        "name": who.name,
        "phone": ctx.phone(),
        "email": ctx.email(who),
        "birth_date": ctx.later(ctx.date(), -24000, -8800).isoformat(),
        "language": ctx.one((*(LANGUAGES.get(who.place.code, "en"),) * 6, "fr", "es", "pl")),
    }


def aged(ctx: SamplingContext, day: date, low: int, high: int) -> dict:
    """Somebody who is between `low` and `high` years old on a day."""
    born = ctx.later(day, -365 * (high + 1) + 30, -366 * low - 1)
    return draw("person", ctx) | {"birth_date": born.isoformat()}


def sector(firm: str) -> str:
    """The trade of a firm, as far as its name shows it."""
    said = set(firm.split())
    return next((name for name, parts in SECTORS.items() if said & set(parts)), "retail")


@entity
def contact(ctx: SamplingContext) -> dict:
    """A person to contact, their role, and the channel."""
    who = ctx.person()
    return {
        "name": who.name,
        "job": ctx.one(("sales", "support", "reception", "accounts", "site_manager", "technician")),
        "phone": ctx.phone(),
        "email": ctx.email(who),
        "available_from": ctx.clock(7, 14, step=30),
    }


@entity
def address(ctx: SamplingContext) -> dict:
    """A postal address of the case's country."""
    city, postcode = ctx.town()
    return {
        "street": ctx.street(),
        "unit": f"{ctx.one(('Flat', 'Unit', 'Suite'))} {ctx.between(1, 48)}",
        "postcode": postcode,
        "city": city,
        "country": ctx.place.code.upper(),
    }


@entity
def organisation(ctx: SamplingContext) -> dict:
    """A firm and how to find it."""
    name = ctx.firm()
    flat = "".join(c for c in name.lower().replace("é", "e") if c.isalnum())
    return {
        "name": name,
        "registration_no": ctx.code("HR ######"),
        "sector": sector(name),
        "website": f"www.{flat}.example",
        "phone": ctx.phone(),
        "staff": ctx.between(3, 480),
    }


@entity
def time_slot(ctx: SamplingContext) -> dict:
    """A day and two times on it; the minutes lie between them."""
    start, length = ctx.between(28, 70) * 15, ctx.between(2, 16) * 15
    end = start + length
    return {
        "day": ctx.date().isoformat(),
        "starts_at": hhmm(start),
        "ends_at": hhmm(end),
        "minutes": length,
    }


@entity
def period(ctx: SamplingContext) -> dict:
    """A first and a last day, and how many days later the last one is."""
    first, days = ctx.date(), ctx.between(2, 120)
    return {
        "first_day": first.isoformat(),
        "last_day": ctx.later(first, days, days).isoformat(),
        "days": days,
    }


@entity
def money_amount(ctx: SamplingContext) -> dict:
    """A price before and after tax."""
    net, rate = ctx.price(400, 240_000), ctx.one((5, 7, 9, 19, 20, 21, 23))
    tax = int((Decimal(net * rate) / 100).quantize(Decimal(1), ROUND_HALF_UP))
    return {
        "net": net / 100,
        "tax_percent": rate,
        "tax": tax / 100,
        "gross": (net + tax) / 100,
        "currency": ctx.place.currency,
    }


@entity
def payment(ctx: SamplingContext) -> dict:
    """Money that has changed hands, or is about to."""
    return {
        "amount": ctx.price(500, 180_000) / 100,
        "currency": ctx.place.currency,
        "method": ctx.one(("card", "cash", "bank_transfer", "direct_debit", "voucher")),
        "paid_on": ctx.date().isoformat(),
        "transaction_no": ctx.code("TX######"),
        "cleared": ctx.chance(0.6),
    }


@entity
def product_line(ctx: SamplingContext) -> dict:
    """So many of something at a price, which makes the amount."""
    product, low, high = ctx.one(GOODS)
    quantity, price = ctx.between(2, 40), ctx.price(low, high)
    return {
        "product": product,
        "article_no": ctx.code("A-####"),
        "quantity": quantity,
        "unit_price": price / 100,
        "amount": quantity * price / 100,
    }


@entity
def measurement(ctx: SamplingContext) -> dict:
    """A quantity, its value in its unit, and when it was taken."""
    quantity, unit, low, high, scale = ctx.one(QUANTITIES)
    return {
        "quantity": quantity,
        "value": ctx.steps(low, high, scale),
        "unit": unit,
        "taken_at": f"{ctx.date().isoformat()}T{ctx.clock(0, 24, step=1)}:00Z",
        "instrument": ctx.code("@@-###"),
    }


@entity
def document_ref(ctx: SamplingContext) -> dict:
    """A paper that is referred to."""
    return {
        "doc_no": ctx.code("D-#####"),
        "doc_type": ctx.one(
            ("contract", "certificate", "permit", "manual", "quotation", "delivery_note")
        ),
        "issued_on": ctx.date().isoformat(),
        "issuer": ctx.firm(),
        "pages": ctx.between(1, 64),
        "signed": ctx.chance(0.6),
    }


@entity
def vehicle(ctx: SamplingContext) -> dict:
    """A car or van."""
    make, models = ctx.one(CARS)
    return {
        "plate": ctx.plate(),
        "make": make,
        "model": ctx.one(models),
        "colour": ctx.one(("white", "black", "silver", "blue", "red", "green")),
        "mileage_km": ctx.between(2_000, 240_000),
        "fuel": ctx.one(("petrol", "diesel", "electric", "hybrid")),
    }


@entity
def device(ctx: SamplingContext) -> dict:
    """A small networked device."""
    maker, models = ctx.one(GADGETS)
    return {
        "serial_no": ctx.code("@@########"),
        "maker": maker,
        "model": ctx.one(models),
        "firmware": f"{ctx.between(1, 6)}.{ctx.between(0, 19)}.{ctx.between(0, 9)}",
        "battery_percent": ctx.between(3, 100),
        "network": ctx.one(("wifi", "ethernet", "lte", "lora")),
    }


@entity
def place(ctx: SamplingContext) -> dict:
    """A room in a building."""
    floor = ctx.between(0, 6)
    return {
        "building": ctx.one(BUILDINGS),
        "floor": floor,
        "room": f"{floor}.{ctx.between(1, 38):02d}",
        "seats": ctx.between(4, 120),
        "step_free": ctx.chance(0.6),
    }


@entity
def dimensions(ctx: SamplingContext) -> dict:
    """Size and weight of a piece, and how it is packed."""
    longest = ctx.between(20, 240)
    return {
        "length_cm": longest,
        "width_cm": ctx.between(10, longest),
        "height_cm": ctx.between(5, longest),
        "weight_kg": ctx.steps(4, 900, 10),
        "packaging": ctx.one(("box", "crate", "pallet", "padded_envelope", "tube")),
    }


@entity
def bank_account(ctx: SamplingContext) -> dict:
    """An account, its holder and its bank."""
    bank, letters = ctx.one(BANKS)
    country = ctx.place.code.upper()
    return {
        "account_holder": ctx.person().name,
        "iban": ctx.code(f"{country}##{letters}##########"),
        "bic": f"{letters}{country}{ctx.code('@#')}",
        "bank": bank,
        "opened_in": ctx.between(1995, 2024),
    }


@entity
def task(ctx: SamplingContext) -> dict:
    """Something to be done by somebody until some day."""
    return {
        "task": ctx.one(TASKS),
        "assignee": ctx.person().name,
        "due_on": ctx.date().isoformat(),
        "priority": ctx.one(("low", "normal", "high", "urgent")),
        "done": ctx.chance(0.4),
    }
