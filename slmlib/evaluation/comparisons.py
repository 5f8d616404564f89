"""One model in several ways: what wording, constraint, engine and type of number change.

Each table here compares on the same cases. Prompts and engines are compared with all else equal; free and
constrained decoding in one engine, with the usual prompt of each and with the same one. The run that stands
for a model in the leaderboard is asked the usual prompt, in the engine that comes first in `PREFERRED`.
"""

import statistics
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from slmlib.core import tables
from slmlib.core.tables import NONE, Table
from slmlib.engines.base import numbers
from slmlib.evaluation import stats
from slmlib.evaluation.results import Result, groups_of, quoted_as
from slmlib.tasks import base as tasks

PREFERRED = (("openvino", "float32"), ("transformers", "float32"), ("transformers", "bfloat16"))
BITS = {
    "float32": 32, "f16": 16, "bfloat16": 16, "q8_0": 8, "int8": 8,
    "q4_1": 4, "q4_k_m": 4, "q4_k_m_i": 4, "nf4": 4,
}  # fmt: skip
TAXED = ("q8_0", "q4_k_m", "q4_k_m_i", "q4_1")  # types of GGUF file, columns of the leaderboard
TIMED = "test"  # the split whose published runs have the machine to themselves
Groups = Mapping[str, str] | None


def _model(result: Result) -> tuple:
    return result.model["name"], result.model["adapter"], result.decoding["mode"]


def _setting(result: Result) -> tuple:
    return result.engine["name"], result.engine["dtype"]


def _asked_usually(result: Result) -> bool:
    usual = tasks.get(result.task).usual_prompt(result.decoding["mode"], trained=result.tuned)
    return result.prompt["name"] == usual


def _preference(result: Result) -> tuple:
    place = PREFERRED.index(_setting(result)) if _setting(result) in PREFERRED else len(PREFERRED)
    return not result.complete, not _asked_usually(result), place, result.run


def _grouped(results: Iterable[Result], by: Callable[[Result], Hashable]) -> dict:
    found: dict = {}
    for result in results:
        found.setdefault(by(result), []).append(result)
    return found


def standing(results: Iterable[Result]) -> list[Result]:
    """The run that stands for each model, way of decoding and split."""
    parts = _grouped(results, lambda result: (_model(result), result.split))
    return [min(part, key=_preference) for part in parts.values()]


# --- wording ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """One metric over prompts, all else equal."""

    low: float
    middle: float
    high: float
    prompts: int

    def text(self, metric: str) -> str:
        """As printed: `0.0–1.5–4.0 (12)`."""
        shown = (tables.number(metric, each, unit=False) for each in (self.low, self.middle, self.high))
        return f"{'–'.join(shown)} ({self.prompts})"


def reworded(result: Result, results: Iterable[Result]) -> list[Result]:
    """Runs that differ from this one in the prompt at most; this one first, then by the prompt's name."""
    same = [r for r in results if r.complete and r.split == result.split and r.run != result.run]
    others = [r for r in same if (_model(r), _setting(r)) == (_model(result), _setting(result))]
    return [result, *sorted(others, key=lambda r: r.prompt["name"])]


def spread(result: Result, results: Iterable[Result], metric: str = "field_f1") -> Spread | None:
    """How a score varies with the prompt; None if only one was tried."""
    values = [r.metrics[metric]["mean"] for r in reworded(result, results)]
    if len(values) < 2:
        return None
    return Spread(min(values), statistics.median(values), max(values), len(values))


def prompts_table(results: Sequence[Result]) -> Table | None:
    """JSONExact and FieldF1 under each prompt, for the models that were asked in several ways."""
    families = [reworded(result, results) for result in standing(results)]
    rows = [
        [
            run.label,
            run.prompt["name"],
            *(tables.estimate(m, run.metrics[m]) for m in ("json_exact", "field_f1", "schema_compliance")),
            f"{run.throughput['tokens_in'] / run.n:.0f}",
        ]
        for runs in families
        if len(runs) > 1
        for run in runs
    ]
    titles = map(tables.title, ("json_exact", "field_f1", "schema_compliance"))
    return Table.of(["Model", "Prompt", *titles, "Tokens in"], rows) if rows else None


# --- engines and types of number --------------------------------------------------------------


