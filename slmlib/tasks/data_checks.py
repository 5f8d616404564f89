"""Checks that the data sets of all tasks share: row contract, sizes, duplicates, leaks, language.

A check takes the rows of all splits, says how many things it looked at, and names each failure
with its case and its rule.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import wraps
from pathlib import Path

from jsonschema.exceptions import best_match

from slmlib.core import io
from slmlib.tasks.base import Check
from slmlib.tasks.datasets import Rows
from slmlib.textgen import lexicon, near_duplicates

Text = Callable[[dict], str]  # row -> what is compared
Role = Callable[[str], str]  # split -> "train", "val" or "test"
COMMON = frozenset(
    lexicon.words(
        "the a an to of in on at for and is was it i we you he she they that this with from by not "
        "be are as my our his her has have had will please no yes one so but or if your"
    )
)
MIN_WORDS = 12  # a shorter text may do without common words
MIN_COMMON = 0.06  # share of the words of an English text


def every(rows: Rows) -> Iterator[dict]:
    """The rows of all splits."""
    for cases in rows.values():
        yield from cases


def row_check(name: str):
    """Turn a function that names the fault of a row, if any, into a check of all rows."""

    def decorate(fault: Callable[[dict], str | None]) -> Callable[[Rows], Check]:
        @wraps(fault)
        def check(rows: Rows) -> Check:
            failures, count = [], 0
            for row in every(rows):
                count += 1
                try:
                    reason = fault(row)
                except Exception as error:  # a failure, not a crash
                    reason = f"cannot be checked: {error!r}"
                failures += [f"{row.get('id', '?')}: {reason}"] if reason else []
            return Check(name, count, tuple(failures))

        return check

    return decorate


def contract(rows: Rows, schema: Path) -> Check:
    """Every row satisfies the JSON Schema of samples, is in its split and has a unique id."""
    uses = Counter(row.get("id") for row in every(rows))
    splits = {id(row): split for split, cases in rows.items() for row in cases}

    @row_check("row contract")
    def check(row: dict) -> str | None:
        if error := best_match(io.validator(schema).iter_errors(row)):
            return f"{error.json_path}: {error.message[:120]}"
        if row["split"] != splits[id(row)]:
            return f"split is {row['split']}, the file is {splits[id(row)]}"
        return "id is not unique" if uses[row["id"]] > 1 else None

    return check(rows)


def sizes(rows: Rows, expected: Mapping[str, int]) -> Check:
    """Every split has its number of cases, and there is no other split."""
    counts, failures = {split: len(cases) for split, cases in rows.items()}, []
    for split in {**expected, **counts}:
        count, size = counts.get(split), expected.get(split)
        if count != size:
            failures.append(f"{split}: {count or 0} cases, not {size or 0}")
    return Check("sizes", len(expected), tuple(failures))


def canary(rows: Rows, marker: str, role: Role) -> Check:
    """Every case of val and the tests has the canary, no training case does."""

    @row_check("canary")
    def check(row: dict) -> str | None:
        value = row["meta"].get("canary")
        expected = None if role(row["split"]) == "train" else marker
        return None if value == expected else f"canary is {value!r}"

    return check(rows)


def english(rows: Rows, text: Text, running: Callable[[dict], bool] = lambda row: True) -> Check:
    """Texts are English in Latin letters, without stray control or private characters.

    `running` says if the text of a row is in sentences, and so has common words.
    """

    @row_check("English")
    def check(row: dict) -> str | None:
        for letter in sorted(set(text(row)) - {"\n"}):
            if not letter.isprintable() or (letter.isalpha() and letter > "\u024f"):
                return f"contains {letter!r}"
        words = re.findall(r"[a-z']+", text(row).casefold())
        share = sum(word in COMMON for word in words) / max(1, len(words))
        if len(words) < MIN_WORDS or share >= MIN_COMMON or not running(row):
            return None
        return f"{share:.0%} common English words"

    return check(rows)


def exact_duplicates(rows: Rows, text: Text) -> Check:
    """No text occurs twice, apart from case, punctuation and white space, in any split."""
    cases = defaultdict(list)
    for row in every(rows):
        cases[near_duplicates.plain(text(row))].append(row["id"])
    same = tuple(" = ".join(ids) for ids in cases.values() if len(ids) > 1)
    return Check("exact duplicates", sum(map(len, cases.values())), same)


def no_near_duplicates(rows: Rows, text: Text) -> Check:
    """No two texts share four fifths of their word triples, in any split."""
    texts = [(row["id"], near_duplicates.plain(text(row))) for row in every(rows)]
    pairs = tuple(f"{one} ~ {other}" for one, other in near_duplicates.pairs(texts))
    return Check("near duplicates", len(texts), pairs)


def masked_texts(rows: Rows, masked: Text, role: Role) -> Check:
    """No test text has the structure of a training text: without values they differ, too."""
    index, failures = near_duplicates.Index(), []
    for row in every(rows):
        if role(row["split"]) == "train":
            index.add(row["id"], masked(row))
    tests = [row for row in every(rows) if role(row["split"]) == "test"]
    for row in tests:
        if same := index.like(masked(row)):
            failures.append(f"{row['id']}: masked like {', '.join(same[:3])}")
    return Check("masked texts, train to tests", len(tests), tuple(failures))


def held_out_names(rows: Rows, text: Text, names: Collection[str], role: Role) -> Check:
    """No name, such as a surname or a firm, occurs in two of train, val and the tests."""
    pattern, roles = any_of(names), defaultdict(set)
    for row in every(rows):
        for name in pattern.findall(text(row)):
            roles[name.casefold()].add(role(row["split"]))  # noise may take the capitals
    shared = {name: " and ".join(sorted(its)) for name, its in roles.items() if len(its) > 1}
    failures = tuple(f"{name}: in {its}" for name, its in sorted(shared.items()))
    return Check("names held out", len(roles), failures)


def any_of(words: Collection[str]) -> re.Pattern:
    """Matches any of the words or phrases as a whole, the longest first, in upper or lower case."""
    alternatives = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE)
