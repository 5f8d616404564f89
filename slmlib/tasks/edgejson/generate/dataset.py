"""The data set as a whole: make the splits, write them, compare and publish them.

    train, val, test   the hand-designed schemas, in words of their own each
    test_noisy         the same schemas and the test's words, under noise
    test_unseen        schemas, entities and domains that occur nowhere else
    train_extended     training's schemas and composed ones, any number of cases, never committed

Order of making is the tests, val, train: what is published for judging does not move when more
training data are asked for. A case is made from its own seed string, so that it depends on
nothing but its place; one whose text is too like an earlier one is drawn again.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

from slmlib.core import io, paths, progress
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import case_sources, checks, data_card, samplers
from slmlib.tasks.edgejson.generate.case_sources import Mould
from slmlib.tasks.edgejson.generate.checks import Rows
from slmlib.textgen import near_duplicates, noise
from slmlib.textgen.sampling_context import SamplingContext

NAME, VERSION, GENERATOR, SEED = "edgejson", "2.0.0", "2.0.0", 20261122
LICENCE = "CC-BY-4.0"
SPLITS = checks.SIZES
UNSEEN, NOISY, EXTENDED = checks.UNSEEN, checks.NOISY, "train_extended"
COMPOSED = {"simple": 43, "medium": 43, "complex": 22}  # unseen schemas beside the hand-designed ones
CASES_A_SCHEMA = 10  # in a block of the extended split
TIER_PATTERN = ("simple", "medium", "simple", "medium", "complex")  # 40/40/20 in every prefix
ATTEMPTS = 100
PUBLISHED = paths.DATA / NAME
CARD = "README.md"  # prose by hand, numbers from the data
FILES = tuple(f"{split}.jsonl" for split in SPLITS)


@dataclass(frozen=True)
class Slot:
    """What one case is to be: its mould, and the noise that falls on it, if any."""

    mould: Mould
    noise: str | None = None

    @property
    def place(self) -> tuple[int, str]:
        """Tells slots of one plan apart."""
        return id(self.mould), self.noise or ""


def make(*, seed: int = SEED, sizes: dict[str, int] | None = None, step: Callable = lambda: None) -> Rows:
    """All splits as lists of rows.

    Args:
        seed: The same seed gives the same bytes on every machine.
        sizes: Split -> number of cases, multiples of 5; default those of `SPLITS`.
        step: Called after each case; `update` of a progress bar.
    """
    sizes, known, made = sizes or SPLITS, Known(), {}
    for split in reversed(sizes):
        made[split] = []
        for index, slot in enumerate(plan(seed, split, sizes[split])):
            made[split].append(_new_case(f"{seed}/{split}/{index}", split, index, slot, known))
            step()
    return {split: made[split] for split in sizes}


def plan(seed: int, split: str, size: int) -> list[Slot]:
    """What every case is to be: tiers 2:2:1 in turn, schemas, moulds and noise spread evenly."""
    rng = Random(f"{seed}/{split}/plan")
    turns = {tier: _shuffled(rng, _families(seed, split, tier)) for tier in schemas.TIERS}
    slots, place, used = [], dict.fromkeys(schemas.TIERS, 0), {}
    for index in range(size):
        tier = TIER_PATTERN[index % len(TIER_PATTERN)]
        family = turns[tier][place[tier] % len(turns[tier])]
        place[tier] += 1
        offers = _choices(family, split)
        offers.sort(key=lambda slot: (used.get((tier, slot.noise), 0), used.get(slot.place, 0)))
        slot = next((slot for slot in offers if _castable(slot)), None)
        if slot is None:
            raise io.DataError(
                f"{family[0].group}: no text for {split}. "
                "Add templates in registers that noise.REGISTERS names."
            )
        used |= {key: used.get(key, 0) + 1 for key in ((tier, slot.noise), slot.place)}
        slots.append(slot)
    return slots


def _families(seed: int | str, split: str, tier: str) -> list[list[Mould]]:
    """The moulds of every schema of a tier that a split draws from."""
    groups = [
        g for g in schemas.groups() if schemas.tier(g) == tier and samplers.reserved(g) == (split == UNSEEN)
    ]
    families = [case_sources.written(group, split) for group in groups]
    if split == UNSEEN:
        seeds = (f"{seed}/{split}/{tier}/{index}" for index in count())
        families += _different(seeds, tier, COMPOSED[tier])
    rng = Random(f"{seed}/{split}/{tier}")
    return [_shuffled(rng, family) for family in families]


def _different(seeds: Iterator[str], tier: str, number: int) -> list[list[Mould]]:
    """Composed schemas, none of them a renaming of another or of a hand-designed one."""
    taken = {schemas.shape(schemas.load(group)) for group in schemas.groups()}
    found: list[list[Mould]] = []
    while len(found) < number:
        family = case_sources.composed(next(seeds), tier, reserved=True)
        if (shape := schemas.shape(family[0].schema)) not in taken:
            taken.add(shape)
            found.append(family)
    return found


def _choices(family: list[Mould], split: str) -> list[Slot]:
    """The slots that a family offers: under noise, those whose register suits the kind."""
    if split != NOISY:
        return [Slot(mould) for mould in family]
    return [Slot(m, kind) for kind in noise.KINDS for m in family if m.register in noise.REGISTERS[kind]]


def _castable(slot: Slot) -> bool:
    """False for words in which this noise finds nothing to do."""
    return slot.noise is None or all(_noisy(slot, index) for index in range(3))


def _noisy(slot: Slot, index: int) -> bool:
    try:
        case(f"probe/{index}", NOISY, 0, slot)
    except noise.TooClean:
        return False
    return True


def _shuffled(rng: Random, values) -> list:
    values = list(values)
    rng.shuffle(values)
    return values


class Known:
    """The texts made so far, as `likeness` sees them: training must not resemble the tests' skeletons."""

    def __init__(self):
        self.texts, self.skeletons = near_duplicates.Index(), near_duplicates.Index()

    def takes(self, row: dict) -> bool:
        """True if the case is new, and then it is known."""
        text = near_duplicates.plain(row["input"]["text"])
        if self.texts.like(text):
            return False
        judged = row["split"].startswith("test")
        skeleton = near_duplicates.skeleton(row)
        if row["split"].startswith("train") and self.skeletons.like(skeleton):
            return False
        self.texts.add(row["id"], text)
        if judged:
            self.skeletons.add(row["id"], skeleton)
        return True


