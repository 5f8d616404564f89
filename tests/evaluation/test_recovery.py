"""Kill and resume: would break if a stopped run lost a case, counted one twice or answered otherwise."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy

from slmlib.core import io, paths
from slmlib.core.io import DataError
from slmlib.engines import base as engines
from slmlib.engines.base import Completion
from slmlib.engines.control import Control
from slmlib.evaluation import run as running
from slmlib.tasks import base as tasks

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import toy
from slmlib import engines, evaluate, paths
paths.DATA, engines.BATCH = Path({data!r}), 4
options = dict(engine="transformers", dtype="float32", batch_size=2, out=Path({out!r}))
print(running.evaluate(toy.TASK, model="smollm2-135m-instruct", **options))
"""


def start(folder: Path, out: str) -> subprocess.Popen:
    """A process of its own that evaluates the embedded model on the toy task."""
    script = SCRIPT.format(
        tests=str(Path(__file__).parents[1]), data=str(folder / "data"), out=str(folder / out)
    )
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def journal_lines(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("toy/*.partial.jsonl"))


def untimed(folder: Path) -> bytes:
    """The predictions without their times."""
    (path,) = folder.glob("toy/*.predictions.jsonl.gz")
    rows = [{**row, "seconds": 0} for row in io.read_jsonl(path)]
    return "".join(io.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.model
def test_ctrl_c_on_a_notebook_is_one_message(tmp_path):
    """The signal reaches the whole process group, as it does on a terminal."""
    sizes = {"dtype": "float32", "batch_size": 3, "limit": 3, "out": paths.RUNS / "quick" / "results"}
    task = tasks.get("edgejson")
    asked = {"split": "test", "prompt": task.usual["free"], "decoding": "free", "engine": "auto"}
    left = running.prepare(task, model="smollm2-135m-instruct", **asked, **sizes).journal
    left.unlink(missing_ok=True)  # by this test, perhaps under other code
    command = [sys.executable, "-m", "slmlib.pipeline.notebook", "02_evaluate", str(tmp_path / "out.ipynb")]
    options = ["-p", "limit", "3", "-p", "batch_size", "3", "-p", "dtype", "float32"]
    process = subprocess.Popen(
        [*command, *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        # tests that run in the background inherit an ignored SIGINT
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    seen = ""
    while "0/3" not in seen:
        read = process.stderr.read(1)
        assert read, f"the run ended before it could be stopped: {seen}"
        seen += read
    os.killpg(process.pid, signal.SIGINT)
    seen += process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "stopped; run the same command again to go on" in seen and "Traceback" not in seen


@pytest.mark.model
def test_kill_9_and_resume_give_the_same_predictions(tmp_path):
    toy.write(tmp_path / "data")
    unbroken = start(tmp_path, "unbroken")
    assert unbroken.wait(timeout=300) == 0

    for lines in (2, 6):  # after the first case and, when resumed, after some more
        process = start(tmp_path, "broken")
        deadline = time.monotonic() + 200
        while journal_lines(tmp_path / "broken") < lines and process.poll() is None:
            assert time.monotonic() < deadline, "the run wrote no case down"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL, "the run ended before it could be killed"
    assert start(tmp_path, "broken").wait(timeout=300) == 0
    assert b"is finished" in start(tmp_path, "broken").communicate(timeout=300)[0], "asked all over again"
    assert untimed(tmp_path / "broken") == untimed(tmp_path / "unbroken")


class Counting(Control):
    """An engine that counts the cases it was asked, two a batch, and can break off."""

    def __init__(self, *, stop_after: int | None = None, error: BaseException | None = None):
        self.asked: list[str] = []
        self.stop_after, self.error = stop_after, error

    def batches(self, requests):
        return [requests[i : i + 2] for i in range(0, len(requests), 2)]

    def generate(self, batch, on_tokens=engines.ignore):
        for request in batch:
            if len(self.asked) == self.stop_after:
                raise self.error
            self.asked.append(request.id)
            yield Completion(request.id, "{}", "stop", 1, 1, 0.1, 0.1)


@pytest.fixture
def run(toy_task, tmp_path, monkeypatch):
    """Evaluate the toy task with a given engine."""

    def run(engine):
        monkeypatch.setattr(run, "Control", lambda answers: engine)
        return running.evaluate(toy_task, model="oracle", out=tmp_path)

    return run


def journal(tmp_path) -> Path:
    return next(tmp_path.glob("toy/*.partial.jsonl"))


def test_only_unfinished_cases_are_done_again(run, tmp_path):
    with pytest.raises(RuntimeError, match="boom"):
        run(Counting(stop_after=5, error=RuntimeError("boom")))
    with open(journal(tmp_path), "a") as file:
        file.write('{"case": {"id": "toy-te')  # what a kill in the middle of a write leaves
    second = Counting()
    path = run(second)
    assert second.asked == [f"toy-test-{i}" for i in range(5, 8)]
    assert [row["id"] for row in io.read_jsonl(path.with_suffix(".predictions.jsonl.gz"))] == [
        f"toy-test-{i}" for i in range(8)
    ]


def test_ctrl_c_says_what_is_kept(run):
    with pytest.raises(KeyboardInterrupt, match=r"stopped; finished cases are kept in .*same command again"):
        run(Counting(stop_after=3, error=KeyboardInterrupt()))
    second = Counting()
    run(second)
    assert second.asked == [f"toy-test-{i}" for i in range(3, 8)]


def test_a_full_disk_says_what_is_kept(run, monkeypatch):
    write, calls = os.write, []

    def fills_up(descriptor, data):
        calls.append(descriptor)
        if len(calls) < 6:
            return write(descriptor, data)
        if len(calls) == 6:
            return write(descriptor, data[:5])  # the last bytes that the disk takes
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fills_up)
        with pytest.raises(OSError, match=r"no space left for .*finished cases are kept"):
            run(Counting())
    run(second := Counting())
    assert second.asked == [f"toy-test-{i}" for i in range(4, 8)]


@pytest.mark.parametrize("torn", [b"", b'{"settings": {"a"', b"\xff\xfe", b"[]\n", b"\n"])
def test_a_journal_torn_at_its_start_is_begun_again(run, tmp_path, torn):
    with pytest.raises(RuntimeError):
        run(Counting(stop_after=1, error=RuntimeError()))
    journal(tmp_path).write_bytes(torn)
    with pytest.raises(RuntimeError):
        run(Counting(stop_after=3, error=RuntimeError()))
    run(last := Counting())
    assert last.asked == [f"toy-test-{i}" for i in range(3, 8)]


def test_a_journal_cut_anywhere_gives_the_same_predictions(run, tmp_path):
    """Whatever a kill leaves of the file, the run ends as an unbroken one."""
    with pytest.raises(RuntimeError):
        run(Counting(stop_after=7, error=RuntimeError()))
    path = journal(tmp_path)
    whole = path.read_bytes()
    run(Counting())
    expected = untimed(tmp_path)
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        run(Counting())
        assert untimed(tmp_path) == expected


def test_a_journal_of_another_run_is_refused(run, tmp_path):
    with pytest.raises(RuntimeError):
        run(Counting(stop_after=3, error=RuntimeError()))
    path = journal(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    begun = json.loads(lines[0])["settings"]
    for other in ({"task": "other"}, begun | {"packages": begun["packages"] | {"torch": "1.0"}}):
        lines[0] = json.dumps({"settings": other}) + "\n"
        path.write_text("".join(lines))
        with pytest.raises(DataError, match=r"partial\.jsonl:1: belongs to another run, to other.*Delete"):
            run(Counting())


def test_two_processes_do_not_share_a_run(run, tmp_path):
    with pytest.raises(RuntimeError):
        run(Counting(stop_after=3, error=RuntimeError()))
    with open(journal(tmp_path)) as held:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RuntimeError, match="another process is working on this run"):
            run(Counting())
