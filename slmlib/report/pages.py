"""Pages of the site that are generated: one per model and task, and the cards of data and models.

Whatever a model or a submitter wrote (answers, names) is escaped by `tables` or by the task.
"""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import yaml

from slmlib.core import io, paths, tables
from slmlib.core.tables import NONE, Link, Table
from slmlib.engines import launch
from slmlib.evaluation import comparisons, latency, metrics
from slmlib.evaluation.results import Result, Row
from slmlib.models import registry
from slmlib.report.leaderboard import printed_name, size_class, slug
from slmlib.report.tables import graded, machine, speed
from slmlib.tasks.base import Task

MARK = "<!-- Written by notebooks/04_analyze.ipynb; do not edit. -->"
REPOSITORY = "https://github.com/CycleCore-Technologies/slmbench"
MODEL_PAGE = """
{facts}

## Scores

{scores}

In brackets are 95 % intervals that allow for groups of similar cases. Ranks are within a split; \
[how to read them](/site/leaderboard.qmd#how-to-read-it).

## Parts of the data

{slices}

## Groups of cases

Right answers out of the cases of each group, and the mean {graded}. A group has few cases, so a single \
line says little.

{groups}

## How answers fail

{classes}

Every wrong case has [one class](/site/{task}/index.qmd#failure-classes). Below is the shortest case of \
each class on `{split}`, with the model's unedited text.

{failures}

## Speed

{speed}

Many cases at once. A speed belongs to the machine in its row and is never averaged over machines.

{device}

## Provenance

{runs}

A result contains the full hashes of data, prompt, scorer and weights, the versions of all packages and \
the commit. The predictions contain every answer and can be scored again without the model. Hashes are \
shortened here. *Weights* are those that the engine read.

## Reproduce

One command for each run of the first table, in the repository after `make setup`. It ends with a \
comparison with the published run, case by case.

{commands}
"""


def model_pages(
    rows: Sequence[Row], runs: Sequence[Result], profiles: Sequence[Mapping] = ()
) -> dict[str, str]:
    """The page of each ranked model of a task, by path in the task's folder of the site.

    Args:
        rows: its boards (`leaderboard.boards`).
        runs: all its published runs.
        profiles: as measured by `latency`.

    Raises:
        ValueError: two models would have the same page.
    """
    names = dict.fromkeys(row.result.model["name"] for row in rows if row.rank)
    files = Counter(slug(name) for name in names)
    if shared := [name for name, count in files.items() if count > 1]:
        raise ValueError(f"two models would share the page {shared[0]}.qmd; rename one of them.")
    return {
        f"models/{slug(name)}.qmd": model_page(
            [row for row in rows if row.result.model["name"] == name],
            [run for run in runs if run.model["name"] == name],
            [profile for profile in profiles if profile["model"] == name],
        )
        for name in names
    }


def model_page(rows: Sequence[Row], runs: Sequence[Result], profiles: Sequence[Mapping]) -> str:
    """One model's page: facts, scores, parts, groups, failures, speed, provenance and commands."""
    ran = [row.result for row in rows]
    task, name = ran[0].benchmark, ran[0].model["name"]
    timed = [run for run in ran if run.split == task.timed_split]
    folded = [each for each in task.slices if not each.values]
    places = sorted({tables.machine(p["environment"]["machine"]) for p in profiles})
    device = (
        f"One case at a time, as on a device, on {tables.markdown('; '.join(places))}:\n\n"
        + latency.table(profiles).markdown()
    )
    text = MODEL_PAGE.format(
        task=task.name,
        split=task.ranking_split,
        graded=graded(task).title,
        facts=_facts(ran[0]),
        scores=_table(
            ran,
            ["Rank", "Cases", *(m.title for m in task.metrics)],
            lambda r: [rows[ran.index(r)].place, str(r.n), *map(r.estimate, task.metrics)],
        ),
        slices="\n\n".join(
            _folded(each.title, _slice_table(ran, each))
            if each in folded
            else f"### {each.title}\n\n{_slice_table(ran, each)}"
            for each in task.slices
            if any(each.name in run.by_slice for run in ran)
        ),
        groups="\n\n".join(
            _folded(split, _groups_table(group))
            for split, group in comparisons.grouped(ran, lambda run: run.split).items()
        ),
        classes=_table(
            ran,
            ["right", *task.failures.values()],
            lambda r: [str(r.right), *(str(r.failures.get(each, 0)) for each in task.failures)],
        ),
        failures="\n\n".join(_failures(task, [r for r in ran if r.split == task.ranking_split])),
        speed=_table(
            timed,
            ["Engine", "Precision", "Batch", "tok/s", "Cases/s", "Peak, GB", "Machine"],
            lambda r: [
                f"{r.engine['name']} {r.engine['version']}",
                launch.precision(r.engine),
                str(r.engine["batch_size"]),
                speed(r),
                f"{r.throughput['cases_per_second']:.2f}",
                f"{r.throughput['peak_memory_bytes'] / 1e9:.1f}",
                machine(r),
            ],
        ),
        device=device if profiles else "",
        runs=_runs_table(runs),
        commands=tables.fence("\n".join(command(run) for run in ran), "bash"),
    )
    about = f"{name} on {task.title}: scores by part of the data, failures, speed and provenance."
    options = {"page-layout": "full", "toc": False}
    return _page(f"{printed_name(name)} on {task.title}", about, text, **options)


