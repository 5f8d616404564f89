"""The report that `make quick` and `make full` end with: this machine's runs beside the published ones.

`python -m slmlib.report [profile]` prints it: the scores and how many cases agree, how long each step
took and how much memory it needed (from Snakemake's benchmark files), and where to open the site.
"""

import csv
import sys
from pathlib import Path

from slmlib.core import io, paths, tables
from slmlib.core.tables import NONE, Table
from slmlib.evaluation.results import METRICS, Result, compare, load_all, speed_text

HEADER = ("Model", "Split", *map(tables.title, METRICS), "Cases that agree", "tok/s")


def report(profile: str = "quick", *, runs: Path = paths.RUNS, published: Path = paths.RESULTS) -> str:
    """The report of `runs/<profile>` as plain text.

    Raises:
        DataError: a result here or a published one cannot be trusted.
    """
    here = load_all(runs / profile / "results")
    twins = {result.run: result for result in load_all(published)}
    sections = [_scores(here, twins), _steps(runs / profile / "benchmarks"), _where()]
    return "\n\n".join(section.rstrip() for section in sections) + "\n"


def _scores(here: list[Result], twins: dict[str, Result]) -> str:
    if not here:
        return "This profile has no results yet."
    here = sorted(here, key=lambda r: (r.run not in twins, r.split, r.control, r.label))
    pairs = [compare(result, twins[result.run]) for result in here if result.run in twins]
    alone = [result for result in here if result.run not in twins]
    lines = [_line(pair.mine, pair.published, pair.agree) for pair in pairs]
    lines += [_line(result, None, "not published") for result in alone]
    notes = [f"{pair.mine.split}, {pair.mine.label}: {pair.note()}" for pair in pairs if pair.differ]
    notes += [f"{result.run} ({_extent(result)}) is not published: nothing to compare." for result in alone]
    return "\n".join(["This machine | published", "", Table.of(HEADER, lines).text(), *notes])


def _line(mine: Result, published: Result | None, agree: str) -> list[str]:
    scores = [_both(_mean(mine, name), _mean(published, name)) for name in METRICS]
    return [
        mine.label,
        mine.split,
        *scores,
        agree,
        _both(speed_text(mine), speed_text(published) if published else NONE),
    ]


def _extent(result: Result) -> str:
    return "all cases" if result.complete else f"{result.n} of {result.dataset['n']} cases"


def _mean(result: Result | None, metric: str) -> str:
    if result is None or metric not in result.metrics:
        return NONE
    return tables.number(metric, result.metrics[metric]["mean"])


def _both(mine: str, published: str) -> str:
    return f"{mine} | {published}"


def _steps(folder: Path) -> str:
    steps = [_step(path, folder) for path in sorted(folder.rglob("*.tsv"))]
    if not steps:
        return f"No step has been timed yet in {folder}."
    lines = [[name, f"{seconds:.1f}", f"{memory:,.0f}"] for name, seconds, memory in steps]
    total, peak = sum(step[1] for step in steps), max(step[2] for step in steps)
    lines.append(["total, and largest memory", f"{total:.1f}", f"{peak:,.0f}"])
    return Table.of(["Step", "Seconds", "Peak memory, MB"], lines).text()


def _step(path: Path, folder: Path) -> tuple[str, float, float]:
    """Name, seconds and peak MB of a step; the longest of its repeats."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    try:
        seconds = max(float(row["s"]) for row in rows)
    except (KeyError, ValueError):
        raise io.DataError(
            f"{path}: no Snakemake benchmark. Fix: delete it and run the step again."
        ) from None
    return path.relative_to(folder).with_suffix("").as_posix(), seconds, max(map(_memory, rows))


def _memory(row: dict) -> float:
    """Peak resident memory in MB; Snakemake writes `-` or `NA` for steps too short to measure."""
    try:
        return float(row["max_rss"])
    except (KeyError, TypeError, ValueError):
        return 0.0


def _where() -> str:
    page = paths.SITE / "index.html"
    return f"The site: {page}" if page.exists() else f"The site is not built yet; `make site` writes {page}."


def main(arguments: list[str]) -> int:
    """Print the report of a profile; 0 if all could be read."""
    profile = arguments[0] if arguments else "quick"
    try:
        print(report(profile), end="")
    except io.DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
