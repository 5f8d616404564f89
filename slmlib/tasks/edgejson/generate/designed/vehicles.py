"""Vehicles: fuel, charging, tyres, rental cars and workshops."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import firms, words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

GARAGES = {
    "gb": firms(
        "Ringway_Motors Castle_Street_Garage Bridge_End_Tyres Hillview_Motors Albion_Auto_Repairs"
    ),
    "ie": firms("Station_Garage Harbour_Tyres Westside_Auto_Care Quay_Motors Glen_Road_Garage"),
    "de": firms(
        "Autohaus_Nord Reifen_Zentrum Kfz-Dienst_Weststadt Autohof_Lindenau Werkstatt_am_Kanal"
    ),
    "nl": firms(
        "Garage_De_Linde Bandenhuis_Centrum Autobedrijf_Havenzicht Garage_Oostpoort "
        "Autoservice_Maas"
    ),
}
CARS = words(
    "VW_Golf Opel_Corsa Ford_Focus Skoda_Octavia Seat_Leon Renault_Clio Peugeot_308 Toyota_Corolla "
    "Kia_Ceed Hyundai_i30 Fiat_500 Volvo_V60 Mazda_3 Dacia_Duster Nissan_Qashqai Audi_A3"
)
CHARGERS = firms(
    "Volthub EnerPoint GreenSocket Ampere_Net Evergo PlugNorth ChargeBay Kilowatt_Union "
    "Elektra_One Blue_Cable Rapid_Volt Watt_Stop"
)
PLACES = words(
    "town_hall station_car_park motorway_services swimming_pool cinema supermarket library "
    "shopping_centre tram_terminus stadium harbour garden_centre"
)
DEPOSITS = (300, 400, 500, 600, 800)  # euros
DAMAGES = ("scratch", "dent", "chipped_windscreen", "kerbed_wheel", "stained_seat", "broken_mirror")
JOBS = (  # task, tenths of an hour from and to, parts: name, how many, cents for all of them
    ("oil change", 5, 8, (("oil filter", 1, 900, 1900), ("drain plug", 1, 350, 890))),
    ("front brake service", 12, 18, (("brake pads", 4, 4900, 9900),
    ("brake discs", 2, 9800, 18900))),
    ("rear brake service", 12, 20, (("brake shoes", 4, 3900, 7900),
    ("wheel cylinders", 2, 3600, 6900))),
    ("timing belt change", 30, 48, (("timing belt", 1, 3900, 8900),
    ("water pump", 1, 5900, 12900))),
    ("battery change", 3, 5, (("starter battery", 1, 8900, 17900),)),
    ("spark plug change", 6, 10, (("spark plugs", 4, 3200, 7600),)),
    ("air conditioning service", 8, 14, (("cabin filter", 1, 1400, 3900),)),
    ("headlamp repair", 4, 12, (("headlamp bulbs", 2, 1200, 4900),)),
    ("exhaust repair", 10, 22, (("rear silencer", 1, 8900, 21900),
    ("rubber mounts", 3, 900, 2100))),
    ("wiper replacement", 2, 4, (("wiper blades", 2, 2400, 4900),)),
    ("shock absorber change", 18, 30, (("shock absorbers", 2, 11900, 23900),)),
    ("clutch change", 50, 70, (("clutch kit", 1, 16900, 32900),)), ("wheel alignment", 8, 12, ()),
    ("windscreen repair", 5, 8, ()), ("software update", 4, 8, ()),
    ("handbrake adjustment", 3, 6, ()),
)  # fmt: skip
STATIONS = firms(
    "Glen_Fuels Tankhof Norda_Fuel Petrolux Avento Rapid_Fuel Kolibri_Tank Baltex Orion_Fuel "
    "Meerpunt"
)


@sampler
def fuel_stop(ctx: SamplingContext) -> tuple[dict, dict]:
    """Litres times the price per litre is the cost, to the cent."""
    ctx.settle("ie", "de", "nl")  # litres, kilometres and euros
    fuel, low, high, tank = ctx.one(
        (("diesel", 1489, 1799, 9800), ("petrol", 1559, 1899, 5900), ("lpg", 899, 1129, 6400))
    )
    litres, milli = ctx.between(1400, tank), ctx.between(low, high)
    odometer = ctx.between(8_000, 310_000)
    record = {"plate": ctx.plate(), "fuel": fuel, "litres": litres / 100}
    record["cost_eur"] = (litres * milli + 500) // 1000 / 100  # centilitres x tenths of a cent
    record |= only(ctx, 0.75, odometer_km=odometer)
    beside = {
        "per_litre": milli / 1000,
        "last_km": odometer - ctx.between(280, 900),
        "date": ctx.date().isoformat(),
    }
    beside |= {"card": ctx.code("####"), "other_litres": ctx.between(15, 70)}
    return record, beside | {"station": ctx.assigned(STATIONS)}


@sampler
def tyre_check(ctx: SamplingContext) -> tuple[dict, dict]:
    """One worn tyre; the other three are better, and so was this one at the last check."""
    ctx.settle("gb", "ie", "de", "nl")  # millimetres and bar
    tread = ctx.between(17, 46)  # tenths of a millimetre
    record = {
        "plate": ctx.plate(),
        "tyre": ctx.one(("front_left", "front_right", "rear_left", "rear_right")),
        "tread_mm": tread / 10,
    }
    return record, {
        "old_mm": (tread + ctx.between(6, 21)) / 10,
        "good_mm": (tread + ctx.between(11, 24)) / 10,
        "bar": ctx.steps(21, 29, 10),
        "date": ctx.workday().isoformat(),
        "at": ctx.clock(5, 22, step=1),
        "other_plate": ctx.plate(),
        "garage": ctx.assigned(GARAGES[ctx.place.code]),
        "service": ctx.one(("oil change", "wheel alignment", "yearly service", "brake check")),
    }


@sampler
def charging_session(ctx: SamplingContext) -> tuple[dict, dict]:
    """The energy fits battery and time; the cost is energy times the tariff, to the cent."""
    ctx.settle("ie", "de", "nl")  # euros
    low, gain, power = ctx.between(9, 34), ctx.between(25, 62), ctx.between(8, 40)
    tenths = ctx.between(40, 78) * gain // 10  # tenths of a kWh, from the battery's size
    start, filling, cent = (
        ctx.between(6 * 60, 16 * 60),
        12 + tenths * 6 // power,
        ctx.between(39, 79),
    )
    stay = filling + ctx.between(4, 15)
    country = ctx.place.code.upper()
    record = {
        "charger": country + ctx.code("*@@@*####"),
        "plugged_in": hhmm(start),
        "unplugged": hhmm(start + stay),
        "kwh": tenths / 10,
    }
    record |= only(ctx, 0.65, cost_eur=(tenths * cent + 5) // 10 / 100)
    return record, {
        "full_at": hhmm(start + filling),
        "arrived": hhmm(start - ctx.between(5, 25)),
        "soc_from": low,
        "soc_to": low + gain,
        "per_kwh": cent / 100,
        "date": ctx.date().isoformat(),
        "operator": ctx.assigned(CHARGERS),
        "place": ctx.one(PLACES),
        "plug": "CCS" if power > 22 else "Type 2",
        "card": ctx.code("####"),
        "tag": ctx.code("04@#@##@"),
    }


@sampler
def rental_handover(ctx: SamplingContext) -> tuple[dict, dict]:
    """A rental car that comes back; distractors: the kilometres driven and the deposit."""
    ctx.settle("ie", "de", "nl")  # kilometres and euros
    day, days, out = ctx.date(), ctx.between(2, 14), ctx.between(600, 48_000)
    driven = days * ctx.between(25, 160) + ctx.between(1, 24)
    back, late = 5 * ctx.between(96, 228), 5 * ctx.one((-9, -6, 5, 8, 12, 21, 30))
    record = {
        "contract_no": ctx.code("RA######"),
        "renter": ctx.person().name,
        "car": {"plate": ctx.plate(), "model": ctx.one(CARS)},
        "odometer": {"out_km": out, "back_km": out + driven},
        "returned": {"date": day.isoformat(), "time": hhmm(back)},
        "fuel": ctx.one(("full", "full", "three_quarters", "half", "quarter", "empty")),
    }
    if ctx.chance(0.55):
        record["damage"] = ctx.some(DAMAGES, 1, 3)
        record |= only(ctx, 0.6, charge_eur=len(record["damage"]) * ctx.price(5900, 22900) / 100)
    return record, {
        "driven": driven,
        "deposit": ctx.one([amount for amount in DEPOSITS if amount > record.get("charge_eur", 0)]),
        "out_on": ctx.later(day, -days, -days).isoformat(),
        "due": hhmm(back - late),
        "bay": ctx.between(13, 60),
        "other_plate": ctx.plate(),
    }


@sampler
def workshop_order(ctx: SamplingContext) -> tuple[dict, dict]:
    """Labour is hours times rate; labour and parts make the net, with value-added tax the total."""
    ctx.settle("de", "nl")
    vat_pct = {"de": 19, "nl": 21}[ctx.place.code]
    rate, day, phone = ctx.between(84, 129), ctx.workday(), ctx.phone()
    chosen = ctx.some(JOBS, 1, 3)
    jobs = [_job(ctx, job, rate, most=2 if len(chosen) < 3 else 1) for job in chosen]
    costs = [job["labour_eur"] for job in jobs]
    costs += [part["cost_eur"] for job in jobs for part in job.get("parts", ())]
    net = sum(round(cost * 100) for cost in costs)
    vat = (net * vat_pct + 50) // 100
    odometer, share = (
        ctx.between(18_000, 240_000),
        0.75 if len(jobs) < 3 else 0,
    )  # not too long a target
    record = {
        "order_no": ctx.code("WO-#####"),
        "received": day.isoformat(),
        "customer": {"name": ctx.person().name} | only(ctx, share, phone=phone),
        "vehicle": {"plate": ctx.plate(), "model": ctx.one(CARS), "odometer_km": odometer},
        "jobs": jobs,
        "bill": {
            "net_eur": net / 100,
            "vat_pct": vat_pct,
            "vat_eur": vat / 100,
            "total_eur": (net + vat) / 100,
        },
    }
    record |= only(ctx, 0.6, ready=ctx.workday_near(day, 1, 6).isoformat())
    return record, {
        "rate": rate,
        "estimate": (net + vat) * ctx.one((75, 85, 92, 108, 115, 125)) // 10_000,
        "last_km": odometer - ctx.between(6_000, 17_000),
        "other_plate": ctx.plate(),
        "garage": ctx.assigned(GARAGES[ctx.place.code]),
        "called": ctx.workday_near(day, -9, -1).isoformat(),
    }


def _job(ctx: SamplingContext, job: tuple, rate: int, *, most: int) -> dict:
    task, low, high, parts = job
    tenths = ctx.between(low, high)
    made = {"task": task, "hours": tenths / 10, "labour_eur": tenths * rate / 10}
    fitted = ctx.some(parts, 1, min(most, len(parts))) if parts else []
    rows = [{"name": n, "qty": qty, "cost_eur": ctx.price(*ends) / 100} for n, qty, *ends in fitted]
    return made | ({"parts": rows} if rows else {})
