"""Sport: classes and matches."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

CLASSES = ("yoga", "pilates", "spinning", "boxing", "aqua_fit", "zumba")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
USUAL = ("{} FC", "{} United", "Olympic {}", "Sporting {}")
CLUBS = {  # country: what a club from a town is called there; elsewhere as is usual
    "gb": ("{} Rovers", "{} Athletic", "{} Town", "{} Wanderers"),
    "ie": ("{} Rovers", "{} Celtic", "{} Harps", "{} United"),
    "de": ("SV {}", "TuS {}", "Eintracht {}", "FC {}"),
    "nl": ("VV {}", "FC {}", "{} '09", "Sparta {}"),
    "us": ("{} FC", "{} Union", "{} Strikers", "{} SC"),
}
COMPETITIONS = words(
    "County_Cup Regional_League_North Second_Division District_Cup Winter_League "
    "Women's_Premier_League Under-19_League Harvest_Cup Third_Division_South Founders'_Trophy "
    "Sunday_League Charity_Shield"
)


@sampler
def class_signup(ctx: SamplingContext) -> tuple[dict, dict]:
    """A class on a weekday; distractors: another class and another weekday."""
    chosen, other = ctx.some(CLASSES, 2, 2)
    weekday, other_weekday = ctx.some(WEEKDAYS, 2, 2)
    record = {"member": ctx.person().name, "class": chosen, "weekday": weekday}
    record |= only(ctx, 0.6, first_time=ctx.chance(0.5))
    return record, {
        "other_class": other.replace("aqua_fit", "aqua fitness"),
        "other_weekday": other_weekday.capitalize(),
        "trainer": ctx.person().first,
        "spots": ctx.between(2, 9),
        "hour": ctx.clock(9, 20, step=30),
    }


@sampler
def match_result(ctx: SamplingContext) -> tuple[dict, dict]:
    """Goals with scorers and minutes in order; distractors: the last match of the two."""
    here, there = ctx.some([town for town, _ in ctx.place.towns], 2, 2)
    home, away = (ctx.one(CLUBS.get(ctx.place.code, USUAL)).format(town) for town in (here, there))
    minutes = sorted(ctx.some(range(2, 91), 0, 5))
    goals = [
        {"player": ctx.person().name, "minute": m, "side": ctx.one(("home", "away"))}
        for m in minutes
    ]
    score = {side: sum(goal["side"] == side for goal in goals) for side in ("home", "away")}
    day, crowd = ctx.date(), ctx.between(180, 9400)
    record = {
        "competition": ctx.one(COMPETITIONS),
        "played_on": day.isoformat(),
        "home": {"club": home, "goals": score["home"]},
        "away": {"club": away, "goals": score["away"]},
    }
    record |= {"scorers": goals} if goals else {}
    record |= only(ctx, 0.55, attendance=crowd) | only(ctx, 0.5, referee=ctx.person().name)
    return record, {
        "last_home": score["home"] + 1,
        "last_away": ctx.between(0, 4),
        "last_day": ctx.later(day, -200, -90).isoformat(),
        "next_day": ctx.later(day, 6, 15).isoformat(),
        "capacity": 1000 * (crowd // 1000 + ctx.between(1, 6)),
        "coach": ctx.person().name,
    }