def engines_of(result: Result, results: Iterable[Result]) -> list[Result]:
    """Runs that differ from this one in engine and type of number at most; this one first."""
    same = [r for r in results if r.complete and r.split == result.split and _model(r) == _model(result)]
    others = [r for r in same if r.prompt == result.prompt and r.run != result.run]
    return [result, *sorted(others, key=lambda r: (-BITS.get(numbers(r.engine), 0), _setting(r)))]


def engines_table(
    results: Sequence[Result], groups: Groups = None, profiles: Iterable[Mapping] = ()
) -> Table | None:
    """Each model in its engines and types of number, compared case by case with the run that stands for it.

    "Same answers" are completions that are the same text. The differences have paired intervals.

    Args:
        results: runs of one split.
        groups: the group of each case by id; by default as in the task's examples.
        profiles: what `profile` measured; their memory is that of one case at a time.
    """
    memory = {profiled(found): found["peak_memory_bytes"] for found in profiles}
    rows = [
        _engine_line(run, runs[0], memory, groups)
        for runs in (engines_of(result, results) for result in standing(results))
        if len(runs) > 1
        for run in runs
    ]
    header = [
        "Model", "Engine", "Numbers", "JSONExact", "FieldF1", "FieldF1, difference", "Same answers",
        "Weights, MB", "Memory, MB", "tok/s",
    ]  # fmt: skip
    return Table.of(header, rows) if rows else None


def profiled(found: Mapping) -> tuple:
    """What a profile is of; as `ran` says it of a run."""
    engine = found["engine"]
    return found["model"], found["decoding"], engine["name"], engine["dtype"], found["prompt"]


def ran(run: Result) -> tuple:
    """What a run is of; as `profiled` says it of a profile."""
    return run.model["name"], run.decoding["mode"], *_setting(run), run.prompt["name"]


def _engine_line(run: Result, reference: Result, memory: Mapping, groups: Groups) -> list[str]:
    itself = run.run == reference.run
    peak, weights = memory.get(ran(run)), run.engine.get("weights_bytes")
    return [
        run.label,
        run.engine["name"],
        numbers(run.engine),
        *(tables.estimate(metric, run.metrics[metric]) for metric in ("json_exact", "field_f1")),
        NONE if itself else tables.difference("field_f1", difference(run, reference, "field_f1", groups)),
        NONE if itself else f"{same_answers(run, reference)}/{run.n}",
        f"{weights / 1e6:.0f}" if weights else NONE,
        f"{peak / 1e6:.0f}" if peak else NONE,
        f"{run.throughput['tokens_per_second']:.1f}" if _same_machine(run, reference) else NONE,
    ]


def _same_machine(a: Result, b: Result) -> bool:
    """Whether times of two runs may stand side by side."""

    def told(run: Result) -> tuple:
        machine = run.environment["machine"]  # one name may stand for CPUs with other instructions
        return machine["cpu"], machine.get("features"), machine["cores"], run.engine["threads"]

    return told(a) == told(b)


def same_answers(a: Result, b: Result) -> int:
    """Cases to which two runs wrote the same text."""
    theirs = {row["id"]: row["completion"] for row in b.predictions()}
    return sum(row["completion"] == theirs.get(row["id"]) for row in a.predictions())


def agreement(results: Iterable[Result], fine: str = "f16", coarse: str = "q8_0") -> dict[str, dict]:
    """How often llama.cpp answers alike from two types of GGUF file, for `_variables.yml`.

    Returns:
        By label of the model, `answers` of the same text and `verdicts` that are both right or both wrong.
    """
    found, results = {}, list(results)
    for result in standing(results):
        runs = {_setting(run): run for run in engines_of(result, results)}
        pair = [runs.get(("llamacpp", dtype)) for dtype in (fine, coarse)]
        if all(pair):
            exact = [run.scores("json_exact") for run in pair]
            alike = sum(score == exact[1][case] for case, score in exact[0].items())
            counts = {"answers": same_answers(*pair), "verdicts": alike}
            key = quoted_as(result.label)
            found[key] = {name: f"{count} of {pair[0].n}" for name, count in counts.items()}
    return found


def difference(a: Result, b: Result, metric: str, groups: Groups = None) -> dict:
    """Score of `a` less that of `b` on the same cases, with the paired interval over groups."""
    return asdict(stats.paired_cluster_bootstrap(*_paired(a, b, metric, groups)))


