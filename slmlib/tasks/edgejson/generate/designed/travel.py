"""Travel: bookings, journeys and what is lost on them."""

from datetime import date, timedelta

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import FIRM_NAMES, firms, words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

ENGLISH_HOTELS = firms(
    "The_Old_Mill_Inn Kelvin_House The_Juniper_Hotel Lakeside_Lodge Northern_Light_Hotel "
    "The_Anchor_Rest Hawthorn_Hotel Station_Hotel_Royal The_Wheelwright_Inn Beacon_Hill_Hotel"
)
HOTELS = {
    "gb": ENGLISH_HOTELS, "ie": ENGLISH_HOTELS, "us": ENGLISH_HOTELS,
    "de": firms(
        "Hotel_Zur_Post Pension_Rosengarten Strandhotel_Anna Hotel_Lindenhof Gasthof_Krone"
    ),
    "nl": firms("Hotel_De_Zwaan Hotel_Havenzicht Hotel_De_Molen Herberg_Zuid Pension_Duinrand"),
    "fr": firms(
        "Hôtel_du_Lac Auberge_Saint-Jean Hôtel_Miramar Hôtel_Belvédère Relais_des_Tilleuls"
    ),
    "es": firms("Casa_del_Puerto Hotel_Los_Olivos Hostal_La_Paloma Hotel_Alborada Posada_del_Mar"),
    "it": firms(
        "Albergo_Stella Hotel_Ponte_Vecchio Hotel_Aurora Pensione_Bellavista Locanda_del_Sole"
    ),
}  # fmt: skip
TRAINS = (  # country, railway, direct lines: one end, the other, minutes
    ("gb", "Northern Cross Rail",
     (("Leeds", "York", 26), ("Bristol", "Exeter", 62), ("Cardiff", "Bristol", 50),
      ("Norwich", "Cambridge", 80), ("Stirling", "Edinburgh", 51), ("Exeter", "Plymouth", 60),
      ("Leeds", "Newcastle", 88), ("Norwich", "Ipswich", 42))),
    ("ie", "Irish Intercity",
     (("Galway", "Dublin", 150), ("Cork", "Dublin", 155), ("Limerick", "Dublin", 125),
      ("Sligo", "Dublin", 185), ("Cork", "Mallow", 25), ("Galway", "Athlone", 60),
      ("Limerick", "Ennis", 40))),
    ("de", "Regio Nordwest",
     (("Bremen", "Hannover", 62), ("Leipzig", "Dresden", 66), ("Freiburg", "Karlsruhe", 62),
      ("Kassel", "Göttingen", 20), ("Rostock", "Schwerin", 58), ("Bremen", "Hamburg", 56),
      ("Leipzig", "Erfurt", 43), ("Kassel", "Fulda", 32))),
    ("nl", "Spoorlink",
     (("Utrecht", "Rotterdam", 38), ("Groningen", "Assen", 18), ("Zwolle", "Deventer", 24),
      ("Breda", "Tilburg", 14), ("Utrecht", "Eindhoven", 49), ("Groningen", "Zwolle", 58),
      ("Breda", "Rotterdam", 24), ("Zwolle", "Amersfoort", 36))),
)  # fmt: skip
AIRLINES = (  # code, name, hub, its hours from UTC, cities from there: name, hours, minutes
    ("MZ", "Mainair", "Frankfurt", 1,
     (("Bremen", 1, 60), ("Leipzig", 1, 55), ("Hamburg", 1, 65), ("Copenhagen", 1, 85),
      ("Madrid", 1, 155), ("Rome", 1, 110), ("Athens", 2, 165), ("Warsaw", 1, 100))),
    ("PW", "Polderwings", "Amsterdam", 1,
     (("Bristol", 0, 80), ("Norwich", 0, 55), ("Dublin", 0, 100), ("Oslo", 1, 110),
      ("Geneva", 1, 90), ("Barcelona", 1, 130), ("Prague", 1, 90), ("Budapest", 1, 120))),
    ("EQ", "Emerald Air", "Dublin", 0,
     (("Manchester", 0, 65), ("Edinburgh", 0, 70), ("Amsterdam", 1, 100), ("Paris", 1, 105),
      ("Faro", 0, 175), ("Málaga", 1, 175), ("Bordeaux", 1, 115))),
    ("BX", "Albion Air", "London", 0,
     (("Edinburgh", 0, 80), ("Glasgow", 0, 80), ("Dublin", 0, 80), ("Hamburg", 1, 100),
      ("Zurich", 1, 105), ("Lisbon", 0, 165), ("Stockholm", 1, 150), ("Nice", 1, 120))),
    ("NQ", "Norrsken Air", "Copenhagen", 1,
     (("Oslo", 1, 70), ("Bergen", 1, 80), ("Stockholm", 1, 70), ("Helsinki", 2, 95),
      ("London", 0, 120), ("Edinburgh", 0, 110), ("Berlin", 1, 60), ("Gdańsk", 1, 65))),
    ("TJ", "Tejo Air", "Lisbon", 0,
     (("Porto", 0, 55), ("Funchal", 0, 105), ("Madrid", 1, 80), ("Barcelona", 1, 115),
      ("Paris", 1, 155), ("Geneva", 1, 150))),
    ("ZH", "Alpina Air", "Zurich", 1,
     (("Berlin", 1, 85), ("Hamburg", 1, 90), ("Vienna", 1, 80), ("Rome", 1, 95),
      ("Budapest", 1, 100), ("Nice", 1, 75), ("Lisbon", 0, 175), ("Prague", 1, 80))),
    ("DQ", "Danube Air", "Vienna", 1,
     (("Graz", 1, 40), ("Berlin", 1, 75), ("Sofia", 2, 90), ("Bucharest", 2, 105),
      ("Athens", 2, 135), ("Warsaw", 1, 80), ("Milan", 1, 85))),
    ("FK", "Suomi Wings", "Helsinki", 2,
     (("Oulu", 2, 65), ("Stockholm", 1, 60), ("Riga", 2, 60), ("Oslo", 1, 90), ("Berlin", 1, 115),
      ("Vilnius", 2, 75))),
    ("CQ", "Céleste Air", "Paris", 1,
     (("Toulouse", 1, 80), ("Nice", 1, 90), ("Geneva", 1, 70), ("Madrid", 1, 125),
      ("Berlin", 1, 110), ("Dublin", 0, 105), ("Edinburgh", 0, 110))),
)  # fmt: skip
FIRM_NAMES.update(name for _, name, *_ in AIRLINES)
STATIONS = {  # city: where its bags are handed out, and the country in which they are delivered
    "London": ("LHR", "gb"), "Edinburgh": ("EDI", "gb"), "Manchester": ("MAN", "gb"),
    "Bristol": ("BRS", "gb"), "Norwich": ("NWI", "gb"), "Dublin": ("DUB", "ie"),
    "Amsterdam": ("AMS", "nl"), "Hamburg": ("HAM", "de"), "Berlin": ("BER", "de"),
    "Bremen": ("BRE", "de"), "Leipzig": ("LEJ", "de"), "Frankfurt": ("FRA", "de"),
    "Madrid": ("MAD", "es"), "Barcelona": ("BCN", "es"), "Málaga": ("AGP", "es"),
    "Paris": ("CDG", "fr"), "Nice": ("NCE", "fr"), "Toulouse": ("TLS", "fr"),
    "Bordeaux": ("BOD", "fr"), "Rome": ("FCO", "it"), "Milan": ("MXP", "it"),
}  # fmt: skip
PACKED = words(
    "shirts swimwear toiletries running_shoes work_clothes children's_clothes books gifts "
    "camera_equipment ski_boots hiking_boots documents medicine suits tools cables winter_clothes "
    "running_gear"
)


