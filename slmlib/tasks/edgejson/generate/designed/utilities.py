"""Utilities: meters and supply."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.sampling_context import SamplingContext

VAT_RATES = {"gb": 5, "ie": 9, "de": 19, "nl": 21, "fr": 20, "es": 21, "it": 22}
BANDS = (("standard",), ("day", "night"), ("day", "night"), ("day", "night", "weekend"))
PRICES = {  # of a kWh, in hundredths of a cent or penny
    "standard": (2_450, 3_350), "day": (2_750, 3_650), "night": (1_450, 2_200),
    "weekend": (1_900, 2_600),
}  # fmt: skip


@sampler
def meter_reading(ctx: SamplingContext) -> tuple[dict, dict]:
    """A reading with its meter; distractors: the last reading, and the date of the last bill."""
    utility, high, most = ctx.one(
        (("electricity", 98_000, 2_400), ("gas", 39_000, 900), ("water", 3_900, 95))
    )
    reading, used = ctx.between(high // 30, high), ctx.between(most // 8, most)
    read_on = ctx.date()
    record = {"meter_id": ctx.code("@@######")} | only(ctx, 0.85, utility=utility)
    record |= {"reading": reading} | only(
        ctx, 0.7, unit="kWh" if utility == "electricity" else "m3"
    )
    record["read_on"] = read_on.isoformat()
    last = ctx.later(read_on, -200, -60).isoformat()
    return record, {
        "last_reading": reading - used,
        "last_date": last,
        "contract": ctx.code("9#######"),
    }


@sampler
def outage_report(ctx: SamplingContext) -> tuple[dict, dict]:
    """A power failure; distractors: an earlier failure and the time of the report."""
    supplies = ("electricity", "gas", "water", "district_heating", "internet")
    hour, day = ctx.between(5, 20), ctx.date(months=(1, 2, 3, 4, 10, 11, 12))
    record = {"supply": ctx.one(supplies), "address": ctx.street()}
    record |= only(ctx, 0.7, out_date=day.isoformat())
    record |= {"out_since": f"{hour:02d}:{5 * ctx.between(0, 11):02d}"}
    record |= only(ctx, 0.6, neighbours_too=ctx.chance(0.5))
    return record, {
        "other_street": ctx.one([s for s in ctx.place.streets if s not in record["address"]]),
        "reported": f"{hour + ctx.between(1, 3):02d}:{ctx.between(0, 59):02d}",
        "last_date": ctx.later(day, -60, -8).isoformat(),
        "last_time": f"{hour - ctx.between(1, 4):02d}:{ctx.between(10, 59)}",
        "ticket": ctx.code("########"),
    }


@sampler
def energy_bill(ctx: SamplingContext) -> tuple[dict, dict]:
    """Tariffs, standing charge and VAT; distractors: last year's bill and the instalments."""
    ctx.settle(*VAT_RATES)
    rate, who, start, days = (
        VAT_RATES[ctx.place.code],
        ctx.person(),
        ctx.date(),
        ctx.between(58, 94),
    )
    end, tariffs = ctx.later(start, days, days), [_tariff(ctx, band) for band in ctx.one(BANDS)]
    used, reading = sum(tariff["kwh"] for tariff in tariffs), ctx.between(2_000, 70_000)
    address = {"street": ctx.street(), "city": ctx.town()[0]}
    customer = {"name": who.name} | only(ctx, 0.6, account=ctx.code("K#######"))
    record = {
        "bill_no": ctx.code("####-######"),
        "customer": customer | {"supply_address": address},
        "period": {"from": start.isoformat(), "to": end.isoformat()} | only(ctx, 0.5, days=days),
        "meter": {"start": reading, "end": reading + used, "used_kwh": used},
        "tariffs": tariffs,
    }
    record |= _charges(ctx, tariffs, rate) | {"currency": ctx.place.currency}
    record |= only(ctx, 0.65, due_on=ctx.later(end, 20, 40).isoformat())
    return record, {
        "issued": ctx.later(end, 3, 12).isoformat(),
        "last_total": (round(record["total"] * 100) + ctx.one((-1, 1)) * ctx.between(300, 2_500))
        / 100,
        "last_used": used + ctx.one((-1, 1)) * ctx.between(15, 90),
        "instalment": float(ctx.between(30, 90)),
        "old_bill": ctx.code("####-######"),
    }


def _charges(ctx: SamplingContext, tariffs: list[dict], rate: int) -> dict:
    """Standing charge, net sum, VAT and total, all from whole cents."""
    standing = ctx.between(1_200, 4_400) if ctx.chance(0.75) else 0
    net = standing + sum(round(tariff["amount"] * 100) for tariff in tariffs)
    tax = (net * rate + 50) // 100
    charges = {"standing_charge": standing / 100} if standing else {}
    vat = {"rate": rate, "amount": tax / 100}
    return charges | {"net": net / 100, "vat": vat, "total": (net + tax) / 100}


def _tariff(ctx: SamplingContext, band: str) -> dict:
    """Energy at a price of whole hundredths of a cent; the amount is rounded half up to cents."""
    low, high = PRICES[band]
    kwh, price = ctx.between(140, 900), ctx.between(low, high)
    return {
        "band": band,
        "kwh": kwh,
        "price": price / 10_000,
        "amount": (kwh * price + 50) // 100 / 100,
    }