def _new_case(key: str, split: str, index: int, slot: Slot, known: Known) -> dict:
    """A case that `known` takes."""
    for attempt in range(ATTEMPTS):
        try:
            row = case(f"{key}/{attempt}", split, index, slot)
        except noise.TooClean:
            continue
        if known.takes(row):
            return row
    raise io.DataError(f"{slot.mould.origin}: {ATTEMPTS} draws gave no new text. Add templates or values.")


def case(key: str, split: str, index: int, slot: Slot) -> dict:
    """One row from its seed string."""
    ctx, mould = SamplingContext(Random(key), split), slot.mould
    record, passage = mould.cast(ctx)
    if slot.noise:
        passage = noise.disturb(passage, slot.noise, dict(checks.leaves(record)), ctx)
    meta = {**mould.origin, "register": mould.register}
    meta |= {"noise": [slot.noise]} if slot.noise else {}
    meta |= {} if split.startswith("train") else {"canary": checks.CANARY}
    return {
        "id": f"{NAME}-{split}-{index + 1:04d}",
        "task": NAME,
        "split": split,
        "group": mould.group,
        "tier": mould.tier,
        "input": {"text": passage.text, "schema": mould.schema},
        "target": record,
        "meta": {**meta, "evidence": passage.evidence},
    }


