"""Score published runs again with the current scorer, without their models, and say what moved.

A result keeps every completion, so a new scorer needs no new run. `slmbench rescore` reads the published
results (or the folders and files it is given) and prints each metric before and after; with `--write` it
also writes results and predictions, each whole or not at all. A run of other data than the current ones is
refused. If a kill comes between the two files of a run, `results.load` refuses the pair, and the same
command repairs it.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slmlib import tasks
from slmlib.core import io, paths
from slmlib.core.io import DataError
from slmlib.core.names import choose
from slmlib.core.tables import NONE, Table
from slmlib.evaluation import metrics, run
from slmlib.evaluation.results import PREDICTION, PREDICTIONS, RESULT
from slmlib.tasks.base import Sample, Task


@dataclass(frozen=True)
class Rescored:
    """What scoring a run again moved.

    Attributes:
        path: the result's file.
        before, after: versions of the scorer.
        metrics: each metric as (old, new) intervals; None where there is none.
        task: the task, whose metrics print themselves.
        cases: number of predictions.
        verdicts: cases that were right and are wrong now, or the other way round.
        classes: cases whose failure class changed, changes of verdict included.
        scores: cases with any changed score or count.
        changed: whether the result or its predictions would be written differently.
    """

    path: Path
    task: Task
    before: str
    after: str
    metrics: Mapping[str, tuple[Mapping | None, Mapping | None]]
    cases: int
    verdicts: int
    classes: int
    scores: int
    changed: bool

    @property
    def moved(self) -> dict[str, tuple[Mapping | None, Mapping | None]]:
        """The metrics whose mean or interval changed."""
        return {name: pair for name, pair in self.metrics.items() if pair[0] != pair[1]}

    def text(self) -> str:
        """The report for a terminal."""
        counts = f"verdict {self.verdicts}, failure class {self.classes}, any score {self.scores}"
        head = f"{self.path.stem}: scorer {self.before} -> {self.after}\n"
        head += f"of {self.cases} cases changed: {counts}\n"
        if not self.moved:
            return f"{head}no metric moved\n"
        lines = []
        for name, pair in self.moved.items():
            metric = next((m for m in self.task.metrics if m.name == name), None)
            shown = (str(v["mean"]) if metric is None else metric.estimate(v) for v in pair if v)
            cells = [next(shown) if value else NONE for value in pair]
            lines.append([metric.title if metric else name, *cells])
        return head + Table.of(["Metric", "old", "new"], lines).text()


def rescore(path: Path, *, write: bool = False) -> Rescored:
    """Score the completions of one run again.

    Args:
        path: the result's JSON file; its predictions are beside it.
        write: write the result and its predictions if anything in them changed.

    Raises:
        DataError: a file is missing or broken, or the run is of other data than the current ones.
        UnknownName: the task or split no longer exists.
    """
    old = io.read_json(path)
    io.check(old, RESULT, where=str(path))
    before = io.read_jsonl(path.with_suffix(PREDICTIONS), schema=PREDICTION)
    task = tasks.get(old["task"])
    samples = _samples(task, old, before, path)
    prompt = task.prompts[choose(f"prompt of {task.name}", old["prompt"]["name"], task.prompts)]
    after = []
    for sample, row in zip(samples, before, strict=True):
        fresh = run.graded(task.score(sample, run.replay(task, sample, prompt, row["turns"])))
        after.append(row | {"group": sample.group, "slices": dict(sample.slices)} | fresh)
    new = old | metrics.judge(task, after)
    changed = new != old or after != before
    if write and changed:
        run.write(path, new, after)
    names = dict.fromkeys([*old["metrics"], *new["metrics"]])
    pairs = list(zip(before, after, strict=True))
    return Rescored(
        path,
        task,
        old["scorer"]["version"],
        new["scorer"]["version"],
        metrics={name: (old["metrics"].get(name), new["metrics"].get(name)) for name in names},
        cases=len(pairs),
        verdicts=sum((a["failure"] is None) != (b["failure"] is None) for a, b in pairs),
        classes=sum(a["failure"] != b["failure"] for a, b in pairs),
        scores=sum((a["scores"], a["counts"]) != (b["scores"], b["counts"]) for a, b in pairs),
        changed=changed,
    )


def _samples(task: Task, record: Mapping, rows: list[dict], path: Path) -> list[Sample]:
    """The sample of each prediction, from the data that the run was made on."""
    here = task.manifest()["files"].get(f"{record['split']}.jsonl", {}).get("sha256", "nothing")
    there = record["dataset"]["sha256"]
    if here != there:
        commit = record["environment"]["commit"] or "of that version"
        raise DataError(
            f"{path}: its cases are of data {there[:12]}, but {task.folder} has {here[:12]} (rule: a run "
            "is scored on the data it ran on). Run the model again on this data, or rescore in a checkout "
            f"of commit {commit}."
        )
    samples = {sample.id: sample for sample in task.load(record["split"])}
    times = Counter(row["id"] for row in rows)
    wrong = next((name for name, count in times.items() if count > 1 or name not in samples), None)
    if wrong is not None or any(value["n"] != len(rows) for value in record["metrics"].values()):
        what = f"prediction {wrong!r}" if wrong is not None else f"{len(rows)} predictions"
        rule = "every case of the run has one prediction"
        raise DataError(f"{path}: {what} does not fit the result (rule: {rule}). {io.remedy(path)}")
    return [samples[row["id"]] for row in rows]


def find_results(places: Iterable[Path]) -> list[Path]:
    """The results among files and folders; folders are searched recursively.

    Raises:
        DataError: a place does not exist.
    """
    results = []
    for place in map(Path, places):
        if not place.exists():
            raise DataError(f"{place}: does not exist. Give results (.json) or folders of results.")
        inside = sorted(place.rglob("*.json")) if place.is_dir() else [place]
        results += [
            path for path in inside if path.with_suffix(PREDICTIONS).exists() or place == path
        ]
    return results


def main(arguments: list[str] | None = None) -> int:
    """Score published runs again, without their models, and print what moved."""
    parser = argparse.ArgumentParser(prog="slmbench rescore", description=main.__doc__)
    parser.add_argument(
        "places",
        nargs="*",
        type=Path,
        default=[paths.RESULTS],
        metavar="result-or-folder",
        help="results, or folders of them; data/results by default",
    )
    parser.add_argument("--write", action="store_true", help="write what changed")
    options = parser.parse_args(arguments)
    failures, results = 0, find_results(options.places)
    for path in results:
        try:
            print(rescore(path, write=options.write).text())
        except (ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            failures += 1
    kept = (
        " and written where they changed"
        if options.write
        else "; nothing was written (--write does)"
    )
    print(f"{len(results) - failures} of {len(results)} results scored{kept}.")
    return 1 if failures or not results else 0
