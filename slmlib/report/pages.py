"""What the site shows of each run and model: the board of ranked runs, a page per model, the cards.

Notebook 04 writes them from the published results, so that no number on the site is typed by hand.
Whatever a model or a submitter wrote (answers, names) passes through `tables`, which turns it into text.
"""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from slmlib.core import io, paths, tables
from slmlib.core.tables import NONE, Link, Table
from slmlib.engines.base import numbers as kind_of_numbers
from slmlib.evaluation import comparisons, latency, results
from slmlib.evaluation.results import METRICS, TIERS, Result, Row
from slmlib.models import registry as models
from slmlib.tasks.edgejson import scoring

FOLDER = paths.ROOT / "site" / "models"
CLASSES = {"nano": "NLM", "micro": "MLM", "small": "SLM", "large": "LLM"}
MARK = "<!-- Written by notebooks/04_analyze.ipynb; do not edit. -->"
REPOSITORY = "https://github.com/CycleCore-Technologies/slmbench"
LONGEST = 1500  # characters of an answer that are shown; a model may repeat itself for pages
SHOWN = 3  # failure classes named in a row of the board


# --- names ------------------------------------------------------------------------------------


def size_class(result: Result) -> str:
    """The project's name for models of this size: NLM, MLM, SLM or LLM; "control" for a control."""
    if result.control:
        return "control"
    sized = models.Model(name="", licence="", parameters=result.model["parameters"], base="")
    return CLASSES[sized.size_class]


def slug(name: str) -> str:
    """A model's name as a file name: small letters, digits, dots and dashes, whatever the name holds."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "model"


def address(result: Result) -> str:
    """The model's page, from the root of the site."""
    return f"/site/models/{slug(result.model['name'])}.qmd"


def spoken(name: str) -> str:
    """A model's name as its makers write it, if it is registered; safe in Markdown."""
    known = models.MODELS.get(name)
    return tables.markdown(known.base.rpartition("/")[2] if known else name)


# --- the board --------------------------------------------------------------------------------


def ranked(standing: Iterable[Result], splits: Sequence[str]) -> list[Row]:
    """The leaderboards of several splits, one after the other.

    Args:
        standing: one run for each model, way of decoding and split (`comparisons.standing`).
        splits: in the order wanted.
    """
    runs = list(standing)
    boards = (results.leaderboard(run for run in runs if run.split == split) for split in splits)
    return [row for board in boards for row in board]


def board_table(rows: Sequence[Row], profiles: Iterable[Mapping] = ()) -> Table:
    """Every ranked run and the controls: size, scores, failures, speed. The site sorts and filters it.

    Args:
        rows: as of `ranked`.
        profiles: what `profile` measured; latency is that of one case at a time.
    """
    timed = {comparisons.profiled(found): found for found in profiles}
    header = [
        "Rank", "Model", "Class", "Size", "Weights, MB", "Split", "Decoding", *map(tables.title, METRICS),
        "Failures", "tok/s", "Answer p50/p95, s", "Machine",
    ]  # fmt: skip
    return Table.of(header, (_board_line(row, timed) for row in rows))


def _board_line(row: Row, timed: Mapping) -> list[tables.Cell]:
    run = row.result
    name, weights = tables.plain(run.model["name"]), run.engine.get("weights_bytes")
    name += results.TUNED if run.tuned else ""
    return [
        row.place,
        name if row.control else Link(name, address(run)),
        size_class(run),
        tables.size(run.model["parameters"]),
        f"{weights / 1e6:.0f}" if weights else NONE,
        run.split,
        NONE if row.control else run.decoding["mode"],
        *(_scored(run.metrics, metric) for metric in METRICS),
        _failures(run),
        results.speed_text(run) if run.split == comparisons.TIMED else NONE,
        _latency(timed.get(comparisons.ran(run)), run),
        results.machine(run),
    ]


def _scored(metrics: Mapping, metric: str) -> str:
    return tables.estimate(metric, metrics[metric]) if metric in metrics else NONE


def _failures(run: Result) -> str:
    """The most frequent failure classes, each with its share of all cases."""
    found = Counter({name: run.failures.get(name, 0) for name in scoring.FAILURES})
    shares = [f"{tables.label(n)} {100 * k / run.n:.0f} %" for n, k in found.most_common(SHOWN) if k]
    return ", ".join(shares) or NONE


