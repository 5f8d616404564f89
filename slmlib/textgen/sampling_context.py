"""Plausible people, addresses, numbers and dates, drawn from one explicit random generator.

Only `random.Random` methods whose streams are the same in Python 3.11 to 3.14 are used. Money
is drawn in cents and other decimals in whole steps, then divided once: the nearest float of an
exact decimal prints the same on every machine. No clock, no locale, no hash order.
"""

import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from slmlib.textgen import lexicon

FIRST_DAY = date(2025, 1, 6)
HOLIDAYS = ((1, 1), (5, 1), (12, 24), (12, 25), (12, 26), (12, 31))
DAYS = 900  # the world's dates lie in these days after the first


@dataclass(frozen=True)
class Person:
    """A person with contact data of one country."""

    first: str
    last: str
    place: lexicon.Place

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


class SamplingContext:
    """Draws everything that a record needs; one world makes one case.

    Args:
        rng: The only source of chance.
        split: Decides which surnames and firms may occur.
    """

    def __init__(self, rng: Random, split: str):
        self.rng, self.split = rng, split
        self.place = rng.choice(lexicon.PLACES)
        self.phones: dict[str, str] = {}  # number -> as it is said, in groups
        self._taken: set[str] = set()

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self.rng.random() < share

    def one(self, values):
        """One of a sequence."""
        return self.rng.choice(values)

    def dealt(self, values):
        """One of those of a sequence that belong to this split."""
        return self.rng.choice(lexicon.dealt(values, self.split))

    def some(self, values, low: int, high: int) -> list:
        """Between `low` and `high` different ones, in a random order."""
        return self.rng.sample(list(values), self.rng.randint(low, high))

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self.rng.randint(low, high)

    def steps(self, low: int, high: int, scale: int) -> float:
        """`randint(low, high) / scale`: an exact decimal."""
        return self.rng.randint(low, high) / scale

    def price(self, low: int, high: int) -> int:
        """A price in cents as shops make them: often ending in 9, 5 or 0."""
        cents = self.rng.randint(low, high)
        return cents if self.chance(0.4) else cents - cents % 10 + self.one((0, 5, 9))

    def code(self, pattern: str) -> str:
        """A pattern with `#` filled by digits and `@` by letters."""
        fill = {"#": lambda: str(self.rng.randint(0, 9)), "@": lambda: self.one(lexicon.LETTERS)}
        return "".join(fill[c]() if c in fill else c for c in pattern)

    def settle(self, *codes: str) -> None:
        """Move this case to one of these countries, before anything of a country is drawn."""
        self.place = self.rng.choice([place for place in lexicon.PLACES if place.code in codes])

    def date(self, *, months: range = range(1, 13)) -> date:
        """A day of the world's two and a half years, in one of these months."""
        while True:
            day = FIRST_DAY + timedelta(days=self.rng.randrange(DAYS))
            if day.month in months:
                return day

    def later(self, day: date, low: int, high: int) -> date:
        """A day between `low` and `high` days after another (before it, if negative)."""
        return day + timedelta(days=self.rng.randint(low, high))

    def workday(self) -> date:
        """A day from Monday to Friday that is no holiday."""
        while True:
            if _open(day := self.date()):
                return day

    def workday_near(self, day: date, low: int, high: int) -> date:
        """A workday between `low` and `high` days after another, or a little further off."""
        while not _open(found := self.later(day, low, high)):
            low, high = low - (low < 0), high + (high > 0)
        return found

    def clock(self, low: int, high: int, *, step: int = 15) -> str:
        """A time of day from `low` o'clock to before `high` o'clock, on a step of minutes."""
        minutes = self.rng.randrange(low * 60, high * 60, step)
        return hhmm(minutes)

    def person(self) -> Person:
        """Somebody of this case's country whose names are new in this case."""
        first, last = self._new(self.place.first), self._new(lexicon.dealt(self.place.last, self.split))
        return Person(first, last, self.place)

    def doctor(self) -> str:
        """A clinician with a title."""
        return f"{self.one(('Dr', 'Dr', 'Dr', 'Nurse', 'Prof.'))} {self.person().last}"

    def firm(self) -> str:
        """A company that has not been named in this case."""
        return self._new(lexicon.dealt(lexicon.FIRMS, self.split))

    def _new(self, names: tuple[str, ...]) -> str:
        """A name that this case has not used, as long as there is one."""
        name = self.one([n for n in names if n not in self._taken] or names)
        self._taken.add(name)
        return name

    def street(self) -> str:
        """Street and house number in the country's order."""
        street, number = self.one(self.place.streets), self.between(1, 148)
        return f"{number} {street}" if self.place.number_first else f"{street} {number}"

    def town(self) -> tuple[str, str]:
        """A town and one of its postcodes."""
        town, pattern = self.one(self.place.towns)
        return town, self.code(pattern)

    def phone(self) -> str:
        """A telephone number without its spaces; `phones` keeps how it is written, in groups."""
        spoken = self.code(self.one(self.place.phone))
        number = spoken.replace(" ", "")
        self.phones[number] = spoken
        return number

    def plate(self) -> str:
        """A number plate of this case's country."""
        return self.code(self.one(self.place.plate))

    def email(self, person: Person) -> str:
        """An address at a domain reserved for examples."""
        first, last = (_ascii(name.lower()) for name in (person.first, person.last))
        user = self.one((f"{first}.{last}", f"{first[0]}.{last}", f"{first}{self.between(2, 99)}"))
        return f"{user}@{self.one(('example.com', 'example.org', 'example.net', 'mail.example'))}"


def _open(day: date) -> bool:
    return day.weekday() < 5 and (day.month, day.day) not in HOLIDAYS


def hhmm(minutes: int) -> str:
    """Minutes after midnight as a time of day."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _ascii(name: str) -> str:
    """A name as mail systems take it: `möller` -> `moeller`, `lefèvre` -> `lefevre`."""
    spelt = name.translate(str.maketrans({"ü": "ue", "ö": "oe", "ä": "ae", "ß": "ss", " ": ""}))
    return unicodedata.normalize("NFKD", spelt).encode("ascii", "ignore").decode()
