"""Results: load and verify them, rank them, and compare two runs of the same cases.

A result is refused unless the predictions beside it reproduce its numbers. Only complete runs of
models are ranked; controls are in every table and never ranked. A model's rank is the range of
ranks that paired tests on the same cases cannot rule out, so that no table orders what it cannot
tell apart.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

from slmlib import tasks
from slmlib.core import io, paths, tables
from slmlib.core.io import DataError
from slmlib.core.tables import NONE, Table
from slmlib.evaluation import metrics, stats
from slmlib.models import registry
from slmlib.tasks.base import UNANSWERED, Metric, Task

PREDICTIONS = ".predictions.jsonl.gz"
PREDICTION, RESULT = (paths.RESULTS / f"{name}.schema.json" for name in ("prediction", "result"))
TOLERANCE = 2e-6  # room for rounding to six decimals, none for a changed case


class _Shown:
    """Displayed by notebooks: a heading, a table and notes, all escaped."""

    def _parts(self) -> tuple[str, Table, list[str]]:
        raise NotImplementedError

    def _repr_markdown_(self) -> str:
        heading, table, notes = self._parts()
        text = "\n\n".join(tables.markdown(note) for note in notes)
        return f"**{tables.markdown(heading)}**\n\n{table.markdown()}\n{text}\n"

    def _repr_html_(self) -> str:
        heading, table, notes = self._parts()
        text = "".join(f"<p>{tables.markup(note)}</p>\n" for note in notes)
        return f"<p><strong>{tables.markup(heading)}</strong></p>\n{table.html()}{text}"


@dataclass(frozen=True, repr=False)
class Result(_Shown):
    """One run as published: the parsed `<run>.json`, whose fields are attributes, and its path.

    `result.model["name"]`, `result.metrics`, … Notebooks display it as a table.
    """

    data: Mapping[str, Any]
    path: Path

    def __getattr__(self, name: str):
        if name in self.__dict__.get("data", ()):
            return self.data[name]
        raise AttributeError(f"a result has no {name!r}")

    @property
    def n(self) -> int:
        """Number of cases in the predictions."""
        return next(iter(self.data["metrics"].values()))["n"]

    @property
    def complete(self) -> bool:
        """True if every case of the split is in the predictions; only complete runs are ranked."""
        return self.n == self.data["dataset"]["n"]

    @property
    def control(self) -> bool:
        """True if it is a control rather than a model."""
        return self.data["model"]["source"] == "control"

    @cached_property
    def tuned(self) -> bool:
        """True if the model was trained here on this task's training data."""
        trained = registry.trained().get(self.data["model"]["name"])
        return self.data["model"]["adapter"] is not None and (
            trained is None or self.data["task"] in trained.prompts
        )

    @property
    def mode(self) -> str:
        """Decoding mode: "free" or "constrained"."""
        return self.data["decoding"]["mode"]

    @property
    def right(self) -> int:
        """Number of right cases: those without a failure class."""
        return self.n - sum(self.data["failures"].values())

    @property
    def unanswered(self) -> int:
        """Number of cases that the engine failed to complete; they count as wrong."""
        return self.data["failures"].get(UNANSWERED, 0)

    @property
    def label(self) -> str:
        """Name in tables and figures: the model, and "constrained" if it was."""
        name = self.data["model"]["name"]
        return tables.plain(name if self.mode == "free" else f"{name}, {self.mode}")

    @cached_property
    def benchmark(self) -> Task:
        """The task that the run is of."""
        return tasks.get(self.data["task"])

    @property
    def predictions_path(self) -> Path:
        """The file of the predictions, beside the result."""
        return self.path.with_name(self.path.stem + PREDICTIONS)

    @cached_property
    def rows(self) -> list[dict]:
        """The prediction row of every case, each checked against its schema.

        Raises:
            DataError: the file is missing or damaged, a row is broken, or an id occurs twice.
        """
        rows = io.read_jsonl(self.predictions_path, schema=PREDICTION)
        ((name, count),) = Counter(row["id"] for row in rows).most_common(1) or [("", 0)]
        if count > 1:
            rule = "(rule: ids are unique)"
            raise DataError(f"{self.predictions_path}: id {name!r} occurs twice {rule}.")
        return rows

    def failures_by_count(self) -> list[tuple[str, int]]:
        """Failure classes with their counts, most frequent first, then in the task's order."""
        counts = [(name, self.failures.get(name, 0)) for name in self.benchmark.failures]
        return sorted((item for item in counts if item[1]), key=lambda item: -item[1])

    def estimate(self, metric: Metric) -> str:
        """A metric with its interval as printed, or a dash."""
        interval = self.data["metrics"].get(metric.name)
        return metric.estimate(interval) if interval else NONE

    def __repr__(self):
        metric = self.benchmark.ranking_metric
        return f"Result({self.run}: {metric.title} {self.estimate(metric)})"

    def _parts(self) -> tuple[str, Table, list[str]]:
        task, speed, engine = self.benchmark, self.throughput, self.engine
        state = "" if self.complete else f", incomplete: {self.n} of {self.dataset['n']} cases"
        columns = {"all": self.metrics}
        if task.slices:
            columns |= self.by_slice.get(task.slices[0].name, {})
        lines = []
        for m in task.metrics:
            if m.name in self.metrics:
                cells = (m.estimate(p[m.name]) if m.name in p else NONE for p in columns.values())
                lines.append([m.title, *cells])
        wrong = [f"{task.failures[name]} {count}" for name, count in self.failures_by_count()]
        settings = f"{engine['dtype'] or NONE}, batch {engine['batch_size']}"
        settings += f", {engine['threads']} threads, {engine['device']}"
        if "halved_after" in engine:
            settings += f", smaller batches after: {engine['halved_after']}"
        elif "fitting" in engine:
            settings += ", smaller batches for lack of memory"
        rates = f"{speed['tokens_per_second']:.1f} tok/s, {speed['cases_per_second']:.2f} cases/s"
        notes = [
            f"Wrong cases: {', '.join(wrong) or 'none'}.",
            f"{rates} with {engine['name']} ({settings}).",
        ]
        if self.unanswered:
            turns = (turn for row in self.rows for turn in row["turns"])
            error = next(turn["error"] for turn in turns if "error" in turn)
            lost = f"{self.unanswered} of {self.n} cases could not be completed"
            notes.append(f"{lost} and count as wrong: {error}")
        return self.run + state, Table.of(["Metric", *columns], lines), notes


