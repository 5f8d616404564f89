"""Finance: orders to a bank, shares, and the debt on a house."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import at_home, holder_and_account
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

STOCKS = (  # name, ticker, cents from, to
    ("Altamira Energy", "ALME", 1200, 4800), ("Borealis Shipping", "BRLS", 3100, 9900),
    ("Cobalt Foods", "CBLF", 800, 2600), ("Dunmore Bank", "DNMB", 450, 1900),
    ("Estrel Pharma", "ESTR", 5200, 21000), ("Fjordline Salmon", "FJLS", 1500, 5200),
    ("Granit Cement", "GRNT", 2400, 7100), ("Helvar Robotics", "HLVR", 6800, 31000),
    ("Isara Telecom", "ISRA", 300, 1400), ("Jolt Mobility", "JOLT", 900, 6400),
    ("Kestor Software", "KSTR", 7400, 42000), ("Lumen Water", "LMNW", 1900, 4400),
    ("Meridia Insurance", "MRDA", 2700, 8800), ("Nordwind Turbines", "NWTB", 1100, 5900),
    ("Orbis Rail", "ORBR", 1600, 6100), ("Pallas Steel", "PLLS", 700, 3300),
)  # fmt: skip
CREDITORS = words(
    "Citypower_Energy Clearwater_Utilities Fibrelink_Broadband Aurora_Mobile Safeguard_Insurance "
    "Riverside_Gym Greenleaf_Charity Metro_Transit_Card Streamhouse_TV Northern_Gas_Supply "
    "Household_Care_Plan Children's_Hospital_Fund Bookbox_Club Allotment_Society "
    "Town_Council_Tax_Office"
)
MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}  # between two collections
LENDERS = words(
    "Hartwell_Building_Society Union_Savings_Bank First_Harbour_Bank Regional_Mortgage_Bank "
    "Landbank_Nord Citizens_Home_Loans Oakfield_Credit_Union Beacon_Mutual Sparbank_Mitte "
    "Keystone_Home_Bank"
)


@entity
def direct_debit(ctx: SamplingContext) -> dict:
    """A mandate by which somebody's account is charged again and again."""
    granted, amount, creditor = ctx.date(), ctx.price(590, 21900) / 100, ctx.one(CREDITORS)
    payer, account = holder_and_account(ctx)
    start = ctx.later(granted, 5, 40)
    start = start.replace(day=min(start.day, 28))  # a day that every month has
    frequency = ctx.one(tuple(MONTHS))
    entries = [draw("debit_entry", ctx) for _ in range(ctx.between(1, 3))]
    for i, entry in enumerate(entries):
        booked = _months_on(start, i * MONTHS[frequency]).isoformat()
        entry |= {"amount": amount, "text": creditor, "booked_on": booked}
    return {
        "mandate_ref": ctx.code("DD-@@-#####"),
        "creditor": creditor,
        "amount": amount,
        "currency": ctx.place.currency,
        "frequency": frequency,
        "granted_on": granted.isoformat(),
        "first_collection": start.isoformat(),
        "state": ctx.one(("active", "active", "paused", "cancelled")),
        "entries": entries,
        "payer": payer,
        "account": account,
    }


def _months_on(day: date, months: int) -> date:
    """The same day of the month, so many months later."""
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, day.day)


@entity
def debit_entry(ctx: SamplingContext) -> dict:
    """One collection, as it stands on a statement."""
    return {
        "entry_no": ctx.code("EN######"),
        "booked_on": ctx.date().isoformat(),
        "amount": ctx.price(590, 21900) / 100,
        "result": ctx.one(("collected", "collected", "returned", "pending")),
        "text": ctx.one(CREDITORS),
    }


@entity
def share_trade(ctx: SamplingContext) -> dict:
    """Shares bought or sold; the value is their number times their price."""
    stock, ticker, low, high = ctx.one(STOCKS)
    shares, price = ctx.between(5, 180), ctx.between(low, high)
    investor, account = holder_and_account(ctx)
    return {
        "order_ref": ctx.code("TR-######"),
        "stock": stock,
        "ticker": ticker,
        "side": ctx.one(("buy", "sell")),
        "shares": shares,
        "price": price / 100,
        "value": shares * price / 100,
        "commission": ctx.one((395, 495, 590, 790, 995, 1250)) / 100,
        "currency": ctx.place.currency,
        "traded_on": ctx.date().isoformat(),
        "investor": investor,
        "settlement_account": account,
    }


@entity
def mortgage_payment(ctx: SamplingContext) -> dict:
    """An instalment, split into interest and repayment; the interest is one month's."""
    debt, rate = ctx.between(40_000, 380_000), ctx.between(22, 64)
    interest = int((Decimal(debt * rate) / 120).quantize(Decimal(1), ROUND_HALF_UP))
    principal = ctx.between(15_000, 95_000)
    due, (borrower, home) = ctx.date(), at_home(ctx)
    return {
        "loan_no": ctx.code("ML-#######"),
        "lender": ctx.one(LENDERS),
        "due_on": date(due.year, due.month, 1).isoformat(),
        "interest": interest / 100,
        "principal": principal / 100,
        "instalment": (interest + principal) / 100,
        "rate_percent": rate / 10,
        "debt_left": (debt * 100 + ctx.between(0, 99)) / 100,
        "currency": ctx.place.currency,
        "borrower": borrower,
        "property": home,
    }
