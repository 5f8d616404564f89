"""Comparisons of one model under other prompts, engines, precisions and decodings.

Prompts and engines are compared with all else equal; free and constrained decoding in one engine,
with the default prompt of each and with the same one. The run that represents a model on the board
is asked in its default prompt, by the engine that comes first in `PREFERRED`.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping

from slmlib.engines import launch
from slmlib.evaluation import run
from slmlib.evaluation.results import Result, texts

PREFERRED = (("openvino", "float32"), ("transformers", "float32"), ("transformers", "bfloat16"))
BITS = {
    "float32": 32, "f16": 16, "bfloat16": 16, "q8_0": 8, "int8": 8,
    "q4_1": 4, "q4_k_m": 4, "q4_k_m_i": 4, "nf4": 4,
}  # fmt: skip


def model_key(result: Result) -> tuple:
    """Key of a run's model and decoding."""
    return result.model["name"], result.model["adapter"], result.mode


def engine_key(result: Result) -> tuple:
    """Engine and dtype of a run."""
    return result.engine["name"], result.engine["dtype"]


def run_key(result: Result) -> tuple:
    """Model, decoding, engine, dtype and prompt of a run, to be matched with `profile_key`."""
    return result.model["name"], result.mode, *engine_key(result), result.prompt["name"]


def profile_key(profile: Mapping) -> tuple:
    """Model, decoding, engine, dtype and prompt of a profile, to be matched with `run_key`."""
    engine = profile["engine"]
    return profile["model"], profile["decoding"], engine["name"], engine["dtype"], profile["prompt"]


def bits(result: Result) -> int:
    """Bits of the weights' precision."""
    return BITS.get(launch.precision(result.engine), 0)


def grouped(
    results: Iterable[Result], key: Callable[[Result], Hashable]
) -> dict[Hashable, list[Result]]:
    """Results by a key, in their order."""
    groups: dict = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return groups


def representative_runs(results: Iterable[Result]) -> list[Result]:
    """The run that represents each model, decoding and split."""

    def preference(result: Result) -> tuple:
        setting = engine_key(result)
        place = PREFERRED.index(setting) if setting in PREFERRED else len(PREFERRED)
        usual = run.default_prompt(result.benchmark, result.model["name"], result.mode)
        return not result.complete, result.prompt["name"] != usual, place, result.run

    groups = grouped(results, lambda result: (model_key(result), result.split))
    return [min(group, key=preference) for group in groups.values()]


def _others(result: Result, results: Iterable[Result]) -> list[Result]:
    """Other complete runs of the same model, decoding and split."""
    key = model_key(result), result.split
    complete = [r for r in results if r.complete and r.run != result.run]
    return [r for r in complete if (model_key(r), r.split) == key]


def over_prompts(result: Result, results: Iterable[Result]) -> list[Result]:
    """This run, then those that differ from it in the prompt only, by the prompt's name."""
    others = [r for r in _others(result, results) if engine_key(r) == engine_key(result)]
    return [result, *sorted(others, key=lambda r: r.prompt["name"])]


def over_engines(result: Result, results: Iterable[Result]) -> list[Result]:
    """This run, then those that differ from it in engine and precision only, by precision."""
    others = [r for r in _others(result, results) if r.prompt == result.prompt]
    return [result, *sorted(others, key=lambda r: (-bits(r), engine_key(r)))]


def same_machine(a: Result, b: Result) -> bool:
    """Return whether two runs are of one CPU, instructions, cores and threads."""

    def key(result: Result) -> tuple:
        machine = result.environment["machine"]  # CPUs of one name may differ in instructions
        return machine["cpu"], machine.get("features"), machine["cores"], result.engine["threads"]

    return key(a) == key(b)


def same_answers(a: Result, b: Result) -> int:
    """Number of cases for which two runs wrote the same text."""
    theirs = {row["id"]: texts(row) for row in b.rows}
    return sum(texts(row) == theirs.get(row["id"]) for row in a.rows)


def agreement(results: Iterable[Result]) -> dict[str, dict]:
    """The agreement of llama.cpp's answers from GGUF files of 16 and of 8 bits.

    Returns:
        By label of the model: `answers` with the same text, and `verdicts` that are both right or
        both wrong, each as "69 of 100".
    """
    counts, results = {}, list(results)
    for result in representative_runs(results):
        runs = {engine_key(r): r for r in over_engines(result, results)}
        fine, coarse = (runs.get(("llamacpp", dtype)) for dtype in ("f16", "q8_0"))
        if fine and coarse:
            right = {row["id"]: row["failure"] is None for row in coarse.rows}
            verdicts = sum(right.get(row["id"]) == (row["failure"] is None) for row in fine.rows)
            counts[result.label] = {
                "answers": f"{same_answers(fine, coarse)} of {fine.n}",
                "verdicts": f"{verdicts} of {fine.n}",
            }
    return counts


def decoding_pairs(results: Iterable[Result]) -> list[tuple[Result, Result]]:
    """Each model's free run on a split with a constrained one, all else equal.

    First with the default prompt of each decoding, then with the same prompt where that was run.
    """
    complete = [r for r in results if r.complete and not r.control]
    representative = representative_runs(complete)
    pairs = []
    for free in (r for r in representative if r.mode == "free"):
        key = model_key(free)[:2], free.split, engine_key(free)
        twins = [
            r
            for r in complete
            if r.mode == "constrained" and (model_key(r)[:2], r.split, engine_key(r)) == key
        ]
        pairs += [(free, r) for r in twins if r in representative]
        pairs += [(free, r) for r in twins if r not in representative and r.prompt == free.prompt]
    return pairs


def training_pairs(results: Iterable[Result]) -> list[tuple[Result, Result]]:
    """Each trained model with those not trained on the task, decoded alike, and with controls."""
    results = list(results)
    tuned, others = ([r for r in results if r.tuned == wanted] for wanted in (True, False))
    return [(a, b) for a in tuned for b in others if b.control or a.mode == b.mode]
