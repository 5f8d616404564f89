"""Noise: five kinds of damage that keep every value readable.

    ocr            misread letters, stray marks, lines broken in the wrong place
    speech         no punctuation or capitals, fillers, repeated words, words that sound alike
    typos          letters swapped, dropped, doubled, or struck on the next key
    abbreviations  what people shorten when they are in a hurry
    distractors    sentences about something else, with dates, amounts and codes of their own

Noise changes the words around the evidence. It changes evidence itself only where a rule of
`parsers` (respaced, respelt, recased, email_words) still reads the value, which is tried before
the change is accepted.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from random import Random

from slmlib.textgen import lexicon, parsers
from slmlib.textgen.formats import write_value
from slmlib.textgen.phrase_tables import NO_PHRASES, PhraseTables
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import PROSE, Passage

SHORT = 100  # characters; a longer text needs two changes to count as noisy
_MISREADINGS = "rn>m m>rn cl>d l>1 o>0 e>c h>b S>5 I>l i>j u>ii B>8 ff>f w>vv"
MISREAD = tuple(pair.split(">") for pair in lexicon.words(_MISREADINGS))
NEXT_KEY = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wertyuiopusdfghjkldxcvbnmn", strict=True))
FILLERS = ("uh", "um", "er", "you know", "I mean", "like", "sort of", "right")
_PAPERS = ("letter", "report", "note", "listing", "minutes")
REGISTERS = {  # kind of noise: registers of texts that can have it
    "ocr": ("receipt", "invoice", "delivery_note", "form", *_PAPERS),
    "speech": ("call", "voice", "note", "minutes"),
    "typos": ("chat", "email", "form", *_PAPERS),
    "abbreviations": ("chat", "email", *_PAPERS),
    "distractors": PROSE,
}
KINDS = tuple(REGISTERS)


@dataclass(frozen=True)
class Edit:
    """New words for a stretch of the text; `rule` reads them, if they are evidence."""

    start: int
    end: int
    words: str
    rule: str | None = None


class TooClean(Exception):
    """A text in which this kind of noise finds too little to change."""


def disturb(
    passage: Passage,
    kind: str,
    values: dict[str, object],
    ctx: SamplingContext,
    phrases: PhraseTables = NO_PHRASES,
) -> Passage:
    """Put one kind of noise on a text.

    Args:
        passage: A text and its evidence.
        kind: One of `KINDS`.
        values: JSON Pointer -> value of every leaf, against which changed evidence is read back.
        ctx: The only source of randomness, and of the distractors' facts.
        phrases: The tables of `phrase.` rules.

    Raises:
        TooClean: there was nothing to change, or just one place in a longer text.
    """
    text, edits = _Text(passage, values, phrases), []
    for edit in sorted(_MAKERS[kind](text, ctx), key=lambda e: (e.start, e.end)):
        if not edits or edit.start >= edits[-1].end:  # none reaches into an earlier one
            edits.append(edit)
    if len(edits) < (2 if len(passage.text) > SHORT and kind != "distractors" else 1):
        raise TooClean(kind)
    pieces, last = [], 0
    for edit in edits:
        pieces += [passage.text[last : edit.start], edit.words]
        last = edit.end
    evidence = {pointer: _moved(place, edits) for pointer, place in passage.evidence.items()}
    return Passage("".join([*pieces, passage.text[last:]]), evidence)


def _moved(place: dict, edits: list[Edit]) -> dict:
    """A place of evidence after the edits."""
    start, end, rule = place["start"], place["end"], place["rule"]
    for edit in (edit for edit in edits if edit.start < place["end"]):
        growth = len(edit.words) - (edit.end - edit.start)
        end += growth
        if edit.end <= place["start"]:
            start += growth
        else:
            rule = edit.rule or rule
    return {"start": start, "end": end, "rule": rule}


class _Text:
    """A passage as noise sees it: where it may change words, and which evidence."""

    def __init__(self, passage: Passage, values: dict[str, object], phrases: PhraseTables):
        self.text, self.phrases = passage.text, phrases
        self.places = sorted(passage.evidence.values(), key=lambda place: place["start"])
        self.leaves = []  # (start, end, rule, value, words) of evidence that no other one touches
        for pointer, place in passage.evidence.items():
            start, end = place["start"], place["end"]
            if sum(p["start"] < end and start < p["end"] for p in self.places) <= 1:
                words = self.text[start:end]
                self.leaves.append((start, end, place["rule"], values[pointer], words))

    def words(self, pattern: str = r"(?<!\w)[^\W\d_]{2,}(?!\w)") -> Iterator[re.Match]:
        """Words that are not evidence, or other matches of a pattern there."""
        last, end = 0, {"start": len(self.text), "end": len(self.text)}
        for place in [*self.places, end]:
            if last < place["start"]:
                yield from re.compile(pattern).finditer(self.text, last, place["start"])
            last = max(last, place["end"])

    def edited(self, leaf: tuple, words: str, repair: str) -> list[Edit]:
        """The edit that gives a leaf other words, if its value can still be read."""
        start, end, rule, value, _ = leaf
        rule = repair if repair in parsers.PARSERS else f"{repair}+{rule}"
        with suppress(KeyError, ValueError, AttributeError, TypeError):
            if parsers.apply(rule, words, self.phrases) == value:
                return [Edit(start, end, words, rule)]
        return []


def _ocr(text: _Text, ctx: SamplingContext) -> Iterator[Edit]:
    for word in text.words():
        if len(word[0]) >= 4 and ctx.chance(0.2):
            yield Edit(*word.span(), _misread(word[0], ctx.rng))
    for gap in text.words(r"(?<=\S) (?=\S)"):
        if ctx.chance(0.05):
            yield Edit(*gap.span(), ctx.one(("\n", "  ", " ' ", " ~ ", " . ")))
    for leaf in text.leaves:
        *_, rule, _, words = leaf
        if _is_words(rule) and ctx.chance(0.5):
            yield from text.edited(leaf, _misspelt(words, ctx.rng, _misread), "respelt")
        elif " " in words and ctx.chance(0.4):
            yield from text.edited(leaf, words.replace(" ", ctx.one(("  ", "\n")), 1), "respaced")


def _misread(word: str, rng: Random) -> str:
    readings = [(seen, read) for seen, read in MISREAD if seen in word[1:]]
    if not readings:
        return word[:-1] + "."
    seen, read = rng.choice(readings)
    return word[0] + word[1:].replace(seen, read, 1)


def _is_words(rule: str) -> bool:
    """True for evidence that `respelt` can correct."""
    return rule in parsers.VOCABULARY or rule.startswith(parsers.PHRASE)


def _misspelt(words: str, rng: Random, slip: Callable[[str, Random], str]) -> str:
    """A phrase with a slip in one of its longer words."""
    long = list(re.finditer(r"[^\W\d_]{5,}", words))
    if not long:
        return words
    word = rng.choice(long)
    return words[: word.start()] + slip(word[0], rng) + words[word.end() :]


def _speech(text: _Text, ctx: SamplingContext) -> Iterator[Edit]:
    """The output of a speech recogniser; speakers keep their labels, as in a transcript."""
    sounds = _pairs("homophones")
    marks = r"[.,;:!?()\"“”–—](?= |$)|[()\"“”–—]"
    for match in text.words(
        rf"(?m)(?P<speaker>^[\w .'-]{{1,24}}:(?= ))|[^\W\d_]+(?:['’][a-z]+)?|{marks}"
    ):
        word = match[0].lower()
        if match["speaker"]:
            continue
        if not word[0].isalpha():
            yield Edit(*match.span(), "")
        elif word in sounds and ctx.chance(0.5):
            yield Edit(*match.span(), sounds[word])
        elif ctx.chance(0.05):
            yield Edit(*match.span(), f"{ctx.one(FILLERS).lower()} {word}")
        elif ctx.chance(0.03):
            yield Edit(*match.span(), f"{word} {word}")
        elif match[0] != word:
            yield Edit(*match.span(), word)
    for leaf in text.leaves:
        *_, rule, _, words = leaf
        if "@" in words:
            spoken = words.replace("@", " at ").replace(".", " dot ")
            yield from text.edited(leaf, spoken, "email_words")
        elif rule in ("verbatim", "lower_first") and words != words.lower():
            yield from text.edited(leaf, words.lower(), "recased")


def _typos(text: _Text, ctx: SamplingContext) -> Iterator[Edit]:
    for word in text.words():
        if len(word[0]) >= 4 and ctx.chance(0.18):
            yield Edit(*word.span(), _mistyped(word[0], ctx.rng))
    for leaf in text.leaves:
        *_, rule, _, words = leaf
        if _is_words(rule) and ctx.chance(0.6):
            yield from text.edited(leaf, _misspelt(words, ctx.rng, _mistyped), "respelt")


def _mistyped(word: str, rng: Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    before, here, after, rest = word[:at], word[at], word[at + 1], word[at + 2 :]
    dropped, doubled = after, here + here + after
    next_key, swapped = NEXT_KEY.get(here, here) + after, after + here
    slips = (before + slip + rest for slip in (dropped, doubled, next_key, swapped, swapped))
    return rng.choice([slip for slip in slips if slip != word])


def _abbreviations(text: _Text, ctx: SamplingContext) -> Iterator[Edit]:
    short = _pairs("abbreviations")
    for match in text.words():
        word = match[0]
        if word.lower() in short and ctx.chance(0.85):
            shortened = short[word.lower()]
            yield Edit(*match.span(), shortened.capitalize() if word[0].isupper() else shortened)
        elif len(word) >= 6 and word.islower() and ctx.chance(0.3):
            yield Edit(*match.span(), word[0] + re.sub("[aeiou]", "", word[1:]))
    for leaf in text.leaves:
        *_, rule, _, words = leaf
        day_or_month = r"\b([A-Z][a-z]{2})(?!y\b)[a-z]+day\b|\b([A-Z][a-z]{2})[a-z]{2,}\b"
        cut = re.sub(day_or_month, r"\1\2", words)
        if rule == "day" and cut != words:
            yield from text.edited(leaf, cut, "day")


def _distractors(text: _Text, ctx: SamplingContext) -> Iterator[Edit]:
    """Asides after sentences that end a line or stand inside prose, or else after lines."""
    ends = list(text.words(r"(?<=\w)[.?!](?= [A-Z]|\n|$)")) or [
        match
        for match in re.finditer(r"(?m)(?<=\w)$", text.text)
        if all(match.start() <= p["start"] or match.start() >= p["end"] for p in text.places)
    ]

    def written(style: str, value: object) -> str:
        return write_value(value, style, ctx.rng, ctx.place.currency)[0]

    facts: dict[str, Callable[[], str]] = {
        "person": lambda: ctx.person().name,
        "firm": ctx.firm,
        "town": lambda: ctx.town()[0],
        "date": lambda: written(ctx.one(("long", "us", "ordinal")), ctx.date().isoformat()),
        "time": lambda: ctx.clock(7, 20),
        "amount": lambda: written("symbol", ctx.price(4000, 48000) / 100),
        "small": lambda: written("symbol", ctx.price(100, 2500) / 100),
        "number": lambda: str(ctx.between(2, 90)),
        "code": lambda: ctx.code(ctx.one(("@@-####", "######", "@###/##"))),
        "phone": lambda: ctx.phones[ctx.phone()],
    }
    asides = ctx.some(lexicon.lines("distractors"), 1, 3)
    count = min(len(ends), 3)
    for place, aside in zip(ctx.some(ends, count, count), asides, strict=False):
        aside = re.sub(r"\{(\w+)\}", lambda match: facts[match[1]](), aside)
        yield Edit(*place.span(), f"{place[0]}{'' if place[0] else '.'} {aside}")


@cache
def _pairs(name: str) -> dict[str, str]:
    """The lines `word: replacement` of a file."""
    return dict(line.split(": ", 1) for line in lexicon.lines(name))


_MAKERS = dict(zip(KINDS, (_ocr, _speech, _typos, _abbreviations, _distractors), strict=True))