def _latency(found: Mapping | None, run: Result) -> str:
    """Of a profile, where it was measured on the run's kind of machine."""
    if not found or tables.machine(found["environment"]["machine"]) != results.machine(run):
        return NONE
    return f"{found['latency_p50']:.2f} / {found['latency_p95']:.2f}"


def waiting_table(found: Iterable[Result]) -> Table:
    """Models of the registry that no published run is of; they have no scores, so none are shown."""
    run = {result.model["name"] for result in found}
    header = ["Model", "Class", "Licence", "Chat template", "Weights"]
    return Table.of(header, (_waiting_line(m) for m in models.MODELS.values() if m.name not in run))


def _waiting_line(model: models.Model) -> list[tables.Cell]:
    hub = Link(model.hub, f"https://huggingface.co/{model.hub}") if model.hub else model.wheel
    return [model.name, CLASSES[model.size_class], model.licence, model.chat or NONE, hub]


def numbers(rows: Sequence[Row], found: Sequence[Result]) -> dict[str, dict]:
    """Numbers for `_variables.yml`: what the board holds, its first model, and the first other one.

    Args:
        rows: as of `ranked`, the ranked split first.
        found: every published run of the task.
    """
    first = [row for row in rows if not row.control and row.result.complete and row.result.split == "test"]
    others = [row for row in first if row.result.model["name"] != first[0].result.model["name"]]
    return {
        "board": {
            "models": len({row.result.model["name"] for row in rows if row.rank}),
            "runs": sum(row.rank is not None for row in rows),
            "published": len(found),
            "waiting": len(waiting_table(found).rows),
        },
        **({"leader": _leading(first[0])} if first else {}),
        **({"next": _leading(others[0])} if others else {}),
    }


def _leading(row: Row) -> dict[str, str | int]:
    run = row.result
    exact = run.metrics["json_exact"]
    return {
        "name": spoken(run.model["name"]),
        "size": tables.size(run.model["parameters"]),
        "class": size_class(run),
        "decoding": run.decoding["mode"],
        "training": "trained on the schemas of this split" if run.tuned else "not fine-tuned for the task",
        "n": run.n,
        "json_exact": tables.number("json_exact", exact["mean"]),
        "json_exact_ci": tables.span("json_exact", exact),
        "place": row.place,
        "tok_s": results.speed_text(run),
        "page": address(run),
    }


# --- a page per model -------------------------------------------------------------------------


@dataclass(frozen=True)
class Material:
    """All that model pages are made of.

    Attributes:
        rows: the board.
        runs: every published run.
        profiles: what `profile` measured.
        examples: the cases of each split.
    """

    rows: Sequence[Row]
    runs: Sequence[Result]
    profiles: Sequence[Mapping] = ()
    examples: Mapping[str, Sequence] = field(default_factory=dict)

    def of(self, name: str) -> "Material":
        """The part that is of one model."""
        rows = [row for row in self.rows if row.result.model["name"] == name]
        runs = [run for run in self.runs if run.model["name"] == name]
        profiles = [found for found in self.profiles if found["model"] == name]
        return Material(rows, runs, profiles, self.examples)


def model_pages(material: Material) -> dict[str, str]:
    """The page of each ranked model, by file name.

    Raises:
        ValueError: two models would have the same page.
    """
    names = dict.fromkeys(row.result.model["name"] for row in material.rows if row.rank)
    files = Counter(slug(name) for name in names)
    if twice := [name for name, count in files.items() if count > 1]:
        raise ValueError(f"two models would share the page {twice[0]}.qmd; give one another name.")
    return {f"{slug(name)}.qmd": model_page(name, material.of(name)) for name in names}


def model_page(name: str, material: Material) -> str:
    """One model's page as Markdown: facts, scores, failures, speed, provenance and commands."""
    sections = {
        "Scores": (_scores_table(material.rows).markdown(), _SCORES),
        "By tier": (_tiers_table(material.rows).markdown(), _TIERS),
        "By schema": (_SCHEMAS, *_schemas(material)),
        "How answers fail": (_classes_table(material.rows).markdown(), _FAILING, *_failing(material)),
        "Speed": tuple(_speed(material)),
        "Provenance": (_runs_table(material.runs).markdown(), _PROVENANCE),
        "Reproduce": (_REPRODUCE, tables.fence(_commands(material.rows), "bash")),
    }
    about = f"{tables.markdown(name)} on EdgeJSON: scores by tier and schema, failures, speed and provenance."
    front = _front(spoken(name), about, **{"page-layout": "full", "toc": False})
    parts = [front, MARK, _facts(material).markdown()]
    for title, blocks in sections.items():
        parts += [f"## {title}", *blocks]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


