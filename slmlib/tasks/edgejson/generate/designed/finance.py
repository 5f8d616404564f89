"""Finance: what was paid, owed and claimed."""

from decimal import ROUND_HALF_UP, Decimal

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import firms, words
from slmlib.textgen.sampling_context import SamplingContext

MERCHANTS = {
    "meal": firms(
        "Trattoria_Lucia The_Copper_Kettle Café_Aurora Noodle_Bar_Hana Bistro_Marais The_Ferryman "
        "Casa_Olmo Soup_Room_North The_Green_Plate Osteria_Ponte"
    ),
    "taxi": firms("CityCab Blue_Line_Taxis Taxi_24 Harbour_Cars Metro_Minicabs"),
    "hotel": firms("Hotel_Bellevue The_Linden_Arms Stay_Inn_Central Park_Hotel Quayside_Lodge"),
    "parking": firms("ParkRite Central_Parking Airport_Parking_P3 Station_Car_Park Museum_Garage"),
    "supplies": firms(
        "Winkler_Papers Office_Corner Clip_&_Co Lenz_Office_Supplies Inkwell_Stationers"
    ),
}
MERCHANT_PRICES = {
    "meal": (900, 9500),
    "taxi": (700, 7800),
    "hotel": (6900, 48000),
    "parking": (250, 4800),
    "supplies": (400, 18500),
}
DAMAGED = {  # cause of a loss in a household -> what it spoils
    "water": words(
        "parquet_floor living_room_carpet kitchen_cupboards washing_machine bookshelf "
        "bedroom_ceiling"
    ),
    "fire": words("leather_sofa curtains cooker_hood dining_table kitchen_worktop armchair"),
    "theft": words("racing_bicycle laptop camera gold_watch television violin silver_cutlery"),
    "storm": words("garden_shed roof_tiles awning greenhouse satellite_dish carport_roof"),
    "glass": words(
        "patio_door bathroom_window glass_table_top shower_screen front_door_pane skylight"
    ),
}
LENDERS = firms(
    "Prairie_Savings Lakefront_Credit_Union Tri-County_Bank Meadowlark_Lending First_Harbor_Bank "
    "Summit_Ridge_Credit Blue_Mesa_Finance Old_Canal_Bank Copper_State_Savings Riverbend_Mutual "
    "Great_Plains_Loan Pinetree_Federal"
)
TERMS = (24, 36, 48, 60, 72)  # months
VAT = {  # country -> percent, pattern of the number
    "gb": (20, "GB#########"), "ie": (23, "IE#######@@"), "de": (19, "DE#########"),
    "nl": (21, "NL#########B##"), "fr": (20, "FR###########"), "es": (21, "ESB########"),
    "it": (22, "IT###########"),
}  # fmt: skip
SUPPLIER_KINDS = (
    "Building Supplies",
    "Trade Depot",
    "Technical Supplies",
    "& Sons",
    "Workshop Supplies",
)
MATERIALS = (  # text, unit, quantity and cents from, to
    ("Copper Pipe 15 mm", "m", 6, 60, 520, 890), ("Power Cable 3 x 1.5", "m", 25, 150, 105, 185),
    ("Floor Paint Grey", "l", 5, 40, 690, 1290), ("Repair Mortar", "kg", 25, 150, 110, 240),
    ("Nitrile Gloves Size L", "box", 2, 20, 690, 1190),
    ("Steel Screws 5 x 60", "box", 2, 15, 890, 1690), ("Ball Valve DN 20", "pcs", 2, 24, 790, 1490),
    ("LED Panel 40 W", "pcs", 2, 30, 3900, 6900), ("Oak Board 27 mm", "m", 4, 40, 1890, 3290),
    ("Silicone Sealant Clear", "pcs", 4, 36, 450, 790),
    ("Hydraulic Oil HLP 46", "l", 10, 200, 390, 690), ("Tile Adhesive", "kg", 25, 200, 105, 160),
    ("Safety Helmet White", "pcs", 2, 18, 1490, 2690), ("Fitting Work", "h", 2, 16, 4800, 7900),
    ("Crane Hire with Driver", "h", 2, 8, 9500, 14500),
    ("Roof Battens 30 x 50", "m", 20, 180, 105, 175), ("Bearing 6204-2RS", "pcs", 2, 20, 590, 990),
    ("Filter Mat G4", "box", 2, 10, 2490, 3990),
)  # fmt: skip


