"""Checks of a submitted result, which a pull request has to pass.

    slmbench check data/results/edgejson/RUN.json

No statement in the files is trusted. Their form is checked line by line, their hashes against the published
data, prompts and weights, their cases against the split, and every answer is scored again. What a program
cannot see, such as training on a test split, is left to the person who reviews the request.
"""

import argparse
import gzip
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

from slmlib.core.io import DataError
from slmlib.evaluation import rescore, results
from slmlib.evaluation.results import Result
from slmlib.models import registry, weights

LARGEST = 200_000_000  # bytes of a file once unpacked, so that a small one cannot fill the memory


def check(path: Path) -> list[str]:
    """List what is wrong with a submitted result; nothing if it may be published.

    Args:
        path: the result; its predictions are beside it.

    Returns:
        One line for each rule that is broken, with the rule and the fix.
    """
    try:
        _check_files(path)
        result = results.load(path)
    except (ValueError, OSError) as error:
        return [str(error)]
    problems = []
    for rule in RULES:
        try:
            problems += rule(result)
        except (ValueError, OSError) as error:  # a rule that cannot be checked is broken
            problems.append(str(error))
    return problems


def _check_files(path: Path) -> None:
    """Refuse links, other files, and files larger than those of any run, before they are read."""
    predictions = path.with_name(path.stem + results.PREDICTIONS)
    if path.suffix != ".json" or path.name.endswith(".schema.json"):
        raise DataError(
            f"{path}: not a result (rule: a submission is <run>.json and its predictions)."
        )
    if path.is_symlink() or predictions.is_symlink():
        raise DataError(f"{path}: a symbolic link (rule: both files are regular files).")
    if path.exists() and path.stat().st_size > LARGEST:
        raise DataError(f"{path}: more than {LARGEST} bytes (rule: a result contains no answers).")
    unpacked = 0
    try:
        with gzip.open(predictions) as file:
            while part := file.read(1 << 20):
                unpacked += len(part)
                if unpacked > LARGEST:
                    raise DataError(
                        f"{predictions}: more than {LARGEST} bytes (rule: answers are short)."
                    )
    except FileNotFoundError:
        raise DataError(f"{predictions}: missing. Submit both files that the run wrote.") from None
    except (EOFError, OSError, zlib.error) as error:
        fix = "Run again, and submit what it wrote."
        raise DataError(f"{predictions}: truncated or corrupt: {error}. {fix}") from None


def task_and_split(result: Result) -> list[str]:
    """The folder is named after the task, the split is a test split, and a control is one of the task's."""
    task, problems = result.benchmark, []
    if result.control and result.model["name"] not in task.controls:
        valid = ", ".join(task.controls)
        problems.append(f"{result.path}: {result.model['name']} is not a control. Valid: {valid}.")
    if result.path.parent.name != result.task:
        problems.append(
            f"{result.path}: is not in a folder named {result.task} (rule: one folder per task)."
        )
    if result.split not in task.split_names("test"):
        problems.append(
            f"{result.path}: {result.split} is not a test split (rule: those are ranked)."
        )
    return problems


def hashes(result: Result) -> list[str]:
    """Data, prompt and weights are the published ones."""
    task = result.benchmark
    prompt = task.prompts.get(result.prompt["name"])
    listed = task.manifest()["files"].get(f"{result.split}.jsonl", {}).get("sha256")
    expected = {
        "data": (result.dataset["sha256"], listed),
        "prompt": (result.prompt["sha256"], prompt.sha256 if prompt else None),
    }
    known = (registry.MODELS | registry.trained()).get(result.model["name"])
    if known and not result.control:
        base = registry.get(known.origin) if known.origin else known
        if base.sha256:  # a folder is identified by its commit
            expected["weights"] = (result.model["weights_sha256"], base.sha256)
        if known.origin:
            expected["adapter"] = (result.model["adapter"], weights.fingerprint(known))
    return [
        f"{result.path}: {what} has the hash {str(given)[:12]}, published is {str(published)[:12]} "
        f"(rule: a run is of the published {what}). Run it again in an unchanged checkout."
        for what, (given, published) in expected.items()
        if given != published
    ]


def completeness(result: Result) -> list[str]:
    """Every case of the split has one answer, and there are no others."""
    expected = {sample.id for sample in result.benchmark.load(result.split)}
    given = {row["id"] for row in result.rows}
    problems = []
    if expected - given:
        some = ", ".join(sorted(expected - given)[:3])
        problems.append(
            f"{result.path}: {len(expected - given)} of {len(expected)} cases have no answer, such as {some} "
            "(rule: only complete runs are ranked). The same command goes on with the cases that are left."
        )
    if given - expected:
        count = len(given - expected)
        problems.append(f"{result.path}: {count} answers belong to no case of {result.split}.")
    return problems


def scores(result: Result) -> list[str]:
    """Scoring the answers again gives the same scores, classes, means and intervals."""
    again = rescore.rescore(result.path)
    if not again.changed:
        return []
    moved = ", ".join(again.moved) or "single cases"
    return [
        f"{result.path}: scored again it differs: verdicts {again.verdicts}, classes {again.classes}, "
        f"scores {again.scores}; {moved} (rule: scores follow from the answers). If an older scorer wrote "
        f"them: slmbench rescore --write {result.path}"
    ]


def constrained(result: Result) -> list[str]:
    """An answer that ended by itself under a constraint satisfies it."""
    if result.mode != "constrained":
        return []
    broken = [
        row["id"]
        for row in result.rows
        if row["turns"][-1]["finish"] == "stop" and result.benchmark.breaks_constraint(row)
    ]
    if not broken:
        return []
    return [
        f"{result.path}: {len(broken)} answers break the constraint that they were decoded under, such as "
        f"{broken[0]} (rule: constrained decoding can only write answers that satisfy it)."
    ]


RULES: tuple[Callable[[Result], list[str]], ...] = (
    task_and_split,
    hashes,
    completeness,
    scores,
    constrained,
)


def remarks(path: Path) -> list[str]:
    """Notes for the reviewer of an accepted result."""
    result, notes = results.load(path), []
    if not result.control and result.model["name"] not in registry.names():
        notes.append(
            f"{result.model['name']} is not registered: review its entry, licence and hash in the request."
        )
    if result.environment["dirty"] or not result.environment["commit"]:
        notes.append("the run was made in a changed or unknown checkout.")
    return notes


def main(arguments: list[str] | None = None) -> int:
    """Check submitted results; returns 1 if any may not be published."""
    parser = argparse.ArgumentParser(prog="slmbench check", description=main.__doc__)
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="result", help="data/results/<task>/<run>.json"
    )
    failed = 0
    for path in parser.parse_args(arguments).results:
        problems = check(path)
        failed += bool(problems)
        stream = sys.stderr if problems else sys.stdout
        print(f"{'refused' if problems else 'accepted'}: {path}", file=stream)
        for line in problems or remarks(path):
            print(f"  {line}", file=stream)
    return 1 if failed else 0
