"""Sport: entries, training, races, stadiums and what clubs lend."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.shared import aged
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World, hhmm

TOURNAMENTS = words(
    "Spring_Indoor_Cup Harbour_Hockey_Days Lakeside_Fives Winter_Handball_Open Heron_Trophy Easter_Beach_Cup "
    "Two_Rivers_Tournament Midsummer_Sevens Old_Town_Masters Youth_Whitsun_Cup"
)
TEAMS = words(
    "Red_Otters Night_Herons Quarry_Lions Tidal_Wave Moor_Hares Granite_Bears Mill_Street_Comets "
    "Blue_Badgers Harbour_Seals Late_Starters Ridge_Wolves Orchard_Foxes"
)
EVENTS = words(
    "Athletics_Gala Derby_Night Supercup_Final Stadium_Concert_Run Charity_Sevens Motocross_Indoors "
    "International_Friendly Rugby_Double-Header Evening_of_Vaults Season_Opener"
)
KIT = (  # article, sizes
    ("climbing shoes", ("38", "40", "42", "44")), ("ice skates", ("37", "39", "41", "43")),
    ("tennis racket", ("junior", "adult")), ("kayak paddle", ("210 cm", "220 cm", "230 cm")),
    ("ski boots", ("25.5", "27.0", "28.5")), ("helmet", ("S", "M", "L")), ("wetsuit", ("S", "M", "L", "XL")),
    ("fencing mask", ("S", "M", "L")), ("snowshoes", ("small", "large")),
    ("life jacket", ("S", "M", "L", "XL")),
    ("hockey stick", ("36 inch", "37 inch")), ("boxing gloves", ("8 oz", "10 oz", "12 oz")),
)  # fmt: skip
PACES = {"swimming": (3, 5), "running": (14, 21), "rowing": (14, 22), "cycling": (38, 58)}  # 10 m a minute
REPEATS = {"swimming": (50, 100, 150, 200), "running": (200, 300, 400, 600, 800, 1000)}  # metres; else longer
RACES = (  # name, lengths in km, what one runs on
    ("Lighthouse Run", (10, 15), ("road", "mixed")), ("Three Bridges Half", (21,), ("road",)),
    ("Forest Mile Series", (10, 15, 25), ("trail",)), ("Saltmarsh Trail", (15, 21, 25), ("trail", "mixed")),
    ("Old Wall Marathon", (42,), ("road", "mixed")), ("Reservoir Ten", (10,), ("road", "mixed")),
    ("Stadium Hour", (10, 15), ("track",)), ("Night of the Laps", (10, 25), ("track",)),
    ("Cathedral Night Run", (10, 15, 21), ("road",)), ("Vineyard Run", (10, 15, 21), ("trail", "mixed")),
    ("Dyke Race", (15, 25), ("road", "trail")),
)  # fmt: skip
AGES = {  # class: years from, to
    "U20": (16, 19), "20-34": (20, 34), "35-49": (35, 49), "50-64": (50, 64), "65-79": (65, 79),
    "under_16": (13, 15), "seniors": (20, 39), "mixed": (18, 45), "veterans": (40, 62),
}  # fmt: skip


@entity
def squad_player(world: World) -> dict:
    """A player with shirt number and licence."""
    return {
        "name": world.person().name,
        "shirt_no": world.between(1, 42),
        "position": world.one(("goalkeeper", "defender", "midfielder", "forward")),
        "licence_no": world.code("L######"),
        "guest": world.chance(0.3),
    }


@entity
def tournament_entry(world: World) -> dict:
    """A team is entered for a tournament that begins later."""
    entered = world.date()
    category, first = world.one(("under_16", "seniors", "mixed", "veterans")), world.later(entered, 9, 90)
    players = [draw("squad_player", world) | {"shirt_no": n} for n in world.some(range(1, 43), 2, 4)]
    return {
        "entry_no": world.code("TE-####"),
        "tournament": world.one(TOURNAMENTS),
        "team_name": world.one(TEAMS),
        "category": category,
        "entered_on": entered.isoformat(),
        "first_match_on": first.isoformat(),
        "entry_fee": world.one((3500, 5000, 6500, 8000, 12000)) / 100,
        "currency": world.place.currency,
        "fee_paid": world.chance(0.6),
        "captain": aged(world, first, *AGES[category]),
        "player_count": len(players),
        "players": players,
    }


@entity
def interval_set(world: World) -> dict:
    """So many repeats of a distance, with a rest between them."""
    return {
        "repeats": world.between(2, 12),
        "metres": world.one((50, 100, 150, 200, 300, 400, 600, 800, 1000, 1500)),
        "rest_s": world.one((15, 20, 30, 45, 60, 90, 120)),
        "effort": world.one(("easy", "threshold", "race_pace", "all_out")),
    }


def _sets(world: World, discipline: str, metres: float) -> list[dict]:
    """Sets of intervals that fit into what was covered."""
    made, number = [], world.between(2, 3)
    for _ in range(number):
        share = int(0.8 * metres / number)
        length = world.one(
            [m for m in REPEATS.get(discipline, (300, 400, 600, 800, 1000, 1500)) if 2 * m <= share]
        )
        repeats = world.between(2, min(12, share // length))
        made.append(draw("interval_set", world) | {"repeats": repeats, "metres": length})
    return made


@entity
def training_plan_session(world: World) -> dict:
    """A session of a plan, as it was done."""
    minutes, discipline, day = world.between(28, 130), world.one(tuple(PACES)), world.date()
    distance = minutes * world.between(*PACES[discipline]) / 100
    return {
        "plan_week": world.between(1, 20),
        "session_date": day.isoformat(),
        "discipline": discipline,
        "distance_km": distance,
        "minutes": minutes,
        "average_heart_rate": world.between(112, 168),
        "max_heart_rate": world.between(170, 194),
        "felt": world.one(("easy", "good", "heavy_legs", "exhausting")),
        "injured": world.chance(0.3),
        "athlete": aged(world, day, 16, 58),
        "sets": _sets(world, discipline, 1000 * distance),
    }


@entity
def price_band(world: World) -> dict:
    """A block of a stadium: its price times the tickets sold makes its takings."""
    price, sold = world.between(12, 90) * 50, world.between(40, 2_400)
    return {
        "block": world.code(f"{world.one('ABCDEFGH')}#"),
        "ticket_price": price / 100,
        "tickets_sold": sold,
        "takings": price * sold / 100,
        "covered": world.chance(0.6),
    }


@entity
def stadium_event(world: World) -> dict:
    """An evening in a stadium; tickets and takings of its blocks sum."""
    blocks = [f"{letter}{number}" for letter in "ABCDEFGH" for number in range(1, 10)]
    bands = [draw("price_band", world) | {"block": block} for block in world.some(blocks, 2, 3)]
    start = world.between(56, 80) * 15
    doors = start - world.one((60, 75, 90, 120))
    return {
        "event": world.one(EVENTS),
        "event_date": world.date().isoformat(),
        "doors_at": hhmm(doors),
        "starts_at": hhmm(start),
        "all_tickets": sum(band["tickets_sold"] for band in bands),
        "all_takings": sum(round(100 * band["takings"]) for band in bands) / 100,
        "currency": world.place.currency,
        "stewards": world.between(12, 140),
        "roof": world.one(("open", "closed", "half_open")),
        "sold_out": world.chance(0.4),
        "bands": bands,
    }


@entity
def loaned_item(world: World) -> dict:
    """Some pieces of one article in one size."""
    article, sizes = world.one(KIT)
    return {
        "article": article,
        "size": world.one(sizes),
        "pieces": world.between(1, 4),
        "asset_tag": world.code("TAG-####"),
    }


@entity
def equipment_loan(world: World) -> dict:
    """A club lends equipment against a deposit; it comes back around the agreed day."""
    lent, items = world.date(), [draw("loaned_item", world) for _ in range(world.between(1, 3))]
    return {
        "loan_no": world.code("EL-####"),
        "lent_on": lent.isoformat(),
        "due_back": world.later(lent, 3, 21).isoformat(),
        "returned_on": world.later(lent, 2, 30).isoformat(),
        "deposit": world.one((1000, 2000, 2500, 5000, 8000)) / 100,
        "currency": world.place.currency,
        "condition": world.one(("as_new", "worn", "damaged", "incomplete")),
        "piece_count": sum(item["pieces"] for item in items),
        "items": items,
    }


@entity
def split_time(world: World) -> dict:
    """Where a runner stood after some kilometres."""
    km = world.between(3, 38)
    return {
        "km": km,
        "clock_time": _race_clock(km * world.between(232, 390)),
        "position_there": world.between(1, 900),
    }


def _race_clock(seconds: int) -> str:
    """Seconds as hours, minutes and seconds: `1:42:07`."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


@entity
def race_result(world: World) -> dict:
    """A runner's race; the splits lie before the finish and are a little faster."""
    race, lengths, grounds = world.one(RACES)
    length, day, age_class = world.one(lengths), world.date(), world.one(tuple(AGES)[:5])
    place = world.between(4, 900)
    pace, marks = world.between(232, 390), sorted(world.some(range(2, length - 1), 2, 3))
    splits = [
        {
            "km": km,
            "clock_time": _race_clock(km * (pace - 4)),
            "position_there": max(1, place + world.between(-3, 9)),
        }
        for km in marks
    ]
    return {
        "race": race,
        "race_date": day.isoformat(),
        "bib": world.between(1, 4999),
        "distance_km": length,
        "finish_time": _race_clock(length * pace),
        "overall_place": place,
        "class_place": place // world.between(4, 9) + 1,
        "age_class": age_class,
        "surface": world.one(grounds),
        "runner": aged(world, day, *AGES[age_class]),
        "splits": splits,
    }
