"""Sport: classes and matches."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World

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
    "County_Cup Regional_League_North Second_Division District_Cup Winter_League Women's_Premier_League "
    "Under-19_League Harvest_Cup Third_Division_South Founders'_Trophy Sunday_League Charity_Shield"
)


@sampler
def class_signup(world: World) -> tuple[dict, dict]:
    """A class on a weekday; beside it another class and another weekday."""
    chosen, other = world.some(CLASSES, 2, 2)
    weekday, other_weekday = world.some(WEEKDAYS, 2, 2)
    record = {"member": world.person().name, "class": chosen, "weekday": weekday}
    record |= only(world, 0.6, first_time=world.chance(0.5))
    return record, {
        "other_class": other.replace("aqua_fit", "aqua fitness"),
        "other_weekday": other_weekday.capitalize(),
        "trainer": world.person().first,
        "spots": world.between(2, 9),
        "hour": world.clock(9, 20, step=30),
    }


@sampler
def match_result(world: World) -> tuple[dict, dict]:
    """As many scorers as goals, in the order of the minutes; the last match of the two beside it."""
    here, there = world.some([town for town, _ in world.place.towns], 2, 2)
    home, away = (world.one(CLUBS.get(world.place.code, USUAL)).format(town) for town in (here, there))
    minutes = sorted(world.some(range(2, 91), 0, 5))
    goals = [
        {"player": world.person().name, "minute": m, "side": world.one(("home", "away"))} for m in minutes
    ]
    score = {side: sum(goal["side"] == side for goal in goals) for side in ("home", "away")}
    day, crowd = world.date(), world.between(180, 9400)
    record = {
        "competition": world.one(COMPETITIONS),
        "played_on": day.isoformat(),
        "home": {"club": home, "goals": score["home"]},
        "away": {"club": away, "goals": score["away"]},
    }
    record |= {"scorers": goals} if goals else {}
    record |= only(world, 0.55, attendance=crowd) | only(world, 0.5, referee=world.person().name)
    return record, {
        "last_home": score["home"] + 1,
        "last_away": world.between(0, 4),
        "last_day": world.later(day, -200, -90).isoformat(),
        "next_day": world.later(day, 6, 15).isoformat(),
        "capacity": 1000 * (crowd // 1000 + world.between(1, 6)),
        "coach": world.person().name,
    }