_SCORES = (
    "In brackets are 95 % intervals that allow for cases of one schema resembling each other. Ranks hold "
    "within a split; the [leaderboard](/site/leaderboard.qmd#how-to-read-it) says how to read them. "
    "*Lenient* takes the first complete value in an answer, and ranks nothing."
)
_TIERS = "Tiers differ in the size and shape of the schema; the complex one has the fewest cases."
_SCHEMAS = (
    "Right answers out of the cases of each schema, and their mean FieldF1. A schema has few cases, so a "
    "single line says little; the intervals are in the result files."
)
_FAILING = (
    "Every wrong case has [one class](/site/benchmarks/edgejson.qmd#failure-classes). Below is the shortest "
    "case of each class on `test`, with the model's text as it wrote it."
)
_PROVENANCE = (
    "A result holds the full hashes of data, prompt, scorer and weights, the versions of all packages and "
    "the commit; the predictions hold every answer and can be scored again without the model. Hashes are "
    "shortened here. *Weights* is what the engine read."
)
_REPRODUCE = (
    "One command for each run of the table above, in the repository after `make setup`. It ends with a "
    "comparison, case by case, with what is published."
)


def _front(title: str, description: str, **options) -> str:
    front = {"title": title, "description": description, **options}
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)}---"


def _facts(material: Material) -> Table:
    run = material.rows[0].result
    name = run.model["name"]
    known = models.MODELS.get(name) or models.trained().get(name)
    facts = {
        "Name in the repository": name,
        "Size": f"{tables.size(run.model['parameters'])} parameters, {size_class(run)}",
        "Licence": known.licence if known else NONE,
        "Chat template": (known.chat if known else "") or NONE,
        "Weights": run.model["source"],
        "Revision": run.model["revision"] or NONE,
        "SHA-256 of the weights": run.model["weights_sha256"] or NONE,
        "Adapter": run.model["adapter"] or "none",
    }
    if (paths.ADAPTERS / name / "README.md").is_file():
        facts["Card"] = Link("model card", f"/site/models/card-{slug(name)}.qmd")
    return Table.of(["Fact", "Value"], facts.items())


def _scores_table(rows: Sequence[Row]) -> Table:
    metrics = (*METRICS, "json_exact_lenient", "field_f1_micro")
    lines = [
        [
            *_way(row.result),
            row.place,
            str(row.result.n),
            *(_scored(row.result.metrics, metric) for metric in metrics),
        ]
        for row in rows
    ]
    return Table.of(["Split", "Decoding", "Rank", "Cases", *map(tables.title, metrics)], lines)


def _way(run: Result) -> tuple[str, str]:
    return run.split, run.decoding["mode"]


def _tiers_table(rows: Sequence[Row]) -> Table:
    lines = [
        [*_way(run), tables.title(metric), *(_scored(run.by_tier.get(tier, {}), metric) for tier in TIERS)]
        for run in (row.result for row in rows)
        for metric in ("json_exact", "field_f1")
    ]
    return Table.of(["Split", "Decoding", "Metric", *TIERS], lines)


def _schemas(material: Material) -> list[str]:
    """A folded table for each split."""
    splits = dict.fromkeys(row.result.split for row in material.rows)
    blocks = []
    for split in splits:
        runs = [row.result for row in material.rows if row.result.split == split]
        table = _schemas_table(runs)
        blocks.append(_folded(f"{split}: {len(table.rows)} schemas", table.markdown()))
    return blocks


def _schemas_table(runs: Sequence[Result]) -> Table:
    groups = sorted({group for run in runs for group in run.by_group})
    modes = [run.decoding["mode"] for run in runs]
    header = ["Schema", *(f"{tables.title(m)}, {mode}" for mode in modes for m in ("json_exact", "field_f1"))]
    lines = ([group, *(cell for run in runs for cell in _on_schema(run, group))] for group in groups)
    return Table.of(header, lines)


def _on_schema(run: Result, group: str) -> tuple[str, str]:
    found = run.by_group.get(group)
    if not found:
        return NONE, NONE
    exact, graded = found["json_exact"], found["field_f1"]
    return f"{round(exact['mean'] * exact['n'])}/{exact['n']}", tables.number("field_f1", graded["mean"])


