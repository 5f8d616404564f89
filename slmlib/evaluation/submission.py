"""Is a submitted result what it says it is? The check that a pull request has to pass.

    python -m slmlib.evaluation.submission data/results/edgejson/RUN.json

Nothing that the files say is believed. Their form is checked line by line, their hashes against the
published data, prompts and weights, their cases against the split, and every answer is graded again. What a
program cannot see, such as training on a test split, is left to the person who reads the request.
"""

import argparse
import gzip
import sys
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from slmlib.core import io
from slmlib.core.io import DataError
from slmlib.evaluation import rescore, results
from slmlib.evaluation.results import Result
from slmlib.models import registry as models
from slmlib.tasks import base as tasks

LARGEST = 200_000_000  # bytes of a file once unpacked, so that a small one cannot fill the memory


def check(path: Path) -> list[str]:
    """What is wrong with a submitted result; nothing if it may be published.

    Args:
        path: the result; its predictions lie beside it.

    Returns:
        One line for each rule that is broken, with the rule and the remedy.
    """
    try:
        _check_place(path)
        _check_size(path)
        result = results.load(path)
    except (ValueError, OSError) as error:
        return [str(error)]
    return [problem for rule in RULES for problem in _asked(rule, result)]


def _asked(rule: Callable[[Result], list[str]], result: Result) -> list[str]:
    """What a rule says; a rule that cannot be asked, as of a task that is not there, is broken."""
    try:
        return rule(result)
    except (ValueError, OSError) as error:
        return [str(error)]


def _check_place(path: Path) -> None:
    if path.suffix != ".json" or path.name.endswith(".schema.json"):
        raise DataError(f"{path}: not a result (rule: a submission is <run>.json and its predictions).")
    if path.is_symlink() or path.with_name(path.stem + results.PREDICTIONS).is_symlink():
        raise DataError(f"{path}: a link (rule: both files are files of their own).")


def _check_size(path: Path) -> None:
    """Refuse files that are larger, once unpacked, than those of any run, before they are read as a whole."""
    if path.exists() and path.stat().st_size > LARGEST:
        raise DataError(f"{path}: more than {LARGEST} bytes (rule: a result holds no answers).")
    packed = path.with_name(path.stem + results.PREDICTIONS)
    unpacked = 0
    try:
        with gzip.open(packed) as file:
            while part := file.read(1 << 20):
                unpacked += len(part)
                if unpacked > LARGEST:
                    raise DataError(f"{packed}: more than {LARGEST} bytes (rule: answers are short).")
    except FileNotFoundError:
        raise DataError(f"{packed}: missing. Hand in both files that the run wrote.") from None
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{packed}: truncated or corrupt: {error}. Run again, and hand in what it wrote."
        ) from None


def task_and_split(result: Result) -> list[str]:
    """The folder says the task, the split is a test split, and a control is one of those that there are."""
    problems = []
    if result.control and result.model["name"] not in models.CONTROLS:
        problems.append(
            f"{result.path}: {result.model['name']} is no control. Valid: {', '.join(models.CONTROLS)}."
        )
    if result.path.parent.name != result.task:
        problems.append(f"{result.path}: lies not in a folder named {result.task} (rule: one folder a task).")
    if not result.split.startswith("test"):
        problems.append(f"{result.path}: split {result.split} is not a test split (rule: those are ranked).")
    return problems


def hashes(result: Result) -> list[str]:
    """Data, prompt and weights are the published ones."""
    task = tasks.get(result.task)
    prompt = task.prompts.get(result.prompt["name"])
    known = models.MODELS.get(result.model["name"])
    expected = {
        "data": (result.dataset["sha256"], _listed(task, result.split)),
        "prompt": (result.prompt["sha256"], prompt.sha256 if prompt else None),
        "weights": (result.model["weights_sha256"], known.sha256 if known and known.sha256 else None),
    }
    if result.control or not (known and known.sha256):
        del expected["weights"]  # a folder of safetensors is known by its commit, which the result names
    return [
        f"{result.path}: {what} has the hash {str(found)[:12]}, published is {str(wanted)[:12]} "
        f"(rule: a run is of the published {what}). Run it again in an unchanged checkout."
        for what, (found, wanted) in expected.items()
        if found != wanted
    ]


def _listed(task: tasks.Task, split: str) -> str | None:
    return task.manifest()["files"].get(f"{split}.jsonl", {}).get("sha256")


def completeness(result: Result) -> list[str]:
    """Every case of the split has one answer, and there is no other."""
    wanted = {example.id for example in tasks.get(result.task).load(result.split)}
    found = {row["id"] for row in result.predictions()}
    problems = []
    if wanted - found:
        some = ", ".join(sorted(wanted - found)[:3])
        problems.append(
            f"{result.path}: {len(wanted - found)} of {len(wanted)} cases have no answer, such as {some} "
            "(rule: only complete runs are ranked). The same command goes on with the cases that are left."
        )
    if found - wanted:
        problems.append(f"{result.path}: {len(found - wanted)} answers are to no case of {result.split}.")
    return problems


def scores(result: Result) -> list[str]:
    """Grading the answers again gives the same scores, classes, means and intervals."""
    again = rescore.rescore(result.path)
    if not again.changed:
        return []
    moved = ", ".join(again.moved) or "single cases"
    return [
        f"{result.path}: graded again it differs: verdicts {again.verdicts}, classes {again.classes}, scores "
        f"{again.scores}; {moved} (rule: scores follow from the answers). If an older scorer wrote them: "
        f"python -m slmlib.evaluation.rescore --write {result.path}"
    ]


def valid_when_constrained(result: Result) -> list[str]:
    """An answer that ended by itself under the grammar of the schema is valid."""
    if result.decoding["mode"] != "schema":
        return []
    broken = [
        row["id"]
        for row in result.predictions()
        if row["finish"] == "stop" and not row["scores"].get("schema_compliance", 1)
    ]
    if not broken:
        return []
    return [
        f"{result.path}: {len(broken)} answers under the schema's grammar are not valid, such as {broken[0]} "
        "(rule: constrained decoding can write valid answers only)."
    ]


RULES = (task_and_split, hashes, completeness, scores, valid_when_constrained)


def remarks(path: Path) -> list[str]:
    """What a person should look at in a result that passed."""
    told: Mapping = io.read_json(path)
    name, environment = told["model"]["name"], told["environment"]
    found = []
    if name not in models.names():
        found.append(f"{name} is not registered here: read its entry, licence and hash in the request.")
    if environment["dirty"] or not environment["commit"]:
        found.append("the run was made in a changed or unknown checkout.")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Check submitted results; returns 1 if any may not be published."""
    parser = argparse.ArgumentParser(prog="python -m slmlib.evaluation.submission", description=main.__doc__)
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="result", help="data/results/<task>/<run>.json"
    )
    failed = 0
    for path in parser.parse_args(arguments).results:
        problems = check(path)
        failed += bool(problems)
        print(f"{'refused' if problems else 'accepted'}: {path}", file=sys.stderr if problems else sys.stdout)
        for line in problems or remarks(path):
            print(f"  {line}", file=sys.stderr if problems else sys.stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