def extend(
    size: int, *, seed: int = SEED, noisy: float = 0.0, registers: Collection[str] | None = None
) -> Iterator[dict]:
    """More training data: composed schemas and hand-designed ones in turn, each in a few cases.

    Nothing is kept but the hashes of the texts, so that memory stays flat. Schemas come from
    unreserved domains, words and names from the training's hand; every case is proved.

    Args:
        size: Number of cases.
        seed: The same seed and a smaller size give the beginning of the same split.
        noisy: Share of the cases that are put under noise, where their register takes any; noise that breaks
            a gate is taken away again.
        registers: The kinds of text to take; all if not given.

    Raises:
        DataError: a case fails a gate, without noise too.
    """
    seen: set[int] = set()
    for index in range(size):
        block, turn = divmod(index, CASES_A_SCHEMA)
        if turn == 0:
            family = _extension(f"{seed}/{EXTENDED}/{block}", block, registers)
        mould, key = family[turn % len(family)], f"{seed}/{EXTENDED}/{index}"
        yield _fresh(key, index, Slot(mould, _some_noise(key, mould, noisy)), seen)


def _extension(key: str, block: int, registers: Collection[str] | None) -> list[Mould]:
    """The moulds of one schema: even blocks compose it, odd ones take a hand-designed one."""
    rng, tier = Random(key), TIER_PATTERN[block // 2 % len(TIER_PATTERN)]
    for attempt in range(ATTEMPTS):
        if block % 2 == 0:
            family = case_sources.composed(f"{key}/{attempt}" if attempt else key, tier, reserved=False)
        else:
            family = rng.choice(_families(key, "train", tier))
        family = [mould for mould in family if registers is None or mould.register in registers]
        if family:
            return _shuffled(rng, family)
    raise io.DataError(
        f"no schema of tier {tier} has texts of the registers {', '.join(registers)}. Name others too."
    )


def _some_noise(key: str, mould: Mould, share: float) -> str | None:
    """A kind of noise that suits the register, for so many of the cases."""
    chance = Random(f"{key}/noise")
    kinds = [kind for kind in noise.KINDS if mould.register in noise.REGISTERS[kind]]
    return chance.choice(kinds) if kinds and chance.random() < share else None


def _fresh(key: str, index: int, slot: Slot, seen: set[int]) -> dict:
    for attempt in range(ATTEMPTS):
        try:
            row = case(f"{key}/{attempt}", EXTENDED, index, slot)
        except noise.TooClean:
            slot = Slot(slot.mould)
            continue
        mark = near_duplicates.mark(near_duplicates.plain(row["input"]["text"]))
        if mark in seen:
            continue
        gates = checks.per_case({EXTENDED: [row]})
        if slot.noise and not all(gate.ok for gate in gates):  # a word of it may tell what is absent
            slot = Slot(slot.mould)
            continue
        checks.require(gates)
        seen.add(mark)
        return row
    raise io.DataError(
        f"{slot.mould.origin}: {ATTEMPTS} draws gave no new text. Add lines to its entities, or templates."
    )


def write(rows: Rows, folder: Path, *, count: data_card.Count, seed: int = SEED) -> dict:
    """Write splits, schemas, card and manifest, each file whole or not at all. Returns the manifest.

    `count` gives the tokens of a string, for the card.
    """
    for split, cases in rows.items():
        io.write_jsonl(folder / f"{split}.jsonl", cases)
    for group in schemas.groups():
        target = folder / "schemas" / f"{group}.json"
        source = (schemas.FOLDER / f"{group}.json").read_bytes()
        if not target.exists() or target.read_bytes() != source:
            io.write_bytes(target, source)
    if (PUBLISHED / CARD).exists():
        io.write_text(folder / CARD, data_card.render((PUBLISHED / CARD).read_text("utf-8"), rows, count))
    made = manifest(rows, folder, seed=seed)
    io.write_json(folder / "manifest.json", made)
    return made


def manifest(rows: Rows, folder: Path, *, seed: int) -> dict:
    """What a reader needs to trust splits and schemas in `folder`: no times, so that it is reproducible."""
    files = {
        f"{split}.jsonl": {**_vouch(folder / f"{split}.jsonl"), "rows": len(cases)}
        for split, cases in rows.items()
    }
    files |= {
        f"schemas/{group}.json": _vouch(folder / "schemas" / f"{group}.json") for group in schemas.groups()
    }
    return {
        "name": NAME,
        "version": VERSION,
        "generator": GENERATOR,
        "seed": seed,
        "licence": LICENCE,
        "canary": checks.CANARY,
        "counts": {split: counts(cases) for split, cases in rows.items()},
        "files": files,
    }


def _vouch(path: Path) -> dict:
    return {"sha256": io.sha256(path), "bytes": path.stat().st_size}


def counts(rows: list[dict]) -> dict:
    """Cases of a split: in all, by tier, by schema, by register, by domain and by kind of noise."""
    tiers = Counter(row["tier"] for row in rows)
    tally = {
        "group": Counter(row["group"] for row in rows),
        "register": Counter(row["meta"]["register"] for row in rows),
        "domain": Counter(row["meta"]["domain"] for row in rows),
        "noise": Counter(kind for row in rows for kind in row["meta"].get("noise", ())),
    }
    named = {name: dict(sorted(found.items())) for name, found in tally.items() if found}
    return {"cases": len(rows), "tier": {tier: tiers[tier] for tier in schemas.TIERS}, **named}


def read(folder: Path = PUBLISHED) -> Rows:
    """The splits in a folder, each row checked against the contract."""
    return {split: io.read_jsonl(folder / f"{split}.jsonl", schema=io.EXAMPLE) for split in SPLITS}


def compare(folder: Path, published: Path = PUBLISHED) -> list[dict]:
    """File by file: is what was made what is published? Rows of file, bytes, sha256, same."""
    names = [*FILES, *(f"schemas/{group}.json" for group in schemas.groups()), CARD, "manifest.json"]
    return [_compared(name, folder / name, published / name) for name in names]


def _compared(name: str, mine: Path, theirs: Path) -> dict:
    here, there = (io.sha256(path) if path.exists() else None for path in (mine, theirs))
    size = mine.stat().st_size if mine.exists() else 0
    return {
        "file": name,
        "bytes": size,
        "sha256": here,
        "published": there,
        "same": here is not None and here == there,
    }


def require_same(rows: list[dict]) -> None:
    """Refuse a comparison in which a file differs from the published one."""
    changed = [row["file"] for row in rows if not row["same"]]
    if changed:
        raise io.DataError(
            f"{', '.join(changed)}: what was made is not what is published. Restore the published "
            "files: git checkout data/edgejson. Or, if the generator was changed on purpose, publish "
            'what it makes with `profile = "full"`.'
        )


def publish(folder: Path, published: Path = PUBLISHED) -> list[str]:
    """Copy the made files over the published ones; returns the names of those that changed.

    The manifest goes last, so that a broken copy is never vouched for.

    Raises:
        DataError: the files were made with another seed than this version's.
    """
    seed = io.read_json(folder / "manifest.json")["seed"]
    if seed != SEED:
        raise io.DataError(
            f"{folder}: made with seed {seed}; version {VERSION} is published with seed {SEED}. "
            "Leave the seed as it is, or set SEED and VERSION in slmlib/tasks/edgejson/generate/dataset.py."
        )
    changed = [row["file"] for row in compare(folder, published) if not row["same"]]
    for name in changed:
        io.write_bytes(published / name, (folder / name).read_bytes())
    return changed


def main(arguments: list[str] | None = None) -> None:
    """Write an extended training split: `python -m slmlib.tasks.edgejson.generate.dataset 20000 runs/extended.jsonl`."""
    parser = argparse.ArgumentParser(
        prog="python -m slmlib.tasks.edgejson.generate.dataset", description=main.__doc__
    )
    parser.add_argument("size", type=int, help="number of cases")
    parser.add_argument("out", type=Path, help="the JSONL file to write")
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args(arguments)
    rows = progress.bar(extend(chosen.size, seed=chosen.seed), total=chosen.size, desc="cases", unit="case")
    io.write_jsonl(chosen.out, rows)


if __name__ == "__main__":
    try:
        main()
    except io.DataError as error:
        sys.exit(str(error))
