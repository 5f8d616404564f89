"""Truth first: one sampler per schema draws a record whose cross-field rules hold by construction.

A sampler gets a `World` and returns `(record, context)`: the record is the target; the context
holds what the text may mention beside it (other people, earlier dates, old prices), the
distractors. Optional fields are left out with a fixed chance, and then the text lacks them too.
"""

from collections.abc import Callable
from datetime import timedelta

from slmlib.edgejson import lexicon
from slmlib.edgejson.world import World

SAMPLERS: dict[str, Callable[[World], tuple[dict, dict]]] = {}


def sampler(function: Callable[[World], tuple[dict, dict]]) -> Callable[[World], tuple[dict, dict]]:
    """Register a sampler under its own name, the group's."""
    SAMPLERS[function.__name__] = function
    return function


def sample(group: str, world: World) -> tuple[dict, dict]:
    """A record of the group and the context of its text."""
    record, context = SAMPLERS[group](world)
    people = {"agent": world.person().first, "sender": world.person().name, "friend": world.person().first}
    return record, people | {"firm": world.firm()} | context


def _only(world: World, share: float, **fields) -> dict:
    """The fields, each present in this share of cases."""
    return {key: value for key, value in fields.items() if world.chance(share)}


@sampler
def smart_home_command(world: World) -> tuple[dict, dict]:
    """Device, room and action; a level only for `set`, a time only for later."""
    actions = {
        "light": ("on", "off", "set", "set"),
        "heating": ("set", "set", "off"),
        "fan": ("on", "off", "set"),
        "blinds": ("open", "close", "set"),
        "speaker": ("on", "off", "set"),
    }
    device = world.one(tuple(actions))
    record = {"device": device, "room": world.one(lexicon.ROOMS), "action": world.one(actions[device])}
    if record["action"] == "set":
        record["level"] = world.between(16, 25) if device == "heating" else 5 * world.between(1, 20)
    record |= _only(world, 0.5, at=world.clock(5, 24, step=5))
    other = world.one([room for room in lexicon.ROOMS if room != record["room"]])
    return record, {
        "other_room": other,
        "old_level": 5 * world.between(2, 19),
        "old_time": world.clock(6, 22),
    }


@sampler
def meter_reading(world: World) -> tuple[dict, dict]:
    """A reading with its meter; the last reading, and the date of the last bill, beside it."""
    utility = world.one(("electricity", "gas", "water"))
    reading, used = world.between(1200, 98000), world.between(90, 1100)
    read_on = world.date()
    record = {"meter_id": world.code("@@######")} | _only(world, 0.85, utility=utility)
    record |= {"reading": reading} | _only(world, 0.7, unit="kWh" if utility == "electricity" else "m3")
    record["read_on"] = read_on.isoformat()
    last = world.later(read_on, -200, -60).isoformat()
    return record, {"last_reading": reading - used, "last_date": last, "contract": world.code("9#######")}


@sampler
def clinic_appointment(world: World) -> tuple[dict, dict]:
    """The slot that stands, and the one it replaces."""
    day = world.date()
    record = {
        "patient": world.person().name,
        "clinician": world.doctor(),
        "date": day.isoformat(),
        "time": world.clock(8, 18),
    }
    reasons = ("check_up", "vaccination", "blood_test", "follow_up", "wound_care")
    record |= _only(world, 0.75, reason=world.one(reasons))
    old = {"old_date": world.later(day, -9, -1).isoformat(), "old_time": world.clock(8, 18)}
    return record, old | {
        "caller": world.person().name,
        "other_doctor": world.doctor(),
        "pin": world.code("#####"),
    }


