"""Results: read and doubt them, rank them, compare two runs, and make the tables that are published.

A result is refused unless the predictions beside it give the same numbers again. Only complete runs
of models are ranked; controls stand in every table and are never ranked. A model's rank is the range
of places that paired tests on the same cases allow it, so that no table orders what they cannot tell
apart.
"""

import json
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from slmlib.core import io, paths, tables
from slmlib.core.io import DataError
from slmlib.core.tables import NONE, Link, Table
from slmlib.evaluation import stats
from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson.scoring import FAILURES

TIERS = ("simple", "medium", "complex")
TUNED = " †"  # after the name of a model that was trained on the benchmark's own data
METRICS = ("json_exact", "field_f1", "schema_compliance")  # the columns of the leaderboard
KINDS = ("group", "register", "domain", "noise")  # what a manifest counts in each split
TALK = ("email", "chat", "call", "letter")  # registers of people to one another
PREDICTIONS = ".predictions.jsonl.gz"


def _item(name: str) -> property:
    return property(lambda self: self.data[name], doc=f"`{name}` of the result file.")


@dataclass(frozen=True, repr=False)
class Result:
    """One run as written down: the parsed `<run>.json` and where it lies.

    The parts of the file are attributes (`result.model["name"]`). Notebooks show it as a table.
    """

    data: Mapping[str, Any]
    path: Path

    run, task, split = _item("run"), _item("task"), _item("split")
    dataset, model, engine, prompt = _item("dataset"), _item("model"), _item("engine"), _item("prompt")
    decoding, scorer, metrics = _item("decoding"), _item("scorer"), _item("metrics")
    by_tier, by_group, failures = _item("by_tier"), _item("by_group"), _item("failures")
    throughput, environment = _item("throughput"), _item("environment")
    started, seconds = _item("started"), _item("seconds")

    @property
    def n(self) -> int:
        """Cases answered."""
        return self.metrics["json_exact"]["n"]

    @property
    def complete(self) -> bool:
        """Whether every case of the split was answered; only complete runs are ranked."""
        return self.n == self.dataset["n"]

    @property
    def control(self) -> bool:
        """Whether it is a control (no-op, oracle, rules) and no model."""
        return self.model["source"] == "control"

    @property
    def tuned(self) -> bool:
        """Whether the model was trained here, on the benchmark's own training data."""
        return self.model["adapter"] is not None

    @property
    def right(self) -> int:
        """Cases that are right: those with no failure class."""
        return self.n - sum(self.failures.values())

    def failures_in_order(self) -> list[tuple[str, int]]:
        """Failure classes that occur with their counts, most frequent first, then in the taxonomy's order."""
        found = [(name, self.failures[name]) for name in FAILURES if self.failures.get(name)]
        return sorted(found, key=lambda item: -item[1])

    @property
    def label(self) -> str:
        """Name for tables and figures: the model, and the decoding mode unless it is free."""
        mode = self.decoding["mode"]
        return tables.plain(self.model["name"] + ("" if mode == "free" else f", {mode}"))

    @property
    def unanswered(self) -> int:
        """Cases that the engine failed to answer; they count as wrong."""
        return self.failures.get("error", 0)

    @property
    def predictions_path(self) -> Path:
        """The file of the predictions, beside the result."""
        return self.path.with_name(self.path.stem + PREDICTIONS)

    def predictions(self) -> list[dict]:
        """The prediction of every case, each row checked against its contract; read once.

        Raises:
            DataError: the file is missing or torn, a row is broken, or an id occurs twice.
        """
        return self._predictions

    @cached_property
    def _predictions(self) -> list[dict]:
        rows = io.read_jsonl(self.predictions_path, schema=io.PREDICTION)
        repeated = [name for name, count in Counter(row["id"] for row in rows).items() if count > 1]
        if repeated:
            raise DataError(
                f"{self.predictions_path}: id {repeated[0]!r} occurs twice (rule: ids are unique)."
            )
        return rows

    def scores(self, metric: str) -> dict[str, float]:
        """One score of every case, by id."""
        return {row["id"]: row["scores"][metric] for row in self.predictions()}

    def __repr__(self):
        return f"Result({self.run}: JSONExact {tables.estimate('json_exact', self.metrics['json_exact'])})"

    def _parts(self) -> tuple[str, Table, list[str]]:
        state = "" if self.complete else f", incomplete: {self.n} of {self.dataset['n']} cases"
        wrong = [f"{tables.label(name)} {count}" for name, count in self.failures_in_order()]
        notes = [f"Wrong cases: {', '.join(wrong) or 'none'}.", _speed_note(self)]
        return self.run + state, _metrics_table(self), [*notes, *_error_note(self)]

    def _repr_markdown_(self) -> str:
        heading, table, notes = self._parts()
        text = "\n\n".join(tables.markdown(note) for note in notes)
        return f"**{tables.markdown(heading)}**\n\n{table.markdown()}\n{text}\n"

    def _repr_html_(self) -> str:
        heading, table, notes = self._parts()
        text = "".join(f"<p>{tables.markup(note)}</p>\n" for note in notes)
        return f"<p><strong>{tables.markup(heading)}</strong></p>\n{table.html()}{text}"


