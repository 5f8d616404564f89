"""Pages of the site that are generated: one per model and task, and the cards of data and models.

Whatever a model or a submitter wrote (answers, names) is escaped by `tables` or by the task.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import yaml

from slmlib.core import io, paths, tables
from slmlib.core.machine import label
from slmlib.core.tables import NONE, Link, Table
from slmlib.engines import launch
from slmlib.evaluation import comparisons, latency, metrics
from slmlib.evaluation.results import Result, Row
from slmlib.models import registry
from slmlib.report.leaderboard import printed_name, size_class, slug
from slmlib.report.tables import (
    commit,
    failure_columns,
    graded,
    machine,
    peak_memory,
    score_columns,
    slice_counts,
    speed,
)
from slmlib.tasks.base import Slice, Task
from slmlib.training.model_card import REPOSITORY

MARK = "<!-- Written by notebooks/04_analyze.ipynb; do not edit. -->"
TEMPLATE = Path(__file__).with_name("model_page.md")


def model_pages(
    rows: Sequence[Row], runs: Sequence[Result], profiles: Sequence[Mapping] = ()
) -> dict[str, str]:
    """The page of each ranked model of a task, by path in the task's folder of the site.

    Args:
        rows: its boards (`leaderboard.boards`).
        runs: all its published runs.
        profiles: as measured by `latency`.
    """
    names: dict[str, str] = {}
    for name in (row.result.model["name"] for row in rows if row.rank):
        path = f"models/{slug(name)}.qmd"
        if names.setdefault(path, name) != name:
            raise ValueError(f"two models would share the page {path}; rename one of them.")
    return {
        path: _model_page(
            [row for row in rows if row.result.model["name"] == name],
            [run for run in runs if run.model["name"] == name],
            [profile for profile in profiles if profile["model"] == name],
        )
        for path, name in names.items()
    }


def _model_page(rows: Sequence[Row], runs: Sequence[Result], profiles: Sequence[Mapping]) -> str:
    places = {row.result.run: row.place for row in rows}
    ran = [row.result for row in rows if row.result.complete]
    task, name = ran[0].benchmark, ran[0].model["name"]
    by_split = comparisons.grouped(ran, lambda run: run.split)
    run_columns = {"Split": lambda r: r.split, "Decoding": lambda r: r.mode}
    scores = {
        "Rank": lambda r: places[r.run],
        "Cases": lambda r: str(r.n),
        **score_columns(task.metrics),
    }
    speeds = {
        "Engine": lambda r: f"{r.engine['name']} {r.engine['version']}",
        "Precision": lambda r: launch.precision(r.engine),
        "Batch": lambda r: str(r.engine["batch_size"]),
        "tok/s": speed,
        "Cases/s": lambda r: f"{r.throughput['cases_per_second']:.2f}",
        "Peak, GB": peak_memory,
        "Machine": machine,
    }
    device = ""
    if profiles:
        machines = "; ".join(sorted({label(p["environment"]["machine"]) for p in profiles}))
        device = f"One case at a time, as on a device, on {tables.markdown(machines)}:\n\n"
        device += latency.table(profiles).markdown()
    text = TEMPLATE.read_text("utf-8").format(
        task=task.name,
        split=task.ranking_split,
        graded=graded(task).title,
        facts=_facts(ran[0]),
        scores=Table.by(run_columns | scores, ran).markdown(),
        slices="\n\n".join(_slice(ran, each) for each in task.slices),
        groups="\n\n".join(_folded(s, _groups(group)) for s, group in by_split.items()),
        classes=Table.by(run_columns | failure_columns(ran), ran).markdown(),
        failures="\n\n".join(_failures(task, by_split.get(task.ranking_split, []))),
        speed=Table.by(run_columns | speeds, by_split.get(task.speed_split, [])).markdown(),
        device=device,
        runs=_runs_table(runs),
        commands=tables.fence("\n".join(map(_command, ran)), "bash"),
    )
    title = f"{printed_name(name)} on {task.title}"
    about = f"Scores of {tables.markdown(name)} on {task.title}"
    about += ": parts, failures, speed, provenance."
    return _page(title, about, text, **{"page-layout": "full", "toc": False})


def _command(run: Result) -> str:
    """The command that repeats a run and compares it with the published one."""
    settings = {
        "task": run.task,
        "model": run.model["name"],
        "split": run.split,
        "decoding": run.mode,
        "prompt": run.prompt["name"],
        "engine": run.engine["name"],
        "dtype": run.engine["dtype"] or "auto",
        "batch_size": run.engine["batch_size"],
        "limit": 0,
    }
    options = " ".join(f"-p {key} {shlex.quote(str(value))}" for key, value in settings.items())
    return f".venv/bin/slmbench notebook 02_evaluate runs/mine.ipynb {options}"


def _page(title: str, description: str, text: str, **options) -> str:
    front = {"title": title, "description": description, **options}
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{head}---\n\n{MARK}\n\n{text.strip()}\n"


def _folded(title: str, body: str) -> str:
    """A section that a reader opens, without a script."""
    summary = f"<summary>{tables.markup(title)}</summary>"
    return f"<details>\n{summary}\n\n{body.strip()}\n\n</details>"


def _facts(run: Result) -> str:
    model = run.model
    known = registry.MODELS.get(model["name"]) or registry.trained().get(model["name"])
    facts: dict[str, tables.Cell] = {
        "Name in the repository": model["name"],
        "Size": f"{tables.size(model['parameters'])} parameters, {size_class(run)}",
        "Licence": known.licence if known else NONE,
        "Chat template": (known.chat if known else "") or NONE,
        "Weights": model["source"],
        "Revision": model["revision"] or NONE,
        "SHA-256 of the weights": model["weights_sha256"] or NONE,
        "Adapter": model["adapter"] or "none",
    }
    if (paths.ADAPTERS / model["name"] / "README.md").is_file():
        card = f"/site/{run.task}/models/card-{slug(model['name'])}.qmd"
        facts["Card"] = Link("model card", card)
    return Table.of(["Fact", "Value"], facts.items()).markdown()


def _slice(runs: Sequence[Result], each: Slice) -> str:
    """A table of the parts of a slice, folded if the task doesn't say which values it has."""
    board, lines = runs[0].benchmark.board, []
    for run in runs:
        parts = run.by_slice.get(each.name, {})
        for value in each.ordered(parts) if len(parts) > 1 else ():
            cells = [run.split, run.mode, value, str(slice_counts(parts)[value])]
            lines.append([*cells, *(m.estimate(parts[value].get(m.name)) for m in board)])
    header = ["Split", "Decoding", each.title, "Cases", *(m.title for m in board)]
    if not lines:
        return ""
    table = Table.of(header, lines).markdown()
    return table if each.values else _folded(each.title, table)


