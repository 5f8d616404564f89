"""Sentences after one another: joined, listed, made casual. Marks of evidence in them stay whole."""

import re
from random import Random

from slmlib.textgen.lexicon import words

FUNCTION_WORDS = frozenset(
    words(
        "the it a an this they we there on in at from for by its their please that you your our he she with "
        "to until as of what before about one if"
    )
)
LEANING = frozenset(words("it they its their this he she"))  # what they mean changes after a conjunction
_MARKS = re.compile("\ue000\\d+\ue001|\ue002")


def width(marked: str) -> int:
    """Characters that will be seen: the marks of evidence are not."""
    return len(_MARKS.sub("", marked))


def first_word(text: str) -> str:
    """The capitalised word with which a sentence begins, in small letters; none if it is a value."""
    match = re.match(r"[A-Z][a-z]*\b", text)
    return match[0].lower() if match else ""


def leans(text: str) -> bool:
    """True of a sentence that begins with a pronoun."""
    return first_word(text) in LEANING


def woven(texts: list[str], share: float, rng: Random) -> str:
    """Sentences after one another, a share of them made one with a conjunction or a semicolon."""
    made: list[str] = []
    for text in texts:
        if made and rng.random() < share and _joinable(made[-1], text):
            joint = rng.choice((", and ", ", and ", "; "))
            made[-1] = f"{made[-1][:-1]}{joint}{text[0].lower()}{text[1:]}"
        else:
            made.append(text)
    return " ".join(made)


def _joinable(one: str, other: str) -> bool:
    """True if two sentences can be one: short, plain, and the second does not lean on the first."""
    plain = one.endswith(".") and other.endswith(".") and not re.search(r"[:;\n?!]|, and ", one + other)
    return plain and first_word(other) in FUNCTION_WORDS - LEANING and width(one + other) < 150


def listed_apart(text: str) -> str:
    """A sentence that ends in a list on lines of its own: a colon before it, no full stop after it."""
    head, found, tail = text.partition("\n- ")
    if not found:
        return text
    return f"{head.rstrip().removesuffix(':')}:\n- {tail.rstrip('.')}"


def casual(text: str) -> str:
    """A sentence as it is typed: small at the beginning if that is an ordinary word, no full stop."""
    if first_word(text) in FUNCTION_WORDS:
        text = text[0].lower() + text[1:]
    return text.removesuffix(".")


def spoken(texts: list[str]) -> str:
    """What one speaker says: a stop or a comma where a fragment has none."""
    whole = texts[0]
    for text in texts[1:]:
        mark = "" if whole[-1] in ".!?" else "." if text[:1].isupper() else ","
        whole += f"{mark} {text}"
    return whole