@sampler
def expense_claim(ctx: SamplingContext) -> tuple[dict, dict]:
    """An expense; distractors: an estimate, and the day the claim is sent."""
    category = ctx.one(tuple(MERCHANTS))
    paid_on = ctx.date()
    cents = ctx.price(*MERCHANT_PRICES[category])
    record = {
        "merchant": ctx.assigned(MERCHANTS[category]),
        "amount": cents / 100,
        "currency": ctx.place.currency,
        "paid_on": paid_on.isoformat(),
    }
    record["category"] = category
    beside = {
        "estimate": (cents // 500 + ctx.between(1, 6)) * 500 // 100,
        "sent_on": ctx.workday_near(paid_on, 1, 20).isoformat(),
    }
    slip = {"pin": ctx.code("####"), "card": ctx.code("####"), "before": (cents - cents // 9) / 100}
    slip |= {"given": (cents // 2000 + 1) * 20.0, "trip": ctx.town()[0]}
    return record, {**beside, **slip}


@sampler
def bank_transfer(ctx: SamplingContext) -> tuple[dict, dict]:
    """A payment; distractors: an account and an amount that were replaced."""
    ctx.settle("gb")  # sort codes and pounds
    cents = ctx.price(12_000, 420_000)
    record = {
        "payee": ctx.firm(),
        "sort_code": ctx.code("##-##-##"),
        "account_no": ctx.code("########"),
        "amount_gbp": cents / 100,
        "reference": ctx.code("INV-####"),
    }
    due = ctx.workday()
    beside = {"other_account": ctx.code("########"), "due": due.isoformat()}
    beside |= {"old_amount": (cents + 100 * ctx.between(3, 60)) / 100, "batch": ctx.code("B####")}
    return record, beside | {"last_paid": ctx.workday_near(due, -60, -20).isoformat()}


@sampler
def insurance_claim(ctx: SamplingContext) -> tuple[dict, dict]:
    """A loss and its payment, the claim less the excess; distractors: a first estimate."""
    cause, day = ctx.one(tuple(DAMAGED)), ctx.date()
    items = ctx.some(DAMAGED[cause], 1, 3)
    settlement = _settlement(ctx, sum(ctx.price(24_000, 190_000) for _ in items))
    record = {
        "policy": {"number": ctx.code("HC-######"), "holder": ctx.person().name},
        "loss": {"cause": cause, "on": day.isoformat(), "city": ctx.town()[0]},
        "items": items,
        "settlement": settlement,
    }
    record |= only(ctx, 0.8, police_ref=ctx.code("@@-#####")) if cause == "theft" else {}
    reported = ctx.later(day, 1, 5).isoformat()
    record |= only(ctx, 0.5, reported_at=f"{reported}T{ctx.clock(7, 20, step=1)}:00Z")
    beside = {"estimate": int(settlement["claimed"]) // 100 * 100 + 100 * ctx.between(2, 9)}
    beside |= {"old_policy": ctx.code("HC-######"), "adviser": ctx.person().name}
    beside |= {"closed_on": ctx.workday_near(day, 20, 60).isoformat()}
    return record, beside | {"insured_since": ctx.later(day, -3000, -200).isoformat()}


def _settlement(ctx: SamplingContext, payable: int) -> dict:
    """Payment and excess, which add up to the claim, in cents."""
    excess = ctx.one((15_000, 20_000, 25_000, 30_000, 50_000))
    paid = {"claimed": (payable + excess) / 100, "excess": excess / 100, "payable": payable / 100}
    return paid | {"currency": ctx.place.currency}


@sampler
def loan_offer(ctx: SamplingContext) -> tuple[dict, dict]:
    """Equal instalments that add up to the total; distractors: another lender's rate and sum."""
    ctx.settle("us")
    hundreds, purpose = (
        ctx.between(30, 420),
        ctx.one(("car", "home", "equipment", "solar", "debts")),
    )
    rate, months = ctx.between(78, 258) * 5, ctx.one(TERMS)  # hundredths of a percent
    instalment, issued = monthly_cents(hundreds * 10_000, rate, months), ctx.workday()
    valid = ctx.workday_near(issued, 14, 30)
    first_due = ctx.workday_near(valid, 10, 45).isoformat()
    lent = {"principal_usd": hundreds * 100, "rate_pct": rate / 100, "term_months": months}
    paid = {"monthly_usd": instalment / 100, "total_usd": instalment * months / 100}
    record = {
        "offer_no": ctx.code("LO-#####"),
        "borrower": ctx.person().name,
        "loan": {"purpose": purpose} | lent,
        "repayment": paid | {"first_due": first_due},
        "valid_until": valid.isoformat(),
    }
    record |= only(ctx, 0.5, fee_usd=ctx.one((95, 125, 150, 195, 240)))
    record |= only(ctx, 0.5, autopay=ctx.chance(0.6))
    beside = {"issued": issued.isoformat(), "wanted": (hundreds + ctx.between(5, 40)) * 100}
    beside |= {"other_rate": (rate + 5 * ctx.between(8, 60)) / 100, "lender": ctx.assigned(LENDERS)}
    return record, beside | {"other_term": ctx.one([term for term in TERMS if term != months])}


def monthly_cents(cents: int, rate: int, months: int) -> int:
    """The instalment of an annuity loan, rounded half up; the yearly rate in 0.01 percent.

    In decimals, since a float's power may differ in its last bit from one machine to the next.
    """
    month = Decimal(rate) / 120_000
    return int((cents * month / (1 - (1 + month) ** -months)).quantize(Decimal(1), ROUND_HALF_UP))


@sampler
def supplier_invoice(ctx: SamplingContext) -> tuple[dict, dict]:
    """Lines make the net sum, the country's VAT goes on top; distractors: another date and sum."""
    ctx.settle(*VAT)
    issued, days = ctx.workday(), ctx.one((14, 21, 30, 30, 45))
    lines = [_line(ctx, *material) for material in ctx.some(MATERIALS, 2, 3)]
    record = {
        "invoice_no": f"R{issued.year % 100}-{ctx.code('####')}",
        "issued": issued.isoformat(),
        "due": ctx.later(issued, days, days).isoformat(),
    }
    record |= only(ctx, 0.5, terms_days=days) | {"supplier": _supplier(ctx)}
    record |= {"buyer": {"name": ctx.firm()} | only(ctx, 0.6, po_no=ctx.code("PO######"))}
    record |= {
        "lines": lines,
        "totals": _totals(ctx, sum(round(line["net"] * 100) for line in lines)),
    }
    beside = {
        "delivered": ctx.workday_near(issued, -12, -1).isoformat(),
        "slip": ctx.code("######"),
    }
    beside |= {"quoted": int(record["totals"]["gross"]) // 100 * 100 + 200}
    listed = {line["text"] for line in lines}
    return record, beside | {
        "returned": ctx.one([text for text, *_ in MATERIALS if text not in listed])
    }


def _line(
    ctx: SamplingContext, text: str, unit: str, few: int, many: int, low: int, high: int
) -> dict:
    quantity, cents = ctx.between(few, many), ctx.price(low, high)
    priced = {"unit_price": cents / 100, "net": quantity * cents / 100}
    return {"text": text, "qty": quantity, "unit": unit} | priced


def _supplier(ctx: SamplingContext) -> dict:
    """A family firm with the tax number and the address of this case's country."""
    town, postcode = ctx.town()
    return {
        "name": f"{ctx.person().last} {ctx.one(SUPPLIER_KINDS)}",
        "vat_id": ctx.code(VAT[ctx.place.code][1]),
        "address": {"street": ctx.street(), "postcode": postcode, "city": town},
    }


def _totals(ctx: SamplingContext, net: int) -> dict:
    """Net, tax and gross from the net sum in cents; the tax rounded half up."""
    rate = VAT[ctx.place.code][0]
    vat = (net * rate + 50) // 100
    totals = {"net": net / 100, "vat_pct": rate, "vat": vat / 100, "gross": (net + vat) / 100}
    return totals | {"currency": ctx.place.currency}
