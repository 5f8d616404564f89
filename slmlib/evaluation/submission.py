"""Checks of a submitted result, which a pull request has to pass.

    slmbench check data/results/edgejson/RUN.json

No statement in the files is trusted. Their form is checked line by line, their hashes against the
published data, prompts and weights, their cases against the split, and every answer is scored
again. What a program cannot see, such as training on a test split, is left to the person who
reviews the request.
"""

import argparse
import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
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
    problems = []
    try:
        _check_files(path)
        result = results.load(path)
        for problem in chain(_statements(result), _answers(result)):
            problems.append(f"{path}: {problem}")
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
    if not predictions.exists():
        raise DataError(f"{predictions}: missing. Submit both files that the run wrote.")
    unpacked = 0
    # `results.load` says what is wrong with a damaged file
    with suppress(EOFError, OSError, zlib.error), gzip.open(predictions) as file:
        while unpacked <= LARGEST and (part := file.read(1 << 20)):
            unpacked += len(part)
    if max(unpacked, path.stat().st_size) > LARGEST:
        raise DataError(f"{predictions}: more than {LARGEST} bytes (rule: answers are short).")


def _statements(result: Result) -> Iterator[str]:
    """Yield the false statements of a result: task, split, data, prompt and weights."""
    task, name = result.benchmark, result.model["name"]
    if result.control and name not in task.controls:
        yield f"{name} is not a control. Valid: {', '.join(task.controls)}."
    if result.path.parent.name != result.task:
        yield f"is not in a folder named {result.task} (rule: one folder per task)."
    if result.split not in task.split_names("test"):
        yield f"{result.split} is not a test split (rule: those are ranked)."
    prompt = task.prompts.get(result.prompt["name"])
    listed = task.manifest()["files"].get(f"{result.split}.jsonl", {}).get("sha256")
    expected = {
        "data": (result.dataset["sha256"], listed),
        "prompt": (result.prompt["sha256"], prompt.sha256 if prompt else None),
    }
    known = (registry.MODELS | registry.trained()).get(name)
    if known and not result.control:
        base = registry.get(known.origin) if known.origin else known
        if base.sha256:  # a folder is identified by its commit
            expected["weights"] = (result.model["weights_sha256"], base.sha256)
        if known.origin:
            expected["adapter"] = (result.model["adapter"], weights.fingerprint(known))
    for what, (given, published) in expected.items():
        if given != published:
            yield (
                f"{what} has the hash {str(given)[:12]}, published is {str(published)[:12]} (rule: "
                f"a run is of the published {what}). Run it again in an unchanged checkout."
            )


def _answers(result: Result) -> Iterator[str]:
    """Yield the faults of the answers: cases without one, scores, and the constraint."""
    cases = {sample.id for sample in result.benchmark.load(result.split)}
    missing = cases - {row["id"] for row in result.rows}
    if missing:
        yield (
            f"{len(missing)} of {len(cases)} cases have no answer, such as {min(missing)} (rule: "
            "only complete runs are ranked). The same command goes on with the rest."
        )
    ended = [row for row in result.rows if row["turns"][-1]["finish"] == "stop"]
    broken = [row["id"] for row in ended if result.benchmark.breaks_constraint(row)]
    if broken and result.mode == "constrained":
        yield (
            f"{len(broken)} answers break the constraint that they were decoded under, such as "
            f"{broken[0]} (rule: constrained decoding can only write answers that satisfy it)."
        )
    again = rescore.rescore(result.path)
    if again.changed:
        moved = ", ".join(again.moved) or "single cases"
        yield (
            f"scored again it differs: {again.counts()}; {moved} (rule: scores follow from the "
            f"answers). If an older scorer wrote them: slmbench rescore --write {result.path}"
        )


def remarks(path: Path) -> list[str]:
    """Notes for the reviewer of an accepted result."""
    result, notes = results.load(path), []
    name = result.model["name"]
    if not result.control and name not in registry.names():
        notes.append(
            f"{name} is not registered: review its entry, licence and hash in the request."
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
