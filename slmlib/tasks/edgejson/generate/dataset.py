"""EdgeJSON's data set: build the splits, run the checks, write the files.

    train, val, test   the hand-designed schemas, each split with its own templates and names
    test_noisy         the same schemas and the test's templates, under noise
    test_unseen        schemas, entities and domains that occur nowhere else
    train_extended     training's schemas and composed ones, any number of cases, never committed

The tests are built first, then val, then train: more training data move no case of the others. A
case depends only on its own seed string; one whose text is too like an earlier one is drawn again.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from random import Random

from slmlib.core import io, paths, progress
from slmlib.models import weights
from slmlib.tasks import data_checks, datasets
from slmlib.tasks.base import Check
from slmlib.tasks.datasets import Rows
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import case_sources, checks, data_card, samplers
from slmlib.tasks.edgejson.generate.case_sources import CaseSource
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.textgen import lexicon, near_duplicates, noise
from slmlib.textgen.sampling_context import SamplingContext

NAME, VERSION, GENERATOR, SEED = "edgejson", "2.1.0", "2.1.0", 20261122
SPLITS = checks.SIZES
UNSEEN, NOISY, EXTENDED = checks.UNSEEN, checks.NOISY, "train_extended"
COMPOSED = {"simple": 43, "medium": 43, "complex": 22}  # unseen schemas, besides designed ones
CASES_PER_SCHEMA = 10  # in a block of the extended split
TIER_PATTERN = ("simple", "medium", "simple", "medium", "complex")  # 40/40/20 in every prefix
ATTEMPTS = 100
PUBLISHED = paths.DATA / NAME


def build(
    *,
    seed: int | None = None,
    sizes: Mapping[str, int] = SPLITS,
    on_case: Callable[[], object] = lambda: None,
) -> dict[str, list[dict]]:
    """Rows of all splits.

    Args:
        seed: The same seed gives the same bytes on every machine; default: the published data's.
        sizes: Split -> number of cases, multiples of 5.
        on_case: Called after each case, to update a progress bar.
    """
    seed = SEED if seed is None else seed
    rows: dict[str, list[dict]] = {split: [] for split in sizes}
    texts, masked_tests = near_duplicates.Index(), near_duplicates.Index()
    for split in reversed(sizes):
        role = checks.role(split)
        for index, (source, kind) in enumerate(plan(seed, split, sizes[split])):
            for attempt in range(ATTEMPTS):
                try:
                    row = case(f"{seed}/{split}/{index}/{attempt}", split, index, source, kind)
                except noise.TooClean:
                    continue
                text, masked = near_duplicates.plain(row["input"]["text"]), checks.masked(row)
                # a training text must not even be like a test's when values are masked
                if not texts.like(text) and not (role == "train" and masked_tests.like(masked)):
                    break
            else:
                raise _exhausted(source)
            texts.add(row["id"], text)
            if role == "test":
                masked_tests.add(row["id"], masked)
            rows[split].append(row)
            on_case()
    return rows


def plan(seed: int, split: str, size: int) -> list[tuple[CaseSource, str | None]]:
    """Source and noise of each case: tiers 2:2:1 in turn; schemas, sources, noise spread evenly."""
    rng, used, planned = Random(f"{seed}/{split}/plan"), Counter(), []
    families = {t: _shuffled(rng, _families(seed, split, t)) for t in schemas.TIERS}
    for index in range(size):
        tier = TIER_PATTERN[index % len(TIER_PATTERN)]
        family = families[tier][used[tier] % len(families[tier])]
        offers = [(source, None) for source in family]
        if split == NOISY:
            offers = [(each, k) for k in noise.KINDS for each in family if suits(each, k)]
        offers.sort(key=lambda offer: (used[tier, offer[1]], used[offer]))
        offer = next((each for each in offers if _takes_noise(*each)), None)
        if offer is None:
            raise io.DataError(f"{family[0].group}: no template in a register of noise.REGISTERS")
        used.update((tier, (tier, offer[1]), offer))
        planned.append(offer)
    return planned


def _families(seed: int | str, split: str, tier: str) -> list[list[CaseSource]]:
    """The sources of every schema of a tier in a split, those of one schema together."""
    families = [
        case_sources.designed_sources(group, checks.role(split))
        for group in schemas.groups()
        if schemas.tier(group) == tier and samplers.reserved(group) == (split == UNSEEN)
    ]
    if split == UNSEEN:  # none of the composed schemas is a renamed copy of any other schema
        shapes = {schemas.shape(schemas.load(group)) for group in schemas.groups()}
        number, size = count(), len(families) + COMPOSED[tier]
        while len(families) < size:
            key = f"{seed}/{split}/{tier}/{next(number)}"
            family = case_sources.composed_sources(key, tier, reserved=True)
            if (shape := schemas.shape(family[0].schema)) not in shapes:
                shapes.add(shape)
                families.append(family)
    rng = Random(f"{seed}/{split}/{tier}")
    return [_shuffled(rng, family) for family in families]


def _shuffled(rng: Random, values: Iterable) -> list:
    values = list(values)
    rng.shuffle(values)
    return values


def suits(source: CaseSource, kind: str) -> bool:
    """True if texts of the source's register can have this noise."""
    return source.register in noise.REGISTERS[kind]


