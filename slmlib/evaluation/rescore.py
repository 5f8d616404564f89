"""Grade old runs again with the present scorer, without their model, and say what moved.

A result keeps every completion, so a new scorer needs no new run: `python -m slmlib.evaluation.rescore` reads
the published results (or the folders and files it is given) and prints each metric before and after;
with `--write` it also writes results and predictions, each whole or not at all. A run of other data
than the present one is refused. If a kill comes between the two files of a run, `results.load` refuses
the pair, and the same command mends it.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slmlib.core import io, paths, tables
from slmlib.core.io import DataError
from slmlib.core.tables import NONE, Table
from slmlib.evaluation import run
from slmlib.tasks import base as tasks
from slmlib.tasks.base import Sample, Task


@dataclass(frozen=True)
class Rescored:
    """What a new grading of one run moved.

    Attributes:
        path: the result's file.
        before: version of the scorer that the result names.
        after: version of the present scorer.
        metrics: each metric as (old, new), the dictionaries of the result; None where there is none.
        cases: number of predictions.
        verdicts: cases that were right and are wrong now, or the other way round.
        classes: cases whose failure class changed, a change of verdict among them.
        scores: cases of which any score changed.
        changed: whether result or predictions would be written otherwise.
    """

    path: Path
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
        """The metrics that are not what they were, their intervals included."""
        return {name: pair for name, pair in self.metrics.items() if pair[0] != pair[1]}

    def text(self) -> str:
        """For a terminal."""
        counts = f"verdict {self.verdicts}, failure class {self.classes}, any score {self.scores}"
        head = f"{self.path.stem}: scorer {self.before} -> {self.after}\n"
        changes = f"of {self.cases} cases changed: {counts}\n"
        if not self.moved:
            return f"{head}{changes}no metric moved\n"
        rows = [
            [tables.title(name), *(_shown(name, side) for side in pair)] for name, pair in self.moved.items()
        ]
        return head + changes + Table.of(["Metric", "old", "new"], rows).text()


def _shown(metric: str, value: Mapping | None) -> str:
    return tables.estimate(metric, value) if value else NONE


def rescore(path: Path, *, write: bool = False) -> Rescored:
    """Grade the completions of one run again.

    Args:
        path: the result's JSON file; its predictions lie beside it.
        write: write the result and its predictions if anything in them changed.

    Returns:
        What moved.

    Raises:
        DataError: a file is missing or broken, or the run is of other data than the present one.
        UnknownName: the task or split no longer exists.
    """
    record = io.read_json(path)
    io.check(record, io.RESULT, where=str(path))
    rows = io.read_jsonl(path.with_suffix(".predictions.jsonl.gz"), schema=io.PREDICTION)
    task = tasks.get(record["task"])
    examples = _examples(task, record, rows, path)
    scores = [
        task.score(example, row["completion"], row["finish"])
        for example, row in zip(examples, rows, strict=True)
    ]
    fresh = [row | run.graded(score) for row, score in zip(rows, scores, strict=True)]
    new = record | run.judged(task, examples, scores)
    changed = new != record or fresh != rows
    if write and changed:
        run.write(path, new, fresh)
    return _compared(path, (record, new), (rows, fresh), changed)


def _examples(task: Task, record: Mapping, rows: list[dict], path: Path) -> list[Sample]:
    """The example of each prediction, from the data that the run was made on."""
    here = task.manifest()["files"].get(f"{record['split']}.jsonl", {}).get("sha256", "nothing")
    there = record["dataset"]["sha256"]
    if here != there:
        commit = record["environment"]["commit"] or "of that version"
        raise DataError(
            f"{path}: its cases are of data {there[:12]}, but {task.folder} holds {here[:12]} (rule: a run "
            "is graded on the data it ran on). Run the model again on this data, or rescore in a checkout "
            f"of commit {commit}."
        )
    examples = {example.id: example for example in task.load(record["split"])}
    times = Counter(row["id"] for row in rows)
    wrong = next((name for name, count in times.items() if count > 1 or name not in examples), None)
    if wrong is not None or len(rows) != record["metrics"]["json_exact"]["n"]:
        found = f"prediction {wrong!r}" if wrong is not None else f"{len(rows)} predictions"
        rule = "every case of the run has one prediction"
        raise DataError(f"{path}: {found} does not fit the result (rule: {rule}). {io.remedy(path)}")
    return [examples[row["id"]] for row in rows]


def _compared(path: Path, records: tuple[dict, dict], rows: tuple[list, list], changed: bool) -> Rescored:
    old, new = records
    pairs = list(zip(*rows, strict=True))
    names = dict.fromkeys([*old["metrics"], *new["metrics"]])
    return Rescored(
        path,
        old["scorer"]["version"],
        new["scorer"]["version"],
        metrics={name: (old["metrics"].get(name), new["metrics"].get(name)) for name in names},
        cases=len(pairs),
        verdicts=sum((a["failure"] is None) != (b["failure"] is None) for a, b in pairs),
        classes=sum(a["failure"] != b["failure"] for a, b in pairs),
        scores=sum(a["scores"] != b["scores"] for a, b in pairs),
        changed=changed,
    )


def found(places: Iterable[Path]) -> list[Path]:
    """The results among files and folders, folders searched to the bottom.

    Raises:
        DataError: a place does not exist.
    """
    results = []
    for place in map(Path, places):
        if not place.exists():
            raise DataError(f"{place}: does not exist. Give results (.json) or folders of results.")
        inside = sorted(place.rglob("*.json")) if place.is_dir() else [place]
        results += [path for path in inside if not path.name.endswith(".schema.json")]
    return results


def main(arguments: list[str] | None = None) -> int:
    """Grade old runs again, without their models, and print what moved."""
    parser = argparse.ArgumentParser(prog="python -m slmlib.evaluation.rescore", description=main.__doc__)
    parser.add_argument("places", nargs="*", type=Path, default=[paths.RESULTS], metavar="result-or-folder",
                        help="results, or folders of them; data/results if none is given")  # fmt: skip
    parser.add_argument(
        "--write", action="store_true", help="write what changed; without it nothing is written"
    )
    options = parser.parse_args(arguments)
    try:
        results = found(options.places)
    except DataError as error:
        return _failed(error)
    failures = sum(_print(path, write=options.write) for path in results)
    print(f"{len(results) - failures} of {len(results)} results graded{_kept(options.write)}")
    return 1 if failures or not results else 0


def _print(path: Path, *, write: bool) -> int:
    """Print one run; 1 if it could not be graded."""
    try:
        print(rescore(path, write=write).text())
    except (ValueError, OSError) as error:
        return _failed(error)
    return 0


def _kept(write: bool) -> str:
    return " and written where they changed." if write else "; nothing was written. To keep it: --write"


def _failed(error: Exception) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
