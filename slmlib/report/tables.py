"""Tables of published results, for any task: it declares metrics, splits, slices and failures.

A difference is that of two runs on the same cases, with its paired interval; differences of
proportions are in percentage points. p-values are adjusted over the pairs of a table or, in a table
of several splits, of a split.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations

from slmlib.core import machine as machines
from slmlib.core import tables
from slmlib.core.tables import NONE, Link, Table
from slmlib.engines import launch
from slmlib.evaluation import comparisons, metrics, stats
from slmlib.evaluation.results import Result, Row
from slmlib.tasks.base import Metric, Slice, Task
from slmlib.training.ablations import Ablation

TUNED = " †"  # mark of a model that was trained on the task
VALID = Metric("valid", "Valid", "proportion", "the completion satisfies the constraint")
Metrics = Mapping[str, Mapping[str, float]]  # by name: mean, low, high, n


def headline(task: Task) -> tuple[Metric, ...]:
    """The metrics of a breakdown: the first two of the board."""
    return task.board[:2]


def graded(task: Task) -> Metric:
    """The metric that shows small effects: the first of the board that gives partial credit."""
    return next((m for m in task.board if m.kind != "proportion"), task.ranking_metric)


def opponents(results: Iterable[Result]) -> list[Result]:
    """Runs worth comparing: complete ones of models, and controls that are sometimes right.

    Where there are only controls that are always or never right, those.
    """
    complete = [r for r in results if r.complete]
    return [r for r in complete if not r.control or 0 < r.right < r.n] or complete


def name(result: Result) -> str:
    """The label of a run, with the mark of a model that was trained on the task."""
    model = tables.plain(result.model["name"]) + TUNED * result.tuned
    return model if result.mode == "free" else f"{model}, {result.mode}"


def machine(result: Result) -> str:
    """The machine of a run as printed."""
    return machines.label(result.environment["machine"])


def speed(result: Result) -> str:
    """Generated tokens per second as printed; controls generate none."""
    return NONE if result.control else f"{result.throughput['tokens_per_second']:.1f}"


def megabytes(size: int | None) -> str:
    """A size in MB as printed, or a dash."""
    return f"{size / 1e6:.0f}" if size else NONE


def peak_memory(result: Result) -> str:
    """Peak memory of a run in GB as printed, or a dash."""
    size = result.throughput.get("peak_memory_bytes")
    return f"{size / 1e9:.1f}" if size else NONE


def commit(result: Result) -> str:
    """The commit of a run, shortened, or a dash."""
    return (result.environment["commit"] or NONE)[:10]


def score_columns(shown: Iterable[Metric]) -> dict[str, Callable[[Result], str]]:
    """A column for each metric: its mean with the interval."""
    return {m.title: lambda result, m=m: result.estimate(m) for m in shown}


def _titled(metric: Metric) -> str:
    return f"{metric.title}, difference" + " in points" * metric.percent


def leaderboard_table(rows: Sequence[Row]) -> Table:
    """The leaderboard of one split."""

    def cases(run: Result) -> str:
        count = str(run.n) if run.complete else f"{run.n}/{run.dataset['n']}"
        return count + (f", {run.unanswered} unanswered" if run.unanswered else "")

    places = {row.result.run: row.place for row in rows}
    columns = {
        "Rank": lambda run: places[run.run],
        "Model": name,
        "Size": lambda run: tables.size(run.model["parameters"]),
        **score_columns(rows[0].result.benchmark.board if rows else ()),
        "Cases": cases,
    }
    return Table.by(columns, [row.result for row in rows])


def splits_table(results: Sequence[Result]) -> Table:
    """Headline metrics of each model on every split, both in the order of the results."""
    parts: dict[str, dict[str, Metrics]] = {}
    for r in results:
        parts.setdefault(name(r), {})[r.split] = r.metrics
    return _breakdown(results, parts, {r.split: r.split for r in results})


def slices_table(results: Sequence[Result], each: Slice) -> Table:
    """Headline metrics of each run of a split by the values of a slice, with numbers of cases."""
    parts = {name(r): r.by_slice[each.name] for r in results if each.name in r.by_slice}
    counts = {v: n for part in parts.values() for v, n in slice_counts(part).items()}
    return _breakdown(results, parts, {v: f"{v} ({counts[v]})" for v in each.ordered(counts)})


def slice_counts(part: Mapping[str, Metrics]) -> dict[str, int]:
    """Number of cases of each value of a slice."""
    return {value: next(iter(scores.values()))["n"] for value, scores in part.items()}


def _breakdown(results: Sequence[Result], parts: Mapping, titles: Mapping[str, str]) -> Table:
    """A line for each run and headline metric, a column for each part, given with its title."""
    lines = [
        [label, m.title, *(m.estimate(part.get(key, {}).get(m.name)) for key in titles)]
        for label, part in parts.items()
        for m in headline(results[0].benchmark)
    ]
    return Table.of(["Model", "Metric", *titles.values()], lines)


def failures_table(results: Sequence[Result]) -> Table:
    """Right cases, and wrong ones by class."""
    return Table.by({"Model": name, **failure_columns(results)}, results)


def failure_columns(results: Sequence[Result]) -> dict[str, Callable[[Result], str]]:
    """Columns of the right cases and of each failure class that occurs."""
    classes = {
        title: lambda r, failure=failure: str(r.failures.get(failure, 0))
        for failure, title in (results[0].benchmark.failures if results else {}).items()
        if any(r.failures.get(failure) for r in results)
    }
    return {"right": lambda r: str(r.right)} | classes


def differences(metric: Metric, pairs: Sequence[tuple[Result, Result]]) -> list[dict]:
    """The paired difference a - b of each pair; `p` is adjusted over the pairs."""
    return metrics.differences(metric, [(a.rows, b.rows) for a, b in pairs])


def _difference(metric: Metric, a: Result, b: Result) -> str:
    return metric.difference(asdict(metrics.difference(metric, a.rows, b.rows)))


def _difference_columns(shown: Sequence[Metric], pairs: Sequence[tuple[Result, Result]]):
    """Header, and for each pair the difference and the p-value in each metric."""
    header, lines = [], [[] for _ in pairs]
    for m in shown:
        header += [m.title + ", points" * m.percent, "p"]
        for line, d in zip(lines, differences(m, pairs), strict=True):
            line += [m.difference(d), tables.p(d["p"])]
    return header, lines


def differences_table(results: Sequence[Result]) -> Table:
    """All pairs of complete runs of a split, in the headline metrics.

    The last column is the difference in the ranking metric that these cases can be expected to show
    in a table of so many pairs (power 80 %); it is known for proportions and means.
    """
    pairs = list(combinations(results, 2))
    metric, shown = results[0].benchmark.ranking_metric, headline(results[0].benchmark)
    header, lines = _difference_columns(shown, pairs)
    for line, (a, b) in zip(lines, pairs, strict=True):
        line.insert(0, f"{a.label} − {b.label}")
        if not metric.counted:
            least = metrics.detectable(metric, a.rows, b.rows, tests=len(pairs))
            line.append(metric.number(least, unit=False))
    detectable = [] if metric.counted else ["Detectable" + ", points" * metric.percent]
    return Table.of(["Pair", *header, *detectable], lines)


def training_table(results: Sequence[Result]) -> Table | None:
    """Models that were trained on the task against the others, decoded alike, and controls.

    The model is a column only if there are several.
    """
    header, lines = [], []
    for group in comparisons.grouped(results, lambda r: r.split).values():
        if pairs := comparisons.training_pairs(group):
            header, cells = _difference_columns(headline(group[0].benchmark), pairs)
            lines += [
                [a.split, a.mode, *(tables.plain(r.model["name"]) for r in (a, b)), *texts]
                for (a, b), texts in zip(pairs, cells, strict=True)
            ]
    header = ["Split", "Decoding", "Model", "Compared with", *header]
    if len({line[2] for line in lines}) == 1:
        header, *lines = ([*line[:2], *line[3:]] for line in (header, *lines))
    return Table.of(header, lines) if lines else None


def decodings_table(results: Sequence[Result]) -> Table | None:
    """Effect of the constraint: valid completions, differences in scores, seconds per case.

    Seconds are given for the split that is timed, where both runs are of one kind of machine.
    Columns that say nothing are left out.
    """
    pairs = comparisons.decoding_pairs(results)

    def valid(run: Result) -> str:
        broken = [run.benchmark.breaks_constraint(row) for row in run.rows]
        if None in broken:
            return NONE
        values = [float(not each) for each in broken]
        interval = stats.cluster_wilson(values, [row["group"] for row in run.rows])
        return VALID.estimate(asdict(interval))

    def seconds(pair: tuple[Result, Result], run: Result) -> str:
        timed = run.split == run.benchmark.speed_split
        if not timed or not comparisons.same_machine(*pair):
            return NONE
        return f"{1 / run.throughput['cases_per_second']:.2f}"

    shown = headline(results[0].benchmark) if results else ()
    columns = {
        "Model": lambda pair: tables.plain(pair[0].model["name"]),
        "Split": lambda pair: pair[0].split,
        "Prompts": lambda pair: "the same" if pair[0].prompt == pair[1].prompt else "each its own",
        "Valid, free": lambda pair: valid(pair[0]),
        "Valid, constrained": lambda pair: valid(pair[1]),
        **{_titled(m): lambda pair, m=m: _difference(m, pair[1], pair[0]) for m in shown},
        "s/case, free": lambda pair: seconds(pair, pair[0]),
        "s/case, constrained": lambda pair: seconds(pair, pair[1]),
    }
    return Table.by(columns, pairs).without_empty() if pairs else None


def changes(ablations: Sequence[Ablation]) -> dict[str, dict[str, dict]]:
    """Differences of each recipe to the one that it starts from, in the graded metric.

    Returns:
        By split and recipe; p-values are adjusted over the recipes of a split.
    """
    recipes = {one.name: one for one in ablations}
    pairs = [(one, recipes[one.beside]) for one in ablations if one.beside in recipes]
    by_split = {}
    for split, run in ablations[0].runs.items():
        of_split = [(a.runs[split], b.runs[split]) for a, b in pairs]
        estimates = differences(graded(run.benchmark), of_split)
        by_split[split] = {a.name: d for (a, _), d in zip(pairs, estimates, strict=True)}
    return by_split


def ablations_table(ablations: Sequence[Ablation]) -> Table:
    """Each recipe with its scores, and what it changes beside the recipe that it starts from."""
    splits = ablations[0].runs
    task = next(iter(splits.values())).benchmark
    metric, ranking, by_split = graded(task), task.ranking_metric, changes(ablations)
    header, lines = ["Recipe", "Beside", "What differs"], []
    for split in splits:
        header += [f"{metric.title}, {split}", "Difference", "p"]
    for one in ablations:
        line = [one.name, one.beside or NONE, one.about]
        for split, run in one.runs.items():
            d = by_split.get(split, {}).get(one.name)
            line += [run.estimate(metric), metric.difference(d), tables.p(d["p"]) if d else NONE]
        line += [run.estimate(ranking) for run in one.runs.values()]
        lines.append([*line, f"{one.record['data']['cases']:,}"])
    return Table.of([*header, *(f"{ranking.title}, {split}" for split in splits), "Cases"], lines)


def families(results: Sequence[Result], others: Callable) -> list[list[Result]]:
    """Each run that represents a model on a split, with those that differ from it in one respect.

    `others` is `comparisons.over_prompts` or `comparisons.over_engines`.
    """
    groups = [others(run, results) for run in comparisons.representative_runs(results)]
    return [family for family in groups if len(family) > 1]


def prompts_table(results: Sequence[Result]) -> Table | None:
    """Scores under each prompt, for models of a split that were evaluated with several."""
    runs = [run for family in families(results, comparisons.over_prompts) for run in family]
    columns = {
        "Model": lambda run: run.label,
        "Prompt": lambda run: run.prompt["name"],
        **score_columns(results[0].benchmark.board if results else ()),
        "Tokens in": lambda run: f"{run.throughput['tokens_in'] / run.n:.0f}",
    }
    return Table.by(columns, runs) if runs else None


def engines_table(results: Sequence[Result], profiles: Iterable[Mapping] = ()) -> Table | None:
    """Scores by engine and precision, for models of a split that were evaluated in several.

    Differences are to the first run of a model, as is the count of completions with the same text.
    Memory is that of one case at a time, from profiles of `latency`.
    """
    memory = {comparisons.profile_key(p): p["peak_memory_bytes"] for p in profiles}
    groups = families(results, comparisons.over_engines)
    pairs = [(run, family[0]) for family in groups for run in family]
    if not pairs:
        return None
    metric, shown = graded(results[0].benchmark), headline(results[0].benchmark)

    def against_first(cell: Callable[[Result, Result], str]) -> Callable[[tuple], str]:
        return lambda pair: NONE if pair[0] is pair[1] else cell(*pair)

    columns = {
        "Model": lambda pair: pair[0].label,
        "Engine": lambda pair: pair[0].engine["name"],
        "Precision": lambda pair: launch.precision(pair[0].engine),
        **{m.title: lambda pair, m=m: pair[0].estimate(m) for m in shown},
        _titled(metric): against_first(lambda a, b: _difference(metric, a, b)),
        "Same answers": against_first(lambda a, b: f"{comparisons.same_answers(a, b)}/{a.n}"),
        "Weights, MB": lambda pair: megabytes(pair[0].engine.get("weights_bytes")),
        "Memory, MB": lambda pair: megabytes(memory.get(comparisons.run_key(pair[0]))),
        "tok/s": lambda pair: speed(pair[0]) if comparisons.same_machine(*pair) else NONE,
    }
    return Table.by(columns, pairs)


def runs_table(results: Iterable[Result]) -> Table:
    """Provenance of each run; its name links to its predictions."""

    columns = {
        "Run": lambda r: Link(r.run, f"/data/results/{r.task}/{r.predictions_path.name}"),
        "Prompt": lambda r: NONE if r.control else r.prompt["name"],
        "Engine": lambda r: f"{r.engine['name']} {r.engine['version']}",
        "dtype": lambda r: r.engine["dtype"] or NONE,
        "Batch": lambda r: str(r.engine["batch_size"]),
        "Threads": lambda r: str(r.engine["threads"]),
        "Machine": machine,
        "Commit": lambda r: commit(r) + " (changed)" * bool(r.environment["dirty"]),
        "Data": lambda r: r.dataset["sha256"][:10],
        "Scorer": lambda r: r.scorer["version"],
    }
    return Table.by(columns, results)