def _speed_note(result: Result) -> str:
    speed, engine = result.throughput, result.engine
    settings = [engine["dtype"] or NONE, f"batch {engine['batch_size']}", f"{engine['threads']} threads"]
    rate = f"{speed['tokens_per_second']:.1f} tok/s, {speed['cases_per_second']:.2f} cases/s"
    short = ["fewer at once for lack of memory"] if "fitting" in engine else []
    halved = [f"fewer at once after: {engine['halved_after']}"] if "halved_after" in engine else short
    settings += [engine["device"], *halved]
    return f"{rate} with {engine['name']} ({', '.join(settings)})."


def _error_note(result: Result) -> list[str]:
    if not result.unanswered:
        return []
    why = next(row["error"] for row in result.predictions() if row.get("error"))
    return [f"{result.unanswered} of {result.n} cases could not be answered and count as wrong: {why}"]


def _metrics_table(result: Result) -> Table:
    parts = {"all": result.metrics} | {tier: result.by_tier[tier] for tier in TIERS if tier in result.by_tier}
    rows = [
        [
            tables.title(name),
            *(tables.estimate(name, part[name]) if name in part else NONE for part in parts.values()),
        ]
        for name in result.metrics
    ]
    return Table.of(["Metric", *parts], rows)


# --- reading and doubting ---------------------------------------------------------------------


def load(path: Path | str) -> Result:
    """Read a result and check it against its contract and against its own predictions.

    Raises:
        DataError: the file or its predictions are missing or torn, break the contract, or do not
            give the same counts and means again; says the file, the rule and the fix.
    """
    path = Path(path)
    try:
        data = io.read_json(path)
        io.check(data, io.RESULT, where=str(path))
        result = Result(data, path)
        for rule in (_check_name, _check_rows, _check_means, _check_intervals, _check_parts, _check_failures):
            rule(result)
    except DataError as error:
        told = any(fix in str(error) for fix in ("git checkout", "make clean"))
        raise error if told else DataError(f"{error} {io.remedy(path)}") from None
    return result


def load_all(folder: Path | str = paths.RESULTS, task: str | None = None) -> list[Result]:
    """Every result in `folder/<task>/` (all tasks by default), checked, in the order of their names."""
    return [load(path) for path in sorted(Path(folder).glob(f"{task or '*'}/*.json"))]


def _refuse(result: Result, what: str, rule: str) -> None:
    raise DataError(f"{result.path}: {what} (rule: {rule}).")


def _check_name(result: Result) -> None:
    if result.path.stem != result.run:
        _refuse(result, f"the run is named {result.run!r}", "a result's file is named after its run")
    if "json_exact" not in result.metrics:
        _refuse(result, "metrics has no json_exact", "every result has JSONExact")


def _check_rows(result: Result) -> None:
    found = len(result.predictions())
    for name, value in result.metrics.items():
        if value["n"] != found:
            what = f"metrics.{name}.n is {value['n']}, but {result.predictions_path.name} has {found} rows"
            _refuse(result, what, "every case behind a mean has its prediction")
    if found > result.dataset["n"]:
        _refuse(result, f"{found} predictions for {result.dataset['n']} cases", "one prediction a case")


def _per_case(result: Result) -> dict[str, list[float]]:
    """The metrics that are means of a score per case, with these scores (micro F1 is none)."""
    rows = result.predictions()
    names = [name for name in result.metrics if any(name in row["scores"] for row in rows)]
    for name in names:
        lacking = next((row["id"] for row in rows if name not in row["scores"]), None)
        if lacking is not None:
            _refuse(result, f"prediction {lacking!r} has no score {name}", "every case has every score")
    return {name: [row["scores"][name] for row in rows] for name in names}


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=0, abs_tol=2e-6)  # room for six decimals, none for a changed case


