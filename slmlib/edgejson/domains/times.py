"""Times that several domains need: a clock from its minutes, and the days on which offices are open."""

from datetime import date

from slmlib.edgejson.world import World

HOLIDAYS = ((1, 1), (5, 1), (12, 24), (12, 25), (12, 26), (12, 31))


def clock(minutes: int) -> str:
    """A time of day from its minutes after midnight."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def workday(world: World) -> date:
    """A day from Monday to Friday that is no holiday."""
    day = world.date()
    return day if _open(day) else workday(world)


def workday_near(world: World, day: date, low: int, high: int) -> date:
    """A workday between `low` and `high` days after another, or a little further off."""
    other = world.later(day, low, high)
    return other if _open(other) else workday_near(world, day, low - (low < 0), high + (high > 0))


def _open(day: date) -> bool:
    return day.weekday() < 5 and (day.month, day.day) not in HOLIDAYS
