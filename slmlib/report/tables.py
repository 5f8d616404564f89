"""Tables of published results, for any task: metrics, splits, slices and failures are those it declares.

A difference is of two runs on the same cases, with its paired interval; those of proportions are in
percentage points. p-values are adjusted over the pairs of a table or, where it has several, of a split.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations

from slmlib.core import tables
from slmlib.core.tables import NONE, Link, Table
from slmlib.engines import launch
from slmlib.evaluation import comparisons, metrics, stats
from slmlib.evaluation.results import Result, Row
from slmlib.tasks.base import Metric, Slice, Task

TUNED = " †"  # mark of a model that was trained on the task
VALID = Metric("valid", "Valid", "proportion", "the completion satisfies the case's constraint")
Metrics = Mapping[str, Mapping[str, float]]  # by name: mean, low, high, n


# --- what is shown of a task and of a run -----------------------------------------------------


def headline(task: Task) -> tuple[Metric, ...]:
    """The metrics of a breakdown: the first two of the board."""
    return task.board[:2]


def graded(task: Task) -> Metric:
    """The metric that shows small effects: the first of the board that gives partial credit, if any."""
    return next((m for m in task.board if m.kind != "proportion"), task.ranking_metric)


def opponents(results: Iterable[Result]) -> list[Result]:
    """Runs worth comparing: complete ones of models, and controls that are sometimes right."""
    return [r for r in results if r.complete and (not r.control or 0 < r.right < r.n)]


def name(result: Result) -> str:
    """The label of a run, with the mark of a model that was trained on the task."""
    model, comma, mode = result.label.partition(", ")
    return model + TUNED * result.tuned + comma + mode


def machine(result: Result) -> str:
    """The machine of a run as printed."""
    return tables.machine(result.environment["machine"])


def speed(result: Result) -> str:
    """Generated tokens per second as printed; controls generate none."""
    return NONE if result.control else f"{result.throughput['tokens_per_second']:.1f}"


def _scores(values: Metrics | None, shown: Iterable[Metric]) -> list[str]:
    return [m.estimate(values[m.name]) if m.name in (values or {}) else NONE for m in shown]


def _difference_title(metric: Metric) -> str:
    return f"{metric.title}, difference" + (" in points" if metric.percent else "")


# --- scores -----------------------------------------------------------------------------------


def leaderboard_table(rows: Sequence[Row]) -> Table:
    """The leaderboard of one split."""
    if not rows:
        return Table.of(["Rank", "Model"], [])
    board = rows[0].result.benchmark.board
    lines = []
    for row in rows:
        run = row.result
        cases = str(run.n) if run.complete else f"{run.n}/{run.dataset['n']}"
        cases += f", {run.unanswered} unanswered" if run.unanswered else ""
        size = tables.size(run.model["parameters"])
        lines.append([row.place, name(run), size, *_scores(run.metrics, board), cases])
    return Table.of(["Rank", "Model", "Size", *(m.title for m in board), "Cases"], lines)


def splits_table(results: Sequence[Result]) -> Table:
    """Headline metrics of each model on every split, both in the order of the results."""
    cells: dict[str, dict[str, Metrics]] = {}
    for r in results:
        cells.setdefault(name(r), {})[r.split] = r.metrics
    splits = dict.fromkeys(r.split for r in results)
    return _breakdown(results, cells, {split: split for split in splits})


def slices_table(results: Sequence[Result], each: Slice) -> Table:
    """Headline metrics of each run of a split by the values of a slice, with their numbers of cases."""
    cells = {name(r): r.by_slice[each.name] for r in results if each.name in r.by_slice}
    counts = {
        value: next(iter(scores.values()))["n"]
        for parts in cells.values()
        for value, scores in parts.items()
    }
    return _breakdown(results, cells, {v: f"{v} ({counts[v]})" for v in each.ordered(counts)})


def _breakdown(
    results: Sequence[Result],
    cells: Mapping[str, Mapping[str, Metrics]],
    parts: Mapping[str, str],
) -> Table:
    """A line for each run and headline metric, a column for each part, given with its title."""
    lines = [
        [label, m.title, *(_scores(values.get(part), [m])[0] for part in parts)]
        for label, values in cells.items()
        for m in headline(results[0].benchmark)
    ]
    return Table.of(["Model", "Metric", *parts.values()], lines)


def failures_table(results: Sequence[Result]) -> Table:
    """Right cases, and wrong ones by class; a class that no run has is left out."""
    titles = results[0].benchmark.failures if results else {}
    classes = [each for each in titles if any(r.failures.get(each) for r in results)]
    lines = [
        [name(r), str(r.right), *(str(r.failures.get(c, 0)) for c in classes)] for r in results
    ]
    return Table.of(["Model", "right", *(titles[c] for c in classes)], lines)


# --- paired differences -----------------------------------------------------------------------


def differences(
    metric: Metric, pairs: Iterable[tuple[Result, Result]]
) -> dict[tuple[str, str], dict]:
    """Paired differences a - b by the names of the runs; `p` is adjusted over all pairs."""
    pairs = list(pairs)
    found = metrics.differences(metric, ((a.rows, b.rows) for a, b in pairs))
    return {(a.run, b.run): each for (a, b), each in zip(pairs, found, strict=True)}


def _difference_cells(
    shown: Sequence[Metric], pairs: Sequence[tuple[Result, Result]]
) -> list[list[str]]:
    """For each pair, the difference and the p-value in each metric."""
    columns = [differences(m, pairs) for m in shown]
    return [
        [
            text
            for m, column in zip(shown, columns, strict=True)
            for d in [column[a.run, b.run]]
            for text in (m.difference(d), tables.p(d["p"]))
        ]
        for a, b in pairs
    ]


def _difference_header(shown: Sequence[Metric]) -> list[str]:
    return [title for m in shown for title in (m.title + ", points" * m.percent, "p")]


def differences_table(results: Sequence[Result]) -> Table:
    """All pairs of complete runs of a split, in the headline metrics.

    The last column is the difference in the ranking metric that these cases can be expected to show in a
    table of so many pairs (power 80 %); it is known for proportions and means.
    """
    pairs = list(combinations(results, 2))
    task = results[0].benchmark
    metric, shown = task.ranking_metric, headline(task)
    header = ["Pair", *_difference_header(shown)]
    lines = [
        [f"{a.label} − {b.label}", *cells]
        for (a, b), cells in zip(pairs, _difference_cells(shown, pairs), strict=True)
    ]
    if not metric.counted:
        header.append("Detectable" + ", points" * metric.percent)
        for line, (a, b) in zip(lines, pairs, strict=True):
            least = metrics.detectable(metric, a.rows, b.rows, tests=len(pairs))
            line.append(metric.number(least, unit=False))
    return Table.of(header, lines)


def training_table(results: Sequence[Result]) -> Table | None:
    """Models that were trained on the task against those that were not, decoded alike, and controls.

    The model is a column only if there are several.
    """
    lines, task = [], results[0].benchmark
    shown = headline(task)
    for group in comparisons.grouped(results, lambda r: r.split).values():
        pairs = comparisons.training_pairs(group)
        for (a, b), cells in zip(pairs, _difference_cells(shown, pairs), strict=True):
            models = [tables.plain(r.model["name"]) for r in (a, b)]
            lines.append([a.split, a.mode, *models, *cells])
    if not lines:
        return None
    header = ["Split", "Decoding", "Model", "Compared with", *_difference_header(shown)]
    if len({line[2] for line in lines}) == 1:
        header, *lines = ([*line[:2], *line[3:]] for line in (header, *lines))
    return Table.of(header, lines)


def decodings_table(results: Sequence[Result]) -> Table | None:
    """Effect of the constraint: valid completions, differences in scores, seconds per case.

    Seconds are given for the split that is timed, where both runs are of one kind of machine. Columns
    that say nothing are left out.
    """
    lines = []
    for free, bound in comparisons.decoding_pairs(results):
        task = free.benchmark
        valid = [_valid(task, r) for r in (free, bound)]
        timed = free.split == task.timed_split and comparisons.same_machine(free, bound)
        lines.append(
            [
                tables.plain(free.model["name"]),
                free.split,
                "the same" if free.prompt == bound.prompt else "each its own",
                *(VALID.estimate(v) for v in valid),
                *(
                    m.difference(asdict(metrics.difference(m, bound.rows, free.rows)))
                    for m in headline(task)
                ),
                *(
                    f"{1 / r.throughput['cases_per_second']:.2f}" if timed else NONE
                    for r in (free, bound)
                ),
            ]
        )
    if not lines:
        return None
    shown = headline(results[0].benchmark)
    header = ["Model", "Split", "Prompts", "Valid, free", "Valid, constrained"]
    header += [*map(_difference_title, shown), "s/case, free", "s/case, constrained"]
    return Table.of(header, lines).without_empty()


def _valid(task: Task, result: Result) -> dict:
    valid = [float(not task.breaks_constraint(row)) for row in result.rows]
    return asdict(stats.cluster_wilson(valid, [row["group"] for row in result.rows]))


def changes(ablations: Sequence) -> dict[str, dict[str, dict]]:
    """Differences of each recipe to the one that it starts from, in the graded metric.

    Returns:
        By split and recipe; p-values are adjusted over the recipes of a split.
    """
    recipes = {one.name: one for one in ablations}
    pairs = [(one, recipes[one.beside]) for one in ablations if one.beside in recipes]
    by_split = {}
    for split, run in ablations[0].runs.items() if pairs else ():
        found = differences(
            graded(run.benchmark), [(a.runs[split], b.runs[split]) for a, b in pairs]
        )
        by_split[split] = dict(zip((a.name for a, _ in pairs), found.values(), strict=True))
    return by_split


def ablations_table(ablations: Sequence) -> Table:
    """Each recipe with its scores, and what it changes beside the recipe that it starts from."""
    by_split, splits = changes(ablations), list(ablations[0].runs)
    task = ablations[0].runs[splits[0]].benchmark
    metric, ranking = graded(task), task.ranking_metric
    header = ["Recipe", "Beside", "What differs"]
    for split in splits:
        header += [f"{metric.title}, {split}", "Difference", "p"]
    header += [*(f"{ranking.title}, {split}" for split in splits), "Cases"]
    lines = []
    for one in ablations:
        line = [one.name, one.beside or NONE, one.about]
        for split in splits:
            d = by_split.get(split, {}).get(one.name)
            line += _scores(one.runs[split].metrics, [metric])
            line += [metric.difference(d), tables.p(d["p"])] if d else [NONE, NONE]
        line += [ranking.estimate(one.runs[s].metrics[ranking.name]) for s in splits]
        lines.append([*line, f"{one.record['data']['cases']:,}"])
    return Table.of(header, lines)


# --- one model in several settings ------------------------------------------------------------


def prompts_table(results: Sequence[Result]) -> Table | None:
    """Each run that represents a model on a split, and those that differ from it in the prompt only."""
    families = [
        comparisons.over_prompts(r, results) for r in comparisons.representative_runs(results)
    ]
    lines = [
        [
            run.label,
            run.prompt["name"],
            *_scores(run.metrics, run.benchmark.board),
            f"{run.throughput['tokens_in'] / run.n:.0f}",
        ]
        for family in families
        if len(family) > 1
        for run in family
    ]
    if not lines:
        return None
    titles = [m.title for m in results[0].benchmark.board]
    return Table.of(["Model", "Prompt", *titles, "Tokens in"], lines)


def engines_table(results: Sequence[Result], profiles: Iterable[Mapping] = ()) -> Table | None:
    """Each run that represents a model on a split, and those that differ in engine and precision only.

    Differences are to the first run of the model, as is the count of completions with the same text.

    Args:
        results: runs of one split.
        profiles: as measured by `latency`; memory is that of one case at a time.
    """
    memory = {comparisons.profile_key(p): p["peak_memory_bytes"] for p in profiles}
    lines = []
    for first in comparisons.representative_runs(results):
        family = comparisons.over_engines(first, results)
        for run in family if len(family) > 1 else ():
            task, itself = run.benchmark, run is first
            metric, peak = graded(task), memory.get(comparisons.run_key(run))
            weights = run.engine.get("weights_bytes")
            lines.append(
                [
                    run.label,
                    run.engine["name"],
                    launch.precision(run.engine),
                    *_scores(run.metrics, headline(task)),
                    NONE
                    if itself
                    else metric.difference(
                        asdict(metrics.difference(metric, run.rows, first.rows))
                    ),
                    NONE if itself else f"{comparisons.same_answers(run, first)}/{run.n}",
                    f"{weights / 1e6:.0f}" if weights else NONE,
                    f"{peak / 1e6:.0f}" if peak else NONE,
                    speed(run) if comparisons.same_machine(run, first) else NONE,
                ]
            )
    if not lines:
        return None
    task = results[0].benchmark
    header = ["Model", "Engine", "Precision", *(m.title for m in headline(task))]
    header += [
        _difference_title(graded(task)),
        "Same answers",
        "Weights, MB",
        "Memory, MB",
        "tok/s",
    ]
    return Table.of(header, lines)


# --- provenance -------------------------------------------------------------------------------


def runs_table(results: Iterable[Result]) -> Table:
    """Provenance of each run; its name links to its predictions."""
    lines = []
    for run in results:
        engine, commit = run.engine, run.environment["commit"]
        changed = " (changed)" if run.environment["dirty"] else ""
        lines.append(
            [
                Link(run.run, f"/data/results/{run.task}/{run.predictions_path.name}"),
                NONE if run.control else run.prompt["name"],
                f"{engine['name']} {engine['version']}",
                engine["dtype"] or NONE,
                str(engine["batch_size"]),
                str(engine["threads"]),
                machine(run),
                commit[:10] + changed if commit else NONE,
                run.dataset["sha256"][:10],
                run.scorer["version"],
            ]
        )
    header = [
        "Run",
        "Prompt",
        "Engine",
        "dtype",
        "Batch",
        "Threads",
        "Machine",
        "Commit",
        "Data",
        "Scorer",
    ]
    return Table.of(header, lines)
