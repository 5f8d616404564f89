"""Sequences of sentences: joined, listed, made casual. Marks of evidence in them stay intact."""

import re
from random import Random

from slmlib.textgen.lexicon import words

FUNCTION_WORDS = frozenset(
    words(
        "the it a an this they we there on in at from for by its their please that you your our he "
        "she with to until as of what before about one if"
    )
)
PRONOUNS = frozenset(words("it they its their this he she"))  # their reference changes after "and"
MAX_JOINED = 150  # characters of two sentences that may become one
_MARKS = re.compile("\ue000\\d+\ue001|\ue002")


def width(marked: str) -> int:
    """Number of visible characters: marks of evidence do not count."""
    return len(_MARKS.sub("", marked))


def first_word(text: str) -> str:
    """The capitalised first word of a sentence in lower case; "" if it begins with a value."""
    match = re.match(r"[A-Z][a-z]*\b", text)
    return match[0].lower() if match else ""


def joined(texts: list[str], share: float, rng: Random) -> str:
    """Sentences in sequence, a share of them joined by a conjunction or a semicolon."""
    sentences: list[str] = []
    for text in texts:
        if sentences and rng.random() < share and _can_join(sentences[-1], text):
            conjunction = rng.choice((", and ", ", and ", "; "))
            sentences[-1] = f"{sentences[-1][:-1]}{conjunction}{text[0].lower()}{text[1:]}"
        else:
            sentences.append(text)
    return " ".join(sentences)


def _can_join(first: str, second: str) -> bool:
    """True if both are short and plain, and the second does not begin with a pronoun."""
    plain = first.endswith(".") and second.endswith(".")
    plain = plain and not re.search(r"[:;\n?!]|, and ", first + second)
    opening = first_word(second)
    common = opening in FUNCTION_WORDS and opening not in PRONOUNS
    return plain and common and width(first + second) < MAX_JOINED


def with_bullets(text: str) -> str:
    """Punctuate a sentence that ends in a bulleted list: a colon before it, no stop after it."""
    head, bullet, items = text.partition("\n- ")
    if not bullet:
        return text
    return f"{head.rstrip().removesuffix(':')}:\n- {items.rstrip('.')}"


def casual(text: str) -> str:
    """A sentence as typed in a chat: no full stop, an ordinary first word in lower case."""
    if first_word(text) in FUNCTION_WORDS:
        text = text[0].lower() + text[1:]
    return text.removesuffix(".")


def spoken(texts: list[str]) -> str:
    """Sentences and fragments of one speaker: a stop or a comma where a fragment has none."""
    speech = texts[0]
    for text in texts[1:]:
        if speech[-1] not in ".!?":
            speech += "." if text[:1].isupper() else ","
        speech += f" {text}"
    return speech