def differences(pairs: Iterable[tuple[Result, Result]], metric: str, groups: Groups = None) -> list[dict]:
    """`difference` of each pair, and `p`: of a paired test over groups, adjusted over the pairs (Holm)."""
    paired = [_paired(a, b, metric, groups) for a, b in pairs]
    adjusted = stats.holm([stats.paired_cluster_test(*columns) for columns in paired])
    found = [asdict(stats.paired_cluster_bootstrap(*columns)) for columns in paired]
    return [{**each, "p": p} for each, p in zip(found, adjusted, strict=True)]


def _paired(a: Result, b: Result, metric: str, groups: Groups) -> tuple[list, list, list]:
    """The scores of the cases that both have, and the groups of these."""
    groups = groups_of(a) if groups is None else groups
    ours, theirs = a.scores(metric), b.scores(metric)
    ids = [name for name in ours if name in theirs]
    return [ours[name] for name in ids], [theirs[name] for name in ids], [groups[name] for name in ids]


def tax(
    result: Result, results: Iterable[Result], kind: str, metric: str = "field_f1", groups: Groups = None
) -> dict | None:
    """What a score is with weights of a type less what it is with F16, both under llama.cpp, with the paired
    interval; None if either was not run."""
    runs = [r for r in engines_of(result, results) if r.engine["name"] == "llamacpp"]
    # rather than the file as it came, what is made from the sixteen bits
    runs.sort(key=lambda r: r.engine["dtype"] == "source")
    full, found = ([r for r in runs if numbers(r.engine) == wanted] for wanted in ("f16", kind))
    return difference(found[0], full[0], metric, groups) if full and found else None


# --- free and constrained ---------------------------------------------------------------------


def decodings(results: Iterable[Result]) -> list[tuple[Result, Result]]:
    """Each model's free run on a split beside a constrained one: each asked its usual prompt, then both
    asked the same one, where that was run; all else equal."""
    whole = [r for r in results if r.complete and not r.control]
    stands, found = standing(whole), []
    for free in (r for r in stands if r.decoding["mode"] == "free"):
        bound = [r for r in whole if r.decoding["mode"] == "schema" and _twins(r, free)]
        found += [(free, r) for r in bound if r in stands]
        found += [(free, r) for r in bound if r not in stands and r.prompt == free.prompt]
    return found


def _twins(a: Result, b: Result) -> bool:
    """Whether two runs differ in prompt and way of decoding at most."""
    return (_model(a)[:2], a.split, _setting(a)) == (_model(b)[:2], b.split, _setting(b))


def decodings_table(results: Sequence[Result], groups: Groups = None) -> Table | None:
    """What the constraint gives and takes: valid answers, scores, and on `TIMED` seconds a case.

    Args:
        results: runs of any splits.
        groups: the group of each case by id; by default as in the task's examples.
    """
    rows = [_decoding_line(free, bound, groups) for free, bound in decodings(results)]
    header = [
        "Model", "Split", "Prompts", "Valid, free", "Valid, schema", "JSONExact, difference",
        "FieldF1, difference", "s/case, free", "s/case, schema",
    ]  # fmt: skip
    if all(row[-1] == NONE for row in rows):
        header, rows = header[:-2], [row[:-2] for row in rows]
    return Table.of(header, rows) if rows else None


def _decoding_line(free: Result, bound: Result, groups: Groups) -> list[str]:
    same = free.prompt == bound.prompt
    prompts = "the same" if same else "each its own"
    valid = (tables.estimate("schema_compliance", r.metrics["schema_compliance"]) for r in (free, bound))
    changed = (tables.difference(m, difference(bound, free, m, groups)) for m in ("json_exact", "field_f1"))
    comparable = free.split == TIMED and _same_machine(free, bound)
    paces = (1 / r.throughput["cases_per_second"] for r in (free, bound))
    pace = (f"{seconds:.2f}" if comparable else NONE for seconds in paces)
    return [tables.plain(free.model["name"]), free.split, prompts, *valid, *changed, *pace]


# --- the leaderboard --------------------------------------------------------------------------


def columns(results: Sequence[Result], groups: Groups = None) -> dict[str, Callable[[Result], str]]:
    """What the leaderboard says of variants: FieldF1 over prompts, and what fewer bits change in it."""

    def prompts(result: Result) -> str:
        found = spread(result, results)
        return found.text("field_f1") if found else NONE

    def fewer(kind: str) -> Callable[[Result], str]:
        def of(result: Result) -> str:
            change = tax(result, results, kind, groups=groups)
            return NONE if change is None else tables.difference("field_f1", change)

        return of

    return {"Prompts": prompts, **{kind.upper(): fewer(kind) for kind in TAXED}}
