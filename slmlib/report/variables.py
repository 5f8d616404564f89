"""`_variables.yml`: every number that prose quotes, as printed, in one block for each task.

    edgejson.<split>.<run>.<metric>, <metric>_ci      a run of a split that represents its model
    edgejson.<split>.<run>.<slice>_<value>_<metric>   the same for a part of the split
    edgejson.failures.<split>.<run>.<class>           number of wrong cases of a class
    edgejson.compare.<name>.difference, p             a comparison that the task names

A run is named by its model, with underscores, and with "_constrained" if it was. Incomplete runs
are not quoted.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import combinations
from pathlib import Path

import yaml

from slmlib import tasks
from slmlib.core import io, tables
from slmlib.core.tables import NONE
from slmlib.evaluation import comparisons
from slmlib.evaluation.results import Result, Row
from slmlib.report import leaderboard
from slmlib.report.tables import changes, differences, graded, opponents, peak_memory, speed
from slmlib.tasks.base import Metric, Task
from slmlib.training import publish

Numbers = dict[str, object]


def key(label: str) -> str:
    """A label as a part of a variable's name."""
    return "".join(c if c.isalnum() else "_" for c in label.replace(", ", "_"))


def variables(
    task: Task, rows: Sequence[Row], runs: Sequence[Result], ablations: Sequence = ()
) -> Numbers:
    """The block of a task: nested dicts of strings and whole numbers.

    Args:
        rows: its boards (`leaderboard.boards`).
        runs: all its published runs.
        ablations: its trained recipes.
    """
    ranked = [row.result for row in rows if row.result.complete]
    by_split: dict[str, dict[str, Result]] = {}
    for result in ranked:
        split, name = by_split.setdefault(result.split, {}), key(result.label)
        if name in split:
            raise ValueError(
                f"{split[name].run} and {result.run} would both be {result.split}.{name} in "
                "variables; publish one of them."
            )
        split[name] = result
    timed = [run for run in runs if run.split == task.speed_split]
    report, agreement = task.report, comparisons.agreement(timed)
    block: Numbers = {"data": report.data_numbers()} if report else {}
    block |= {split: _run_numbers(task, split, parts) for split, parts in by_split.items()}
    block["failures"] = {
        split: {
            name: {each: run.failures.get(each, 0) for each in task.failures}
            for name, run in parts.items()
        }
        for split, parts in by_split.items()
    }
    if report:
        block["compare"] = _comparisons(task, by_split)
    block |= _board(rows, runs)
    block["environment"] = _environment(ranked)
    block["scorer"] = {"version": task.scorer_version}
    block["training"] = publish.numbers(task)
    if ablations:
        block["ablations"] = _ablations(ablations)
    block["q8_0_and_f16"] = {key(label): counts for label, counts in agreement.items()}
    return block


def write(path: Path, task: Task, block: Mapping) -> None:
    """Replace the block of a task; the others stay. The same numbers give the same bytes.

    A number and its per cent sign stay on one line of prose.
    """
    blocks = (yaml.safe_load(path.read_text("utf-8")) or {}) if path.exists() else {}
    blocks = {name: blocks[name] for name in tasks.names() if name in blocks}
    blocks[task.name] = dict(block)
    ordered = dict(sorted(blocks.items()))
    body = yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=1000)
    body = body.replace(" %", "\N{NO-BREAK SPACE}%")
    io.write_text(path, "# Written by notebooks/04_analyze.ipynb; do not edit.\n" + body)


def _run_numbers(task: Task, split: str, runs: Mapping[str, Result]) -> dict[str, Numbers]:
    report, numbers = task.report, {}
    samples = {sample.id: sample for sample in task.load(split)} if report else {}
    for name, run in runs.items():
        failures = run.failures_by_count()
        numbers[name] = {
            "n": run.n,
            **_scores(task.metrics, run.metrics),
            "tok_s": speed(run),
            "cases_s": f"{run.throughput['cases_per_second']:.2f}",
            "minutes": f"{run.seconds / 60:.1f}",
            "peak_memory_gb": peak_memory(run),
            "top_failure": task.failures[failures[0][0]] if failures else "none",
            "top_failure_n": failures[0][1] if failures else 0,
            "wrong_n": run.n - run.right,
        }
        if report:
            numbers[name] |= report.run_numbers(samples, run.rows)
        for each in task.slices:
            parts = run.by_slice.get(each.name, {})
            for value in each.values if len(parts) > 1 else ():  # values that the task declares
                part = parts.get(value, {})
                prefix = f"{each.name}_{value}_"
                numbers[name][prefix + "n"] = next(iter(part.values()))["n"] if part else 0
                numbers[name] |= _scores(task.board, part, prefix)
    return numbers