def _folded(title: str, body: str) -> str:
    """A part that a reader opens, by mouse or keyboard, without a script."""
    return f"<details>\n<summary>{tables.markup(title)}</summary>\n\n{body.strip()}\n\n</details>"


def _classes_table(rows: Sequence[Row]) -> Table:
    classes = [n for n in scoring.FAILURES if any(row.result.failures.get(n) for row in rows)]
    lines = [
        [*_way(run), str(run.right), *(str(run.failures.get(name, 0)) for name in classes)]
        for run in (row.result for row in rows)
    ]
    return Table.of(["Split", "Decoding", "right", *map(tables.label, classes)], lines)


def _failing(material: Material) -> list[str]:
    """The shortest case of each failure class and way of decoding, on `test`."""
    cases = {example.id: example for example in material.examples.get("test", ())}
    runs = [row.result for row in material.rows if row.result.split == "test"]
    return [block for run in runs for name in scoring.FAILURES if (block := _failed(run, name, cases))]


def _failed(run: Result, failure: str, cases: Mapping) -> str | None:
    """The shortest case that a run got wrong in this way; None if there is none."""
    wrong = [row for row in run.predictions() if row["failure"] == failure and row["id"] in cases]
    if not wrong:
        return None
    row = min(wrong, key=lambda p: (len(cases[p["id"]].input["text"]) + len(p["completion"]), p["id"]))
    title = f"{run.decoding['mode']}: {tables.label(failure)} ({len(wrong)} of {run.n})"
    return _folded(title, results.example_markdown(cases[row["id"]], _clipped(row), model=run.label))


def _clipped(prediction: Mapping) -> dict:
    """The prediction with a long answer cut, and the cut said."""
    text = prediction["completion"]
    more = len(text) - LONGEST
    return {**prediction, "completion": f"{text[:LONGEST]}\n[{more} characters more]" if more > 0 else text}


def _speed(material: Material) -> Iterable[str]:
    lines = [
        [
            *_way(run),
            f"{run.engine['name']} {run.engine['version']}",
            kind_of_numbers(run.engine),
            str(run.engine["batch_size"]),
            results.speed_text(run),
            f"{run.throughput['cases_per_second']:.2f}",
            _gigabytes(run.throughput.get("peak_memory_bytes")),
            results.machine(run),
        ]
        for run in (row.result for row in material.rows)
        if run.split == comparisons.TIMED  # the others shared the machine
    ]
    header = ["Split", "Decoding", "Engine", "Numbers", "Batch", "tok/s", "Cases/s", "Peak, GB", "Machine"]
    yield Table.of(header, lines).markdown()
    yield "Many cases at once. A speed belongs to the machine in its row and is never averaged over machines."
    if material.profiles:
        where = sorted({results.machine(Result(found, Path())) for found in material.profiles})
        yield f"One case at a time, as on a device, on {tables.markdown('; '.join(where))}:"
        yield latency.table(material.profiles).markdown()


def _gigabytes(size: int | None) -> str:
    return f"{size / 1e9:.1f}" if size else NONE


def _runs_table(runs: Sequence[Result]) -> Table:
    header = [
        "Run", "Predictions", "Prompt", "Prompt's hash", "Data", "Weights", "Scorer", "Commit", "Started",
    ]  # fmt: skip
    return Table.of(header, map(_run_line, sorted(runs, key=lambda run: run.run)))


def _run_line(run: Result) -> list[tables.Cell]:
    folder = f"/data/results/{run.task}"
    return [
        Link(run.run, f"{folder}/{run.path.name}"),
        Link("answers", f"{folder}/{run.predictions_path.name}"),
        run.prompt["name"],
        run.prompt["sha256"][:10],
        run.dataset["sha256"][:10],
        (run.engine.get("weights_sha256") or run.model["weights_sha256"] or NONE)[:10],
        run.scorer["version"],
        (run.environment["commit"] or NONE)[:10],
        run.started[:10],
    ]


def _commands(rows: Sequence[Row]) -> str:
    return "\n".join(command(row.result) for row in rows)