def _check_means(result: Result) -> None:
    for name, values in _per_case(result).items():
        written, found = result.metrics[name]["mean"], math.fsum(values) / len(values)
        if not _same(written, found):
            what = f"metrics.{name}.mean is {written}, its predictions give {found:.6f}"
            _refuse(result, what, "a mean is that of its cases")


def _check_intervals(result: Result) -> None:
    parts = {"metrics": result.metrics, **result.by_tier, **result.by_group}
    for part, metrics in parts.items():
        for name, value in metrics.items():
            if not _sound(name, value):
                bounds = f"[{value['low']}, {value['high']}]"
                what = f"the interval of {name} in {part} is {bounds} around {value['mean']}"
                _refuse(result, what, "an interval holds its mean; a share's is k/n, and holds Wilson's")


def _sound(metric: str, value: Mapping) -> bool:
    if not value["low"] - 2e-6 <= value["mean"] <= value["high"] + 2e-6:
        return False
    if not tables.is_percent(metric):
        return True
    wilson = stats.wilson(round(value["mean"] * value["n"]), value["n"])  # clusters only make it wider
    holds = value["low"] <= wilson.low + 2e-6 and wilson.high - 2e-6 <= value["high"]
    return holds and _same(wilson.mean, value["mean"])


def _check_parts(result: Result) -> None:
    for kind in ("by_tier", "by_group"):
        for name, values in _per_case(result).items():
            parts = [part[name] for part in getattr(result, kind).values() if name in part]
            if parts and not _adds_up(parts, values):
                what = f"the means of {name} in {kind} do not add up to that of all {len(values)} cases"
                _refuse(result, what, "the parts make the whole")


def _adds_up(parts: Sequence[Mapping], values: Sequence[float]) -> bool:
    total = math.fsum(part["n"] * part["mean"] for part in parts)
    cases = sum(part["n"] for part in parts)
    return cases == len(values) and _same(total / cases, math.fsum(values) / len(values))


def _check_failures(result: Result) -> None:
    found = Counter(row["failure"] for row in result.predictions() if row["failure"])
    written = Counter({name: count for name, count in result.failures.items() if count})
    if found != written:
        what = f"failures are {dict(written)}, the predictions have {dict(found)}"
        _refuse(result, what, "every wrong case is counted in its class")
    for row in result.predictions():
        exact = row["scores"]["json_exact"]
        if (row["failure"] is None) != (exact == 1):
            what = f"prediction {row['id']!r} has failure {row['failure']} and json_exact {exact}"
            _refuse(result, what, "a case is either right or has a failure class")