def _scores(
    shown: Iterable[Metric], values: Mapping[str, Mapping], prefix: str = ""
) -> dict[str, str]:
    numbers = {}
    for m in shown:
        value = values.get(m.name)
        numbers[prefix + m.name] = m.number(value["mean"]) if value else NONE
        numbers[f"{prefix}{m.name}_ci"] = m.span(value)
    return numbers


def _comparisons(task: Task, by_split: Mapping[str, Mapping[str, Result]]) -> dict[str, Numbers]:
    """Named differences; p-values are those of the table of all pairs of the split."""
    named: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for name, c in task.report.comparisons.items():
        named.setdefault((c.split, c.metric), {})[c.a, c.b] = name
    numbers = {}
    for (split, metric_name), names in named.items():
        metric, runs = task.metric(metric_name), by_split.get(split, {})
        compared = [key(run.label) for run in opponents(runs.values())]
        pairs = [(b, a) if (b, a) in names else (a, b) for a, b in combinations(compared, 2)]
        estimates = differences(metric, [(runs[a], runs[b]) for a, b in pairs])
        for pair, d in zip(pairs, estimates, strict=True):
            if pair in names:
                numbers[names[pair]] = {"difference": metric.difference(d), "p": tables.p(d["p"])}
    return numbers


def _board(rows: Sequence[Row], runs: Sequence[Result]) -> dict[str, Numbers]:
    """Counts of the board, its first model and the first other one."""
    models = [row for row in rows if row.rank]
    started = max((datetime.fromisoformat(run.started) for run in runs), default=None)
    first = [row for row in models if row.result.split == rows[0].result.split]
    others = [row for row in first if row.result.model["name"] != first[0].result.model["name"]]
    numbers = {
        "board": {
            "models": len({row.result.model["name"] for row in models}),
            "runs": len(models),
            "published": len(runs),
            "waiting": len(leaderboard.waiting_table(runs).rows),
            "updated": f"{started.day} {started:%B %Y}" if started else NONE,
        }
    }
    for place, its in (("leader", first), ("next", others)):
        numbers |= {place: _leader(its[0])} if its else {}
    return numbers


def _leader(row: Row) -> Numbers:
    run = row.result
    return {
        "name": leaderboard.printed_name(run.model["name"]),
        "size": tables.size(run.model["parameters"]),
        "class": leaderboard.size_class(run),
        "decoding": "unconstrained" if run.mode == "free" else "grammar-constrained",
        "training": "fine-tuned for this task" if run.tuned else "not fine-tuned for this task",
        "n": run.n,
        **_scores([run.benchmark.ranking_metric], run.metrics),
        "place": row.place,
        "page": leaderboard.page(run),
    }


def _environment(ranked: Iterable[Result]) -> Numbers:
    """Settings of the first ranked run of a model."""
    run = next((r for r in ranked if not r.control), None)
    if run is None:
        return {}
    engine, packages, machine = run.engine, run.environment["packages"], run.environment["machine"]
    return {
        "cpu": str(machine.get("cpu", NONE)),
        "cores": machine.get("cores", NONE),
        "torch": packages.get("torch", NONE),
        "transformers": packages.get("transformers", NONE),
        "engine": engine["name"],
        "engine_version": engine["version"],
        "dtype": engine["dtype"] or NONE,
        "batch_size": engine["batch_size"],
        "max_new_tokens": run.decoding["max_new_tokens"],
    }


def _ablations(ablations: Sequence) -> Numbers:
    runs = ablations[0].runs
    numbers: Numbers = {"count": len(ablations)}
    numbers |= {f"cases_{split}": run.n for split, run in runs.items()}
    numbers |= {key(one.name): {"cases": f"{one.record['data']['cases']:,}"} for one in ablations}
    for split, by_name in changes(ablations).items():
        metric = graded(runs[split].benchmark)
        for name, d in by_name.items():
            numbers[key(name)] |= {
                f"{split}_{metric.name}_difference": metric.difference(d),
                f"{split}_p": tables.p(d["p"]),
            }
    return numbers
