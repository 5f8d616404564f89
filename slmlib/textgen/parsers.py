"""Named normalisations: from a span of text to the value that the target holds.

Evidence names one of these for every leaf, and validation proves `apply(rule, span) == value`.
They read what the writers write, and share only tables of words and phrases with them: `passages`
goes from value to words, this module goes from words to value, so that a slip in one is caught by
the other. What noise has done to a span is mended first: `respelt+day` mends the spelling, then
reads a date.
"""

import difflib
import re
from collections.abc import Callable
from datetime import date, datetime

from slmlib.textgen.phrase_tables import PHRASES


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


MONTHS = _words("january february march april may june july august september october november december")
UNITS = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
TENS = _words("_ ten twenty thirty forty fifty sixty seventy eighty ninety")
ORDINALS = _words(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
)
CURRENCIES = {
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR",
    "£": "GBP", "gbp": "GBP", "pound": "GBP", "pounds": "GBP",
    "$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD",
}  # fmt: skip
NORMALISATIONS: dict[str, Callable[[str], object]] = {}


def normalisation(function: Callable[[str], object]) -> Callable[[str], object]:
    """Register a function span -> value under its own name."""
    NORMALISATIONS[function.__name__] = function
    return function


def apply(rule: str, span: str) -> object:
    """The value that `span` stands for under the named rule.

    Raises:
        KeyError: there is no such rule, or a phrase is not in its table.
        ValueError: the span is not what the rule reads.
    """
    mend, _, base = rule.rpartition("+")
    return NORMALISATIONS[base](MENDS[mend](span, base) if mend else span)


def respaced(span: str, base: str) -> str:
    """One space for every run of white space."""
    return " ".join(span.split())


def recased(span: str, base: str) -> str:
    """A name whose capitals were lost: every word gets one."""
    return re.sub(r"[^\W\d_]+", lambda word: word[0].capitalize(), span)


def respelt(span: str, base: str) -> str:
    """The one known word nearest to each unknown one, of those that the base rule reads."""
    if base.startswith("phrase."):
        return _nearest(span.casefold(), PHRASE_WORDS[base])
    known = SPELT[base]
    return re.sub(r"\w*[^\W\d_]{4,}\w*", lambda word: _nearest(word[0].casefold(), known), span)


def _nearest(word: str, known: tuple[str, ...]) -> str:
    """The known word most like this one.

    Raises:
        ValueError: none is near, or two are equally near.
    """
    if word in known:
        return word
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.7)
    ratios = [difflib.SequenceMatcher(None, other, word).ratio() for other in near]
    if not near or (len(near) == 2 and ratios[0] == ratios[1]):
        raise ValueError(f"no single known word is nearest to {word!r}")
    return near[0]


MENDS: dict[str, Callable[[str, str], str]] = {"respaced": respaced, "recased": recased, "respelt": respelt}


@normalisation
def verbatim(span: str) -> str:
    """The text itself."""
    return span


@normalisation
def lower_first(span: str) -> str:
    """A word that only stands with a capital because it begins a sentence."""
    return span[:1].lower() + span[1:]


@normalisation
def number(span: str) -> int | float:
    """Digits with a decimal point and commas or spaces between thousands: `1,240.5`."""
    if not re.fullmatch(r"-?\d+(?:[, ]\d{3})*(?:\.\d+)?", span):
        raise ValueError(f"not a number in digits: {span!r}")
    plain = re.sub("[, ]", "", span)
    return float(plain) if "." in plain else int(plain)


@normalisation
def number_words(span: str) -> int | float:
    """A number in words, with or without `point`: `twenty-one point five`, `twice`, `three times`."""
    words = span.lower().removesuffix(" times")
    if words in ("once", "twice"):
        return 1 if words == "once" else 2
    whole, point, decimals = words.removeprefix("minus ").partition(" point ")
    value = _cardinal(whole)
    if point:
        value = float(f"{value}." + "".join(str(UNITS.index(d)) for d in decimals.split()))
    return -value if words.startswith("minus ") else value


def _cardinal(words: str) -> int:
    total = current = 0
    for word in re.split(r"[ -]", words):
        if word in UNITS:
            current += UNITS.index(word)
        elif word in TENS:
            current += 10 * TENS.index(word)
        elif word == "hundred":
            current *= 100
        elif word == "thousand":
            total, current = total + current * 1000, 0
        elif word != "and":
            raise ValueError(f"not a number in words: {words!r}")
    return total + current


@normalisation
def amount(span: str) -> float:
    """Money in digits with its symbol, code or name taken off: `€1,249.50`, `12 euros`."""
    return float(number(re.sub(r"[€£$]|\b[A-Za-z]+\b", "", span).strip()))


@normalisation
def amount_words(span: str) -> float:
    """Money in words: `forty-two pounds fifty`."""
    major, _, minor = re.fullmatch(r"(.+?) (euros?|pounds?|dollars?)(?: (.+))?", span.lower()).groups()
    return (100 * _cardinal(major) + (_cardinal(minor.removeprefix("oh ")) if minor else 0)) / 100


@normalisation
def currency(span: str) -> str:
    """ISO 4217 code of a currency's symbol, name or code."""
    return CURRENCIES[span.lower()]


