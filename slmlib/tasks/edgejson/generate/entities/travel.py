"""Travel: tours, buses and visas."""

from slmlib.tasks.edgejson.generate.entities import entity
from slmlib.tasks.edgejson.generate.entities.fitting import business
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

TOURS = words(
    "Old_Town_Walk Harbour_by_Night Castle_and_Gardens Food_Market_Stroll Street_Art_Ride "
    "Island_Ferry_Tour Vineyard_Afternoon Ghost_Walk Cathedral_Roof_Climb Canal_Kayak_Tour "
    "Sunrise_Hike Brewery_Trail Hidden_Courtyards Lighthouse_Coast_Path Industrial_Heritage_Ride "
    "Cave_Discovery Dune_Safari Night_Sky_Watch"
)
STOPS = words(
    "Central_Station Market_Square University_Hospital Airport Harbour_Terminal Town_Hall Stadium "
    "Botanical_Garden North_Cemetery Technology_Park Lakeside_Camp Castle_Hill Old_Brewery "
    "Trade_Fair_Grounds West_Depot Riverside_Clinic Bishop's_Bridge Zoo_Gate"
)
COUNTRIES = words(
    "India Vietnam Brazil Kenya Nepal Egypt China Ghana Cambodia Tanzania Indonesia Jordan "
    "Ethiopia Cuba Sri_Lanka Azerbaijan Uzbekistan Madagascar"
)


@entity
def tour_booking(ctx: SamplingContext) -> dict:
    """Places on a guided tour; the guests are its adults and its children."""
    adults, children = ctx.between(2, 9), ctx.between(1, 6)
    price = adults * ctx.between(9, 65) * 100 + children * ctx.between(4, 30) * 100
    return {
        "booking_code": ctx.code("TB-@@@##"),
        "tour": ctx.one(TOURS),
        "tour_date": ctx.date().isoformat(),
        "starts_at": ctx.clock(7, 21, step=15),
        "adults": adults,
        "children": children,
        "guests": adults + children,
        "price": price / 100,
        "currency": ctx.place.currency,
    }


@entity
def bus_trip(ctx: SamplingContext) -> dict:
    """A ride on a bus or coach; the minutes run from one clock time to the other."""
    start, ride = ctx.between(5 * 60, 20 * 60), ctx.between(9, 170)
    from_stop, to_stop = ctx.some(STOPS, 2, 2)
    return {
        "line": ctx.one((ctx.code("#"), ctx.code("1##"), ctx.code("X##"), ctx.code("N#"))),
        "travel_date": ctx.date().isoformat(),
        "from_stop": from_stop,
        "to_stop": to_stop,
        "departs_at": hhmm(start),
        "arrives_at": hhmm(start + ride),
        "ride_minutes": ride,
        "fare": ctx.between(19, 290) * 10 / 100,
        "currency": ctx.place.currency,
        "operator": business(ctx, "coaches"),
    }


@entity
def visa_application(ctx: SamplingContext) -> dict:
    """An application for a visa; the days are those from entering to leaving."""
    entry = ctx.date()
    stay = ctx.between(5, 88)
    return {
        "application_no": ctx.code("VA-#######"),
        "country": ctx.one(COUNTRIES),
        "purpose": ctx.one(("tourism", "business", "study", "family_visit")),
        "enters_on": entry.isoformat(),
        "leaves_on": ctx.later(entry, stay, stay).isoformat(),
        "days_of_stay": stay,
        "passport_no": ctx.code("@@#######"),
        "fee": ctx.between(20, 180) * 100 / 100,
        "currency": ctx.place.currency,
        "state": ctx.one(("submitted", "in_review", "granted", "refused")),
    }
