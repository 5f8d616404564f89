"""Run the whole pipeline and show where it is: behind `make quick` and `make full`.

Snakemake decides what has to run. Its messages and the output of every step go to files in
`runs/logs/<profile>`. The terminal shows finished steps, the progress bar of each running one, and
at the end the comparison with published results, or the last lines of the step that failed.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from slmlib.core import io, paths
from slmlib.pipeline import summary

_STARTED = re.compile(
    r"^(?:local)?rule \w+:\n(?:    .*\n)*?    log: (\S+)\n    jobid: (\d+)$", re.MULTILINE
)
_FINISHED = re.compile(r"^Finished jobid: (\d+)", re.MULTILINE)
_TOTAL = re.compile(r"^total +(\d+)$", re.MULTILINE)
_BAR = re.compile(r"[^\r]*%\|[^\r]*?(?:\]|$|(?=\r))")
TAIL = 15  # lines of a failed step


class StepError(RuntimeError):
    """A step that failed: its last lines, and where its log is."""


class Board:
    """The steps of a run, as Snakemake's log has them, on a terminal or in a file."""

    def __init__(self, log: Path):
        self.log = log
        self.running: dict[str, tuple[Path, float]] = {}  # by job: log of the step, and its start
        self.done: set[str] = set()
        self.drawn = 0  # lines that are drawn again at the next call
        self.width = shutil.get_terminal_size().columns - 1

    def update(self) -> None:
        """Print what has finished since the last call, and draw what is running."""
        text = self.log.read_text("utf-8", errors="replace")
        for path, job in _STARTED.findall(text):
            if job not in self.done:
                self.running.setdefault(job, (paths.ROOT / path, time.monotonic()))
        self._clear()
        total = _TOTAL.search(text)
        for job in _FINISHED.findall(text):
            if job in self.running:
                self.done.add(job)
                count = f"[{len(self.done)}/{int(total[1]) - 1}]" if total else ""
                print(self._line(count, *self.running.pop(job)), flush=True)
        if sys.stdout.isatty():
            lines = []
            for path, start in self.running.values():
                lines.append(self._line("", path, start))
                if bar := last_bar(path):
                    lines.append(f"{'':10}{bar}"[: self.width])
            print("\n".join([*lines, ""]) if lines else "", end="", flush=True)
            self.drawn = len(lines)

    def _line(self, count: str, log: Path, start: float) -> str:
        room = max(20, min(70, self.width - 18))
        name = step_name(log)[:room]
        return f"{count:>7} {name:{room}} {time.monotonic() - start:6.0f} s"

    def _clear(self) -> None:
        if self.drawn:
            print(f"\x1b[{self.drawn}A\x1b[J", end="")
            self.drawn = 0


def step_name(log: Path) -> str:
    """`02_evaluate-toy-test-rules.log` is the step `evaluate toy-test-rules`."""
    return log.stem.split("_", 1)[-1].replace("-", " ", 1)


def last_bar(log: Path) -> str:
    """The progress bar at the end of a log; empty if something else was printed last."""
    if not log.exists():
        return ""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        line = file.read().decode("utf-8", errors="replace").rstrip("\n").rpartition("\n")[2]
    return line.rpartition("\r")[2].strip() if "\r" in line else ""


def tail(log: Path) -> str:
    """The last lines of a log, without the progress bars in it."""
    text = log.read_text("utf-8", errors="replace") if log.exists() else ""
    lines = [_BAR.sub("", line).strip("\r") for line in text.split("\n")]
    return "\n".join([f"  {line}" for line in lines if line.strip()][-TAIL:])


def reproduce(profile: str) -> None:
    """Run what is missing or out of date, then print the comparison with published results.

    Args:
        profile: "quick" works in `runs/`; "full" also publishes.

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
        board = Board(log)
        try:
            while process.poll() is None:
                board.update()
                time.sleep(0.5)
        except KeyboardInterrupt:
            process.wait()  # it has the signal too, and stops its steps
            raise
        board.update()
    if process.returncode:
        failed = [path for path, _ in board.running.values()] or [log]
        reports = [f"{step_name(path)} failed\n{tail(path)}\n  log: {path}" for path in failed]
        again = f"What is finished is kept: `make {profile}` continues."
        raise StepError("\n\n".join([*reports, again]))
    print(f"\n{summary.report(profile)}", end="")


def main(arguments: list[str] | None = None) -> None:
    """Run the pipeline of data/runs.yaml and compare the results with published ones."""
    parser = argparse.ArgumentParser(prog="slmbench reproduce", description=main.__doc__)
    parser.add_argument("profile", choices=("quick", "full"), help="full also publishes")
    reproduce(parser.parse_args(arguments).profile)
