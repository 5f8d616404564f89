"""EdgeJSON's noise, likeness and grammars: what may change a text, and what tells texts apart."""

import json
from random import Random

import pytest

from slmlib.engines import constraints
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import case_sources, checks, dataset, grammars, samplers
from slmlib.textgen import near_duplicates, noise, parsers
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import Passage

TEXT = (
    "Please call Ann Lee on 3 September 2026 about the delivery, she wants twelve chairs before the weekend."
)
PASSAGE = Passage(
    TEXT,
    {
        "/name": {"start": 12, "end": 19, "rule": "verbatim"},
        "/on": {"start": 23, "end": 39, "rule": "day"},
        "/count": {"start": 70, "end": 76, "rule": "number_words"},
    },
)
VALUES = {"/name": "Ann Lee", "/on": "2026-09-03", "/count": 12}


def readable(passage: Passage, values: dict) -> bool:
    spans = {p: passage.text[place["start"] : place["end"]] for p, place in passage.evidence.items()}
    return all(parsers.apply(passage.evidence[p]["rule"], span) == values[p] for p, span in spans.items())


def disturbed(kind: str, draws: int = 60) -> list[Passage]:
    found = []
    for seed in range(draws):
        try:
            found.append(
                noise.disturb(PASSAGE, kind, VALUES, SamplingContext(Random(f"{kind}/{seed}"), "test"))
            )
        except noise.TooClean:
            continue
    return found


@pytest.mark.parametrize("kind", noise.KINDS)
def test_noise_changes_the_text_and_loses_no_value(kind):
    """A noisy case whose value cannot be read is a wrong case."""
    found = disturbed(kind)
    assert len(found) > 30
    assert all(passage.text != TEXT and readable(passage, VALUES) for passage in found)
    assert len({passage.text for passage in found}) > 10


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("ocr", "respaced+"), ("ocr", "respelt+"), ("speech", "recased+"), ("typos", "respelt+")],
)
def test_noise_reaches_the_evidence_too(kind, rule):
    """Noise that only touches filler words tests nothing."""
    rules = {place["rule"] for passage in disturbed(kind) for place in passage.evidence.values()}
    assert any(name.startswith(rule) for name in rules)


def test_an_address_is_read_out():
    """Speech has no at sign."""
    text = "Write to r.lane@example.com, will you? Thanks a lot, and see you there."
    passage = Passage(text, {"/email": {"start": 9, "end": 27, "rule": "verbatim"}})
    heard = noise.disturb(
        passage, "speech", {"/email": "r.lane@example.com"}, SamplingContext(Random(1), "test")
    )
    assert "r dot lane at example dot com" in heard.text
    assert readable(heard, {"/email": "r.lane@example.com"})


def test_a_change_that_cannot_be_read_back_is_not_made():
    """`McBride` in small letters would come back as `Mcbride`."""
    text = "It was Ms McBride who rang, I think, and she will ring again."
    passage = Passage(text, {"/name": {"start": 10, "end": 17, "rule": "verbatim"}})
    heard = noise.disturb(passage, "speech", {"/name": "McBride"}, SamplingContext(Random(1), "test"))
    assert "McBride" in heard.text


def test_a_clean_text_is_refused():
    """Where noise finds nothing to change, the case must not be called noisy."""
    passage = Passage("12", {"/n": {"start": 0, "end": 2, "rule": "number"}})
    with pytest.raises(noise.TooClean):
        noise.disturb(passage, "typos", {"/n": 12}, SamplingContext(Random(1), "test"))


def test_overlapping_evidence_is_left_alone():
    """The currency lies inside the amount: moving one without the other would break both."""
    text = "I paid twelve euros fifty for the September ticket, which was far too much."
    evidence = {
        "/amount": {"start": 7, "end": 25, "rule": "amount_words"},
        "/currency": {"start": 14, "end": 19, "rule": "currency"},
    }
    values = {"/amount": 12.5, "/currency": "EUR"}
    for seed in range(30):
        passage = noise.disturb(
            Passage(text, evidence), "distractors", values, SamplingContext(Random(seed), "test")
        )
        assert readable(passage, values)
        passage = noise.disturb(
            Passage(text, evidence), "speech", values, SamplingContext(Random(seed), "test")
        )
        assert readable(passage, values)


