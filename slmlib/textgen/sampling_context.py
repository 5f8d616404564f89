"""Plausible people, addresses, numbers and dates, drawn from one explicit random generator.

Only methods of `random.Random` are used whose streams are the same in Python 3.11 to 3.14. Money
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
DAYS = 900  # dates are drawn from this many days after the first


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
    """Draws everything that the record and the text of one case need, all from one country.

    The role, "train", "val" or "test", says which surnames and firms may occur.
    """

    def __init__(self, rng: Random, role: str):
        self.rng, self.role = rng, role
        self.place = rng.choice(lexicon.PLACES)
        self.phones: dict[str, str] = {}  # number -> the same with spaces, as people say it
        self._used: set[str] = set()

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self.rng.random() < share

    def one(self, values):
        """One of a sequence."""
        return self.rng.choice(values)

    def assigned(self, values):
        """One of the values of a sequence that are assigned to this role."""
        return self.rng.choice(lexicon.assigned(values, self.role))

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
        """A price in cents as in shops: often ending in 9, 5 or 0."""
        cents = self.rng.randint(low, high)
        return cents if self.chance(0.4) else cents - cents % 10 + self.one((0, 5, 9))

    def code(self, pattern: str) -> str:
        """A pattern with `#` replaced by digits and `@` by letters."""
        fill = {"#": lambda: str(self.rng.randint(0, 9)), "@": lambda: self.one(lexicon.LETTERS)}
        return "".join(fill[c]() if c in fill else c for c in pattern)

    def settle(self, *codes: str) -> None:
        """Choose the country again, among these; call it before drawing anything local."""
        self.place = self.rng.choice([place for place in lexicon.PLACES if place.code in codes])

    # Dates and times

    def date(self, *, months: range = range(1, 13)) -> date:
        """A day of two and a half years, in one of these months."""
        while True:
            day = FIRST_DAY + timedelta(days=self.rng.randrange(DAYS))
            if day.month in months:
                return day

    def later(self, day: date, low: int, high: int) -> date:
        """A day between `low` and `high` days after another (before it, if negative)."""
        return day + timedelta(days=self.rng.randint(low, high))

    def workday(self) -> date:
        """A day from Monday to Friday that is not a holiday."""
        while not _is_workday(day := self.date()):
            pass
        return day

    def workday_near(self, day: date, low: int, high: int) -> date:
        """A workday between `low` and `high` days after another, or a little further away."""
        while not _is_workday(near := self.later(day, low, high)):
            low, high = low - (low < 0), high + (high > 0)
        return near

    def clock(self, low: int, high: int, *, step: int = 15) -> str:
        """A time of day from `low` to before `high` o'clock, in steps of minutes."""
        return hhmm(self.rng.randrange(low * 60, high * 60, step))

    # People, firms and addresses

    def person(self) -> Person:
        """A person from this country whose names are new in this case."""
        first = self._unused(self.place.first)
        last = self._unused(lexicon.assigned(self.place.last, self.role))
        return Person(first, last, self.place)

    def doctor(self) -> str:
        """A clinician with a title."""
        return f"{self.one(('Dr', 'Dr', 'Dr', 'Nurse', 'Prof.'))} {self.person().last}"

    def firm(self) -> str:
        """A company that is new in this case."""
        return self._unused(lexicon.assigned(lexicon.FIRMS, self.role))

    def _unused(self, names: tuple[str, ...]) -> str:
        """A name that this case has not used, as long as there is one."""
        name = self.one([n for n in names if n not in self._used] or names)
        self._used.add(name)
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
        """A telephone number without spaces; `phones` keeps the spoken form."""
        spoken = self.code(self.one(self.place.phone))
        number = spoken.replace(" ", "")
        self.phones[number] = spoken
        return number

    def plate(self) -> str:
        """A number plate of this country."""
        return self.code(self.one(self.place.plate))

    def email(self, person: Person) -> str:
        """An address at a domain reserved for examples."""
        first, last = (_ascii(name.lower()) for name in (person.first, person.last))
        user = self.one((f"{first}.{last}", f"{first[0]}.{last}", f"{first}{self.between(2, 99)}"))
        return f"{user}@{self.one(('example.com', 'example.org', 'example.net', 'mail.example'))}"

    def surroundings(self) -> dict:
        """The context of any text: distractors, and how telephone numbers and amounts are said."""
        return {
            "agent": self.person().first,
            "sender": self.person().name,
            "friend": self.person().first,
            "firm": self.firm(),
            "phones": self.phones,
            "currency": self.place.currency,
        }


def _is_workday(day: date) -> bool:
    return day.weekday() < 5 and (day.month, day.day) not in HOLIDAYS


def hhmm(minutes: int) -> str:
    """Minutes after midnight as a time of day."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _ascii(name: str) -> str:
    """A name as in e-mail addresses: `möller` -> `moeller`, `lefèvre` -> `lefevre`."""
    spelt = name.translate(str.maketrans({"ü": "ue", "ö": "oe", "ä": "ae", "ß": "ss", " ": ""}))
    return unicodedata.normalize("NFKD", spelt).encode("ascii", "ignore").decode()