# --- ranking ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A line of the leaderboard.

    `rank` and `worst` are the best and the worst place that the data allow the model; None for
    controls and incomplete runs.
    """

    result: Result
    rank: int | None = None
    worst: int | None = None

    @property
    def control(self) -> bool:
        return self.result.control

    @property
    def label(self) -> str:
        return self.result.label

    @property
    def place(self) -> str:
        """What stands in the first column: the places that the data allow, or why there is none."""
        if not self.result.complete:
            return "incomplete"
        if self.control:
            return "control"
        return str(self.rank) if self.rank == self.worst else f"{self.rank}–{self.worst}"


def leaderboard(results: Iterable[Result], groups: Mapping[str, str] | None = None) -> list[Row]:
    """Rank runs of the same cases by JSONExact: models, then controls, then incomplete runs.

    Each model has the places that paired tests on the same cases allow it (`stats.tie_groups`);
    models whose places overlap may not differ. The order of the results does not matter.

    Args:
        results: runs of one task and split.
        groups: the group of each case by id, the cluster of the test; by default as in the task's
            examples, which are read only if there are two models to rank.

    Raises:
        ValueError: the results are not of one task, split and version of the data.
        DataError: the groups are not known: the task's data is another version, or lacks a case.
    """
    ordered = sorted(results, key=lambda r: (-r.metrics["json_exact"]["mean"], r.label, r.run))
    _one_data_set(ordered)
    models = [result for result in ordered if result.complete and not result.control]
    controls = [result for result in ordered if result.complete and result.control]
    incomplete = [result for result in ordered if not result.complete]
    return _ranked(models, groups) + [Row(result) for result in controls + incomplete]


def _ranked(models: Sequence[Result], groups: Mapping[str, str] | None) -> list[Row]:
    scores = {result.run: result.scores("json_exact") for result in models}
    ids = sorted(set().union(*scores.values()))
    if any(len(score) != len(ids) for score in scores.values()):
        raise ValueError("complete runs of the same data have predictions for different ids; run them again.")
    columns = {run: [score[name] for name in ids] for run, score in scores.items()}
    clusters = _clusters(models[0], ids, groups) if len(models) > 1 else ids  # one model is not tested
    places = {row.name: row for row in stats.tie_groups(columns, clusters)} if columns else {}
    rows = [Row(result, places[result.run].rank, places[result.run].worst) for result in models]
    return sorted(rows, key=lambda row: (row.rank, row.worst))  # stable: equals stay in order of score


def _clusters(result: Result, ids: Sequence[str], groups: Mapping[str, str] | None) -> list[str]:
    groups = groups_of(result) if groups is None else groups
    lacking = next((name for name in ids if name not in groups), None)
    if lacking is not None:
        _refuse(result, f"case {lacking!r} has no group", "every case is one of its task's examples")
    return [groups[name] for name in ids]


def groups_of(result: Result) -> dict[str, str]:
    """Group of each case of the run's data set, by id.

    Raises:
        DataError: the task's data are not those that the run was made with.
    """
    task = tasks.get(result.task)
    groups = {example.id: example.group for example in task.load(result.split)}
    here, there = task.manifest()["files"][f"{result.split}.jsonl"]["sha256"], result.dataset["sha256"]
    if here != there:
        what = f"its cases are of data {there[:12]}, but {task.folder} holds {here[:12]}"
        _refuse(result, what, "models are ranked with the data they ran on; run them again on this data")
    return groups


# --- comparing --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """This machine's run beside the published one, case by case.

    `differ` holds the ids whose completion is not the same character for character, a case that
    only one of the two has among them.
    """

    mine: Result
    published: Result
    n: int
    same_completion: int
    same_scores: int
    differ: tuple[str, ...]

    @property
    def agree(self) -> str:
        """Cases with the same completion, out of all: `100/100`."""
        return f"{self.same_completion}/{self.n}"

    def table(self) -> Table:
        """Every metric that both have, here and as published."""
        mine, published = self.mine.metrics, self.published.metrics
        rows = [
            [tables.title(name), tables.estimate(name, mine[name]), tables.estimate(name, published[name])]
            for name in published
            if name in mine
        ]
        return Table.of(["Metric", "here", "published"], rows)

    def note(self) -> str:
        """How many cases agree, and which do not."""
        text = f"{self.agree} cases have the same completion, {self.same_scores}/{self.n} the same scores."
        more = len(self.differ) - 10
        names = ", ".join(self.differ[:10]) + (f" and {more} more" if more > 0 else "")
        return f"{text} Different: {names}." if self.differ else text

    def text(self) -> str:
        """For a terminal."""
        return f"{self.mine.label}\n{self.table().text()}{tables.plain(self.note())}\n"

    def _repr_markdown_(self) -> str:
        heading = f"**{tables.markdown(self.mine.label)}**\n\n"
        return f"{heading}{self.table().markdown()}\n{tables.markdown(self.note())}\n"

    def _repr_html_(self) -> str:
        heading = f"<p><strong>{tables.markup(self.mine.label)}</strong></p>\n"
        return f"{heading}{self.table().html()}<p>{tables.markup(self.note())}</p>\n"


def compare(mine: Result, published: Result) -> Comparison:
    """Compare two runs of the same cases, completion by completion and score by score.

    Raises:
        ValueError: they are not runs of the same data.
    """
    _one_data_set([mine, published])
    here, there = ({row["id"]: row for row in result.predictions()} for result in (mine, published))
    ids = list(there) + [name for name in here if name not in there]
    both = [name for name in ids if name in here and name in there]
    same = {name for name in both if here[name]["completion"] == there[name]["completion"]}
    scored = sum(here[name]["scores"] == there[name]["scores"] for name in both)
    differ = tuple(name for name in ids if name not in same)
    return Comparison(mine, published, len(ids), len(same), scored, differ)


def _one_data_set(results: Sequence[Result]) -> None:
    found = {(r.task, r.split, r.dataset["sha256"][:12]) for r in results}
    if len(found) > 1:
        raise ValueError(
            f"these results are of different cases and cannot be compared: {sorted(found)}. "
            "Choose the results of one task, split and version of the data."
        )


# --- published tables -------------------------------------------------------------------------


Column = Callable[[Result], str]


def leaderboard_table(
    rows: Sequence[Row], format: str = "markdown", *, more: Mapping[str, Column] | None = None
) -> str:
    """The leaderboard as a Markdown pipe table or an HTML `<table>`.

    Args:
        rows: as of `leaderboard`.
        format: "markdown" or "html".
        more: columns to add, by title; one in which no row has anything is left out.

    Raises:
        ValueError: another format was asked for.
    """
    if format not in ("markdown", "html"):
        raise ValueError(f"unknown format {format!r}. Valid: markdown, html.")
    added = {name: [of(row.result) for row in rows] for name, of in (more or {}).items()}
    added = {name: cells for name, cells in added.items() if set(cells) - {NONE}}
    lines = [[*_leaderboard_line(row), *cells] for row, *cells in zip(rows, *added.values(), strict=True)]
    header = ["Rank", "Model", "Size", *map(tables.title, METRICS), "Cases", *added]
    return getattr(Table.of(header, lines), format)()


def _leaderboard_line(row: Row) -> list[str]:
    result = row.result
    scores = [tables.estimate(m, result.metrics[m]) if m in result.metrics else NONE for m in METRICS]
    cases = str(result.n) if result.complete else f"{result.n}/{result.dataset['n']}"
    cases += f", {result.unanswered} unanswered" if result.unanswered else ""
    name, comma, mode = row.label.partition(", ")
    name += TUNED if result.tuned else ""
    return [row.place, name + comma + mode, tables.size(result.model["parameters"]), *scores, cases]


def speed_text(result: Result) -> str:
    """Generated tokens per second as printed; controls generate none."""
    return NONE if result.control else f"{result.throughput['tokens_per_second']:.1f}"


def tiers_table(results: Iterable[Result]) -> Table:
    """JSONExact and FieldF1 by tier."""
    rows = [
        [result.label, tables.title(metric), *(_by_tier(result, tier, metric) for tier in TIERS)]
        for result in results
        for metric in ("json_exact", "field_f1")
    ]
    return Table.of(["Model", "Metric", *TIERS], rows)


def _by_tier(result: Result, tier: str, metric: str) -> str:
    value = result.by_tier.get(tier, {}).get(metric)
    return tables.estimate(metric, value) if value else NONE


def splits_table(results: Sequence[Result]) -> Table:
    """JSONExact and FieldF1 of each model on every split, in the order of the results."""
    splits = list(dict.fromkeys(result.split for result in results))
    found = {(result.label, result.split): result.metrics for result in results}
    rows = [
        [label, tables.title(metric), *(_on_split(found.get((label, split)), metric) for split in splits)]
        for label in dict.fromkeys(result.label for result in results)
        for metric in ("json_exact", "field_f1")
    ]
    return Table.of(["Model", "Metric", *splits], rows)


def _on_split(metrics: Mapping | None, metric: str) -> str:
    return tables.estimate(metric, metrics[metric]) if metrics else NONE


def breakdown_table(results: Sequence[Result], examples: Iterable, by: Callable[[Any], str]) -> Table:
    """JSONExact and FieldF1 of each model on the parts of a split.

    Args:
        results: complete runs of one split.
        examples: the cases of that split.
        by: the name of the part to which a case belongs.
    """
    parts: dict[str, list] = {}
    for example in examples:
        parts.setdefault(by(example), []).append(example)
    rows = [
        [result.label, tables.title(metric), *(_on_part(result, part, metric) for part in parts.values())]
        for result in results
        for metric in ("json_exact", "field_f1")
    ]
    return Table.of(["Model", "Metric", *(f"{name} ({len(part)})" for name, part in parts.items())], rows)


def _on_part(result: Result, part: Sequence, metric: str) -> str:
    scores, groups = result.scores(metric), [example.group for example in part]
    values = [scores[example.id] for example in part]
    estimated = stats.cluster_wilson if tables.is_percent(metric) else stats.cluster_bootstrap
    found = estimated(values, groups)
    return tables.estimate(metric, asdict(found))


def differences_table(results: Sequence[Result], examples: Iterable) -> Table:
    """What the differences between runs of the same cases mean, pair by pair.

    Each difference has its paired cluster bootstrap interval, and the p-value of the paired cluster
    test, adjusted by Holm over all pairs of the table. The last column is the difference of JSONExact
    that these cases can be expected to show in a table of so many pairs (power 80 %).

    Args:
        results: complete runs of one split.
        examples: the cases of that split.
    """
    cases = [(example.id, example.group) for example in examples]
    pairs = list(combinations(results, 2))
    exact, graded = (_compared(pairs, cases, metric) for metric in ("json_exact", "field_f1"))
    lines = [
        [f"{a.label} − {b.label}", *of_exact[:2], *of_graded[:2], of_exact[2]]
        for (a, b), of_exact, of_graded in zip(pairs, exact, graded, strict=True)
    ]
    return Table.of(["Pair", "JSONExact", "p", "FieldF1", "p", "Detectable"], lines)


def training_table(results: Sequence[Result], examples: Mapping[str, Iterable]) -> Table | None:
    """What a model that was trained here has over models that were not, decoding alike, and over controls.

    Differences and p-values are those of `differences_table`, adjusted over the pairs of a split.

    Args:
        results: complete runs; of controls only those to compare with.
        examples: the cases of each split.
    """
    lines = []
    for split in dict.fromkeys(result.split for result in results):
        here = [result for result in results if result.split == split]
        tuned, others = ([r for r in here if r.tuned == wanted] for wanted in (True, False))
        pairs = [(a, b) for a in tuned for b in others if b.control or a.decoding == b.decoding]
        if not pairs:
            continue
        cases = [(example.id, example.group) for example in examples[split]]
        exact, graded = (_compared(pairs, cases, metric) for metric in ("json_exact", "field_f1"))
        lines += [
            [split, a.decoding["mode"], *_named(a, b), *of_exact[:2], *of_graded[:2]]
            for (a, b), of_exact, of_graded in zip(pairs, exact, graded, strict=True)
        ]
    header = ["Split", "Decoding", "Model", "Compared with", "JSONExact", "p", "FieldF1", "p"]
    if len({line[2] for line in lines}) == 1:  # which the caption names
        header, lines = header[:2] + header[3:], [line[:2] + line[3:] for line in lines]
    return Table.of(header, lines) if lines else None


def _named(*results: Result) -> list[str]:
    return [tables.plain(result.model["name"]) for result in results]


def _compared(pairs: Sequence, cases: Sequence[tuple[str, str]], metric: str) -> list[list[str]]:
    """Difference with interval, adjusted p, and detectable difference of each pair."""
    groups = [group for _, group in cases]
    columns = [[[r.scores(metric)[name] for name, _ in cases] for r in pair] for pair in pairs]
    adjusted = stats.holm([stats.paired_cluster_test(a, b, groups) for a, b in columns])
    found = [stats.paired_cluster_bootstrap(a, b, groups) for a, b in columns]
    least = [_detectable(a, b, groups, tests=len(pairs)) for a, b in columns]
    return [
        [tables.difference(metric, asdict(f)), tables.p(p), tables.number(metric, effect)]
        for f, p, effect in zip(found, adjusted, least, strict=True)
    ]


def _detectable(a: Sequence[float], b: Sequence[float], groups: Sequence[str], *, tests: int) -> float:
    """Minimum detectable effect of two columns of scores, at Bonferroni's level."""
    n = len(a)
    baseline = min(max((sum(a) + sum(b)) / (2 * n), 0.5 / n), 1 - 0.5 / n)
    vary = len(set(a)) > 1 and len(set(b)) > 1
    return stats.minimum_detectable_effect(
        n,
        baseline=baseline,
        correlation=min(statistics.correlation(a, b), 0.999) if vary else 0.0,
        design_effect=stats.design_effect([x - y for x, y in zip(a, b, strict=True)], groups),
        alpha=0.05 / tests,
    )


