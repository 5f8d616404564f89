"""Property: flats on offer and the people who want to see them."""

from datetime import timedelta

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

VIEWING_TIMES = words(
    "09:30 10:00 10:15 10:45 11:00 11:30 12:00 13:15 14:00 14:30 15:45 16:00 16:30 17:15 17:45 "
    "18:00 18:30"
)

FEATURES = {  # what a flat may have -> how its absence is stated
    "balcony": "balcony", "lift": "lift", "parking": "parking space", "cellar": "cellar",
    "dishwasher": "dishwasher", "garden": "garden",
}  # fmt: skip


@sampler
def viewing_request(ctx: SamplingContext) -> tuple[dict, dict]:
    """A viewing; distractors: an earlier one, and a listing that is gone."""
    visitor, day, time = ctx.person(), ctx.date(), ctx.one(VIEWING_TIMES)
    day += timedelta(days=day.weekday() == 6)  # not on a Sunday
    record = {"listing": f"{ctx.one('RS')}-{ctx.code('####')}", "visitor": visitor.name}
    record |= only(ctx, 0.55, email=ctx.email(visitor))
    record |= {"day": day.isoformat(), "time": time}
    beside = {
        "gone": f"{record['listing'][0]}-{ctx.code('####')}",
        "old_day": ctx.workday_near(day, -7, -1).isoformat(),
        "old_time": ctx.one([other for other in VIEWING_TIMES if other != time]),
        "early": f"{int(time[:2]) - 1:02d}{time[2:]}",
        "street": ctx.street(),
        "town": ctx.town()[0],
    }
    return record, beside | {"listed_on": ctx.workday_near(day, -30, -9).isoformat()}


@sampler
def flat_listing(ctx: SamplingContext) -> tuple[dict, dict]:
    """Rent and charges; distractors: last year's rent, the deposit and what the flat lacks."""
    ctx.settle(
        *(("de",) if ctx.chance(0.4) else ("ie", "nl", "fr", "es", "it"))
    )  # euros, square metres
    features, german = ctx.some(FEATURES, 1, 3), ctx.place.code == "de"
    halves = ctx.between(3, 9) if german else 2 * ctx.between(2, 4)  # half rooms are a German thing
    area = 12 * halves + ctx.between(2, 18)
    base = area * ctx.between(9, 19) // 5 * 5
    charges = area * ctx.between(2, 3) // 5 * 5
    free = ctx.date().replace(day=ctx.one((1, 1, 15)))
    record = {
        "ad_no": ctx.code("F#####"),
        "address": {"street": ctx.street(), "city": ctx.town()[0]},
        "flat": {"rooms": halves / 2 if halves % 2 else halves // 2, "area_m2": area}
        | only(ctx, 0.7, floor=ctx.between(1, 6)),
        "rent": {"base_eur": base, "charges_eur": charges, "total_eur": base + charges},
        "available_from": free.isoformat(),
        "features": features,
    }
    record |= only(ctx, 0.55, pets=ctx.chance(0.5))
    lacks = ctx.one([words for feature, words in FEATURES.items() if feature not in features])
    beside = {"lacks": lacks, "deposit": base * 2, "old_rent": base - 5 * ctx.between(4, 16)}
    beside |= {
        "built": ctx.between(1905, 2019),
        "seen_on": ctx.workday_near(free, -40, -8).isoformat(),
    }
    return record, beside | {"old_area": area + ctx.between(2, 6), "small": area // 5 * 5 - 5}