# --- loading and verifying --------------------------------------------------------------------


def load(path: Path | str) -> Result:
    """Load a result and verify it against its schema and its own predictions.

    Raises:
        DataError: the file or its predictions are missing or damaged, break the schema, or do not
            reproduce its counts and means; names the file, the rule and the fix.
    """
    path = Path(path)
    try:
        data = io.read_json(path)
        io.check(data, RESULT, where=str(path))
        result = Result(data, path)
        _verify(result)
    except DataError as error:
        has_fix = any(fix in str(error) for fix in ("Restore ", "Delete ", "Reinstall "))
        raise error if has_fix else DataError(f"{error} {io.remedy(path)}") from None
    return result


def load_all(folder: Path | str | None = None, task: str | None = None) -> list[Result]:
    """Load every result in `folder/<task>/` (all tasks by default), in the order of their names."""
    pattern = f"{task or '*'}/*.json"
    return [load(path) for path in sorted(Path(folder or paths.RESULTS).glob(pattern))]


def _verify(result: Result) -> None:
    """Raise `DataError` unless a result has the numbers that its predictions give."""
    rows, task, ranking = result.rows, result.benchmark, result.benchmark.ranking_metric

    def require(holds: bool, fault: str, rule: str) -> None:
        if not holds:
            raise DataError(f"{result.path}: {fault} (rule: {rule}).")

    rule = "a result's file is named after its run"
    require(result.path.stem == result.run, f"the run is named {result.run!r}", rule)
    fault = f"{len(rows)} predictions for {result.dataset['n']} cases"
    require(0 < len(rows) <= result.dataset["n"], fault, "one prediction per case")
    for row in rows:
        for metric in task.metrics:
            require(
                metric.name in row["counts" if metric.counted else "scores"],
                f"prediction {row['id']!r} has no {metric.name}",
                "every case has every metric of its task",
            )
        failure, score = row["failure"], row["scores"].get(ranking.name)
        require(
            failure is None or failure in task.failures,
            f"prediction {row['id']!r} has failure {failure}",
            f"failures of {task.name} are {', '.join(task.failures)}",
        )
        require(
            ranking.kind != "proportion" or (failure is None) == (score == 1),
            f"prediction {row['id']!r} has failure {failure} and {ranking.name} {score}",
            "a case is either right or has a failure class",
        )
    parts = {"metrics": result.metrics}
    for name, values in result.by_slice.items():
        parts |= {f"by_slice.{name}.{value}": scores for value, scores in values.items()}
    intervals = {f"{place}.{name}": each for place, m in parts.items() for name, each in m.items()}
    published = {}
    for place, interval in intervals.items():
        published |= {f"{place}.n": interval["n"], f"{place}.mean": interval["mean"]}
    published |= {f"failures.{name}": count for name, count in result.failures.items() if count}
    expected = _numbers(task, rows)
    for place in [*expected, *published]:
        value, number = published.get(place), expected.get(place)
        present = value is not None and number is not None
        require(
            present and math.isclose(value, number, rel_tol=0, abs_tol=TOLERANCE),
            f"{place} is {value}, its predictions give {number}",
            "the numbers of a result are those of its predictions",
        )
    for place, interval in intervals.items():
        low, high = interval["low"] - TOLERANCE, interval["high"] + TOLERANCE
        sound = low <= interval["mean"] <= high
        if task.metric(place.rpartition(".")[2]).kind == "proportion":
            # clusters only make Wilson's interval wider
            wilson = stats.wilson(round(interval["mean"] * interval["n"]), interval["n"])
            sound = sound and low <= wilson.low and wilson.high <= high
        require(
            sound,
            f"the interval of {place} is [{interval['low']}, {interval['high']}]",
            "an interval contains its mean, and that of a proportion Wilson's interval",
        )


