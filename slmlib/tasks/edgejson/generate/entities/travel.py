"""Travel: tours, buses and visas."""

from slmlib.tasks.edgejson.generate.entities import entity
from slmlib.tasks.edgejson.generate.entities.fitting import business
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World, hhmm

TOURS = words(
    "Old_Town_Walk Harbour_by_Night Castle_and_Gardens Food_Market_Stroll Street_Art_Ride Island_Ferry_Tour "
    "Vineyard_Afternoon Ghost_Walk Cathedral_Roof_Climb Canal_Kayak_Tour Sunrise_Hike Brewery_Trail "
    "Hidden_Courtyards Lighthouse_Coast_Path Industrial_Heritage_Ride Cave_Discovery Dune_Safari "
    "Night_Sky_Watch"
)
STOPS = words(
    "Central_Station Market_Square University_Hospital Airport Harbour_Terminal Town_Hall Stadium "
    "Botanical_Garden North_Cemetery Technology_Park Lakeside_Camp Castle_Hill Old_Brewery "
    "Trade_Fair_Grounds West_Depot Riverside_Clinic Bishop's_Bridge Zoo_Gate"
)
COUNTRIES = words(
    "India Vietnam Brazil Kenya Nepal Egypt China Ghana Cambodia Tanzania Indonesia Jordan Ethiopia Cuba "
    "Sri_Lanka Azerbaijan Uzbekistan Madagascar"
)


@entity
def tour_booking(world: World) -> dict:
    """Places on a guided tour; the guests are its adults and its children."""
    adults, children = world.between(2, 9), world.between(1, 6)
    price = adults * world.between(9, 65) * 100 + children * world.between(4, 30) * 100
    return {
        "booking_code": world.code("TB-@@@##"),
        "tour": world.one(TOURS),
        "tour_date": world.date().isoformat(),
        "starts_at": world.clock(7, 21, step=15),
        "adults": adults,
        "children": children,
        "guests": adults + children,
        "price": price / 100,
        "currency": world.place.currency,
    }


@entity
def bus_trip(world: World) -> dict:
    """A ride on a bus or coach; the minutes run from one clock time to the other."""
    start, ride = world.between(5 * 60, 20 * 60), world.between(9, 170)
    from_stop, to_stop = world.some(STOPS, 2, 2)
    return {
        "line": world.one((world.code("#"), world.code("1##"), world.code("X##"), world.code("N#"))),
        "travel_date": world.date().isoformat(),
        "from_stop": from_stop,
        "to_stop": to_stop,
        "departs_at": hhmm(start),
        "arrives_at": hhmm(start + ride),
        "ride_minutes": ride,
        "fare": world.between(19, 290) * 10 / 100,
        "currency": world.place.currency,
        "operator": business(world, "coaches"),
    }


@entity
def visa_application(world: World) -> dict:
    """An application for a visa; the days are those from entering to leaving."""
    entry = world.date()
    stay = world.between(5, 88)
    return {
        "application_no": world.code("VA-#######"),
        "country": world.one(COUNTRIES),
        "purpose": world.one(("tourism", "business", "study", "family_visit")),
        "enters_on": entry.isoformat(),
        "leaves_on": world.later(entry, stay, stay).isoformat(),
        "days_of_stay": stay,
        "passport_no": world.code("@@#######"),
        "fee": world.between(20, 180) * 100 / 100,
        "currency": world.place.currency,
        "state": world.one(("submitted", "in_review", "granted", "refused")),
    }
