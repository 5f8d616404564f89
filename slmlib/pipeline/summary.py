"""The closing report of `make quick` and `make full`: runs of this machine beside published ones.

It lists scores and how many cases agree, how long each step took and how much memory it needed
(from Snakemake's benchmark files), and where the site is.
"""

import argparse
import csv
from itertools import groupby
from pathlib import Path

from slmlib.core import io, paths
from slmlib.core.tables import NONE, Table
from slmlib.evaluation import results
from slmlib.evaluation.results import Result
from slmlib.tasks.base import Metric


def report(profile: str, *, runs: Path | None = None, published: Path | None = None) -> str:
    """The report of `runs/<profile>` as plain text.

    Raises:
        DataError: a result, here or published, does not follow from its predictions.
    """
    folder = (runs or paths.RUNS) / profile
    mine = results.load_all(folder / "results")
    mine.sort(key=lambda r: (r.task, r.split, r.control, r.label))
    parts = [] if mine else ["No results yet."]
    for task, group in groupby(mine, key=lambda r: r.task):
        parts.append(_scores(list(group), (published or paths.RESULTS) / task))
    parts.append(_steps(folder / "benchmarks"))
    page = paths.SITE / "index.html"
    parts.append(
        f"The site: {page}" if page.exists() else f"No site yet: `make site` writes {page}."
    )
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _scores(mine: list[Result], published: Path) -> str:
    """A table of a task's runs, with notes on cases that differ."""
    task, lines, notes = mine[0].benchmark, [], []
    for result in mine:
        theirs, agreement = None, "not published"
        path = published / f"{result.run}.json"
        if path.exists():
            theirs = results.load(path)
            compared = results.reproduce(result, theirs)
            agreement = f"{compared.same_text}/{compared.n}"
            if compared.differ:
                notes.append(f"{result.split}, {result.label}: {compared.note()}")
        cases = "" if result.complete else f" ({result.n} of {result.dataset['n']} cases)"
        scores = [f"{_score(result, m)} | {_score(theirs, m)}" for m in task.board]
        speed = f"{_speed(result)} | {_speed(theirs)}"
        lines.append([result.label + cases, result.split, *scores, agreement, speed])
    header = ["Model", "Split", *(m.title for m in task.board), "Same completions", "tok/s"]
    title = f"{task.title}: this machine | published"
    return "\n".join([title, "", Table.of(header, lines).text(), *notes])


def _score(run: Result | None, metric: Metric) -> str:
    known = run is not None and metric.name in run.metrics
    return metric.number(run.metrics[metric.name]["mean"]) if known else NONE


def _speed(run: Result | None) -> str:
    timed = run is not None and not run.control
    return f"{run.throughput['tokens_per_second']:.1f}" if timed else NONE


def _steps(folder: Path) -> str:
    """Time and memory of each step, and of all."""
    steps = []
    for path in sorted(folder.rglob("*.tsv")):
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        try:
            seconds = max(float(row["s"]) for row in rows)
            # Snakemake writes "-" or "NA" for steps too short to measure
            measured = [row["max_rss"] for row in rows if row["max_rss"][:1].isdigit()]
        except (KeyError, ValueError):
            fix = "Delete it and run the step again."
            raise io.DataError(f"{path}: not a benchmark file of Snakemake. {fix}") from None
        steps.append((path.stem, seconds, max(map(float, measured), default=0)))
    if not steps:
        return f"No step has been timed yet in {folder}."
    _, seconds, memory = zip(*steps, strict=True)
    steps.append(("total, and largest memory", sum(seconds), max(memory)))
    lines = [[name, f"{seconds:.1f}", f"{memory:,.0f}"] for name, seconds, memory in steps]
    return Table.of(["Step", "Seconds", "Peak memory, MB"], lines).text()


def main(arguments: list[str] | None = None) -> None:
    """Print the closing report of a profile again."""
    parser = argparse.ArgumentParser(prog="slmbench summary", description=main.__doc__)
    parser.add_argument("profile", nargs="?", default="quick", choices=("quick", "full"))
    print(report(parser.parse_args(arguments).profile), end="")