def failures_table(results: Sequence[Result]) -> Table:
    """Right cases and wrong ones by class; a class that no run has is left out."""
    classes = [name for name in FAILURES if any(result.failures.get(name) for result in results)]
    rows = [
        [result.label, str(result.right), *(str(result.failures.get(name, 0)) for name in classes)]
        for result in results
    ]
    return Table.of(["Model", "right", *map(tables.label, classes)], rows)


def runs_table(results: Iterable[Result]) -> Table:
    """What is needed to doubt a run or repeat it; the run's name leads to its predictions."""
    header = ["Run", "Prompt", "Engine", "dtype", "Batch", "Threads", "Machine", "Commit", "Data", "Scorer"]
    return Table.of(header, map(_run_line, results))


def _run_line(result: Result) -> list[tables.Cell]:
    engine, commit = result.engine, result.environment["commit"]
    return [
        Link(result.run, f"/data/results/{result.task}/{result.predictions_path.name}"),
        NONE if result.control else result.prompt["name"],
        f"{engine['name']} {engine['version']}",
        engine["dtype"] or NONE,
        str(engine["batch_size"]),
        str(engine["threads"]),
        machine(result),
        (commit[:10] + (" (changed)" if result.environment["dirty"] else "")) if commit else NONE,
        result.dataset["sha256"][:10],
        result.scorer["version"],
    ]