def _numbers(task: Task, rows: metrics.Rows) -> dict[str, float]:
    """Every count and mean of a result by its place in the file, as the predictions give it."""
    parts, numbers = {"metrics": rows}, {}
    for each in task.slices:
        for value, part in metrics.split_by(rows, each.name).items():
            parts[f"by_slice.{each.name}.{value}"] = part
    for place, part in parts.items():
        for name, mean in metrics.means(task, part).items():
            numbers |= {f"{place}.{name}.n": len(part), f"{place}.{name}.mean": round(mean, 7)}
    return numbers | Counter(f"failures.{row['failure']}" for row in rows if row["failure"])


# --- ranking ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A line of the leaderboard.

    `rank` and `worst` are the best and the worst place that the data allow; None for controls and
    incomplete runs.
    """

    result: Result
    rank: int | None = None
    worst: int | None = None

    @property
    def place(self) -> str:
        """The interval of places as printed, or why there is none."""
        if not self.result.complete:
            return "incomplete"
        if self.result.control:
            return "control"
        return str(self.rank) if self.rank == self.worst else f"{self.rank}–{self.worst}"


def leaderboard(results: Iterable[Result]) -> list[Row]:
    """Rank runs by the task's first metric: models, then controls, then incomplete runs.

    Each model gets the interval of places that paired tests on the same cases allow it
    (`stats.rank_intervals`). The order of the results does not matter.

    Raises:
        ValueError: the results are not of the same task, split, version of the data and cases.
    """
    results = list(results)
    if not results:
        return []
    require_same_data(results)
    metric = results[0].benchmark.ranking_metric
    ordered = sorted(results, key=lambda r: (-r.metrics[metric.name]["mean"], r.label, r.run))
    models = {r.run: r for r in ordered if r.complete and not r.control}
    ids = {run: {row["id"] for row in r.rows} for run, r in models.items()}
    if len({frozenset(names) for names in ids.values()}) > 1:
        raise ValueError(
            "complete runs of the same data have predictions for different ids; run them again."
        )
    means = {run: r.metrics[metric.name]["mean"] for run, r in models.items()}
    pvalues = {
        (a, b): metrics.pvalue(metric, models[a].rows, models[b].rows)
        for a, b in combinations(models, 2)
    }
    ranks = stats.rank_intervals(means, pvalues)
    rows = [Row(models[run], rank, worst) for run, (rank, worst) in ranks.items()]
    rows.sort(key=lambda row: (row.rank, row.worst))  # stable: ties stay in order of score
    controls = [Row(r) for r in ordered if r.complete and r.control]
    return rows + controls + [Row(r) for r in ordered if not r.complete]


def require_same_data(results: Sequence[Result]) -> None:
    """Refuse results of different cases.

    Raises:
        ValueError: they are not of one task, split and version of the data.
    """
    data = {(r.task, r.split, r.dataset["sha256"][:12]) for r in results}
    if len(data) > 1:
        raise ValueError(
            f"these results are of different cases and cannot be compared: {sorted(data)}. "
            "Choose the results of one task, split and version of the data."
        )


# --- reproducing ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reproduction(_Shown):
    """A run of this machine compared with the published one, case by case.

    Attributes:
        mine, published: the two runs.
        n: cases of either.
        same_text, same_scores: cases with the same completions, and with the same scores.
        differ: ids of the cases whose completions are not the same, or that only one run has.
    """

    mine: Result
    published: Result
    n: int
    same_text: int
    same_scores: int
    differ: tuple[str, ...]

    def note(self) -> str:
        """The number of cases that agree, and those that do not."""
        text = (
            f"{self.same_text}/{self.n} cases have the same completion, "
            f"{self.same_scores}/{self.n} the same scores."
        )
        more = len(self.differ) - 10
        names = ", ".join(self.differ[:10]) + (f" and {more} more" if more > 0 else "")
        return f"{text} Different: {names}." if self.differ else text

    def _parts(self) -> tuple[str, Table, list[str]]:
        both = [m for m in self.mine.benchmark.metrics if m.name in self.published.metrics]
        lines = [[m.title, self.mine.estimate(m), self.published.estimate(m)] for m in both]
        return self.mine.label, Table.of(["Metric", "here", "published"], lines), [self.note()]


def texts(row: Mapping) -> list[str]:
    """The completions of a prediction row."""
    return [turn["completion"] for turn in row["turns"]]


def reproduce(mine: Result, published: Result) -> Reproduction:
    """Compare a run with the published one, completion by completion and score by score.

    Raises:
        ValueError: they are not runs of the same data.
    """
    require_same_data([mine, published])
    here, there = ({row["id"]: row for row in result.rows} for result in (mine, published))
    ids = list(there) + [name for name in here if name not in there]
    both = [name for name in ids if name in here and name in there]
    same = {name for name in both if texts(here[name]) == texts(there[name])}
    parts = ("scores", "counts", "failure")
    scored = sum(all(here[name][p] == there[name][p] for p in parts) for name in both)
    differ = tuple(name for name in ids if name not in same)
    return Reproduction(mine, published, len(ids), len(same), scored, differ)