def command(run: Result) -> str:
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
    body = re.sub(r"\n{3,}", "\n\n", text).strip()
    return f"---\n{head}---\n\n{MARK}\n\n{body}\n"


def _folded(title: str, body: str) -> str:
    """A section that a reader opens, by mouse or keyboard, without a script."""
    summary = f"<summary>{tables.markup(title)}</summary>"
    return f"<details>\n{summary}\n\n{body.strip()}\n\n</details>"


def _table(runs: Iterable[Result], header: list[str], cells: Callable) -> str:
    lines = [[run.split, run.mode, *cells(run)] for run in runs]
    return Table.of(["Split", "Decoding", *header], lines).without_empty().markdown()


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


def _slice_table(runs: Sequence[Result], each) -> str:
    board = runs[0].benchmark.board
    lines = []
    for run in runs:
        parts = run.by_slice.get(each.name, {})
        for value in each.ordered(parts):
            scores = [
                m.estimate(parts[value][m.name]) if m.name in parts[value] else NONE for m in board
            ]
            n = str(next(iter(parts[value].values()))["n"])
            lines.append([run.split, run.mode, value, n, *scores])
    header = ["Split", "Decoding", each.title, "Cases", *(m.title for m in board)]
    return Table.of(header, lines).markdown()


def _groups_table(runs: Sequence[Result]) -> str:
    """Right cases and the mean of the graded metric, if it is one of cases, by group of a split."""
    metric = graded(runs[0].benchmark)
    by_group = [comparisons.grouped(run.rows, lambda row: row["group"]) for run in runs]
    header, lines = ["Group"], []
    for run in runs:
        header += [f"right, {run.mode}"] + [f"{metric.title}, {run.mode}"] * (not metric.counted)
    for group in sorted({name for groups in by_group for name in groups}):
        line = [group]
        for rows in (groups.get(group, []) for groups in by_group):
            line.append(f"{sum(row['failure'] is None for row in rows)}/{len(rows)}")
            if not metric.counted:
                line.append(metric.number(fmean(metrics.values(metric, rows))) if rows else NONE)
        lines.append(line)
    return Table.of(header, lines).markdown()


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


def _runs_table(runs: Iterable[Result]) -> str:
    lines = [
        [
            Link(run.run, f"/data/results/{run.task}/{run.path.name}"),
            Link("answers", f"/data/results/{run.task}/{run.predictions_path.name}"),
            run.prompt["name"],
            run.prompt["sha256"][:10],
            run.dataset["sha256"][:10],
            (run.engine.get("weights_sha256") or run.model["weights_sha256"] or NONE)[:10],
            run.scorer["version"],
            (run.environment["commit"] or NONE)[:10],
            run.started[:10],
        ]
        for run in sorted(runs, key=lambda run: run.run)
    ]
    header = [
        "Run",
        "Predictions",
        "Prompt",
        "Prompt's hash",
        "Data",
        "Weights",
        "Scorer",
        "Commit",
    ]
    return Table.of([*header, "Started"], lines).markdown()


# --- cards ------------------------------------------------------------------------------------


def card_pages(task: Task) -> dict[str, str]:
    """The task's data card and the cards of models trained on it, by path in its folder of the site."""
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
    """A card as a page: its first heading is the title, and relative links lead to the repository."""
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
