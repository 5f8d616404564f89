"""Smart home: what people ask of lights, heating and blinds."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

ROOMS = words(
    "kitchen study bedroom living_room bathroom hallway nursery guest_room conservatory attic "
    "dining_room garage workshop laundry_room sunroom home_office"
)

DISHES = (  # what is cooked, and the usual minutes
    ("rice", (12, 15, 18)), ("pasta", (8, 9, 11)), ("bread", (35, 40, 45)),
    ("lasagne", (40, 45, 50)), ("potatoes", (20, 22, 25)), ("lentils", (25, 30, 35)),
    ("roast chicken", (70, 80, 90)), ("apple pie", (50, 55, 60)), ("fish fingers", (12, 14, 16)),
    ("carrots", (10, 12, 15)), ("green beans", (8, 10, 12)), ("pizza", (11, 13, 15)),
    ("muffins", (20, 22, 25)), ("tea", (3, 4, 5)), ("eggs", (5, 6, 7, 10)),
    ("quiche", (35, 38, 40)), ("beetroot", (40, 50, 60)), ("porridge", (4, 6, 8)),
    ("oven chips", (18, 20, 24)), ("cookies", (10, 12, 14)), ("stew", (90, 120, 150)),
    ("soup", (15, 25, 30)), ("gratin", (40, 45, 55)), ("scones", (13, 15, 17)),
)  # fmt: skip
WEEK = words("mon tue wed thu fri sat sun")
PARTS_OF_DAY = ((5, 8), (11, 13), (16, 21))  # about when a room gets warm, and cold again


@sampler
def smart_home_command(ctx: SamplingContext) -> tuple[dict, dict]:
    """Device, room and action; a level only for `set`, a time only for later."""
    actions = {
        "light": ("on", "off", "set", "set"),
        "heating": ("set", "set", "off"),
        "fan": ("on", "off", "set"),
        "blinds": ("open", "close", "set"),
        "speaker": ("on", "off", "set"),
    }
    device = ctx.one(tuple(actions))
    record = {"device": device, "room": ctx.one(ROOMS), "action": ctx.one(actions[device])}
    if record["action"] == "set":
        record["level"] = ctx.between(16, 25) if device == "heating" else 5 * ctx.between(1, 20)
    record |= only(ctx, 0.5, at=ctx.clock(5, 24, step=5))
    other = ctx.one([room for room in ROOMS if room != record["room"]])
    return record, {
        "other_room": other,
        "old_level": 5 * ctx.between(2, 19),
        "old_time": ctx.clock(6, 22),
    }


@sampler
def kitchen_timer(ctx: SamplingContext) -> tuple[dict, dict]:
    """A dish with its minutes; distractors: another dish."""
    label, minutes = ctx.one(DISHES)
    record = {"label": label, "minutes": ctx.one(minutes)}
    record |= only(ctx, 0.5, sound=ctx.one(("bell", "chime", "buzzer")))
    other, times = ctx.one([dish for dish in DISHES if dish[0] != label])
    return record, {
        "other": other,
        "other_minutes": ctx.one([m for m in times if m != record["minutes"]]),
        "less": record["minutes"] - ctx.between(1, record["minutes"] // 3),
        "dial": ctx.between(3, 9),
    }


@sampler
def heating_schedule(ctx: SamplingContext) -> tuple[dict, dict]:
    """One to three warm periods of the day; distractors: another room and last winter's values."""
    days, low = sorted(ctx.some(range(7), 1, 4)), ctx.steps(28, 35, 2)
    parts = sorted(ctx.some(range(3), 1, 3))
    record = {
        "room": ctx.one(ROOMS),
        "days": [WEEK[day] for day in days],
        "periods": [_warm(ctx, *PARTS_OF_DAY[part]) for part in parts],
        "otherwise_c": low,
    }
    start = ctx.date(months=(1, 2, 9, 10, 11, 12))
    valid = {"from": start.isoformat()} | only(
        ctx, 0.6, until=ctx.later(start, 30, 120).isoformat()
    )
    record |= only(ctx, 0.6, valid=valid) | only(ctx, 0.5, window_pause=ctx.chance(0.6))
    return record, {
        "other_room": ctx.one([room for room in ROOMS if room != record["room"]]),
        "old_target": ctx.one(
            [t for t in (18.0, 19.5, 22.5, 24.0) if t != record["periods"][0]["target_c"]]
        ),
        "old_low": low - 2,
        "last_year": ctx.later(start, -390, -340).isoformat(),
        "rule": ctx.between(1, 9),
    }


def _warm(ctx: SamplingContext, first: int, last: int) -> dict:
    """A warm period that begins at about `first` o'clock and ends at about `last`."""
    begin, end = ctx.clock(first, first + 2, step=30), ctx.clock(last, last + 2, step=15)
    return {"from": begin, "to": end, "target_c": ctx.steps(37, 46, 2)}