@sampler
def hotel_booking(ctx: SamplingContext) -> tuple[dict, dict]:
    """Nights follow from the dates, and the total from the nightly price."""
    arrive, nights, guest = ctx.date(), ctx.between(1, 9), ctx.person()
    leave = arrive + timedelta(days=nights)
    rate = ctx.price(5900, 26000)
    booker = {"name": guest.name} | only(ctx, 0.6, email=ctx.email(guest))
    room = {"type": ctx.one(("single", "double", "twin", "family", "suite"))}
    record = {
        "booking_no": ctx.code("@@@#####"),
        "hotel": ctx.assigned(HOTELS[ctx.place.code]),
        "guest": booker,
        "stay": {"check_in": arrive.isoformat(), "check_out": leave.isoformat(), "nights": nights},
        "room": room | only(ctx, 0.75, breakfast=ctx.chance(0.6)),
        "price": {"total": rate * nights / 100, "currency": ctx.place.currency},
    }
    return record, {
        "rate": rate / 100,
        "dearer": rate * nights // 100 + ctx.between(20, 300),
        "booked_on": ctx.workday_near(arrive, -90, -4).isoformat(),
        "desk": ctx.clock(14, 19),
    }


@sampler
def train_ticket(ctx: SamplingContext) -> tuple[dict, dict]:
    """A direct train; distractors: an earlier one."""
    country, railway, lines = ctx.one(TRAINS)
    ctx.settle(country)
    one, other, minutes = ctx.one(lines)
    start, there = ctx.between(8 * 60, 20 * 60), ctx.chance(0.5)
    day = ctx.date()
    record = {
        "from": one if there else other,
        "to": other if there else one,
        "date": day.isoformat(),
        "departs": hhmm(start),
    }
    record |= only(ctx, 0.55, **{"class": ctx.one(("first", "second"))})
    return record, {
        "railway": railway,
        "arrives": hhmm(start + minutes),
        "earlier": hhmm(start - ctx.one((30, 60, 120))),
        "bought": ctx.later(day, -40, -2).isoformat(),
        "coach": ctx.between(13, 29),
        "seat": ctx.between(21, 88),
        "price": ctx.price(890, 5900) / 100,
        "code": ctx.code("@@#@@#"),
    }


