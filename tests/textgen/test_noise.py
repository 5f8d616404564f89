"""Noise: what it may change, and that no value is lost."""

from random import Random

import pytest

from slmlib.textgen import noise, parsers
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import Passage

TEXT = (
    "Please call Ann Lee on 3 September 2026 about the delivery, "
    "she wants twelve chairs before the weekend."
)
VALUES = {"/name": "Ann Lee", "/on": "2026-09-03", "/count": 12}
SPANS = {
    "/name": ("Ann Lee", "verbatim"),
    "/on": ("3 September 2026", "day"),
    "/count": ("twelve", "number_words"),
}


def passage(text: str, spans: dict[str, tuple[str, str]]) -> Passage:
    """A text whose evidence is given by words and rules."""
    places = {at: (text.index(words), words, rule) for at, (words, rule) in spans.items()}
    evidence = {
        at: {"start": start, "end": start + len(words), "rule": rule}
        for at, (start, words, rule) in places.items()
    }
    return Passage(text, evidence)


def readable(noisy: Passage, values: dict) -> bool:
    """True if the evidence still gives the values."""
    spans = {at: noisy.text[p["start"] : p["end"]] for at, p in noisy.evidence.items()}
    return all(
        parsers.apply(noisy.evidence[at]["rule"], s) == values[at] for at, s in spans.items()
    )


def disturbed(original: Passage, kind: str, values: dict, draws: int) -> list[Passage]:
    """The passage under noise, as often as the noise finds something to change."""
    passages = []
    for seed in range(draws):
        ctx = SamplingContext(Random(f"{kind}/{seed}"), "test")
        try:
            passages.append(noise.disturb(original, kind, values, ctx))
        except noise.TooClean:
            continue
    return passages


@pytest.mark.parametrize("kind", noise.KINDS)
def test_noise_changes_the_text_and_loses_no_value(kind):
    """A noisy case whose value cannot be read is a wrong case."""
    passages = disturbed(passage(TEXT, SPANS), kind, VALUES, 60)
    assert len(passages) > 30
    assert all(noisy.text != TEXT and readable(noisy, VALUES) for noisy in passages)
    assert len({noisy.text for noisy in passages}) > 10


def test_noise_reaches_the_evidence():
    """Noise that only touches filler words tests nothing."""
    for kind, repair in (
        ("ocr", "respaced+"), ("ocr", "respelt+"), ("speech", "recased+"), ("typos", "respelt+"),
    ):  # fmt: skip
        passages = disturbed(passage(TEXT, SPANS), kind, VALUES, 60)
        rules = {place["rule"] for noisy in passages for place in noisy.evidence.values()}
        assert any(rule.startswith(repair) for rule in rules), (kind, repair)


def test_speech_reads_out_addresses_and_keeps_names_that_it_could_not_restore():
    """Speech has no at sign; `mcbride` would come back as `Mcbride`."""
    text = "Write to r.lane@example.com, will you? It was Ms McBride who rang, I think."
    spans = {"/email": ("r.lane@example.com", "verbatim"), "/name": ("McBride", "verbatim")}
    values = {"/email": "r.lane@example.com", "/name": "McBride"}
    for noisy in disturbed(passage(text, spans), "speech", values, 5):
        assert "r dot lane at example dot com" in noisy.text
        assert "McBride" in noisy.text
        assert readable(noisy, values)


def test_a_text_without_anything_to_change_is_refused():
    """A clean case must not be called noisy."""
    assert not disturbed(passage("12", {"/n": ("12", "number")}), "typos", {"/n": 12}, 3)


def test_overlapping_evidence_is_left_alone():
    """The currency lies inside the amount: moving one without the other would break both."""
    text = "I paid twelve euros fifty for the September ticket, which was far too much."
    spans = {
        "/amount": ("twelve euros fifty", "amount_words"),
        "/currency": ("euros", "currency"),
    }
    values = {"/amount": 12.5, "/currency": "EUR"}
    for kind in ("distractors", "speech"):
        passages = disturbed(passage(text, spans), kind, values, 30)
        assert len(passages) == 30
        assert all(readable(noisy, values) for noisy in passages)
