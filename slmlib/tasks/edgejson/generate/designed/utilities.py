"""Utilities: meters and supply."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.sampling_context import World

VAT_RATES = {"gb": 5, "ie": 9, "de": 19, "nl": 21, "fr": 20, "es": 21, "it": 22}
BANDS = (("standard",), ("day", "night"), ("day", "night"), ("day", "night", "weekend"))
PRICES = {  # of a kWh, in hundredths of a cent or penny
    "standard": (2_450, 3_350), "day": (2_750, 3_650), "night": (1_450, 2_200), "weekend": (1_900, 2_600),
}  # fmt: skip


@sampler
def meter_reading(world: World) -> tuple[dict, dict]:
    """A reading with its meter; the last reading, and the date of the last bill, beside it."""
    utility, high, most = world.one(
        (("electricity", 98_000, 2_400), ("gas", 39_000, 900), ("water", 3_900, 95))
    )
    reading, used = world.between(high // 30, high), world.between(most // 8, most)
    read_on = world.date()
    record = {"meter_id": world.code("@@######")} | only(world, 0.85, utility=utility)
    record |= {"reading": reading} | only(world, 0.7, unit="kWh" if utility == "electricity" else "m3")
    record["read_on"] = read_on.isoformat()
    last = world.later(read_on, -200, -60).isoformat()
    return record, {"last_reading": reading - used, "last_date": last, "contract": world.code("9#######")}


@sampler
def outage_report(world: World) -> tuple[dict, dict]:
    """What failed, where and when; an earlier failure and the time of the report beside it."""
    supplies = ("electricity", "gas", "water", "district_heating", "internet")
    hour, day = world.between(5, 20), world.date(months=(1, 2, 3, 4, 10, 11, 12))
    record = {"supply": world.one(supplies), "address": world.street()}
    record |= only(world, 0.7, out_date=day.isoformat())
    record |= {"out_since": f"{hour:02d}:{5 * world.between(0, 11):02d}"}
    record |= only(world, 0.6, neighbours_too=world.chance(0.5))
    return record, {
        "other_street": world.one([s for s in world.place.streets if s not in record["address"]]),
        "reported": f"{hour + world.between(1, 3):02d}:{world.between(0, 59):02d}",
        "last_date": world.later(day, -60, -8).isoformat(),
        "last_time": f"{hour - world.between(1, 4):02d}:{world.between(10, 59)}",
        "ticket": world.code("########"),
    }


@sampler
def energy_bill(world: World) -> tuple[dict, dict]:
    """Tariffs, standing charge and VAT add up; last year's bill and the instalments beside it."""
    world.settle(*VAT_RATES)
    rate, who, start, days = VAT_RATES[world.place.code], world.person(), world.date(), world.between(58, 94)
    end, tariffs = world.later(start, days, days), [_tariff(world, band) for band in world.one(BANDS)]
    used, reading = sum(tariff["kwh"] for tariff in tariffs), world.between(2_000, 70_000)
    address = {"street": world.street(), "city": world.town()[0]}
    customer = {"name": who.name} | only(world, 0.6, account=world.code("K#######"))
    record = {
        "bill_no": world.code("####-######"),
        "customer": customer | {"supply_address": address},
        "period": {"from": start.isoformat(), "to": end.isoformat()} | only(world, 0.5, days=days),
        "meter": {"start": reading, "end": reading + used, "used_kwh": used},
        "tariffs": tariffs,
    }
    record |= _charges(world, tariffs, rate) | {"currency": world.place.currency}
    record |= only(world, 0.65, due_on=world.later(end, 20, 40).isoformat())
    return record, {
        "issued": world.later(end, 3, 12).isoformat(),
        "last_total": (round(record["total"] * 100) + world.one((-1, 1)) * world.between(300, 2_500)) / 100,
        "last_used": used + world.one((-1, 1)) * world.between(15, 90),
        "instalment": float(world.between(30, 90)),
        "old_bill": world.code("####-######"),
    }


def _charges(world: World, tariffs: list[dict], rate: int) -> dict:
    """Standing charge, net sum, VAT and total, all from whole cents."""
    standing = world.between(1_200, 4_400) if world.chance(0.75) else 0
    net = standing + sum(round(tariff["amount"] * 100) for tariff in tariffs)
    tax = (net * rate + 50) // 100
    charges = {"standing_charge": standing / 100} if standing else {}
    vat = {"rate": rate, "amount": tax / 100}
    return charges | {"net": net / 100, "vat": vat, "total": (net + tax) / 100}


def _tariff(world: World, band: str) -> dict:
    """Energy at a price of whole hundredths of a cent; the amount is rounded half up to cents."""
    low, high = PRICES[band]
    kwh, price = world.between(140, 900), world.between(low, high)
    return {"band": band, "kwh": kwh, "price": price / 10_000, "amount": (kwh * price + 50) // 100 / 100}