@sampler
def luggage_claim(ctx: SamplingContext) -> tuple[dict, dict]:
    """One bag of two; only a missing one has to be delivered."""
    airline, name, hub, _, cities = ctx.assigned(AIRLINES)
    city = ctx.one([place for place, _, _ in cities if place in STATIONS])
    here, coming_from = (city, hub) if hub not in STATIONS or ctx.chance(0.5) else (hub, city)
    code, country = STATIONS[here]
    ctx.settle(country)
    day, who, phone = ctx.date(), ctx.person(), ctx.phone()
    problem, town = ctx.one(("missing", "missing", "damaged", "tampered")), ctx.town()[0]
    record = {
        "report_no": code + airline + ctx.code("#####"),
        "passenger": {"name": who.name} | only(ctx, 0.6, phone=phone),
        "flight": {"no": airline + ctx.code("1##"), "date": day.isoformat()},
        "bag": {
            "tag": ctx.code("0#########"),
            "kind": ctx.one(("suitcase", "backpack", "holdall", "sports_bag")),
            "colour": ctx.one(("black", "blue", "red", "green", "grey")),
        },
        "problem": problem,
    }
    record["bag"] |= only(ctx, 0.5, contents=ctx.some(PACKED, 2, 3))
    if problem == "missing" and ctx.chance(0.7):
        record["deliver_to"] = {"street": ctx.street(), "city": town}
    return record, {
        "airline": name,
        "here": here,
        "coming_from": coming_from,
        "other_flight": airline + ctx.code("2##"),
        "other_tag": ctx.code("0#########"),
        "reported": ctx.later(day, 1, 4).isoformat(),
        "desk": ctx.clock(8, 21),
    }


@sampler
def flight_itinerary(ctx: SamplingContext) -> tuple[dict, dict]:
    """Local times follow from flight time and zones; base fare and taxes add up to the total."""
    code, airline, hub, zone, cities = ctx.assigned(AIRLINES)
    day, flights = ctx.date(), iter(ctx.some(range(211, 989), 4, 4))
    route = _route(ctx, (hub, zone, 0), *ctx.some(cities, 2, 2))
    legs = [_leg(f"{code}{next(flights)}", day, *hop) for hop in route]
    people = [ctx.person() for _ in range(ctx.between(1, 3 if len(legs) < 3 else 2))]
    meals = ("vegetarian", "vegan", "gluten_free", "halal")
    cabin, seats = ctx.one(("economy", "economy", "premium", "business")), len(people) * len(legs)
    base = seats * ctx.price(3900, 14900) * {"economy": 2, "premium": 3, "business": 6}[cabin] // 2
    taxes = seats * ctx.price(1900, 4900)
    record = {
        "pnr": ctx.code("@@#@#@"),
        "passengers": [{"name": who.name} | only(ctx, 0.3, meal=ctx.one(meals)) for who in people],
        "legs": legs,
        "cabin": cabin,
    }
    record |= only(
        ctx, 0.55, bags={"count": ctx.between(1, 2 * len(people)), "kg_each": ctx.one((20, 23, 32))}
    )
    fare = {"base": base / 100, "taxes": taxes / 100, "total": (base + taxes) / 100}
    record["fare"] = fare | {"currency": ctx.place.currency}
    record |= only(ctx, 0.45, email=ctx.email(people[0]))
    return record, {
        "booked_on": ctx.later(day, -80, -6).isoformat(),
        "old_flight": f"{code}{next(flights)}",
        "old_time": ctx.clock(6, 20, step=5),
        "old_total": (base + taxes) // 100 + ctx.between(12, 90),
        "airline": airline,
        "card": ctx.code("####"),
    }


def _route(ctx: SamplingContext, hub: tuple, home: tuple, away: tuple) -> list[tuple]:
    """From where, to where, how many days after the first, and at which local minute."""
    first, last = 5 * ctx.between(72, 150), 5 * ctx.between(84, 216)
    landed = first + home[2] + 60 * (hub[1] - home[1])
    out, onward = (home, hub, 0, first), (hub, away, 0, landed + 5 * ctx.between(11, 26))
    back = (away, hub, ctx.between(2, 12), last)
    return ctx.one(([out], [out, onward], [(hub, away, 0, first), back], [out, onward, back]))


def _leg(flight: str, day: date, start: tuple, end: tuple, days: int, leaves: int) -> dict:
    lands = leaves + start[2] + end[2] + 60 * (end[1] - start[1])  # one of the two is the hub
    leg = {"flight": flight, "date": (day + timedelta(days)).isoformat()}
    leg["from"] = {"city": start[0], "time": hhmm(leaves)}
    return leg | {"to": {"city": end[0], "time": hhmm(lands)}}
