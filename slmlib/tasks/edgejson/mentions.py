"""Find a value in a text: as it is written, or in a notation that `textgen.parsers` reads.

The parsers turn a span of text into a value; this module finds the spans. Words that noise has
misspelt are not corrected.
"""

import re
from contextlib import suppress
from functools import lru_cache
from itertools import accumulate

from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.textgen import parsers
from slmlib.textgen.parsers import CURRENCIES, MONTHS, TENS, UNITS

_WORD = re.compile(r"[^\W_]+")
_MONTH = rf"(?:{'|'.join(name[:3] for name in MONTHS)})[a-z]*"
_DAY = rf"\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH},? \d{{4}}|{_MONTH} \d{{1,2}},? \d{{4}}"
_NUMERAL = rf"(?:{'|'.join((*UNITS, *TENS[1:], 'hundred', 'thousand'))})\b"
_NUMERALS = rf"{_NUMERAL}(?:(?: and |[ -]){_NUMERAL}){{0,9}}"  # any number below a million
_SAID = (
    rf"(?:half|quarter|{_NUMERALS}) (?:past|to) {_NUMERAL}|{_NUMERALS}(?: oh {_NUMERAL}| o'clock)?"
)
_EDGE = r"(?:(?<!\w)|(?!\w))"  # not inside a word
_FIGURES = (r"(?:\d{1,3}(?:,\d{3})++|\d++)(?:\.\d++)?+", r"\d{1,3}(?: \d{3})++(?:\.\d++)?+")
_NOTATIONS = (  # a rule, and the spans that it reads
    ("number_words", rf"{_NUMERALS}(?: point(?: {_NUMERAL}){{1,9}})?|once|twice"),
    ("amount_words", rf"{_NUMERALS} (?:euro|pound|dollar)s?(?: (?:oh )?{_NUMERALS})?"),
    ("currency", "|".join(map(re.escape, CURRENCIES))),
    ("day", rf"{_DAY}|\d{{1,2}}([./])\d{{1,2}}\1\d{{4}}"),
    ("day_words", rf"the [a-z-]+ of {_MONTH} {_NUMERALS}(?: oh {_NUMERAL})?"),
    ("clock", r"\d{1,2}(?:[:.]\d\d)? ?[ap]\.?m\.?|\d{1,2}[:.]\d\d|\d{4}h"),
    ("clock_words", rf"noon|midday|midnight|(?:{_SAID}) in the (?:morning|afternoon|evening)"),
    ("utc", r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d ?(?:Z|UTC)"),
    ("utc", rf"(?:{_DAY}),? (?:at )?\d\d:\d\d(?: hours)? UTC"),
    (
        "email_words",
        r"[\w.+-]{1,64}(?: dot [\w+-]{1,64}){0,4} at [\w-]{1,64}(?: dot [\w-]{1,64}){1,4}",
    ),
)
_SPANS = [
    *(("number", re.compile(span)) for span in _FIGURES),  # letters may touch them: `5x120L`
    *((rule, re.compile(rf"{_EDGE}(?:{span}){_EDGE}", re.IGNORECASE)) for rule, span in _NOTATIONS),
]


def mentions(text: str, value, rule: str = "verbatim") -> bool:
    """Decide if a text gives a value, whatever it gives it for.

    A string counts in any case, spacing and punctuation if it begins and ends where words do, and a
    number whatever its sign. If the field has a phrase table, the phrases of the value count too;
    true and false have no other notation.

    Args:
        text: where to look.
        value: a JSON scalar.
        rule: the normalisation of the field, which may name its phrase table.
    """
    forms = PHRASES.get(rule.rpartition("+")[2].removeprefix(parsers.PHRASE), {}).values()
    phrases = [phrase for form in forms for phrase in form.get(value, ())]
    if isinstance(value, str):
        phrases.append(value)
    if any(_contains(text, phrase) for phrase in phrases):
        return True
    number = type(value) in (int, float)
    return type(value) is not bool and (abs(value) if number else value) in _readings(text)


def fold(value):
    """A string's letters and digits in one case, or its punctuation; other values as they are."""
    if not isinstance(value, str):
        return value
    return "".join(_WORD.findall(value.casefold())) or value.strip()


def _contains(text: str, phrase: str) -> bool:
    phrase = fold(phrase)
    if not _WORD.search(phrase):
        return phrase != "" and phrase in text
    letters, bounds = _words(text)
    place = letters.find(phrase)
    while place >= 0 and not {place, place + len(phrase)} <= bounds:
        place = letters.find(phrase, place + 1)
    return place >= 0


@lru_cache(maxsize=1024)
def _words(text: str) -> tuple[str, set[int]]:
    """The folded text, and where its words begin and end."""
    words = _WORD.findall(text.casefold())
    return "".join(words), {0, *accumulate(map(len, words))}


@lru_cache(maxsize=1024)
def _readings(text: str) -> frozenset:
    """All values that the parsers read in a text."""
    text, values = " ".join(text.split()), set()
    for rule, pattern in _SPANS:
        for span in pattern.finditer(text):
            with suppress(ValueError):  # such as 31 April, or words that are not a number
                values.add(parsers.apply(rule, span[0]))
    return frozenset(values)