@pytest.mark.parametrize("kind", noise.KINDS)
def test_noise_on_real_cases(kind):
    """Every schema's test words, under every kind of noise that suits them."""
    tried = 0
    for group in schemas.groups():
        family = [] if samplers.reserved(group) else case_sources.written(group, "test")
        for mould in (m for m in family if m.register in noise.REGISTERS[kind]):
            try:
                row = dataset.case(
                    f"noise/{kind}/{mould.origin}", dataset.NOISY, 0, dataset.Slot(mould, kind)
                )
            except noise.TooClean:
                continue
            assert not checks.evidence({dataset.NOISY: [row]}).failures
            tried += 1
    assert tried > 20


# Likeness

LONG = (
    "the driver of the van that came on Monday left two boxes of screws and one of nails at the gate, where "
    "nobody saw them until a neighbour rang us up, asked who they were for, and carried all three inside"
)


def test_like_texts_are_found():
    """A word changed in a long text is a near duplicate, another text is not."""
    texts = [("a", LONG), ("b", LONG.replace("Monday", "Friday")), ("c", "quite another story about a boat")]
    assert list(near_duplicates.pairs((name, near_duplicates.plain(text)) for name, text in texts)) == [
        ("a", "b")
    ]


def test_pairs_are_those_that_an_exact_comparison_finds():
    """MinHash only proposes: over random texts the pairs are the ones of the Jaccard index."""
    rng, words = Random(3), ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op"]
    texts = [(str(i), " ".join(rng.choices(words, k=40))) for i in range(20)]
    texts += [(f"{name}x", text + " " + rng.choice(words)) for name, text in texts[:10]]
    parts = {name: near_duplicates.triples(text) for name, text in texts}
    names = list(parts)
    exact = {
        (a, b)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if near_duplicates.jaccard(parts[a], parts[b]) >= near_duplicates.ALIKE
    }
    assert set(near_duplicates.pairs(texts)) == exact
    assert len(exact) >= 8


def test_a_skeleton_has_no_values():
    """Two cases of one mould have one skeleton."""
    rows = [
        {
            "input": {"text": f"Call {name} at {hour}:00, room 7."},
            "meta": {"evidence": {"/who": {"start": 5, "end": 5 + len(name), "rule": "verbatim"}}},
        }
        for name, hour in (("Ann", 9), ("Benedict", 14))
    ]
    assert len({near_duplicates.skeleton(row) for row in rows}) == 1


# Grammars

SCHEMA = {
    "type": "object",
    "required": ["at", "n"],
    "additionalProperties": False,
    "properties": {
        "at": {"type": "string", "format": "date-time"},
        "n": {"type": "integer", "minimum": 1, "maximum": 20},
        "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3}$"},
    },
}


@pytest.mark.parametrize(
    ("target", "accepted"),
    [
        ({"at": "2026-03-04T10:00:00Z", "n": 3}, True),
        ({"at": "2026-03-04T10:00:00Z", "n": 3, "code": "AB-123"}, True),
        ({"at": "2026-03-04T10:00:00", "n": 3}, False),  # no zone
        ({"at": "2026-03-04T10:00:00Z", "n": 21}, False),
        ({"at": "2026-03-04T10:00:00Z", "n": 3, "code": "A-123"}, False),
        ({"n": 3, "at": "2026-03-04T10:00:00Z"}, False),  # out of order
        ({"at": "2026-03-04T10:00:00Z"}, False),
    ],
)
def test_grammars(target, accepted):
    """Both engines must take what a model under them should write, and refuse the rest."""
    refusal = grammars.refusal(SCHEMA, target)
    assert (refusal is None) == accepted, refusal
    written = json.dumps(target).encode()
    for engine, text in ((grammars._xgrammar, constraints.ebnf), (grammars._llguidance, constraints.lark)):
        assert (engine(text(SCHEMA), written) == len(written)) == accepted
