"""Noise: what it may change, and that no value is lost."""

from contextlib import suppress
from random import Random

import pytest

from slmlib.textgen import noise, parsers
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import Passage

TEXT = (
    "Please call Ann Lee on 3 September 2026 about the delivery, "
    "she wants twelve chairs before the weekend."
)
SPANS = {"Ann Lee": "verbatim", "3 September 2026": "day", "twelve": "number_words"}


def disturbed(text: str, spans: dict[str, str], kind: str, draws: int) -> list[Passage]:
    """A text under noise, as often as the noise finds something to change; no value is lost.

    Evidence is given by words and rules.
    """
    values = {f"/{words}": parsers.apply(rule, words) for words, rule in spans.items()}
    evidence = {}
    for words, rule in spans.items():
        start = text.index(words)
        evidence[f"/{words}"] = {"start": start, "end": start + len(words), "rule": rule}
    passages = []
    for seed in range(draws):
        ctx = SamplingContext(Random(f"{kind}/{seed}"), "test")
        with suppress(noise.TooClean):
            passages.append(noise.disturb(Passage(text, evidence), kind, values, ctx))
    for noisy in passages:
        for at, place in noisy.evidence.items():
            span = noisy.text[place["start"] : place["end"]]
            assert parsers.apply(place["rule"], span) == values[at], (span, place)
    return passages


REPAIRS = {"ocr": {"respaced", "respelt"}, "speech": {"recased"}, "typos": {"respelt"}}


@pytest.mark.parametrize("kind", noise.KINDS)
def test_noise_changes_the_text_and_loses_no_value(kind):
    """A noisy case whose value cannot be read is a wrong case."""
    passages = disturbed(TEXT, SPANS, kind, 60)
    texts = {noisy.text for noisy in passages}
    assert len(passages) > 30 and len(texts) > 10 and TEXT not in texts
    rules = {place["rule"] for noisy in passages for place in noisy.evidence.values()}
    repairs = {rule.partition("+")[0] for rule in rules if "+" in rule}
    assert repairs >= REPAIRS.get(kind, set()), "noise that only touches filler words tests nothing"


def test_speech_reads_out_addresses_and_keeps_names_that_it_could_not_restore():
    """Speech has no at sign; `mcbride` would come back as `Mcbride`."""
    text = "Write to r.lane@example.com, will you? It was Ms McBride who rang, I think."
    spans = {"r.lane@example.com": "verbatim", "McBride": "verbatim"}
    for noisy in disturbed(text, spans, "speech", 5):
        assert "r dot lane at example dot com" in noisy.text and "McBride" in noisy.text


def test_a_text_without_anything_to_change_is_refused():
    """A clean case must not be called noisy."""
    assert not disturbed("12", {"12": "number"}, "typos", 3)


def test_overlapping_evidence_is_left_alone():
    """The currency lies inside the amount: moving one without the other would break both."""
    text = "I paid twelve euros fifty for the September ticket, which was far too much."
    spans = {"twelve euros fifty": "amount_words", "euros": "currency"}
    for kind in ("distractors", "speech"):
        assert len(disturbed(text, spans, kind, 30)) == 30