def command(run: Result) -> str:
    """The command that runs it again and compares the answers with the published ones."""
    settings = {
        "model": run.model["name"],
        "split": run.split,
        "decoding": run.decoding["mode"],
        "prompt": run.prompt["name"],
        "engine": run.engine["name"],
        "dtype": run.engine["dtype"] or "auto",
        "batch_size": run.engine["batch_size"],
        "limit": 0,
    }
    options = " ".join(f"-p {name} {shlex.quote(str(value))}" for name, value in settings.items())
    return f".venv/bin/papermill notebooks/02_evaluate.ipynb runs/mine.ipynb {options}"


# --- cards ------------------------------------------------------------------------------------


def card_pages(root: Path = paths.ROOT) -> dict[str, str]:
    """The data card of each task and the card of each adapter that is there, by file name."""
    found = [*sorted(root.glob("data/*/README.md")), *sorted(root.glob("data/adapters/*/README.md"))]
    return {f"card-{slug(card.parent.name)}.qmd": _card(card, root) for card in found}


def cards_list(root: Path = paths.ROOT) -> str:
    """What leads to the cards, as Markdown; says so where no model was trained here yet."""
    adapters = {path.parent.name for path in root.glob("data/adapters/*/README.md")}
    lines = [f"- [{_heading(text)}](/site/models/{name})" for name, text in card_pages(root).items()]
    if not adapters:
        lines.append("- No model that was trained here has been published yet; its card will stand here.")
    return "\n".join(lines) + "\n"


def _card(path: Path, root: Path) -> str:
    """A card as a page: its own title, and links into the repository."""
    body = re.sub(r"\A---\n.*?\n---\n", "", path.read_text("utf-8"), flags=re.DOTALL)
    title = re.search(r"^# (.+)$", body, re.MULTILINE)
    body = body.replace(title[0], "", 1) if title else body
    kind = "model card" if path.parent.parent.name == "adapters" else "data card"
    name = f"{title[1] if title else path.parent.name}: {kind}"
    front = _front(name, f"{name}, as it lies in the repository.")
    here = path.parent.relative_to(root).as_posix()
    linked = re.sub(r"\]\((?![a-z]+:|#|/)", f"]({REPOSITORY}/blob/main/{here}/", body)
    return f"{front}\n\n{MARK}\n\n{linked.strip()}\n"


def _heading(page: str) -> str:
    return yaml.safe_load(page.split("---\n")[1])["title"]


# --- writing ----------------------------------------------------------------------------------


def write(pages: Mapping[str, str], folder: Path = FOLDER) -> None:
    """Write the pages, and take away those of models that are no longer ranked."""
    for old in folder.glob("*.qmd"):
        if old.name not in pages and MARK in old.read_text("utf-8"):
            old.unlink()
    for name, text in pages.items():
        io.write_text(folder / name, text)


# --- a case, graded ---------------------------------------------------------------------------


def worked_case(run: Result, examples: Iterable) -> str:
    """One case as Markdown: text, schema, the model's answer, and how it is graded field by field."""
    example, prediction = results.example_case(run, examples)
    shown = results.example_markdown(example, _clipped(prediction), model=run.label)
    return f"{shown}\n{graded(example, prediction)}"


def graded(example, prediction: Mapping) -> str:
    """How an answer is graded: each leaf with its outcome where both are flat, and the scores."""
    scores, failure = prediction["scores"], prediction["failure"]
    verdict = [
        f"JSONExact: {'yes' if scores['json_exact'] else 'no'}",
        f"FieldF1: {tables.number('field_f1', scores['field_f1'])}",
        f"SchemaCompliance: {'yes' if scores['schema_compliance'] else 'no'}",
        f"failure class: {tables.label(failure) if failure else 'none'}",
    ]
    table = _leaves_table(example.target, scoring.parse(prediction["completion"]).value)
    return f"**How it is graded**\n\n{table.markdown()}\n{'; '.join(verdict)}.\n"


def _leaves_table(target, answer) -> Table:
    wanted, given = dict(scoring.leaves(target)), dict(scoring.leaves(answer))
    lines = [
        [
            name.lstrip("/"),
            io.dumps(wanted[name]) if name in wanted else NONE,
            io.dumps(given[name]) if name in given else NONE,
            _outcome(name, wanted, given),
        ]
        for name in {**wanted, **given}
    ]
    return Table.of(["Field", "Right", "Answered", "Outcome"], lines)


def _outcome(name: str, wanted: Mapping, given: Mapping) -> str:
    if name not in wanted:
        return "invented"
    if name not in given:
        return "omitted"
    same = io.dumps(wanted[name]) == io.dumps(given[name])
    return "right" if same else "wrong value"
