"""Parsers: read a span of text back as the value that it states; the inverse of `formats`.

The evidence of a case names one of these rules for every value, and a check proves that
`apply(rule, span)` is the value. Writers and parsers share only tables of words and phrases, so
that a slip in one is caught by the other. A rule may first repair what noise has done to the
span: `respelt+day` corrects the spelling, then reads a date.
"""

import difflib
import re
from collections.abc import Callable
from datetime import date, datetime

from slmlib.textgen.lexicon import words
from slmlib.textgen.phrase_tables import NO_PHRASES, PhraseTables

MONTHS = words(
    "january february march april may june july august september october november december"
)
UNITS = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
TENS = ("_", *words("ten twenty thirty forty fifty sixty seventy eighty ninety"))
ORDINALS = words(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
)
CURRENCIES = {
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR",
    "£": "GBP", "gbp": "GBP", "pound": "GBP", "pounds": "GBP",
    "$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD",
}  # fmt: skip
_NUMBERS = (*UNITS, *TENS[1:], *ORDINALS, "hundred", "thousand", "point", "minus")
VOCABULARY = {  # rules that read words: the words that they know
    "day": MONTHS + words("monday tuesday wednesday thursday friday saturday sunday"),
    "day_words": _NUMBERS + MONTHS,
    "number_words": _NUMBERS + words("once twice times"),
    "amount_words": _NUMBERS + words("euro euros pound pounds dollar dollars"),
    "clock_words": _NUMBERS
    + words("half quarter past noon midday midnight morning afternoon evening"),
}
PHRASE = "phrase."  # begins the rule of a phrase table, `phrase.<table>`
PARSERS: dict[str, Callable[[str], object]] = {}


def parser(function: Callable[[str], object]) -> Callable[[str], object]:
    """Register a function span -> value under its own name."""
    PARSERS[function.__name__] = function
    return function


def apply(rule: str, span: str, phrases: PhraseTables = NO_PHRASES) -> object:
    """The value of a span under a rule: a parser or `phrase.<table>`, perhaps after a repair.

    Raises:
        KeyError: there is no such rule, or a phrase is not in its table.
        ValueError: the rule cannot read the span.
    """
    repair, _, base = rule.rpartition("+")
    if repair:
        span = REPAIRS[repair](span, base, phrases)
    if base.startswith(PHRASE):
        return phrases.meanings[base.removeprefix(PHRASE)][span.casefold()]
    return PARSERS[base](span)


def respaced(span: str, base: str, phrases: PhraseTables) -> str:
    """One space for every run of white space."""
    return " ".join(span.split())


def recased(span: str, base: str, phrases: PhraseTables) -> str:
    """A name that lost its capitals: every word gets one."""
    return re.sub(r"[^\W\d_]+", lambda word: word[0].capitalize(), span)


def respelt(span: str, base: str, phrases: PhraseTables) -> str:
    """Every unknown word, or phrase, replaced by the nearest one that the base rule knows."""
    if base.startswith(PHRASE):
        return _nearest(span.casefold(), sorted(phrases.meanings[base.removeprefix(PHRASE)]))
    known = VOCABULARY[base]
    return re.sub(r"\w*[^\W\d_]{4,}\w*", lambda word: _nearest(word[0].casefold(), known), span)


def _nearest(word: str, known) -> str:
    """The known word most like this one; raises `ValueError` if none is near, or two are."""
    if word in known:
        return word
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.7)
    ratios = [difflib.SequenceMatcher(None, other, word).ratio() for other in near]
    if not near or (len(near) == 2 and ratios[0] == ratios[1]):
        raise ValueError(f"no single known word is nearest to {word!r}")
    return near[0]


REPAIRS = {repair.__name__: repair for repair in (respaced, recased, respelt)}


@parser
def verbatim(span: str) -> str:
    """The text itself."""
    return span


@parser
def lower_first(span: str) -> str:
    """A word that has a capital only because it begins a sentence."""
    return span[:1].lower() + span[1:]


@parser
def phone(span: str) -> str:
    """A telephone number without its spaces, hyphens and brackets."""
    return re.sub(r"[ ()-]", "", span)


@parser
def email_words(span: str) -> str:
    """An address as it is read out: `r.lane at example dot com`."""
    return re.sub(r" dot ", ".", re.sub(r" at ", "@", span, count=1))


@parser
def compact(span: str) -> str:
    """A code without the spaces it is read out in: `48 20 17` -> `482017`."""
    return span.replace(" ", "")


@parser
def number(span: str) -> int | float:
    """Digits with a decimal point and commas or spaces between thousands: `1,240.5`."""
    if not re.fullmatch(r"-?\d+(?:[, ]\d{3})*(?:\.\d+)?", span):
        raise ValueError(f"not a number in digits: {span!r}")
    plain = re.sub("[, ]", "", span)
    return float(plain) if "." in plain else int(plain)


