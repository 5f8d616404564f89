"""Formats and parsers: what is written in any style can be read back, and nothing else is read."""

from random import Random

import pytest

from slmlib.textgen import formats, parsers
from slmlib.textgen.sampling_context import SamplingContext

READ = {
    "verbatim": {"PU-12345": "PU-12345"},
    "lower_first": {"Rye loaves": "rye loaves"},
    "number": {"1,240.50": 1240.5, "-22.4": -22.4, "12": 12},
    "number_words": {
        "twenty-one point five": 21.5,
        "one hundred and twelve thousand and twenty": 112020,
        "minus three point zero": -3.0,
        "twice": 2,
        "three times": 3,
    },
    "amount": {"€1,249.50": 1249.5, "42.00 GBP": 42.0},
    "amount_words": {"forty-two pounds fifty": 42.5, "One dollar oh five": 1.05},
    "currency": {"pounds": "GBP", "$": "USD"},
    "day": {
        "3rd of May 2026": "2026-05-03",
        "Thursday, 4 December 2025": "2025-12-04",
        "August 4, 2025": "2025-08-04",
        "25.02.2027": "2027-02-25",
    },
    "day_words": {
        "the thirtieth of April nineteen sixty-nine": "1969-04-30",
        "the twenty-third of May twenty twenty-seven": "2027-05-23",
        "the first of May two thousand and five": "2005-05-01",
    },
    "clock": {
        **{"2:30 pm": "14:30", "12 am": "00:00", "12:15 pm": "12:15"},
        **{"0930h": "09:30", "14.05": "14:05"},
    },
    "clock_words": {
        "quarter to one in the afternoon": "12:45",
        "half past nine in the evening": "21:30",
        "seven oh three in the morning": "07:03",
        "noon": "12:00",
    },
    "utc": {
        "4 Sep 2025 at 10:01 UTC": "2025-09-04T10:01:00Z",
        "2026-03-14 09:12:00Z": "2026-03-14T09:12:00Z",
    },
    "phone": {"+44 (0)20 7946-0432": "+4402079460432"},
    "compact": {"HF 77 25 15": "HF772515"},
    "email_words": {"r.lane at example dot com": "r.lane@example.com"},
    "respaced+verbatim": {"Ann  Lee\nSmith": "Ann Lee Smith"},
    "recased+verbatim": {"harbour hardware": "Harbour Hardware"},
    "respelt+day": {"3 Septernber 2026": "2026-09-03"},
    "respelt+number_words": {"twnety-one": 21},
    "respelt+clock_words": {"qaurter past nine in the evenng": "21:15"},
}
UNREADABLE = {
    "number": ("twelve", "1,24"),
    "number_words": ("blue",),
    "day": ("4 May",),
    "clock": ("25 o'clock",),
    "currency": ("yen",),
    "phrase.size": ("small",),
    "respelt+day": ("3 Jxxxx 2026", "3 Maxx 2026"),
}


def test_spans_are_read_as_their_values():
    """A proof is only as good as the function that reads the span: each has an example here."""
    for rule, values in READ.items():
        for span, value in values.items():
            read = parsers.apply(rule, span)
            assert (read, type(read)) == (value, type(value)), (rule, span)
    tried = {name for rule in READ for name in rule.split("+")}
    assert tried == {*parsers.PARSERS, *parsers.REPAIRS}


def test_other_spans_are_refused():
    """A rule that reads anything proves nothing."""
    for rule, spans in UNREADABLE.items():
        for span in spans:
            with pytest.raises(Exception):  # noqa: B017 (checks take any exception as a refusal)
                print(rule, span, parsers.apply(rule, span))


def test_every_style_can_be_read_back():
    """Writers and parsers are two codes: each checks the other over many values."""
    wrong = []
    for style in formats.STYLES:
        rng = Random(style)
        for _ in range(400):
            value = _value(style, rng)
            words, rule = formats.write_value(value, style, rng, "EUR")
            if parsers.apply(rule, words) != value:
                wrong.append((style, value, words))
    assert not wrong


def _value(style: str, rng: Random):
    ctx = SamplingContext(rng, "train")
    if style in ("long", "short", "us", "weekday", "ordinal", "dots", "slash", "spoken", "iso"):
        return ctx.later(ctx.date(), -30000, 0).isoformat()
    if style in ("h24", "ampm", "hdot", "military", "said"):
        return ctx.clock(0, 24, step=1)
    if style in ("moment", "utc_prose", "utc_log"):
        return f"{ctx.date().isoformat()}T{ctx.clock(0, 24, step=1)}:00Z"
    if style in ("string", "spaced"):
        return ctx.code("@@######")
    if style == "times":
        return rng.randint(1, 4)
    decimal = rng.randint(1, 99999) / 100
    return decimal if style == "money" else rng.choice((rng.randint(0, 999999), decimal))