@normalisation
def day(span: str) -> str:
    """A date with a four-digit year, the month by name or in the second place: `3rd of May 2026`."""
    if match := re.fullmatch(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", span):
        day_, month, year = map(int, match.groups())
    else:
        month = next(i for i, name in enumerate(MONTHS, 1) if re.search(rf"\b{name[:3]}", span.lower()))
        year = int(re.search(r"\b\d{4}\b", span)[0])
        day_ = int(re.search(r"\b(\d{1,2})(?:st|nd|rd|th)?\b", span)[1])
    return date(year, month, day_).isoformat()


@normalisation
def day_words(span: str) -> str:
    """A date as it is said: `the third of May twenty twenty-six`."""
    spoken, month, year = re.fullmatch(r"the ([a-z-]+) of ([a-z]+) (.+)", span.lower()).groups()
    return date(_year(year), MONTHS.index(month) + 1, _ordinal(spoken)).isoformat()


def _year(words: str) -> int:
    if "thousand" in words:
        return _cardinal(words)
    century, rest = words.split(" ", 1)
    return 100 * _cardinal(century) + _cardinal(rest.removeprefix("oh "))


def _ordinal(word: str) -> int:
    if word in ORDINALS:
        return ORDINALS.index(word)
    if word.endswith("ieth"):
        return 10 * TENS.index(word.removesuffix("ieth") + "y")
    tens, _, unit = word.partition("-")
    return 10 * TENS.index(tens) + ORDINALS.index(unit)


@normalisation
def clock(span: str) -> str:
    """A time of day in digits, on the 12- or 24-hour clock: `2:30 pm`, `9 am`, `14.30`, `0930`."""
    match = re.fullmatch(r"(\d{1,2})(?:[:.]?(\d{2}))?(?:h| ?([ap])\.?m\.?)?", span.lower())
    hour, minute, half = int(match[1]), int(match[2] or 0), match[3]
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02d}:{minute:02d}"


@normalisation
def clock_words(span: str) -> str:
    """A time of day as it is said: `half past two in the afternoon`, `noon`."""
    if span.lower() in ("noon", "midday", "midnight"):
        return "00:00" if span.lower() == "midnight" else "12:00"
    said, part = re.fullmatch(r"(.+) (in the morning|in the afternoon|in the evening)", span.lower()).groups()
    hour, minute = _said_clock(said)
    hour = hour % 12 + (0 if part == "in the morning" else 12)
    return f"{hour:02d}:{minute:02d}"


def _said_clock(said: str) -> tuple[int, int]:
    if " past " in said:
        minutes, hour = said.split(" past ")
        return _cardinal(hour), {"half": 30, "quarter": 15}.get(minutes) or _cardinal(minutes)
    if " to " in said:
        minutes, hour = said.split(" to ")
        return _cardinal(hour) - 1, 60 - ({"quarter": 15}.get(minutes) or _cardinal(minutes))
    hour, _, minutes = said.removesuffix(" o'clock").partition(" ")
    return _cardinal(hour), _cardinal(minutes.removeprefix("oh ")) if minutes else 0


@normalisation
def utc(span: str) -> str:
    """A moment in UTC: `14 March 2026 at 09:12 UTC`, `2026-03-14 09:12:00Z`."""
    if match := re.fullmatch(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d) ?(?:Z|UTC)", span):
        return f"{match[1]}T{match[2]}Z"
    days, hours = re.fullmatch(r"(.+?),? (?:at )?(\d\d:\d\d)(?: hours)? UTC", span).groups()
    moment = datetime.fromisoformat(f"{day(days)}T{hours}:00")
    return moment.isoformat() + "Z"


@normalisation
def phone(span: str) -> str:
    """A telephone number without its spaces, hyphens and brackets."""
    return re.sub(r"[ ()-]", "", span)


@normalisation
def email_words(span: str) -> str:
    """An address as it is read out: `r.lane at example dot com`."""
    return re.sub(r" dot ", ".", re.sub(r" at ", "@", span, count=1))


@normalisation
def compact(span: str) -> str:
    """A code without the spaces it is read out in: `48 20 17` -> `482017`."""
    return span.replace(" ", "")


def _phrase_rule(table: dict[str, dict]) -> Callable[[str], object]:
    values = {
        phrase.casefold(): value for form in table.values() for value, said in form.items() for phrase in said
    }
    return lambda span: values[span.casefold()]


for _name, _table in PHRASES.items():
    NORMALISATIONS[f"phrase.{_name}"] = _phrase_rule(_table)

PHRASE_WORDS = {  # rule -> all its phrases
    f"phrase.{name}": tuple(
        sorted({p.casefold() for form in table.values() for said in form.values() for p in said})
    )
    for name, table in PHRASES.items()
}
_NUMBERS = (*UNITS, *TENS[1:], *ORDINALS, "hundred", "thousand", "point", "minus")
SPELT = {  # rules that read words -> the words that they know
    "day": (*MONTHS, "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    "day_words": (*_NUMBERS, *MONTHS),
    "number_words": (*_NUMBERS, "once", "twice", "times"),
    "amount_words": (*_NUMBERS, "euro", "euros", "pound", "pounds", "dollar", "dollars"),
    "clock_words": (*_NUMBERS, *_words("half quarter past noon midday midnight morning afternoon evening")),
    **dict.fromkeys(PHRASE_WORDS, ()),
}  # fmt: skip
