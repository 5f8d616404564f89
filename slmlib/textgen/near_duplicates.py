"""Texts that are nearly the same, found by MinHash (Broder 1997) and then compared exactly.

Two texts are alike if the Jaccard index of their word triples is at least 0.8. The skeleton of a
text is what stays when the evidence is taken out: two cases with one skeleton were made from one
mould, whatever names and numbers stand in it.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator

from datasketch import MinHash, MinHashLSH

ALIKE = 0.8
PERMUTATIONS = 64
SLACK = 0.15  # candidates are sought this far below, as MinHash errs by about 1/sqrt(64)


def plain(text: str) -> str:
    """Text as duplicates are told: case, punctuation and white space do not count."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def skeleton(row: dict) -> str:
    """A case's text with a mark for every piece of evidence and for every other number, plain."""
    text, places = row["input"]["text"], row["meta"]["evidence"].values()
    cuts = sorted({(place["start"], place["end"]) for place in places})
    pieces, last = [], 0
    for start, end in cuts:
        pieces += [text[last:start], " X "] if start >= last else []
        last = max(last, end)
    return plain(re.sub(r"\d+", "0", "".join([*pieces, text[last:]])))


def mark(text: str) -> int:
    """Eight bytes that stand for a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def triples(text: str) -> frozenset[str]:
    """The word triples of a plain text; a text of fewer words counts as one."""
    words = text.split()
    return frozenset(" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2)))


def jaccard(one: frozenset, other: frozenset) -> float:
    """Shared over all, 0 to 1."""
    return len(one & other) / len(one | other)


class Index:
    """Texts seen so far; tells whether a new one is like one of them."""

    def __init__(self):
        self.table = MinHashLSH(threshold=ALIKE - SLACK, num_perm=PERMUTATIONS)
        self.seen: dict[str, frozenset] = {}

    def like(self, text: str) -> list[str]:
        """Names of the texts that a plain text is like."""
        return self._like(triples(text), self._hash(triples(text)))

    def add(self, name: str, text: str) -> list[str]:
        """Names of the texts that a plain text is like; then it is kept under its own."""
        parts = triples(text)
        hashed = self._hash(parts)
        found = self._like(parts, hashed)
        self.table.insert(name, hashed)
        self.seen[name] = parts
        return found

    def _hash(self, parts: frozenset) -> MinHash:
        hashed = MinHash(num_perm=PERMUTATIONS)
        hashed.update_batch([part.encode() for part in parts])
        return hashed

    def _like(self, parts: frozenset, hashed: MinHash) -> list[str]:
        near = (name for name in self.table.query(hashed) if jaccard(parts, self.seen[name]) >= ALIKE)
        return sorted(near)


def pairs(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """All pairs of names whose texts are alike, each pair once, in the order of the texts."""
    index = Index()
    for name, text in texts:
        yield from ((other, name) for other in index.add(name, text))