@sampler
def expense_claim(world: World) -> tuple[dict, dict]:
    """What was paid; beside it an estimate, and the day the claim is sent."""
    category = world.one(tuple(lexicon.MERCHANTS))
    paid_on = world.date()
    cents = world.price(*lexicon.MERCHANT_PRICES[category])
    record = {
        "merchant": world.one(lexicon.MERCHANTS[category]),
        "amount": cents / 100,
        "currency": world.place.currency,
        "paid_on": paid_on.isoformat(),
    }
    record["category"] = category
    beside = {
        "estimate": (cents // 500 + world.between(1, 6)) * 500 // 100,
        "sent_on": world.later(paid_on, 1, 20).isoformat(),
    }
    slip = {"pin": world.code("####"), "card": world.code("####"), "before": (cents - cents // 9) / 100}
    slip |= {"given": (cents // 2000 + 1) * 20.0, "trip": world.town()[0]}
    return record, {**beside, **slip}


@sampler
def fuel_stop(world: World) -> tuple[dict, dict]:
    """Litres times the price per litre is the cost, to the cent."""
    world.settle("ie", "de", "nl")  # litres, kilometres and euros
    fuel, low, high = world.one((("diesel", 1489, 1799), ("petrol", 1559, 1899), ("lpg", 899, 1129)))
    litres, milli = world.between(1400, 9800), world.between(low, high)
    odometer = world.between(8_000, 310_000)
    record = {"plate": world.plate(), "fuel": fuel, "litres": litres / 100}
    record["cost_eur"] = (litres * milli + 500) // 1000 / 100  # centilitres x tenths of a cent
    record |= _only(world, 0.75, odometer_km=odometer)
    beside = {
        "per_litre": milli / 1000,
        "last_km": odometer - world.between(280, 900),
        "date": world.date().isoformat(),
    }
    beside |= {"card": world.code("####"), "other_litres": world.between(15, 70)}
    return record, beside | {"station": world.one(("Aral", "Esso", "Circle K", "Shell", "Texaco", "Avia"))}


@sampler
def lost_item(world: World) -> tuple[dict, dict]:
    """The thing, the line and the day; the day of the report beside it."""
    lost_on = world.date()
    record = {"item": world.one(lexicon.LOST_ITEMS)}
    colours = ("black", "blue", "brown", "green", "grey", "red", "white", "yellow")
    record |= _only(world, 0.75, colour=world.one(colours))
    record |= {"line": world.one(lexicon.LINES), "lost_on": lost_on.isoformat()}
    spoken = world.phone()
    record |= _only(world, 0.65, phone=spoken.replace(" ", ""))
    other = world.one([line for line in lexicon.LINES if line != record["line"]])
    return record, {
        "phone": spoken,
        "reported_on": world.later(lost_on, 1, 5).isoformat(),
        "other_line": other,
        "stop": world.town()[0] + " Central",
        "contents": world.one(
            ("a library book", "a pair of sunglasses", "a season ticket", "a water bottle", "a spare key")
        ),
    }


@sampler
def parcel_pickup(world: World) -> tuple[dict, dict]:
    """Where, when and what to collect."""
    city, postcode = world.town()
    day, spoken = world.date(), world.phone()
    parcels = world.between(1, 18)
    customer = {"name": world.firm()} | _only(world, 0.6, phone=spoken.replace(" ", ""))
    pickup = {"street": world.street(), "postcode": postcode, "city": city, "date": day.isoformat()}
    pickup |= _only(world, 0.7, ready_from=world.clock(7, 17, step=30))
    goods = {"parcels": parcels, "weight_kg": parcels * world.between(8, 140) / 10}
    goods |= _only(world, 0.6, service=world.one(("standard", "express", "overnight")))
    goods |= _only(world, 0.55, fragile=world.chance(0.6))
    record = {"reference": world.code("PU-#####"), "customer": customer, "pickup": pickup, "goods": goods}
    to = world.one([town for town, _ in world.place.towns if town != city])
    return record, {
        "phone": spoken,
        "old_date": world.later(day, -6, -1).isoformat(),
        "to_city": to,
        "closes": world.clock(17, 20),
    }


@sampler
def sensor_alert(world: World) -> tuple[dict, dict]:
    """A value on the wrong side of its limit; the value before it was on the right side."""
    quantity = world.one(tuple(lexicon.SENSORS))
    prefix, unit, scale, upper, lower = lexicon.SENSORS[quantity]
    kind = "upper" if lower is None or world.chance(0.6) else "lower"
    limit, sign = world.between(*(upper if kind == "upper" else lower)), 1 if kind == "upper" else -1
    value, before = (limit + sign * world.between(1, 15), limit - sign * world.between(2, 18))
    at = f"{world.date().isoformat()}T{world.clock(0, 24, step=1)}:00Z"
    sensor = {"id": world.code(f"{prefix}-###"), "place": world.one(lexicon.SITES)}
    record = {
        "sensor": sensor | {"quantity": quantity},
        "reading": {"value": value / scale, "unit": unit, "at": at},
        "limit": {"value": limit / scale, "kind": kind},
        "severity": world.one(("info", "warning", "warning", "critical")),
    }
    record |= _only(world, 0.65, notified=[world.person().name for _ in range(world.between(1, 3))])
    other = world.code(f"{prefix}-###")
    return record, {
        "before": before / scale,
        "other_id": other,
        "shift": world.one(("early", "late", "night")),
    }


@sampler
def hotel_booking(world: World) -> tuple[dict, dict]:
    """Nights follow from the dates, and the total from the nightly price."""
    arrive, nights, guest = world.date(), world.between(1, 9), world.person()
    leave = arrive + timedelta(days=nights)
    rate = world.price(5900, 26000)
    booker = {"name": guest.name} | _only(world, 0.6, email=world.email(guest))
    room = {"type": world.one(("single", "double", "twin", "family", "suite"))}
    record = {
        "booking_no": world.code("@@@#####"),
        "hotel": world.one(lexicon.HOTELS),
        "guest": booker,
        "stay": {"check_in": arrive.isoformat(), "check_out": leave.isoformat(), "nights": nights},
        "room": room | _only(world, 0.75, breakfast=world.chance(0.6)),
        "price": {"total": rate * nights / 100, "currency": world.place.currency},
    }
    return record, {
        "rate": rate / 100,
        "dearer": rate * nights // 100 + world.between(20, 300),
        "booked_on": world.later(arrive, -90, -4).isoformat(),
        "desk": world.clock(14, 19),
    }


@sampler
def crop_treatment(world: World) -> tuple[dict, dict]:
    """Total litres are hectares times the rate, exactly."""
    world.settle("gb", "ie", "de", "nl")  # hectares
    area, rate = world.between(12, 380), world.between(2, 40)  # tenths
    record = {
        "field": {"name": world.one(lexicon.FIELDS), "area_ha": area / 10},
        "crop": world.one(("wheat", "barley", "maize", "rapeseed", "potato", "sugar_beet")),
        "product": {
            "name": world.one(lexicon.PRODUCTS_FARM),
            "rate_l_ha": rate / 10,
            "total_l": area * rate / 100,
        },
    }
    weather = {"wind_kmh": world.between(3, 19), "temperature_c": world.between(6, 26)}
    record |= _only(world, 0.7, weather=weather)
    record |= {"operator": world.person().name, "date": world.date(months=range(3, 11)).isoformat()}
    record |= _only(world, 0.6, start=world.clock(5, 21))
    other = world.one([field for field in lexicon.FIELDS if field != record["field"]["name"]])
    return record, {"other_field": other, "farm_area": area // 10 + world.between(40, 160)}


@sampler
def repair_visit(world: World) -> tuple[dict, dict]:
    """Who, what is broken, and the window in which somebody comes."""
    day, start = world.date(), world.between(8, 15)
    slot = {
        "date": day.isoformat(),
        "from": f"{start:02d}:00",
        "to": f"{start + world.between(1, 4):02d}:{world.one(('00', '30'))}",
    }
    kinds = ("washing_machine", "dishwasher", "oven", "fridge", "dryer", "boiler")
    appliance = {"type": world.one(kinds), "brand": world.one(lexicon.BRANDS)}
    record = {
        "job_no": world.code("J######"),
        "customer": {"name": world.person().name, "street": world.street(), "city": world.town()[0]},
        "appliance": appliance | _only(world, 0.65, error_code=world.code("@##")),
    }
    record |= _only(world, 0.7, under_warranty=world.chance(0.5)) | {"slot": slot}
    record |= _only(world, 0.7, technician=world.person().name)
    age = (-700, -60) if record.get("under_warranty", world.chance(0.5)) else (-2600, -1100)
    return record, {
        "bought": world.later(day, *age).isoformat(),
        "old_date": world.later(day, -8, -1).isoformat(),
    }


@sampler
def support_case(world: World) -> tuple[dict, dict]:
    """A software problem; an older version and the day of the last update beside it."""
    since, who, spoken = world.date(), world.person(), world.phone()
    problem = world.one(("login", "payment", "crash", "sync", "slow", "printing"))
    tries = ["restart", "reinstall", "clear_cache", "other_device"] + ["reset_password"] * (
        problem == "login"
    )
    version = (world.between(1, 9), world.between(0, 20))
    record = {
        "case_no": world.code("C-######"),
        "customer": {"name": who.name, "email": world.email(who)},
        "product": {
            "name": world.one(lexicon.SOFTWARE),
            "version": f"{version[0]}.{version[1] + 1}{world.one(('', '.1', '.2'))}",
        },
        "problem": problem,
    }
    record |= _only(world, 0.7, severity=world.one(("low", "normal", "high", "urgent")))
    record |= {"since": since.isoformat(), "tried": world.some(tries, 1, 2)}
    callback = {"phone": spoken.replace(" ", "")} | _only(world, 0.6, after=world.clock(9, 18, step=30))
    record |= _only(world, 0.55, callback=callback)
    opened = world.later(since, 1, 6).isoformat()
    return record, {
        "phone": spoken,
        "old_version": f"{version[0]}.{version[1]}",
        "opened": opened,
        "seats": world.between(3, 40),
    }


@sampler
def store_order(world: World) -> tuple[dict, dict]:
    """Line amounts are quantity times price, and the total is their sum with the delivery fee."""
    city, postcode = world.town()
    who, day, spoken, start = world.person(), world.date(), world.phone(), world.between(8, 17)
    lines = [
        (name, world.between(2, most), world.price(low, high))
        for name, low, high, most in world.some(lexicon.GOODS, 2, 5)
    ]
    fee = world.one((290, 350, 390, 490, 595, 690))
    delivery = {"date": day.isoformat()}
    if world.chance(0.6):
        delivery |= {"from": f"{start:02d}:00", "to": f"{start + world.between(1, 3):02d}:00"}
    address = {"street": world.street(), "postcode": postcode, "city": city}
    record = {
        "order_no": world.code("###-####"),
        "customer": {"name": who.name}
        | _only(world, 0.5, phone=spoken.replace(" ", ""))
        | {"address": address},
        "items": [
            {"name": n, "quantity": q, "unit_price": p / 100, "amount": q * p / 100} for n, q, p in lines
        ],
        "delivery": delivery | {"fee": fee / 100},
        "total": (sum(q * p for _, q, p in lines) + fee) / 100,
        "currency": world.place.currency,
    }
    record |= _only(world, 0.6, payment=world.one(("card", "cash", "invoice")))
    gone = world.one([good[0] for good in lexicon.GOODS if good[0] not in {name for name, _, _ in lines}])
    return record, {
        "phone": spoken,
        "gone": gone,
        "ordered": world.later(day, -4, -1).isoformat(),
        "old_price": lines[0][2] / 100 + 1,
    }


@sampler
def clinic_visit(world: World) -> tuple[dict, dict]:
    """Findings and medicines that fit the reason; the last visit's values beside them."""
    day = world.date()
    reason = world.one(("hypertension", "infection", "back_pain", "asthma", "diabetes"))
    systolic = world.between(146, 178) if reason == "hypertension" else world.between(108, 138)
    patient = {"name": world.person().name, "born": world.later(day, -30000, -7000).isoformat()}
    patient |= _only(world, 0.6, allergies=world.some(lexicon.ALLERGIES, 1, 2))
    vitals = {
        "blood_pressure": {"systolic": systolic, "diastolic": systolic * 5 // 8 + world.between(-8, 8)},
        "pulse": world.between(56, 98),
        "temperature_c": world.steps(376, 389, 10) if reason == "infection" else world.steps(361, 372, 10),
    }
    record = {
        "patient": patient,
        "date": day.isoformat(),
        "clinician": world.doctor(),
        "reason": reason,
        "vitals": vitals | _only(world, 0.5, weight_kg=world.steps(480, 1180, 10)),
        "medications": [_medicine(world, drug) for drug in _drugs(world, reason)],
    }
    if world.chance(0.7):
        record["follow_up"] = {"date": world.later(day, 7, 90).isoformat()} | _only(
            world, 0.6, **{"with": world.doctor()}
        )
    return record, {
        "last_systolic": systolic - world.between(4, 12),
        "last_visit": world.later(day, -200, -20).isoformat(),
    }


def _drugs(world: World, reason: str) -> list[tuple]:
    return world.some([drug for drug in lexicon.DRUGS if drug[3] == reason], 2, 4)


def _medicine(world: World, drug: tuple) -> dict:
    name, doses, times, reason = drug
    medicine = {"drug": name, "dose_mg": world.one(doses), "times_per_day": world.one(times)}
    return medicine | _only(world, 0.4, days=world.one((5, 7, 10) if reason == "infection" else (14, 28, 30)))


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
            "arrived": f"{clock // 60:02d}:{clock % 60:02d}",
            "parcels": world.between(1, 12),
        }
        stops.append(stop | _only(world, 0.35, signed_by=world.person().name))
        clock += world.between(14, 75)
    record = {
        "date": world.date().isoformat(),
        "driver": world.person().name,
        "vehicle": {"plate": world.plate(), "odometer": {"start_km": start, "end_km": start + distance}},
        "distance_km": distance,
        "stops": stops,
        "stop_count": len(stops),
        "parcels_total": sum(stop["parcels"] for stop in stops),
    }
    record |= _only(world, 0.6, returned=f"{clock // 60 + 1:02d}:{clock % 60:02d}")
    complaint = {
        "customer": world.one(stops)["customer"],
        "about": world.one(("late", "damaged", "wrong_item")),
    }
    record |= _only(world, 0.5, complaint=complaint)
    return record, {"planned_km": distance + world.between(3, 25), "skipped": world.firm()}
