"""The closing report of `make quick` and `make full`: runs of this machine beside published ones.

It lists scores and how many cases agree, how long each step took and how much memory it needed
(from Snakemake's benchmark files), and where the site is.
"""

import argparse
import csv
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from slmlib.core import io, paths
from slmlib.core.tables import NONE, Table
from slmlib.evaluation import results
from slmlib.evaluation.results import Result


def report(profile: str, *, runs: Path | None = None, published: Path | None = None) -> str:
    """The report of `runs/<profile>` as plain text.

    Raises:
        DataError: a result, here or published, does not follow from its predictions.
    """
    folder = (runs or paths.RUNS) / profile
    parts = _scores(results.load_all(folder / "results"), published or paths.RESULTS)
    page = paths.SITE / "index.html"
    site = f"The site: {page}" if page.exists() else f"No site yet: `make site` writes {page}."
    return (
        "\n\n".join(part.rstrip() for part in [*parts, _steps(folder / "benchmarks"), site]) + "\n"
    )


def _scores(mine: Iterable[Result], published: Path) -> list[str]:
    """A table for each task, with notes on cases that differ and runs that are not published."""
    mine = sorted(mine, key=lambda r: (r.task, r.split, r.control, r.label))
    if not mine:
        return ["No results yet."]
    parts = []
    for task, group in groupby(mine, key=lambda r: r.task):
        lines, notes = [], []
        for result in group:
            path = published / task / f"{result.run}.json"
            if path.exists():
                pair = results.reproduce(result, results.load(path))
                lines.append(_line(result, pair.published, f"{pair.same_text}/{pair.n}"))
                notes += [f"{result.split}, {result.label}: {pair.note()}"] if pair.differ else []
            else:
                lines.append(_line(result, None, "not published"))
        board = result.benchmark.board
        header = ["Model", "Split", *(m.title for m in board), "Same completions", "tok/s"]
        title = f"{result.benchmark.title}: this machine | published"
        parts.append("\n".join([title, "", Table.of(header, lines).text(), *notes]))
    return parts


def _line(mine: Result, published: Result | None, agreement: str) -> list[str]:
    pair = (mine, published)
    scores = [
        " | ".join(
            metric.number(run.metrics[metric.name]["mean"])
            if run and metric.name in run.metrics
            else NONE
            for run in pair
        )
        for metric in mine.benchmark.board
    ]
    speeds = [
        f"{run.throughput['tokens_per_second']:.1f}" if run and not run.control else NONE
        for run in pair
    ]
    cases = "" if mine.complete else f" ({mine.n} of {mine.dataset['n']} cases)"
    return [mine.label + cases, mine.split, *scores, agreement, " | ".join(speeds)]


def _steps(folder: Path) -> str:
    """Time and memory of each step, and of all."""
    steps = []
    for path in sorted(folder.rglob("*.tsv")):
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        try:
            seconds = max(float(row["s"]) for row in rows)
            # Snakemake writes "-" or "NA" for steps too short to measure
            memory = max(
                float(row["max_rss"]) if row["max_rss"][:1].isdigit() else 0 for row in rows
            )
        except (KeyError, ValueError):
            fix = "Delete it and run the step again."
            raise io.DataError(f"{path}: not a benchmark file of Snakemake. {fix}") from None
        steps.append((path.stem, seconds, memory))
    if not steps:
        return f"No step has been timed yet in {folder}."
    total = ("total, and largest memory", sum(s[1] for s in steps), max(s[2] for s in steps))
    lines = [
        [name, f"{seconds:.1f}", f"{memory:,.0f}"] for name, seconds, memory in [*steps, total]
    ]
    return Table.of(["Step", "Seconds", "Peak memory, MB"], lines).text()


def main(arguments: list[str] | None = None) -> None:
    """Print the closing report of a profile again."""
    parser = argparse.ArgumentParser(prog="slmbench summary", description=main.__doc__)
    parser.add_argument("profile", nargs="?", default="quick", choices=("quick", "full"))
    print(report(parser.parse_args(arguments).profile), end="")