@parser
def number_words(span: str) -> int | float:
    """A number in words, perhaps with `point`: `twenty-one point five`, `twice`, `three times`."""
    text = span.lower().removesuffix(" times")
    if text in ("once", "twice"):
        return 1 if text == "once" else 2
    whole, point, decimals = text.removeprefix("minus ").partition(" point ")
    value = _cardinal(whole)
    if point:
        value = float(f"{value}." + "".join(str(UNITS.index(d)) for d in decimals.split()))
    return -value if text.startswith("minus ") else value


def _cardinal(text: str) -> int:
    total = current = 0
    for word in re.split(r"[ -]", text):
        if word in UNITS:
            current += UNITS.index(word)
        elif word in TENS:
            current += 10 * TENS.index(word)
        elif word == "hundred":
            current *= 100
        elif word == "thousand":
            total, current = total + current * 1000, 0
        elif word != "and":
            raise ValueError(f"not a number in words: {text!r}")
    return total + current


@parser
def amount(span: str) -> float:
    """Money in digits, without its symbol, code or name: `€1,249.50`, `12 euros`."""
    return float(number(re.sub(r"[€£$]|\b[A-Za-z]+\b", "", span).strip()))


@parser
def amount_words(span: str) -> float:
    """Money in words: `forty-two pounds fifty`."""
    pattern = r"(.+?) (?:euros?|pounds?|dollars?)(?: (.+))?"
    major, minor = re.fullmatch(pattern, span.lower()).groups()
    return (100 * _cardinal(major) + (_cardinal(minor.removeprefix("oh ")) if minor else 0)) / 100


@parser
def currency(span: str) -> str:
    """ISO 4217 code of a currency's symbol, name or code."""
    return CURRENCIES[span.lower()]


@parser
def day(span: str) -> str:
    """A date with a four-digit year: `3rd of May 2026`, `14.05.2026` with the day first."""
    if match := re.fullmatch(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", span):
        day_, month, year = map(int, match.groups())
    else:
        text = span.lower()
        month = next(i for i, name in enumerate(MONTHS, 1) if re.search(rf"\b{name[:3]}", text))
        year = int(re.search(r"\b\d{4}\b", span)[0])
        day_ = int(re.search(r"\b(\d{1,2})(?:st|nd|rd|th)?\b", span)[1])
    return date(year, month, day_).isoformat()


@parser
def day_words(span: str) -> str:
    """A date as it is spoken: `the third of May twenty twenty-six`."""
    spoken, month, year = re.fullmatch(r"the ([a-z-]+) of ([a-z]+) (.+)", span.lower()).groups()
    if spoken in ORDINALS:
        day_ = ORDINALS.index(spoken)
    elif spoken.endswith("ieth"):
        day_ = 10 * TENS.index(spoken.removesuffix("ieth") + "y")
    else:
        tens, _, unit = spoken.partition("-")
        day_ = 10 * TENS.index(tens) + ORDINALS.index(unit)
    if "thousand" in year:
        year_ = _cardinal(year)
    else:
        century, rest = year.split(" ", 1)
        year_ = 100 * _cardinal(century) + _cardinal(rest.removeprefix("oh "))
    return date(year_, MONTHS.index(month) + 1, day_).isoformat()


@parser
def clock(span: str) -> str:
    """A time of day in digits on the 12- or 24-hour clock: `2:30 pm`, `9 am`, `14.30`, `0930`."""
    pattern = r"(\d{1,2})(?:[:.]?(\d{2}))?(?:h| ?([ap])\.?m\.?)?"
    match = re.fullmatch(pattern, span.lower())
    hour, minute, half = int(match[1]), int(match[2] or 0), match[3]
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02d}:{minute:02d}"


@parser
def clock_words(span: str) -> str:
    """A time of day as it is spoken: `half past two in the afternoon`, `noon`."""
    text = span.lower()
    if text in ("noon", "midday", "midnight"):
        return "00:00" if text == "midnight" else "12:00"
    spoken, part = re.fullmatch(r"(.+) in the (morning|afternoon|evening)", text).groups()
    if " past " in spoken:
        minutes, hours = spoken.split(" past ")
        hour, minute = _cardinal(hours), {"half": 30, "quarter": 15}.get(minutes)
        minute = minute or _cardinal(minutes)
    elif " to " in spoken:
        minutes, hours = spoken.split(" to ")
        hour = _cardinal(hours) - 1
        minute = 60 - (15 if minutes == "quarter" else _cardinal(minutes))
    else:
        hours, _, minutes = spoken.removesuffix(" o'clock").partition(" ")
        hour, minute = _cardinal(hours), _cardinal(minutes.removeprefix("oh ")) if minutes else 0
    return f"{hour % 12 + (0 if part == 'morning' else 12):02d}:{minute:02d}"


@parser
def utc(span: str) -> str:
    """A moment in UTC: `14 March 2026 at 09:12 UTC`, `2026-03-14 09:12:00Z`."""
    if match := re.fullmatch(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d) ?(?:Z|UTC)", span):
        return f"{match[1]}T{match[2]}Z"
    days, hours = re.fullmatch(r"(.+?),? (?:at )?(\d\d:\d\d)(?: hours)? UTC", span).groups()
    return datetime.fromisoformat(f"{day(days)}T{hours}:00").isoformat() + "Z"
