"""Formats: put a value into words, and name the parser that reads them back.

A style is a function `(value, rng) -> (words, rule)`, found by name in `STYLES`. The rule names a
function of `parsers`, the inverse of this module; the two share only tables of words.
"""

import re
from collections.abc import Callable
from datetime import date
from random import Random

from slmlib.textgen.parsers import MONTHS, ORDINALS, TENS, UNITS

SYMBOLS = {  # ISO 4217 code: symbol, plural, singular
    "EUR": ("€", "euros", "euro"),
    "GBP": ("£", "pounds", "pound"),
    "USD": ("$", "dollars", "dollar"),
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
STYLES: dict[str, Callable[[object, Random], tuple[str, str]]] = {}


def write_value(value, name: str, rng: Random, currency: str) -> tuple[str, str]:
    """Words and rule for a value in a style; three styles add a currency to an amount."""
    if name == "symbol":
        return f"{SYMBOLS[currency][0]}{value:.2f}", "amount"
    if name == "priced":
        return f"{value:.2f} {currency}", "amount"
    if name == "coins":
        major, minor = divmod(round(value * 100), 100)
        unit = SYMBOLS[currency][2 if major == 1 else 1]
        return f"{cardinal(major)} {unit}{minor_words(minor)}", "amount_words"
    return STYLES[name](value, rng)


def minor_words(cents: int) -> str:
    """The cents after the name of a currency: nothing, ` fifty`, or ` oh five`."""
    return f" oh {cardinal(cents)}" if 0 < cents < 10 else f" {cardinal(cents)}" if cents else ""


def _style(rule: str, write: Callable[[object], str], *names: str) -> None:
    """Register a style that always writes a value the same way."""
    STYLES.update(dict.fromkeys(names, lambda value, rng: (write(value), rule)))


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


def _digits(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _words(value: float) -> str:
    whole, _, decimals = _digits(abs(value)).partition(".")
    point = " point " + " ".join(UNITS[int(digit)] for digit in decimals) if decimals else ""
    return ("minus " if value < 0 else "") + cardinal(int(whole)) + point


def _small(value: float, rng: Random) -> tuple[str, str]:
    in_words = value <= 12 and rng.random() < 0.6
    return (_words(value), "number_words") if in_words else (_digits(value), "number")


_style("verbatim", str, "string", "iso", "h24", "moment")
_style("number", _digits, "plain", "integer", "number")
_style("number", "{:,}".format, "grouped")
_style("number", "{:.2f}".format, "money")
_style("number_words", _words, "words")
_style("number_words", lambda n: {1: "once", 2: "twice"}.get(n, f"{cardinal(n)} times"), "times")
_style("compact", lambda code: " ".join(re.findall("..?", code)), "spaced")  # EL 20 49 18
STYLES["small"] = _small


def _month(day: date) -> str:
    return MONTHS[day.month - 1].capitalize()


def _nth(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _short(day: date) -> str:
    return f"{day.day} {_month(day)[:3]} {day.year}"


def _figures(day: date, mark: str) -> str:
    """Day, month and year in figures, but only if the day is over 12, which decides the order."""
    return f"{day.day:02d}{mark}{day.month:02d}{mark}{day.year}" if day.day > 12 else _short(day)


def ordinal(value: int) -> str:
    """A day of the month as it is spoken: `twenty-third`."""
    if value < 20:
        return ORDINALS[value]
    tens = TENS[value // 10]
    return f"{tens}-{ORDINALS[value % 10]}" if value % 10 else f"{tens[:-1]}ieth"


def year_words(year: int) -> str:
    """A year as it is spoken: `twenty twenty-six`, `nineteen oh four`, `two thousand and five`."""
    century, rest = divmod(year, 100)
    if rest == 0 or (century == 20 and rest < 10):
        return cardinal(year)
    return f"{cardinal(century)} " + (f"oh {UNITS[rest]}" if rest < 10 else cardinal(rest))


def _spoken(day: date) -> str:
    return f"the {ordinal(day.day)} of {_month(day)} {year_words(day.year)}"


def _day_style(rule: str, write: Callable[[date], str], name: str) -> None:
    _style(rule, lambda value: write(date.fromisoformat(value)), name)


_day_style("day", lambda d: f"{d.day} {_month(d)} {d.year}", "long")
_day_style("day", _short, "short")
_day_style("day", lambda d: f"{_month(d)} {d.day}, {d.year}", "us")
_day_style("day", lambda d: f"{WEEKDAYS[d.weekday()]}, {d.day} {_month(d)} {d.year}", "weekday")
_day_style("day", lambda d: f"the {_nth(d.day)} of {_month(d)} {d.year}", "ordinal")
_day_style("day", lambda d: _figures(d, "."), "dots")
_day_style("day", lambda d: _figures(d, "/"), "slash")
_day_style("day_words", _spoken, "spoken")


def _ampm(value: str, rng: Random) -> tuple[str, str]:
    if value == "12:00":
        return "noon", "clock_words"
    hour, minute = map(int, value.split(":"))
    minutes, half = f":{minute:02d}" if minute else "", "am" if hour < 12 else "pm"
    return f"{hour % 12 or 12}{minutes} {half}", "clock"


def _said(value: str) -> str:
    if value == "12:00":
        return "noon"
    hour, minute = map(int, value.split(":"))
    this, following = cardinal(hour % 12 or 12), cardinal((hour + 1) % 12 or 12)
    if minute == 0:
        words = f"{this} o'clock"
    elif minute % 5 or minute in (20, 40, 50):
        words = f"{this} " + (f"oh {cardinal(minute)}" if minute < 10 else cardinal(minute))
    elif minute <= 30:
        words = f"{ {15: 'quarter', 30: 'half'}.get(minute) or cardinal(minute) } past {this}"
    else:
        words = f"{'quarter' if minute == 45 else cardinal(60 - minute)} to {following}"
    part = "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"
    return f"{words} in the {part}"


def _utc_prose(value: str, rng: Random) -> tuple[str, str]:
    day, _ = STYLES[rng.choice(("long", "short", "us"))](value[:10], rng)
    return f"{day} at {value[11:16]} UTC", "utc"


_style("clock", lambda value: value.replace(":", "."), "hdot")
_style("clock", lambda value: value.replace(":", "") + "h", "military")
_style("clock_words", _said, "said")
_style("utc", lambda value: value.replace("T", " "), "utc_log")
STYLES |= {"ampm": _ampm, "utc_prose": _utc_prose}