def example_case(result: Result, examples: Iterable) -> tuple[Any, dict]:
    """The case to show: of the simple ones, in which people talk, that which `result` got wrong by least.

    So one sees how it fails. Equals are settled by id; where no such case is wrong, any case will do.

    Returns:
        The example and its prediction.

    Raises:
        ValueError: the result has none of the examples.
    """
    rows = {row["id"]: row for row in result.predictions()}
    pairs = [(example, rows[example.id]) for example in examples if example.id in rows]
    if not pairs:
        raise ValueError(
            f"{result.path}: has no prediction for any of the examples; is it of the same split?"
        )
    return min(pairs, key=_showing)


def _showing(pair: tuple[Any, dict]) -> tuple:
    example, row = pair
    silent = example.meta.get("register") not in TALK
    wrongness = -row["scores"].get("field_f1", 0)
    return (row["failure"] is None, example.tier != "simple", silent, wrongness, example.id)


def example_markdown(example, prediction: Mapping, *, model: str) -> str:
    """One case as Markdown: text, fields of the schema, target, and the model's answer untouched."""
    failure = prediction["failure"]
    verdict = f"wrong: {tables.label(failure)}" if failure else "right"
    parts = [
        ("The text", tables.fence(example.input["text"], "text")),
        ("The fields asked for", tables.fence(_fields(example.input.get("schema", {})), "json")),
        ("The right answer", tables.fence(_pretty(example.target), "json")),
        (f"What {model} answered ({verdict})", tables.fence(prediction["completion"], "text")),
    ]
    body = "\n".join(f"**{tables.markdown(title)}**\n\n{block}" for title, block in parts)
    register = tables.markdown(example.meta["register"])
    return f"Case `{example.id}`: tier {example.tier}, register {register}.\n\n{body}"


