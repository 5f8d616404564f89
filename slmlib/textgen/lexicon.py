"""Names, places and firms, grouped so that they fit together; the lists are in `words/`.

A `Place` keeps the names, towns, postcodes, streets, telephone numbers and currency of one country
together. Surnames and firms are assigned to train, val and test (`assigned`), so that no test case
names a person or a company that training has seen.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from slmlib.textgen.phrase_tables import blocks

FOLDER = Path(__file__).parent / "words"
LETTERS = "ABCDEFGHJKLMNPRSTVWXY"  # none that could be read as a digit
FIRM_NAMES: set[str] = set()  # of every firm, shop, hotel and carrier that a text may mention


@dataclass(frozen=True)
class Place:
    """One country's names and formats; `#` in a pattern stands for a digit, `@` for a letter."""

    code: str
    currency: str
    first: tuple[str, ...]
    last: tuple[str, ...]
    streets: tuple[str, ...]
    number_first: bool  # 12 Mill Lane, or Lindenstraße 12
    towns: tuple[tuple[str, str], ...]  # (town, postcode pattern)
    phone: tuple[str, ...]
    plate: tuple[str, ...]


def words(text: str) -> tuple[str, ...]:
    """Words and names separated by white space; `_` stands for a space within a name."""
    return tuple(word.replace("_", " ") for word in text.split())


def lines(name: str) -> tuple[str, ...]:
    """The lines of a word list."""
    return tuple((FOLDER / f"{name}.txt").read_text("utf-8").splitlines())


def firms(text: str) -> tuple[str, ...]:
    """Names of firms to be assigned by role; checks look for all of them in every text."""
    FIRM_NAMES.update(words(text))
    return words(text)


@cache
def assigned(values: tuple, role: str) -> tuple:
    """The values for a role: of every five the fourth is for test, the fifth for val."""
    if role not in ("train", "val", "test"):
        raise ValueError(f"{role!r} is not a role of a split. Valid: train, val, test.")
    roles = ("train", "train", "train", "test", "val")
    return tuple(value for i, value in enumerate(values) if roles[i % 5] == role)


def held_out_names() -> set[str]:
    """All names that are assigned by role: surnames, firms, shops, hotels and carriers."""
    return FIRM_NAMES | {name for place in PLACES for name in place.last}


def _place(code: str, text: str) -> Place:
    entries = dict(line.split(": ", 1) for line in text.splitlines())
    lists = {key: tuple(value.split(", ")) for key, value in entries.items()}
    number_first = entries["number"] == "before the street"
    towns = tuple(tuple(town.split(" ", 1)) for town in lists["towns"])
    names = (lists[key] for key in ("first", "last", "streets"))
    return Place(
        code, entries["currency"], *names, number_first, towns, lists["phone"], lists["plate"]
    )


PLACES = tuple(_place(code, text) for code, text in blocks(FOLDER / "places.txt"))
FIRMS = lines("firms")
FIRM_NAMES.update(FIRMS)