def _takes_noise(source: CaseSource, kind: str | None) -> bool:
    """True if the noise, if any, finds something to change in some cases of the source."""
    try:
        for index in range(3 if kind else 0):
            case(f"probe/{index}", NOISY, 0, source, kind)
    except noise.TooClean:
        return False
    return True


def _exhausted(source: CaseSource) -> io.DataError:
    name, fix = source.meta.get("template", source.group), "Add templates, lines or values."
    return io.DataError(f"{name}: {ATTEMPTS} draws gave no new text. {fix}")


def case(key: str, split: str, index: int, source: CaseSource, kind: str | None = None) -> dict:
    """One row from its seed string, under a kind of noise if one is given."""
    role = checks.role(split)
    ctx = SamplingContext(Random(key), role)
    record, passage = source.sample_case(ctx)
    slices = {"tier": source.tier, "origin": source.origin, "register": source.register}
    if kind:
        passage = noise.disturb(passage, kind, dict(checks.leaves(record)), ctx, PHRASES)
        slices["noise"] = kind
    canary = {} if role == "train" else {"canary": checks.CANARY}
    return {
        "id": f"{NAME}-{split}-{index + 1:04d}",
        "task": NAME,
        "split": split,
        "group": source.group,
        "slices": slices,
        "input": {"text": passage.text, "schema": source.schema},
        "target": record,
        "meta": {**source.meta, **canary, "evidence": passage.evidence},
    }


def extend(
    size: int, *, seed: int = SEED, noisy: float = 0.0, registers: Collection[str] | None = None
) -> Iterator[dict]:
    """Cases of composed schemas and hand-designed ones in turn, a few of each, all proved.

    Only hashes of the texts are kept, so that memory does not grow with the cases. Schemas are of
    unreserved domains, names and templates are those of training.

    Args:
        size: Number of cases.
        seed: The same seed and a smaller size give the beginning of the same split.
        noisy: Share of noisy cases, if their register allows noise and no check fails with it.
        registers: The registers to use; all if not given.

    Raises:
        DataError: a case fails a check without noise, too.
    """
    seen: set[int] = set()
    for index in range(size):
        block, turn = divmod(index, CASES_PER_SCHEMA)
        if turn == 0:
            family = _extension(f"{seed}/{EXTENDED}/{block}", block, registers)
        key, source = f"{seed}/{EXTENDED}/{index}", family[turn % len(family)]
        chance, kinds = Random(f"{key}/noise"), [k for k in noise.KINDS if suits(source, k)]
        kind = chance.choice(kinds) if kinds and chance.random() < noisy else None
        for attempt in range(ATTEMPTS):
            try:
                row = case(f"{key}/{attempt}", EXTENDED, index, source, kind)
            except noise.TooClean:
                kind = None
                continue
            digest = near_duplicates.digest(near_duplicates.plain(row["input"]["text"]))
            if digest in seen:
                continue
            verdicts = checks.per_case({EXTENDED: [row]})
            if kind and not all(verdict.ok for verdict in verdicts):
                kind = None  # a word of the noise may mention what should be absent
                continue
            datasets.require(verdicts)
            break
        else:
            raise _exhausted(source)
        seen.add(digest)
        yield row