def _fields(schema: Mapping) -> str:
    """The properties of a schema, one on a line, and which of them are required."""
    properties = schema.get("properties", {})
    lines = [f"    {io.dumps(name)}: {io.dumps(part)}" for name, part in properties.items()]
    required = io.dumps(schema.get("required", []))
    return '{\n  "properties": {\n' + ",\n".join(lines) + '\n  },\n  "required": ' + required + "\n}"


def _pretty(value) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def machine(result: Result) -> str:
    """The machine of a run as printed: cores, CPU, and the widest of its instructions that engines use."""
    return tables.machine(result.environment["machine"])


# --- numbers for the prose --------------------------------------------------------------------


def variables(results: Iterable[Result], manifest: Mapping) -> dict[str, dict]:
    """Every number that prose quotes, ready to print; incomplete runs are not quoted.

    Args:
        results: runs of one task.
        manifest: of the data set, `data/<task>/manifest.json`.

    Returns:
        `_variables.yml` as nested dicts of strings and whole numbers. The runs of `test` stand under
        `results`, those of another split under its name. A run's key is its model's name with
        underscores, and the decoding mode where it is not free.

    Raises:
        ValueError: two runs of a split have the same key.
    """
    complete = [result for result in results if result.complete]
    first = next((result for result in complete if not result.control), None)
    return {
        manifest["name"]: _data_numbers(manifest),
        **{"results" if split == "test" else split: part for split, part in _by_split(complete).items()},
        "environment": _environment(first) if first else {},
        "scorer": {"version": complete[0].scorer["version"]} if complete else {},
    }


