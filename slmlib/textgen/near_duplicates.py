"""Near duplicates, proposed by MinHash (Broder 1997) and then compared exactly.

Two texts are near duplicates if the Jaccard index of their word triples is at least 0.8. A masked
text has its values replaced: two cases with the same masked text come from one template, whatever
names and numbers they have.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator

from slmlib.core.optional import require

datasketch = require("datasketch", extra="data")
THRESHOLD = 0.8
PERMUTATIONS = 64
SLACK = 0.15  # candidates are taken this far below, since MinHash errs by about 1/sqrt(64)


def plain(text: str) -> str:
    """A text as it is compared: without case, punctuation and extra white space."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """A plain text with a mark in place of every span and of every other number."""
    pieces, last = [], 0
    for start, end in sorted(set(spans)):
        pieces += [text[last:start], " X "] if start >= last else []
        last = max(last, end)
    return plain(re.sub(r"\d+", "0", "".join([*pieces, text[last:]])))


def digest(text: str) -> int:
    """A text as a 64-bit number, for sets of very many texts."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def triples(text: str) -> frozenset[str]:
    """The word triples of a plain text; a text of fewer words counts as one."""
    words = text.split()
    return frozenset(" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2)))


def jaccard(one: frozenset, other: frozenset) -> float:
    """The share of the elements of two sets that they have in common, 0 to 1."""
    return len(one & other) / len(one | other)


class Index:
    """Texts by name, and the near duplicates of a new one among them."""

    def __init__(self):
        self.table = datasketch.MinHashLSH(threshold=THRESHOLD - SLACK, num_perm=PERMUTATIONS)
        self.triples: dict[str, frozenset] = {}

    def like(self, text: str) -> list[str]:
        """Names of the near duplicates of a plain text."""
        return self._near(triples(text))[0]

    def add(self, name: str, text: str) -> list[str]:
        """Add a plain text; returns the names of its near duplicates so far."""
        self.triples[name] = parts = triples(text)
        near, hashed = self._near(parts)
        self.table.insert(name, hashed)
        return near

    def _near(self, parts: frozenset) -> tuple[list[str], datasketch.MinHash]:
        hashed = datasketch.MinHash(num_perm=PERMUTATIONS)
        hashed.update_batch([part.encode() for part in parts])
        names = self.table.query(hashed)
        near = [name for name in names if jaccard(parts, self.triples[name]) >= THRESHOLD]
        return sorted(near), hashed


def pairs(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """All pairs of names with near-duplicate plain texts, in the order of the texts."""
    index = Index()
    for name, text in texts:
        yield from ((other, name) for other in index.add(name, text))
