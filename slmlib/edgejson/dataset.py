"""The data set as a whole: make the splits, write them, compare and publish them.

Order of making is test, val, train: what is published for judging does not move when more
training data are asked for. A case is made from its own seed string, so that it depends on
nothing but its place; a text that has been seen before is drawn again with the next attempt.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random

from slmlib import contracts, paths
from slmlib.edgejson import card, passages, records, schemas, validation
from slmlib.edgejson.validation import Rows
from slmlib.edgejson.world import World

NAME, VERSION, GENERATOR, SEED = "edgejson", "1.0.0", "1.0.0", 20261122
LICENCE = "CC-BY-4.0"
CANARY = (
    "slmbench-edgejson-canary-6f0d2b7e-3c41-4a58-9e17-5d8a40c2b91f"  # find it in a corpus, and it was copied
)
SPLITS = validation.SIZES
TIER_PATTERN = ("simple", "medium", "simple", "medium", "complex")  # 40/40/20 in every prefix
PUBLISHED = paths.DATA / NAME
CARD = "README.md"  # prose by hand, numbers from the data
FILES = tuple(f"{split}.jsonl" for split in SPLITS)


def make(*, seed: int = SEED, sizes: dict[str, int] | None = None, step: Callable = lambda: None) -> Rows:
    """All splits as lists of rows.

    Args:
        seed: The same seed gives the same bytes on every machine.
        sizes: Split -> number of cases, multiples of 5; default 800/100/100.
        step: Called after each case; `update` of a progress bar.
    """
    sizes, seen, made = sizes or SPLITS, set(), {}
    for split in reversed(sizes):
        made[split] = []
        for index, (group, register) in enumerate(plan(seed, split, sizes[split])):
            made[split].append(_new_case(seed, split, index, group, register, seen))
            step()
    return {split: made[split] for split in sizes}


def plan(seed: int, split: str, size: int) -> list[tuple[str, str]]:
    """(group, register) of every case: tiers 2:2:1 in turn, schemas and registers spread evenly."""
    rng = Random(f"{seed}/{split}/plan")
    turns = {tier: _turns(rng, tier) for tier in schemas.TIERS}
    slots, place, count = [], dict.fromkeys(schemas.TIERS, 0), {}
    for index in range(size):
        tier = TIER_PATTERN[index % len(TIER_PATTERN)]
        group = turns[tier][place[tier] % len(turns[tier])]
        place[tier] += 1
        registers = _shuffled(Random(f"{seed}/{split}/{group}"), passages.registers(group))
        slots.append((group, registers[count.get(group, 0) % len(registers)]))
        count[group] = count.get(group, 0) + 1
    return slots


def _turns(rng: Random, tier: str) -> list[str]:
    return _shuffled(rng, [group for group in schemas.groups() if schemas.tier(group) == tier])


def _shuffled(rng: Random, values) -> list:
    values = list(values)
    rng.shuffle(values)
    return values


def _new_case(seed: int, split: str, index: int, group: str, register: str, seen: set[str]) -> dict:
    """A case whose text is not in `seen`, which it joins."""
    for attempt in range(100):
        row = case(f"{seed}/{split}/{index}/{attempt}", split, index, group, register)
        text = validation.plain(row["input"]["text"])
        if text not in seen:
            seen.add(text)
            return row
    raise contracts.DataError(f"{group}/{register}: 100 draws gave no new text. Add templates or values.")


def case(key: str, split: str, index: int, group: str, register: str) -> dict:
    """One row from its seed string."""
    rng = Random(key)
    record, context = records.sample(group, World(rng, split))
    passage = passages.write(group, register, record, context, rng)
    return {
        "id": f"{NAME}-{split}-{index + 1:04d}",
        "task": NAME,
        "split": split,
        "group": group,
        "tier": schemas.tier(group),
        "input": {"text": passage.text, "schema": schemas.load(group)},
        "target": record,
        "meta": {"register": register, "evidence": passage.evidence},
    }


def write(rows: Rows, folder: Path, *, seed: int = SEED) -> dict:
    """Write splits, schemas, card and manifest, each file whole or not at all. Returns the manifest."""
    for split, cases in rows.items():
        contracts.write_jsonl(folder / f"{split}.jsonl", cases)
    for group in schemas.groups():
        target = folder / "schemas" / f"{group}.json"
        source = (schemas.FOLDER / f"{group}.json").read_bytes()
        if not target.exists() or target.read_bytes() != source:
            contracts.write_bytes(target, source)
    if (PUBLISHED / CARD).exists():
        contracts.write_text(folder / CARD, card.render((PUBLISHED / CARD).read_text("utf-8"), rows))
    made = manifest(rows, folder, seed=seed)
    contracts.write_json(folder / "manifest.json", made)
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
        "canary": CANARY,
        "counts": {split: counts(cases) for split, cases in rows.items()},
        "files": files,
    }


def _vouch(path: Path) -> dict:
    return {"sha256": contracts.sha256(path), "bytes": path.stat().st_size}


def counts(rows: list[dict]) -> dict:
    """Cases of a split: in all, by tier, by group and by register."""
    tally: dict = {"cases": len(rows), "tier": dict.fromkeys(schemas.TIERS, 0), "group": {}, "register": {}}
    for row in rows:
        for key, value in (
            ("tier", row["tier"]),
            ("group", row["group"]),
            ("register", row["meta"]["register"]),
        ):
            tally[key][value] = tally[key].get(value, 0) + 1
    return tally | {key: dict(sorted(tally[key].items())) for key in ("group", "register")}


def read(folder: Path = PUBLISHED) -> Rows:
    """The splits in a folder, each row checked against the contract."""
    return {
        split: contracts.read_jsonl(folder / f"{split}.jsonl", schema=contracts.EXAMPLE) for split in SPLITS
    }


def compare(folder: Path, published: Path = PUBLISHED) -> list[dict]:
    """File by file: is what was made what is published? Rows of file, bytes, sha256, same."""
    names = [*FILES, *(f"schemas/{group}.json" for group in schemas.groups()), CARD, "manifest.json"]
    return [_compared(name, folder / name, published / name) for name in names]


def _compared(name: str, mine: Path, theirs: Path) -> dict:
    here, there = (contracts.sha256(path) if path.exists() else None for path in (mine, theirs))
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
        raise contracts.DataError(
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
    seed = contracts.read_json(folder / "manifest.json")["seed"]
    if seed != SEED:
        raise contracts.DataError(
            f"{folder}: made with seed {seed}; version {VERSION} is published with seed {SEED}. "
            "Leave the seed as it is, or set SEED and VERSION in slmlib/edgejson/dataset.py."
        )
    changed = [row["file"] for row in compare(folder, published) if not row["same"]]
    for name in changed:
        contracts.write_bytes(published / name, (folder / name).read_bytes())
    return changed
