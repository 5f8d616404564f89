"""What happens to texts on their way: five kinds of noise, none of which loses a value.

    ocr            misread letters, stray marks, lines broken in the wrong place
    speech         no punctuation or capitals, fillers, repeated words, words that sound alike
    typos          letters swapped, dropped, doubled, or struck on the next key
    abbreviations  what people shorten when they are in a hurry
    distractors    sentences about something else, with dates, amounts and codes of their own

Noise falls on the words around the evidence. On evidence itself it falls only where a named
normalisation (`normalise`: respaced, respelt, recased, email_words) reads the value back, which is
tried before the change is kept. What a person could no longer read is never made.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from slmlib.textgen import parsers
from slmlib.textgen.formats import write_value
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import PROSE, Passage

WORDS = Path(__file__).parent / "noise_words"
REGISTERS = {  # kind -> registers that it can befall
    "ocr": ("receipt", "invoice", "delivery_note", "form", "letter", "report", "note", "listing", "minutes"),
    "speech": ("call", "voice", "note", "minutes"),
    "typos": ("chat", "email", "note", "letter", "report", "listing", "minutes", "form"),
    "abbreviations": ("chat", "email", "note", "report", "listing", "minutes", "letter"),
    "distractors": tuple(PROSE),
}
KINDS = tuple(REGISTERS)
SHORT = 100  # characters; a longer text needs two changes to count as noisy


@dataclass(frozen=True)
class Edit:
    """New words for a stretch of the text, with the rule that reads them if it is evidence."""

    start: int
    end: int
    words: str
    rule: str | None = None


@dataclass(frozen=True)
class Leaf:
    """A piece of evidence that no other piece touches, and the value that it stands for."""

    start: int
    end: int
    rule: str
    value: object


class TooClean(Exception):
    """A text in which this kind of noise finds too little to change."""


def disturb(passage: Passage, kind: str, values: dict[str, object], ctx: SamplingContext) -> Passage:
    """The passage under one kind of noise.

    Args:
        passage: A text and its evidence.
        kind: One of `KINDS`.
        values: JSON Pointer -> value of every leaf, against which evidence is read back.
        ctx: The only source of chance, and of the distractors' facts.

    Raises:
        TooClean: there was nothing to change, or just one place in a longer text.
    """
    edits = _apart(_MAKERS[kind](passage, values, ctx))
    if len(edits) < (2 if len(passage.text) > SHORT and kind != "distractors" else 1):
        raise TooClean(kind)
    return _edited(passage, edits)


def _apart(edits: Iterator[Edit]) -> list[Edit]:
    """The edits in order, without those that reach into an earlier one."""
    kept: list[Edit] = []
    for edit in sorted(edits, key=lambda e: (e.start, e.end)):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return kept


def _edited(passage: Passage, edits: list[Edit]) -> Passage:
    pieces, last, moved = [], 0, []
    for edit in edits:
        pieces += [passage.text[last : edit.start], edit.words]
        last = edit.end
        moved.append((edit, len(edit.words) - (edit.end - edit.start)))
    evidence = {pointer: _moved(place, moved) for pointer, place in passage.evidence.items()}
    return Passage("".join([*pieces, passage.text[last:]]), evidence)


def _moved(place: dict, moved: list[tuple[Edit, int]]) -> dict:
    start, end, rule = place["start"], place["end"], place["rule"]
    for edit, growth in moved:
        if edit.start >= place["end"]:
            break
        if edit.end <= place["start"]:
            start, end = start + growth, end + growth
        else:
            end, rule = end + growth, edit.rule or rule
    return {"start": start, "end": end, "rule": rule}


# Where noise may fall ---------------------------------------------------------------------------


def _leaves(passage: Passage, values: dict[str, object]) -> list[Leaf]:
    places = passage.evidence.values()
    touched = [sum(p["start"] < q["end"] and q["start"] < p["end"] for q in places) > 1 for p in places]
    return [
        Leaf(place["start"], place["end"], place["rule"], values[pointer])
        for (pointer, place), shared in zip(passage.evidence.items(), touched, strict=True)
        if not shared
    ]


def _free(passage: Passage) -> list[tuple[int, int]]:
    """Stretches of the text that are no evidence."""
    free, last = [], 0
    for place in sorted(passage.evidence.values(), key=lambda p: p["start"]):
        free.append((last, place["start"]))
        last = max(last, place["end"])
    return [(start, end) for start, end in [*free, (last, len(passage.text))] if start < end]


def _words(passage: Passage, pattern: str = r"(?<!\w)[^\W\d_]{2,}(?!\w)") -> Iterator[re.Match]:
    """Words of the free text, or whatever else the pattern finds in it."""
    for start, end in _free(passage):
        yield from re.compile(pattern).finditer(passage.text, start, end)


def _readable(leaf: Leaf, words: str, mend: str) -> list[Edit]:
    """The edit of a leaf, if its value can still be read."""
    rule = mend if mend in parsers.NORMALISATIONS else f"{mend}+{leaf.rule}"
    try:
        kept = parsers.apply(rule, words) == leaf.value
    except (KeyError, ValueError, AttributeError, TypeError):
        kept = False
    return [Edit(leaf.start, leaf.end, words, rule)] if kept else []


# The kinds ---------------------------------------------------------------------------------------

MISREAD = (("rn", "m"), ("m", "rn"), ("cl", "d"), ("l", "1"), ("o", "0"), ("e", "c"), ("h", "b"),
           ("S", "5"), ("I", "l"), ("i", "j"), ("u", "ii"), ("B", "8"), ("ff", "f"), ("w", "vv"))  # fmt: skip
NEXT_KEY = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wertyuiopusdfghjkldxcvbnmn", strict=True))
FILLERS = ("uh", "um", "er", "you know", "I mean", "like", "sort of", "right")


def _ocr(passage: Passage, values: dict[str, object], ctx: SamplingContext) -> Iterator[Edit]:
    for word in _words(passage):
        if len(word[0]) >= 4 and ctx.chance(0.2):
            yield Edit(*word.span(), _misread(word[0], ctx.rng))
    for gap in _words(passage, r"(?<=\S) (?=\S)"):
        if ctx.chance(0.05):
            yield Edit(*gap.span(), ctx.one(("\n", "  ", " ' ", " ~ ", " . ")))
    for leaf in _leaves(passage, values):
        words = passage.text[leaf.start : leaf.end]
        if leaf.rule in parsers.SPELT and ctx.chance(0.5):
            yield from _readable(leaf, _respelt(words, ctx.rng, _misread), "respelt")
        elif " " in words and ctx.chance(0.4):
            yield from _readable(leaf, words.replace(" ", ctx.one(("  ", "\n")), 1), "respaced")


def _misread(word: str, rng: Random) -> str:
    found = [(a, b) for a, b in MISREAD if a in word[1:]]
    if not found:
        return word[:-1] + "."
    seen, read = rng.choice(found)
    return word[0] + word[1:].replace(seen, read, 1)


def _respelt(words: str, rng: Random, slip: Callable[[str, Random], str]) -> str:
    """One of the longer words of a phrase, misspelt."""
    long = list(re.finditer(r"[^\W\d_]{5,}", words))
    if not long:
        return words
    word = rng.choice(long)
    return words[: word.start()] + slip(word[0], rng) + words[word.end() :]


def _speech(passage: Passage, values: dict[str, object], ctx: SamplingContext) -> Iterator[Edit]:
    """Speakers stay named, as a transcript names them; the rest is what a recogniser writes."""
    sounds = _pairs("homophones")
    for found in _words(passage, _SPOKEN):
        if not found["speaker"]:
            yield from _heard(found, sounds, ctx)
    for leaf in _leaves(passage, values):
        words = passage.text[leaf.start : leaf.end]
        if "@" in words:
            yield from _readable(leaf, words.replace("@", " at ").replace(".", " dot "), "email_words")
        elif leaf.rule in ("verbatim", "lower_first") and words != words.lower():
            yield from _readable(leaf, words.lower(), "recased")


_SPOKEN = (
    r"(?m)(?P<speaker>^[\w .'-]{1,24}:(?= ))|[^\W\d_]+(?:['’][a-z]+)?|[.,;:!?()\"“”–—](?= |$)|[()\"“”–—]"
)


def _heard(found: re.Match, sounds: dict[str, str], ctx: SamplingContext) -> Iterator[Edit]:
    word = found[0].lower()
    if not word[0].isalpha():
        yield Edit(*found.span(), "")
    elif word in sounds and ctx.chance(0.5):
        yield Edit(*found.span(), sounds[word])
    elif ctx.chance(0.05):
        yield Edit(*found.span(), f"{ctx.one(FILLERS).lower()} {word}")
    elif ctx.chance(0.03):
        yield Edit(*found.span(), f"{word} {word}")
    elif found[0] != word:
        yield Edit(*found.span(), word)


def _typos(passage: Passage, values: dict[str, object], ctx: SamplingContext) -> Iterator[Edit]:
    for word in _words(passage):
        if len(word[0]) >= 4 and ctx.chance(0.18):
            yield Edit(*word.span(), _mistyped(word[0], ctx.rng))
    for leaf in _leaves(passage, values):
        if leaf.rule in parsers.SPELT and ctx.chance(0.6):
            words = _respelt(passage.text[leaf.start : leaf.end], ctx.rng, _mistyped)
            yield from _readable(leaf, words, "respelt")


def _mistyped(word: str, rng: Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    here, after = word[at], word[at + 1]
    slips = [word[:at] + word[at + 1 :], word[:at] + here + word[at:], word[:at] + NEXT_KEY.get(here, here)
             + word[at + 1 :]] + [word[:at] + after + here + word[at + 2 :]] * 2  # fmt: skip
    changed = [slip for slip in slips if slip != word]
    return rng.choice(changed)


def _abbreviations(passage: Passage, values: dict[str, object], ctx: SamplingContext) -> Iterator[Edit]:
    short = _pairs("abbreviations")
    for word in _words(passage):
        if word[0].lower() in short and ctx.chance(0.85):
            said = short[word[0].lower()]
            yield Edit(*word.span(), said.capitalize() if word[0][0].isupper() else said)
        elif len(word[0]) >= 6 and word[0].islower() and ctx.chance(0.3):
            yield Edit(*word.span(), word[0][0] + re.sub("[aeiou]", "", word[0][1:]))
    for leaf in _leaves(passage, values):
        words = passage.text[leaf.start : leaf.end]
        cut = re.sub(r"\b([A-Z][a-z]{2})(?!y\b)[a-z]+day\b|\b([A-Z][a-z]{2})[a-z]{2,}\b", r"\1\2", words)
        if leaf.rule == "day" and cut != words:
            yield from _readable(leaf, cut, "day")


def _distractors(passage: Passage, values: dict[str, object], ctx: SamplingContext) -> Iterator[Edit]:
    """Asides behind sentences that end a line or stand inside prose."""
    ends = list(_words(passage, r"(?<=\w)[.?!](?= [A-Z]|\n|$)")) or [
        m for m in re.finditer(r"(?m)(?<=\w)$", passage.text) if _outside(m.start(), passage)
    ]
    asides = ctx.some(_lines("distractors"), 1, 3)
    for place, aside in zip(ctx.some(ends, min(len(ends), 3), min(len(ends), 3)), asides, strict=False):
        stop = "" if place[0] else "."
        yield Edit(*place.span(), f"{place[0]}{stop} {_told(aside, ctx)}")


def _outside(at: int, passage: Passage) -> bool:
    return all(at <= place["start"] or at >= place["end"] for place in passage.evidence.values())


def _told(aside: str, ctx: SamplingContext) -> str:
    """An aside with its facts filled in."""
    facts: dict[str, Callable[[], str]] = {
        "person": lambda: ctx.person().name,
        "firm": ctx.firm,
        "town": lambda: ctx.town()[0],
        "date": lambda: _date(ctx),
        "time": lambda: ctx.clock(7, 20),
        "amount": lambda: _amount(ctx, 4000, 48000),
        "small": lambda: _amount(ctx, 100, 2500),
        "number": lambda: str(ctx.between(2, 90)),
        "code": lambda: ctx.code(ctx.one(("@@-####", "######", "@###/##"))),
        "phone": lambda: ctx.phones[ctx.phone()],
    }  # fmt: skip
    return re.sub(r"\{(\w+)\}", lambda m: facts[m[1]](), aside)


def _date(ctx: SamplingContext) -> str:
    style = ctx.one(("long", "us", "ordinal"))
    return write_value(ctx.date().isoformat(), style, ctx.rng, ctx.place.currency)[0]


def _amount(ctx: SamplingContext, low: int, high: int) -> str:
    return write_value(ctx.price(low, high) / 100, "symbol", ctx.rng, ctx.place.currency)[0]


@cache
def _lines(name: str) -> tuple[str, ...]:
    return tuple((WORDS / f"{name}.txt").read_text("utf-8").splitlines())


@cache
def _pairs(name: str) -> dict[str, str]:
    """Lines `word: what it becomes` of a file."""
    return dict(line.split(": ", 1) for line in _lines(name))


_MAKERS: dict[str, Callable[[Passage, dict[str, object], SamplingContext], Iterator[Edit]]] = {
    "ocr": _ocr,
    "speech": _speech,
    "typos": _typos,
    "abbreviations": _abbreviations,
    "distractors": _distractors,
}
