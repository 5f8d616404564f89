"""Styles: how a value is put into words, and the name of the normalisation that reads it back.

A style is a function `(value, rng) -> (words, rule)`, found by name in `STYLES`.
"""

from collections.abc import Callable
from datetime import date
from random import Random

from slmlib.textgen.parsers import MONTHS, ORDINALS, TENS, UNITS

SYMBOLS = {"EUR": ("€", "euros", "euro"), "GBP": ("£", "pounds", "pound"), "USD": ("$", "dollars", "dollar")}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
STYLES: dict[str, Callable[[object, Random], tuple[str, str]]] = {}


def style(*names: str):
    """Register a way of writing a value."""

    def register(function):
        STYLES.update(dict.fromkeys(names, function))
        return function

    return register


def write_value(value, name: str, rng: Random, currency: str) -> tuple[str, str]:
    """Words and rule for a value in a style; `symbol` and `priced` put a currency around it."""
    if name == "symbol":
        return f"{SYMBOLS[currency][0]}{value:.2f}", "amount"
    if name == "priced":
        return f"{value:.2f} {currency}", "amount"
    if name == "coins":
        return _coins(value, currency)
    return STYLES[name](value, rng)


def _coins(value: float, currency: str) -> tuple[str, str]:
    major, minor = divmod(round(value * 100), 100)
    name = SYMBOLS[currency][2 if major == 1 else 1]
    return f"{cardinal(major)} {name}{minor_words(minor)}", "amount_words"


def minor_words(cents: int) -> str:
    """What follows the currency: nothing, ` fifty`, or ` oh five`."""
    return f" oh {cardinal(cents)}" if 0 < cents < 10 else f" {cardinal(cents)}" if cents else ""


@style("string", "iso", "h24", "moment")
def _verbatim(value, rng) -> tuple[str, str]:
    return value, "verbatim"


@style("plain", "integer", "number")
def _plain(value, rng) -> tuple[str, str]:
    text = f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return text, "number"


@style("grouped")
def _grouped(value, rng) -> tuple[str, str]:
    return f"{value:,}", "number"


@style("money")
def _money(value, rng) -> tuple[str, str]:
    return f"{value:.2f}", "number"


@style("small")
def _small(value, rng) -> tuple[str, str]:
    return _words(value, rng) if value <= 12 and rng.random() < 0.6 else _plain(value, rng)


@style("words")
def _words(value, rng) -> tuple[str, str]:
    whole, _, decimals = _plain(abs(value), rng)[0].partition(".")
    words = cardinal(int(whole)) + (" point " + " ".join(UNITS[int(d)] for d in decimals) if decimals else "")
    return ("minus " if value < 0 else "") + words, "number_words"


@style("times")
def _times(value, rng) -> tuple[str, str]:
    return {1: "once", 2: "twice"}.get(value) or f"{cardinal(value)} times", "number_words"


def cardinal(value: int) -> str:
    """A whole number below a million in words: `one thousand two hundred and five`."""
    if value < 20:
        return UNITS[value]
    if value < 100:
        return TENS[value // 10] + (f"-{UNITS[value % 10]}" if value % 10 else "")
    size, name = (1000, "thousand") if value >= 1000 else (100, "hundred")
    rest = value % size
    joint = " and " if rest < 100 else " "
    return f"{cardinal(value // size)} {name}" + (joint + cardinal(rest) if rest else "")


def _day_style(name: str, pattern: Callable[[date], str]) -> None:
    STYLES[name] = lambda value, rng: (pattern(date.fromisoformat(value)), "day")


def _month(day: date) -> str:
    return MONTHS[day.month - 1].capitalize()


def _nth(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _numeric(day: date, mark: str) -> str:
    """Day, month, year in figures, only where the day is over 12 and so the order is decided."""
    if day.day <= 12:
        return f"{day.day} {_month(day)[:3]} {day.year}"
    return f"{day.day:02d}{mark}{day.month:02d}{mark}{day.year}"


_day_style("long", lambda d: f"{d.day} {_month(d)} {d.year}")
_day_style("short", lambda d: f"{d.day} {_month(d)[:3]} {d.year}")
_day_style("us", lambda d: f"{_month(d)} {d.day}, {d.year}")
_day_style("weekday", lambda d: f"{WEEKDAYS[d.weekday()]}, {d.day} {_month(d)} {d.year}")
_day_style("ordinal", lambda d: f"the {_nth(d.day)} of {_month(d)} {d.year}")
_day_style("dots", lambda d: _numeric(d, "."))
_day_style("slash", lambda d: _numeric(d, "/"))


@style("spoken")
def _spoken_day(value, rng) -> tuple[str, str]:
    day = date.fromisoformat(value)
    return f"the {ordinal(day.day)} of {_month(day)} {year_words(day.year)}", "day_words"


def ordinal(value: int) -> str:
    """A day of the month as it is said: `twenty-third`."""
    if value < 20:
        return ORDINALS[value]
    tens = TENS[value // 10]
    return f"{tens}-{ORDINALS[value % 10]}" if value % 10 else f"{tens[:-1]}ieth"


def year_words(year: int) -> str:
    """A year as it is said: `twenty twenty-six`, `nineteen oh four`, `two thousand and five`."""
    century, rest = divmod(year, 100)
    if rest == 0 or (century == 20 and rest < 10):
        return cardinal(year)
    return f"{cardinal(century)} " + (f"oh {UNITS[rest]}" if rest < 10 else cardinal(rest))


@style("ampm")
def _ampm(value, rng) -> tuple[str, str]:
    hour, minute = map(int, value.split(":"))
    if value == "12:00":
        return "noon", "clock_words"
    half = "am" if hour < 12 else "pm"
    return f"{hour % 12 or 12}" + (f":{minute:02d}" if minute else "") + f" {half}", "clock"


@style("hdot")
def _hdot(value, rng) -> tuple[str, str]:
    return value.replace(":", "."), "clock"


@style("military")
def _military(value, rng) -> tuple[str, str]:
    return value.replace(":", "") + "h", "clock"


@style("said")
def _said(value, rng) -> tuple[str, str]:
    hour, minute = map(int, value.split(":"))
    if value == "12:00":
        return "noon", "clock_words"
    part = "in the morning" if hour < 12 else "in the afternoon" if hour < 18 else "in the evening"
    return f"{_said_hour(hour, minute)} {part}", "clock_words"


def _said_hour(hour: int, minute: int) -> str:
    this, following = cardinal(hour % 12 or 12), cardinal((hour + 1) % 12 or 12)
    if minute == 0:
        return f"{this} o'clock"
    if minute % 5 or minute in (40, 50, 20):
        return f"{this} " + (f"oh {cardinal(minute)}" if minute < 10 else cardinal(minute))
    if minute <= 30:
        return f"{ {15: 'quarter', 30: 'half'}.get(minute) or cardinal(minute) } past {this}"
    return f"{ {45: 'quarter'}.get(minute) or cardinal(60 - minute) } to {following}"


@style("utc_prose")
def _utc_prose(value, rng) -> tuple[str, str]:
    day = STYLES[rng.choice(("long", "short", "us"))](value[:10], rng)[0]
    return f"{day} at {value[11:16]} UTC", "utc"


@style("utc_log")
def _utc_log(value, rng) -> tuple[str, str]:
    return value.replace("T", " "), "utc"


@style("spaced")
def _spaced(value, rng) -> tuple[str, str]:
    """A code read out in pairs: `EL 20 49 18`."""
    return value[:2] + "".join(f" {value[i : i + 2]}" for i in range(2, len(value), 2)), "compact"
