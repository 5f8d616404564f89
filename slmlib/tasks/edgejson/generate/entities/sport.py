"""Sport: entries, training, races, stadiums and what clubs lend."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.shared import aged
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

TOURNAMENTS = words(
    "Spring_Indoor_Cup Harbour_Hockey_Days Lakeside_Fives Winter_Handball_Open Heron_Trophy "
    "Easter_Beach_Cup Two_Rivers_Tournament Midsummer_Sevens Old_Town_Masters Youth_Whitsun_Cup"
)
TEAMS = words(
    "Red_Otters Night_Herons Quarry_Lions Tidal_Wave Moor_Hares Granite_Bears Mill_Street_Comets "
    "Blue_Badgers Harbour_Seals Late_Starters Ridge_Wolves Orchard_Foxes"
)
EVENTS = words(
    "Athletics_Gala Derby_Night Supercup_Final Stadium_Concert_Run Charity_Sevens "
    "Motocross_Indoors International_Friendly Rugby_Double-Header Evening_of_Vaults Season_Opener"
)
KIT = (  # article, sizes
    ("climbing shoes", ("38", "40", "42", "44")), ("ice skates", ("37", "39", "41", "43")),
    ("tennis racket", ("junior", "adult")), ("kayak paddle", ("210 cm", "220 cm", "230 cm")),
    ("ski boots", ("25.5", "27.0", "28.5")), ("helmet", ("S", "M", "L")),
    ("wetsuit", ("S", "M", "L", "XL")), ("fencing mask", ("S", "M", "L")),
    ("snowshoes", ("small", "large")), ("life jacket", ("S", "M", "L", "XL")),
    ("hockey stick", ("36 inch", "37 inch")), ("boxing gloves", ("8 oz", "10 oz", "12 oz")),
)  # fmt: skip
PACES = {
    "swimming": (3, 5),
    "running": (14, 21),
    "rowing": (14, 22),
    "cycling": (38, 58),
}  # 10 m a minute
REPEATS = {
    "swimming": (50, 100, 150, 200),
    "running": (200, 300, 400, 600, 800, 1000),
}  # metres; else longer
RACES = (  # name, lengths in km, what one runs on
    ("Lighthouse Run", (10, 15), ("road", "mixed")), ("Three Bridges Half", (21,), ("road",)),
    ("Forest Mile Series", (10, 15, 25), ("trail",)), ("Saltmarsh Trail", (15, 21, 25),
    ("trail", "mixed")), ("Old Wall Marathon", (42,), ("road", "mixed")), ("Reservoir Ten", (10,),
    ("road", "mixed")), ("Stadium Hour", (10, 15), ("track",)), ("Night of the Laps", (10, 25),
    ("track",)), ("Cathedral Night Run", (10, 15, 21), ("road",)), ("Vineyard Run", (10, 15, 21),
    ("trail", "mixed")), ("Dyke Race", (15, 25), ("road", "trail")),
)  # fmt: skip
AGES = {  # class: years from, to
    "U20": (16, 19), "20-34": (20, 34), "35-49": (35, 49), "50-64": (50, 64), "65-79": (65, 79),
    "under_16": (13, 15), "seniors": (20, 39), "mixed": (18, 45), "veterans": (40, 62),
}  # fmt: skip


@entity
def squad_player(ctx: SamplingContext) -> dict:
    """A player with shirt number and licence."""
    return {
        "name": ctx.person().name,
        "shirt_no": ctx.between(1, 42),
        "position": ctx.one(("goalkeeper", "defender", "midfielder", "forward")),
        "licence_no": ctx.code("L######"),
        "guest": ctx.chance(0.3),
    }


@entity
def tournament_entry(ctx: SamplingContext) -> dict:
    """A team is entered for a tournament that begins later."""
    entered = ctx.date()
    category, first = (
        ctx.one(("under_16", "seniors", "mixed", "veterans")),
        ctx.later(entered, 9, 90),
    )
    players = [draw("squad_player", ctx) | {"shirt_no": n} for n in ctx.some(range(1, 43), 2, 4)]
    return {
        "entry_no": ctx.code("TE-####"),
        "tournament": ctx.one(TOURNAMENTS),
        "team_name": ctx.one(TEAMS),
        "category": category,
        "entered_on": entered.isoformat(),
        "first_match_on": first.isoformat(),
        "entry_fee": ctx.one((3500, 5000, 6500, 8000, 12000)) / 100,
        "currency": ctx.place.currency,
        "fee_paid": ctx.chance(0.6),
        "captain": aged(ctx, first, *AGES[category]),
        "player_count": len(players),
        "players": players,
    }


@entity
def interval_set(ctx: SamplingContext) -> dict:
    """So many repeats of a distance, with a rest between them."""
    return {
        "repeats": ctx.between(2, 12),
        "metres": ctx.one((50, 100, 150, 200, 300, 400, 600, 800, 1000, 1500)),
        "rest_s": ctx.one((15, 20, 30, 45, 60, 90, 120)),
        "effort": ctx.one(("easy", "threshold", "race_pace", "all_out")),
    }


def _sets(ctx: SamplingContext, discipline: str, metres: float) -> list[dict]:
    """Sets of intervals that fit into what was covered."""
    made, number = [], ctx.between(2, 3)
    for _ in range(number):
        share = int(0.8 * metres / number)
        length = ctx.one(
            [m for m in REPEATS.get(discipline, (300, 400, 600, 800, 1000, 1500)) if 2 * m <= share]
        )
        repeats = ctx.between(2, min(12, share // length))
        made.append(draw("interval_set", ctx) | {"repeats": repeats, "metres": length})
    return made


@entity
def training_plan_session(ctx: SamplingContext) -> dict:
    """A session of a plan, as it was done."""
    minutes, discipline, day = ctx.between(28, 130), ctx.one(tuple(PACES)), ctx.date()
    distance = minutes * ctx.between(*PACES[discipline]) / 100
    return {
        "plan_week": ctx.between(1, 20),
        "session_date": day.isoformat(),
        "discipline": discipline,
        "distance_km": distance,
        "minutes": minutes,
        "average_heart_rate": ctx.between(112, 168),
        "max_heart_rate": ctx.between(170, 194),
        "felt": ctx.one(("easy", "good", "heavy_legs", "exhausting")),
        "injured": ctx.chance(0.3),
        "athlete": aged(ctx, day, 16, 58),
        "sets": _sets(ctx, discipline, 1000 * distance),
    }


@entity
def price_band(ctx: SamplingContext) -> dict:
    """A block of a stadium: its price times the tickets sold makes its takings."""
    price, sold = ctx.between(12, 90) * 50, ctx.between(40, 2_400)
    return {
        "block": ctx.code(f"{ctx.one('ABCDEFGH')}#"),
        "ticket_price": price / 100,
        "tickets_sold": sold,
        "takings": price * sold / 100,
        "covered": ctx.chance(0.6),
    }


@entity
def stadium_event(ctx: SamplingContext) -> dict:
    """An evening in a stadium; tickets and takings of its blocks sum."""
    blocks = [f"{letter}{number}" for letter in "ABCDEFGH" for number in range(1, 10)]
    bands = [draw("price_band", ctx) | {"block": block} for block in ctx.some(blocks, 2, 3)]
    start = ctx.between(56, 80) * 15
    doors = start - ctx.one((60, 75, 90, 120))
    return {
        "event": ctx.one(EVENTS),
        "event_date": ctx.date().isoformat(),
        "doors_at": hhmm(doors),
        "starts_at": hhmm(start),
        "all_tickets": sum(band["tickets_sold"] for band in bands),
        "all_takings": sum(round(100 * band["takings"]) for band in bands) / 100,
        "currency": ctx.place.currency,
        "stewards": ctx.between(12, 140),
        "roof": ctx.one(("open", "closed", "half_open")),
        "sold_out": ctx.chance(0.4),
        "bands": bands,
    }


@entity
def loaned_item(ctx: SamplingContext) -> dict:
    """Some pieces of one article in one size."""
    article, sizes = ctx.one(KIT)
    return {
        "article": article,
        "size": ctx.one(sizes),
        "pieces": ctx.between(1, 4),
        "asset_tag": ctx.code("TAG-####"),
    }


@entity
def equipment_loan(ctx: SamplingContext) -> dict:
    """A club lends equipment against a deposit; it comes back around the agreed day."""
    lent, items = ctx.date(), [draw("loaned_item", ctx) for _ in range(ctx.between(1, 3))]
    return {
        "loan_no": ctx.code("EL-####"),
        "lent_on": lent.isoformat(),
        "due_back": ctx.later(lent, 3, 21).isoformat(),
        "returned_on": ctx.later(lent, 2, 30).isoformat(),
        "deposit": ctx.one((1000, 2000, 2500, 5000, 8000)) / 100,
        "currency": ctx.place.currency,
        "condition": ctx.one(("as_new", "worn", "damaged", "incomplete")),
        "piece_count": sum(item["pieces"] for item in items),
        "items": items,
    }


@entity
def split_time(ctx: SamplingContext) -> dict:
    """The position of a runner after some kilometres."""
    km = ctx.between(3, 38)
    return {
        "km": km,
        "clock_time": _race_clock(km * ctx.between(232, 390)),
        "position_there": ctx.between(1, 900),
    }


def _race_clock(seconds: int) -> str:
    """Seconds as hours, minutes and seconds: `1:42:07`."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


@entity
def race_result(ctx: SamplingContext) -> dict:
    """A runner's race; the splits lie before the finish and are a little faster."""
    race, lengths, grounds = ctx.one(RACES)
    length, day, age_class = ctx.one(lengths), ctx.date(), ctx.one(tuple(AGES)[:5])
    place = ctx.between(4, 900)
    pace, marks = ctx.between(232, 390), sorted(ctx.some(range(2, length - 1), 2, 3))
    splits = [
        {
            "km": km,
            "clock_time": _race_clock(km * (pace - 4)),
            "position_there": max(1, place + ctx.between(-3, 9)),
        }
        for km in marks
    ]
    return {
        "race": race,
        "race_date": day.isoformat(),
        "bib": ctx.between(1, 4999),
        "distance_km": length,
        "finish_time": _race_clock(length * pace),
        "overall_place": place,
        "class_place": place // ctx.between(4, 9) + 1,
        "age_class": age_class,
        "surface": ctx.one(grounds),
        "runner": aged(ctx, day, *AGES[age_class]),
        "splits": splits,
    }
