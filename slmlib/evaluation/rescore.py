"""Score published runs again with the current scorer, without their models, and say what moved.

A result keeps every completion, so a new scorer needs no new run. `slmbench rescore` reads the
published results (or the folders and files it is given) and prints each metric before and after;
with `--write` it also writes results and predictions, each whole or not at all. A run of other data
than the current ones is refused. If a kill comes between the two files of a run, `results.load`
refuses the pair, and the same command repairs it.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slmlib import tasks
from slmlib.core import io, paths
from slmlib.core.io import DataError
from slmlib.core.names import choose
from slmlib.core.tables import NONE, Table
from slmlib.evaluation import metrics, run
from slmlib.evaluation.results import PREDICTION, PREDICTIONS, RESULT
from slmlib.tasks.base import Task


@dataclass(frozen=True)
class Rescored:
    """A run before and after it was scored again: its result, and its prediction rows."""

    task: Task
    old: Mapping
    new: Mapping
    before: Sequence[Mapping]
    after: Sequence[Mapping]

    @property
    def changed(self) -> bool:
        """True if the result or its predictions would be written differently."""
        return (self.old, self.before) != (self.new, self.after)

    @property
    def moved(self) -> dict[str, tuple[Mapping | None, Mapping | None]]:
        """The metrics whose mean or interval changed, old and new; None where there is none."""
        old, new = self.old["metrics"], self.new["metrics"]
        pairs = {name: (old.get(name), new.get(name)) for name in [*old, *new]}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def counts(self) -> str:
        """Numbers of cases whose verdict, failure class, or any score changed."""
        verdicts = classes = scores = 0
        for a, b in zip(self.before, self.after, strict=True):
            verdicts += (a["failure"] is None) != (b["failure"] is None)
            classes += a["failure"] != b["failure"]
            scores += (a["scores"], a["counts"]) != (b["scores"], b["counts"])
        return f"verdict {verdicts}, failure class {classes}, any score {scores}"

    def text(self) -> str:
        """The report for a terminal."""
        versions = " -> ".join(record["scorer"]["version"] for record in (self.old, self.new))
        head = f"{self.new['run']}: scorer {versions}\n"
        head += f"of {len(self.before)} cases changed: {self.counts()}\n"
        if not self.moved:
            return f"{head}no metric moved\n"
        known = {metric.name: metric for metric in self.task.metrics}
        lines = []
        for name, pair in self.moved.items():
            if name in known:
                cells = [known[name].estimate(value) if value else NONE for value in pair]
                lines.append([known[name].title, *cells])
            else:  # a metric that the task had before
                lines.append([name, str(pair[0]["mean"]), NONE])
        return head + Table.of(["Metric", "old", "new"], lines).text()


def rescore(path: Path, *, write: bool = False) -> Rescored:
    """Score the completions of one run again.

    Args:
        path: the result's JSON file; its predictions are beside it.
        write: write the result and its predictions if anything in them changed.

    Raises:
        DataError: a file is missing or broken, or the run is of other data than the current ones.
        UnknownName: the task, split or prompt no longer exists.
    """
    old = io.read_json(path)
    io.check(old, RESULT, where=str(path))
    before = io.read_jsonl(path.with_suffix(PREDICTIONS), schema=PREDICTION)
    task = tasks.get(old["task"])
    file = task.manifest()["files"].get(f"{old['split']}.jsonl", {"sha256": "nothing"})
    here, there = file["sha256"], old["dataset"]["sha256"]
    if here != there:
        commit = old["environment"]["commit"] or "of that version"
        raise DataError(
            f"{path}: its cases are of data {there[:12]}, but {task.folder} has {here[:12]} (rule: "
            "a run is scored on the data it ran on). Run the model again on this data, or rescore "
            f"in a checkout of commit {commit}."
        )
    samples = {sample.id: sample for sample in task.load(old["split"])}
    ids = {row["id"] for row in before}
    counts = {value["n"] for value in old["metrics"].values()} | {len(before)}
    if ids - samples.keys() or counts != {len(ids)}:
        unknown = ", ".join(sorted(ids - samples.keys())[:3]) or "none"
        raise DataError(
            f"{path}: {len(before)} predictions for {len(ids)} cases, of which unknown: {unknown} "
            f"(rule: every case of the run has one prediction). {io.remedy(path)}"
        )
    prompt = task.prompts[choose(f"prompt of {task.name}", old["prompt"]["name"], task.prompts)]
    after = []
    for row in before:
        sample = samples[row["id"]]
        fresh = run.graded(task.score(sample, run.replay(task, sample, prompt, row["turns"])))
        after.append(row | {"group": sample.group, "slices": dict(sample.slices)} | fresh)
    again = Rescored(task, old, old | metrics.judge(task, after), before, after)
    if write and again.changed:
        run.write(path, again.new, after)
    return again


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
    results = []
    for place in options.places:
        if not place.exists():
            raise DataError(f"{place}: does not exist. Give results (.json) or folders of results.")
        inside = [p for p in place.rglob("*.json") if p.with_suffix(PREDICTIONS).exists()]
        results += sorted(inside) if place.is_dir() else [place]
    failures = 0
    for path in results:
        try:
            print(rescore(path, write=options.write).text())
        except (ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            failures += 1
    done = f"{len(results) - failures} of {len(results)} results scored"
    note = "; nothing was written, use --write"
    if options.write:
        note = " and written where they changed"
    print(f"{done}{note}.")
    return 1 if failures or not results else 0