def _groups(runs: Sequence[Result]) -> str:
    """Right cases and the mean of the graded metric, if it is one of cases, by group of a split."""
    metric, columns = graded(runs[0].benchmark), {"Group": lambda group: group}
    for run in runs:
        rows = comparisons.grouped(run.rows, lambda row: row["group"])
        columns[f"right, {run.mode}"] = lambda group, rows=rows: (
            f"{sum(row['failure'] is None for row in rows[group])}/{len(rows[group])}"
        )
        if not metric.counted:
            columns[f"{metric.title}, {run.mode}"] = lambda group, rows=rows: metric.number(
                fmean(metrics.values(metric, rows[group]))
            )
    return Table.by(columns, sorted({row["group"] for row in runs[0].rows})).markdown()


def _failures(task: Task, runs: Sequence[Result]) -> Iterable[str]:
    """The shortest case of each failure class and decoding."""
    samples = {sample.id: sample for sample in task.load(task.ranking_split)} if runs else {}
    for run in runs:
        for failure, title in task.failures.items():
            wrong = [row for row in run.rows if row["failure"] == failure]
            cases = [task.render(samples[row["id"]], row, model=run.label) for row in wrong]
            if cases:
                heading = f"{run.mode}: {title} ({len(wrong)} of {run.n})"
                yield _folded(heading, min(cases, key=lambda case: (len(case), case)))


def _runs_table(runs: Sequence[Result]) -> str:
    def weights(run: Result) -> str:
        return (run.engine.get("weights_sha256") or run.model["weights_sha256"] or NONE)[:10]

    folder = f"/data/results/{runs[0].task}"
    columns = {
        "Run": lambda r: Link(r.run, f"{folder}/{r.path.name}"),
        "Predictions": lambda r: Link("answers", f"{folder}/{r.predictions_path.name}"),
        "Prompt": lambda r: r.prompt["name"],
        "Prompt's hash": lambda r: r.prompt["sha256"][:10],
        "Data": lambda r: r.dataset["sha256"][:10],
        "Weights": weights,
        "Scorer": lambda r: r.scorer["version"],
        "Commit": commit,
        "Started": lambda r: r.started[:10],
    }
    return Table.by(columns, sorted(runs, key=lambda run: run.run)).markdown()


def card_pages(task: Task) -> dict[str, str]:
    """The task's data card and the cards of models trained on it, by path as in `model_pages`."""
    cards = {"data-card.qmd": (task.folder / "README.md", "data card")}
    for record in registry.published():
        if task.name in io.read_json(record)["prompts"]:
            page = f"models/card-{slug(record.parent.name)}.qmd"
            cards[page] = (record.with_name("README.md"), "model card")
    return {page: _card(*card) for page, card in cards.items() if card[0].is_file()}


def cards_list(task: Task) -> str:
    """Links to the cards, as Markdown."""
    titles = {
        page: yaml.safe_load(text.split("---\n")[1])["title"]
        for page, text in card_pages(task).items()
    }
    return "".join(f"- [{title}](/site/{task.name}/{page})\n" for page, title in titles.items())


def _card(path: Path, kind: str) -> str:
    """A card as a page: its heading is the title, and relative links lead to the repository."""
    body = re.sub(r"\A---\n.*?\n---\n", "", path.read_text("utf-8"), flags=re.DOTALL)
    heading = re.search(r"^# (.+)$", body, re.MULTILINE)
    body = body.replace(heading[0], "", 1) if heading else body
    name = heading[1] if heading else path.parent.name
    here = f"{REPOSITORY}/blob/main/data/{path.parent.relative_to(paths.DATA).as_posix()}/"
    body = re.sub(r"\]\((?![a-z]+:|#|/)", f"]({here}", body)
    return _page(f"{name}: {kind}", f"The {kind} of {name}, as published in the repository.", body)


def write(pages: Mapping[str, str], folder: Path) -> None:
    """Write pages into a folder; remove generated ones that are no longer among them."""
    for old in [*folder.glob("*.qmd"), *folder.glob("models/*.qmd")]:
        if old.relative_to(folder).as_posix() not in pages and MARK in old.read_text("utf-8"):
            old.unlink()
    for name, text in pages.items():
        io.write_text(folder / name, text)
