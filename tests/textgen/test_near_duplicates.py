"""Near duplicates: what counts as the same text, and as the same structure."""

from random import Random

from slmlib.textgen import near_duplicates


def test_pairs_are_those_of_an_exact_comparison():
    """MinHash only proposes: over random texts the pairs are those of the Jaccard index."""
    rng, words = Random(3), ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op"]
    texts = [(str(i), " ".join(rng.choices(words, k=40))) for i in range(20)]
    texts += [(f"{name}x", text + " " + rng.choice(words)) for name, text in texts[:10]]
    parts = [(name, near_duplicates.triples(text)) for name, text in texts]
    exact = {
        (a, b)
        for i, (a, one) in enumerate(parts)
        for b, other in parts[i + 1 :]
        if near_duplicates.jaccard(one, other) >= near_duplicates.THRESHOLD
    }
    assert set(near_duplicates.pairs(texts)) == exact
    assert len(exact) >= 8


def test_a_masked_text_has_no_values():
    """Two cases of one template have one masked text."""
    cases = (f"Call {name} at {hour}:00, room 7." for name, hour in (("Ann", 9), ("Benedict", 14)))
    masked = {near_duplicates.masked(text, [(5, text.index(" at"))]) for text in cases}
    assert masked == {"call x at 0 0 room 0"}