def _extension(key: str, block: int, registers: Collection[str] | None) -> list[CaseSource]:
    """The sources of one schema: even blocks compose it, odd ones take a hand-designed one."""
    rng, tier = Random(key), TIER_PATTERN[block // 2 % len(TIER_PATTERN)]
    for attempt in range(ATTEMPTS):
        if block % 2 == 0:
            seed = f"{key}/{attempt}" if attempt else key
            family = case_sources.composed_sources(seed, tier, reserved=False)
        else:
            family = rng.choice(_families(key, "train", tier))
        family = [s for s in family if registers is None or s.register in registers]
        if family:
            return _shuffled(rng, family)
    raise io.DataError(f"no {tier} schema has texts of the registers {', '.join(registers)}.")


def prove(rows: Rows, tokenizers: Mapping[str, Callable[[str], int]] | None = None) -> list[Check]:
    """Run every check.

    Args:
        rows: Split -> rows.
        tokenizers: Model -> number of tokens of a string; default: all models that are present.
    """
    if tokenizers is None:
        tokenizers = {model: data_card.counter(model) for model in weights.present()}
    contract = data_checks.contract(rows, checks.SAMPLE)
    if not contract.ok:
        return [contract]  # the others read rows
    text, role, names = checks.text, checks.role, lexicon.held_out_names()
    return [
        contract,
        *checks.per_case(rows),
        data_checks.canary(rows, checks.CANARY, role),
        checks.lengths(rows, tokenizers),
        checks.schema_files(rows),
        data_checks.sizes(rows, SPLITS),
        checks.tiers(rows),
        checks.groups(rows),
        checks.list_likeness(rows),
        checks.register_coverage(rows),
        checks.noises(rows),
        checks.unseen_apart(rows),
        data_checks.exact_duplicates(rows, text),
        data_checks.no_near_duplicates(rows, text),
        data_checks.masked_texts(rows, checks.masked, role),
        data_checks.held_out_names(rows, text, names, role),
    ]


def write(rows: Rows, folder: Path, *, seed: int | None = None) -> dict:
    """Write splits, schemas, data card and manifest, each file whole or not at all.

    The manifest, which is returned, records the seed that the rows were built with.
    """
    files = [f"schemas/{group}.json" for group in schemas.groups()]
    for name in files:
        io.write_bytes(folder / name, (PUBLISHED / name).read_bytes())
    card = (PUBLISHED / datasets.CARD).read_text("utf-8")
    io.write_text(folder / datasets.CARD, data_card.render(card, rows))
    about = {
        "name": NAME,
        "version": VERSION,
        "generator": GENERATOR,
        "seed": SEED if seed is None else seed,
        "licence": "CC-BY-4.0",
        "canary": checks.CANARY,
    }
    more = {"domain": lambda row: row["meta"]["domain"]}
    return datasets.write(rows, folder, about, files=files, more=more)


def main(arguments: list[str] | None = None) -> None:
    """Write an extended training split: slmbench data edgejson 20000 more.jsonl"""
    parser = argparse.ArgumentParser(prog="slmbench data edgejson", description=main.__doc__)
    parser.add_argument("size", type=int, help="number of cases")
    parser.add_argument("out", type=Path, help="the JSONL file to write")
    parser.add_argument("--seed", type=int, default=SEED, help="the published one by default")
    options = parser.parse_args(arguments)
    rows = extend(options.size, seed=options.seed)
    io.write_jsonl(options.out, progress.bar(rows, total=options.size, desc="cases", unit="case"))
