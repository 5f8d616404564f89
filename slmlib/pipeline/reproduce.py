"""Run the whole pipeline and show where it is, for `make quick` and `make full`.

Snakemake decides what has to run. Its messages and the output of every step go to files in
`runs/logs/<profile>`. The terminal shows finished steps, the progress bar of a running one, and
at the end the comparison with published results, or the last lines of the step that failed.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from slmlib.core import io, paths
from slmlib.pipeline import summary

_STARTED = re.compile(
    r"^(?:local)?rule \w+:\n(?:    .*\n)*?    log: (\S+)\n    jobid: (\d+)$", re.MULTILINE
)
_FINISHED = re.compile(r"^Finished jobid: (\d+)", re.MULTILINE)
_TOTAL = re.compile(r"^total +(\d+)$", re.MULTILINE)
_BAR = re.compile(r"^.*?%\|[^\]]*\]?")  # of tqdm; what follows is printed after it
TAIL = 15  # lines of a failed step


class StepError(RuntimeError):
    """A step that failed: its last lines, and where its log is."""


def follow(process: subprocess.Popen, log: Path) -> list[Path]:
    """Show the steps of a running Snakemake until it ends; returns the logs of unfinished ones."""
    running: dict[str, tuple[Path, float]] = {}  # by job: log of the step, and its start
    done: set[str] = set()
    ended = False
    with tqdm(bar_format="{desc}", dynamic_ncols=True, disable=None, leave=False) as line:
        while not ended:
            ended = process.poll() is not None
            text = log.read_text("utf-8", errors="replace")
            for path, job in _STARTED.findall(text):
                if job not in done:
                    running.setdefault(job, (paths.ROOT / path, time.monotonic()))
            for job in _FINISHED.findall(text):
                if job in running:
                    path, start = running.pop(job)
                    done.add(job)
                    count = f"[{len(done)}/{int(_TOTAL.search(text)[1]) - 1}]"
                    seconds = time.monotonic() - start
                    tqdm.write(f"{count:>7} {step_name(path):60} {seconds:6.0f} s")
                    sys.stdout.flush()
            shown = ""
            if running:
                path, _ = next(iter(running.values()))
                bar = _BAR.match("".join(last_lines(path)[-1:]))
                shown = f"{'':7} {step_name(path)} {bar[0] if bar else ''}"
            line.set_description_str(shown)
            if not ended:
                time.sleep(0.5)
    return [path for path, _ in running.values()]


def step_name(log: Path) -> str:
    """`02_evaluate-toy-test-rules.log` is the step `evaluate toy-test-rules`."""
    return log.stem.split("_", 1)[-1].replace("-", " ", 1)


def last_lines(log: Path) -> list[str]:
    """The last lines of a log; a bar that is drawn anew is a new line."""
    text = log.read_text("utf-8", errors="replace") if log.exists() else ""
    return [line for line in text.splitlines() if line.strip()][-100:]


def reproduce(profile: str) -> None:
    """Run what is missing or out of date, then compare the results; "full" also publishes.

    Raises:
        Busy: another reproduction runs in this folder.
        StepError: a step failed; what is finished is kept.
    """
    root = paths.repository("the pipeline")
    log = paths.RUNS / "logs" / profile / "snakemake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "--nolock", "--cores", "all"]
    command += ["--rerun-incomplete", "--config", f"profile={profile}"]
    with io.lock(paths.RUNS / "lock", what="make quick or make full"), open(log, "w") as file:
        print(f"make {profile}: logs are in {log.parent}", flush=True)
        process = subprocess.Popen(command, cwd=root, stdout=file, stderr=subprocess.STDOUT)
        try:
            unfinished = follow(process, log)
        except KeyboardInterrupt:
            process.wait()  # it has the signal too, and stops its steps
            raise
    if process.returncode:
        failed = unfinished or [log]
        reports = []
        for path in failed:
            lines = [_BAR.sub("", line) for line in last_lines(path)]
            shown = "\n  ".join([line for line in lines if line][-TAIL:])
            reports.append(f"{step_name(path)} failed\n  {shown}\n  log: {path}")
        again = f"What is finished is kept: `make {profile}` continues."
        raise StepError("\n\n".join([*reports, again]))
    print(f"\n{summary.report(profile)}", end="")


def main(arguments: list[str] | None = None) -> None:
    """Run the pipeline of data/runs.yaml and compare the results with published ones."""
    parser = argparse.ArgumentParser(prog="slmbench reproduce", description=main.__doc__)
    parser.add_argument("profile", choices=("quick", "full"), help="full also publishes")
    reproduce(parser.parse_args(arguments).profile)