def _by_split(results: Sequence[Result]) -> dict[str, dict]:
    splits = dict.fromkeys(["test", *(result.split for result in results)])
    parts = {split: [result for result in results if result.split == split] for split in splits}
    return {split: {k: _quoted(r) for k, r in _keyed(part).items()} for split, part in parts.items()}


def _data_numbers(manifest: Mapping) -> dict[str, str | int]:
    counts = manifest["counts"]
    kinds = {kind: {n for part in counts.values() for n in part.get(kind, ())} for kind in KINDS}
    designed = sum(name.startswith("schemas/") for name in manifest["files"])
    return {
        "version": manifest["version"],
        "schemas": len(kinds["group"]),
        "designed": designed,
        "composed": len(kinds["group"]) - designed,
        "seen": len(counts["test"]["group"]),
        "unseen": len(counts.get("test_unseen", {}).get("group", ())),
        **{f"{kind}s": len(kinds[kind]) for kind in ("register", "domain", "noise")},
        "cases": sum(part["cases"] for part in counts.values()),
        **{split: part["cases"] for split, part in counts.items()},
        **{tier: counts["test"]["tier"][tier] for tier in TIERS},
    }


def quoted_as(label: str) -> str:
    """The key of a label in `_variables.yml`."""
    return "".join(c if c.isalnum() else "_" for c in label.replace(", ", "_"))


def _keyed(results: Sequence[Result]) -> dict[str, Result]:
    keyed: dict[str, Result] = {}
    for result in results:
        key = quoted_as(result.label)
        if key in keyed:
            raise ValueError(
                f"{keyed[key].run} and {result.run} would both be quoted as results.{key}; publish one"
            )
        keyed[key] = result
    return keyed


def _quoted(result: Result) -> dict[str, str | int]:
    speed, failures = result.throughput, result.failures_in_order()
    scores = _score_numbers(result.metrics, ("json_exact", "field_f1", "schema_compliance"))
    others = {name: _mean(result.metrics, name) for name in ("json_exact_lenient", "field_f1_micro")}
    tiers = [_score_numbers(result.by_tier.get(t, {}), ("json_exact",), prefix=f"{t}_") for t in TIERS]
    return {
        "n": result.n,
        **scores,
        **others,
        "tok_s": speed_text(result),
        "cases_s": f"{speed['cases_per_second']:.2f}",
        "minutes": f"{result.seconds / 60:.1f}",
        "peak_memory_gb": _gigabytes(speed.get("peak_memory_bytes")),
        **{name: value for tier in tiers for name, value in tier.items()},
        "top_failure": tables.label(failures[0][0]) if failures else "none",
        "top_failure_n": failures[0][1] if failures else 0,
    }


def _mean(metrics: Mapping, name: str) -> str:
    return tables.number(name, metrics[name]["mean"]) if name in metrics else NONE


def _score_numbers(metrics: Mapping, names: Iterable[str], *, prefix: str = "") -> dict[str, str]:
    numbers = {}
    for name in names:
        numbers[prefix + name] = _mean(metrics, name)
        numbers[f"{prefix}{name}_ci"] = tables.span(name, metrics[name]) if name in metrics else NONE
    return numbers


def _gigabytes(size: int | None) -> str:
    return f"{size / 1e9:.1f}" if size else NONE


def _environment(result: Result) -> dict[str, str | int]:
    engine, packages = result.engine, result.environment["packages"]
    found = result.environment["machine"]
    return {
        "cpu": str(found.get("cpu", NONE)),
        "cores": found.get("cores", NONE),
        "torch": packages.get("torch", NONE),
        "transformers": packages.get("transformers", NONE),
        "engine": engine["name"],
        "engine_version": engine["version"],
        "dtype": engine["dtype"] or NONE,
        "batch_size": engine["batch_size"],
        "max_new_tokens": result.decoding["max_new_tokens"],
    }


def write_variables(path: Path, values: Mapping) -> None:
    """Write `_variables.yml`; the same values give the same bytes. No line of prose ends before a `%`."""
    body = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=1000)
    body = body.replace(" %", "\N{NO-BREAK SPACE}%")
    io.write_text(path, "# Written by notebooks/04_analyze.ipynb; do not edit.\n" + body)
