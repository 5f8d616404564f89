"""Kill and resume: would break if a stopped run lost a case, completed one twice or differently."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy

from slmlib import tasks
from slmlib.core import io, machine, paths
from slmlib.core.io import DataError
from slmlib.engines import base
from slmlib.engines.base import Completion
from slmlib.engines.control import Control
from slmlib.evaluation import run
from slmlib.evaluation.results import PREDICTIONS

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import toy
from slmlib import tasks
from slmlib.core import paths
from slmlib.engines import chat
from slmlib.evaluation import run
paths.DATA, chat.BATCH = Path({data!r}), 4
toy.write(paths.DATA)
options = dict(engine="transformers", dtype="float32", batch_size=2, out=Path({out!r}))
print(run.evaluate({task!r}, model="smollm2-135m-instruct", **options))
"""


def start(folder: Path, out: str, task: str) -> subprocess.Popen:
    """A process of its own that evaluates the embedded model on a toy task."""
    tests = str(Path(__file__).parents[1])
    script = SCRIPT.format(tests=tests, data=str(folder / "data"), out=str(folder / out), task=task)
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def untimed(folder: Path) -> list[dict]:
    """The predictions without their times."""
    (path,) = folder.glob(f"*/*{PREDICTIONS}")
    rows = io.read_jsonl(path)
    return [row | {"turns": [turn | {"seconds": 0} for turn in row["turns"]]} for row in rows]


@pytest.mark.model
def test_ctrl_c_on_a_notebook_is_one_message(tmp_path):
    """The signal reaches the whole process group, as it does on a terminal."""
    options = {"dtype": "float32", "batch_size": 3, "limit": 3}
    task, out = tasks.get("edgejson"), paths.RUNS / "quick" / "results"
    plan = run.prepare(task, model="smollm2-135m-instruct", **options, out=out)
    plan.log.unlink(missing_ok=True)  # by this test, perhaps under other code
    command = [
        sys.executable,
        "-m",
        "slmlib",
        "notebook",
        "02_evaluate",
        str(tmp_path / "out.ipynb"),
    ]
    given = [part for name, value in options.items() for part in ("-p", name, str(value))]
    process = subprocess.Popen(
        [*command, *given],
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
    assert process.returncode != 0
    assert "stopped; run the same command again" in seen and "Traceback" not in seen


@pytest.mark.model
@pytest.mark.parametrize("task", ["toy", "toylabels", "toytools"])
def test_kill_9_and_resume_give_the_same_predictions(tmp_path, task):
    unbroken = start(tmp_path, "unbroken", task)
    assert unbroken.wait(timeout=300) == 0
    for lines in (2, 6):  # after the first turn and, when resumed, after some more
        process = start(tmp_path, "broken", task)
        deadline = time.monotonic() + 200
        logs = (tmp_path / "broken").glob
        while sum(p.read_bytes().count(b"\n") for p in logs("*/*.partial.jsonl")) < lines:
            assert time.monotonic() < deadline and process.poll() is None, (
                "the run wrote no turn down"
            )
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL, (
            "the run ended before it could be killed"
        )
    assert start(tmp_path, "broken", task).wait(timeout=300) == 0
    again = start(tmp_path, "broken", task).communicate(timeout=300)[0]
    assert b"is finished" in again, "completed all over again"
    assert untimed(tmp_path / "broken") == untimed(tmp_path / "unbroken")


class Counting(Control):
    """An engine that lists the cases it was given, two a batch, and can break off."""

    def __init__(self, *, stop_after: int | None = None, error: BaseException | None = None):
        self.ids: list[str] = []
        self.stop_after, self.error = stop_after, error

    def batches(self, requests):
        return [requests[i : i + 2] for i in range(0, len(requests), 2)]

    def generate(self, batch, on_tokens=base.ignore):
        for request in batch:
            if len(self.ids) == self.stop_after:
                raise self.error
            self.ids.append(request.id)
            yield Completion(request.id, "{}", "stop", 1, 1, 0.1, 0.1)


@pytest.fixture
def evaluate(toy_task, tmp_path, monkeypatch):
    """Evaluate the toy task with a given engine."""

    def evaluate(engine):
        monkeypatch.setattr(run, "Control", lambda answer: engine)
        return run.evaluate(toy_task, model="oracle", out=tmp_path)

    return evaluate


def stop_after(evaluate, count: int, error: type[BaseException] = RuntimeError) -> None:
    with pytest.raises(error):
        evaluate(Counting(stop_after=count, error=error("boom")))


def log(tmp_path) -> Path:
    return next(tmp_path.glob("toy/*.partial.jsonl"))


def ids(first: int) -> list[str]:
    return [f"toy-test-{i}" for i in range(first, len(toy.PEOPLE))]


def test_only_unfinished_cases_are_completed_again(evaluate, tmp_path):
    stop_after(evaluate, 5)
    with open(log(tmp_path), "a") as file:
        file.write('{"key": ["toy-te')  # what a kill in the middle of a write leaves
    path = evaluate(second := Counting())
    assert second.ids == ids(5)
    assert [row["id"] for row in io.read_jsonl(path.with_suffix(PREDICTIONS))] == ids(0)


def test_ctrl_c_says_what_is_kept(evaluate):
    with pytest.raises(
        KeyboardInterrupt, match=r"stopped; finished cases are kept in .*same command again"
    ):
        evaluate(Counting(stop_after=3, error=KeyboardInterrupt()))
    evaluate(second := Counting())
    assert second.ids == ids(3)


def test_full_disk_says_what_is_kept(evaluate, monkeypatch):
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
            evaluate(Counting())
    evaluate(second := Counting())
    assert second.ids == ids(4)


def test_log_damaged_at_its_start_is_begun_again(evaluate, tmp_path):
    stop_after(evaluate, 1)
    for damaged in (b"", b'{"depends_on": {"a"', b"\xff\xfe", b"[]\n", b"\n"):
        log(tmp_path).write_bytes(damaged)
        stop_after(evaluate, 3)
        assert log(tmp_path).read_bytes().count(b"\n") == 4, damaged


def test_log_cut_anywhere_gives_the_same_predictions(evaluate, tmp_path):
    """Whatever a kill leaves of the file, the run ends like an unbroken one."""
    stop_after(evaluate, 7)
    path = log(tmp_path)
    whole = path.read_bytes()
    evaluate(Counting())
    expected = untimed(tmp_path)
    for length in range(0, len(whole), 61):
        path.write_bytes(whole[:length])
        evaluate(Counting())
        assert untimed(tmp_path) == expected, length


def test_log_of_other_settings_is_refused_and_says_which(evaluate, tmp_path):
    stop_after(evaluate, 3)
    path = log(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    begun = json.loads(lines[0])["depends_on"]
    for changed, what in (
        ({"task": "other"}, "task"),
        ({"packages": {"torch": "1.0"}}, "packages"),
    ):
        lines[0] = json.dumps({"depends_on": begun | changed}) + "\n"
        path.write_text("".join(lines))
        with pytest.raises(
            DataError, match=rf"partial\.jsonl:1: .*other settings \({what}\).*Delete"
        ):
            evaluate(Counting())


def test_two_processes_do_not_share_a_run(evaluate, tmp_path):
    stop_after(evaluate, 3)
    with open(log(tmp_path)) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(io.Busy, match="another process is working on this run"):
            evaluate(Counting())


def test_half_done_run_survives_an_edit_that_decides_no_completion(tmp_path, monkeypatch):
    """Comments, docstrings and other modules do not count; the code that decides completions does."""
    monkeypatch.setattr(machine.slmlib, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "engines").mkdir()
    module, other = tmp_path / "engines" / "base.py", tmp_path / "plots.py"

    def code(text: str, elsewhere: str = "") -> str:
        module.write_text(text)
        other.write_text(elsewhere)
        return machine.code_sha256("engines/*.py")

    first = code('"""One."""\n\n\ndef f(x):\n    """Two."""\n    return x\n')
    assert code('"""Other."""\n# more\ndef f(x):\n    return (x)\n', "x = 1") != code(
        "def f(x): return -x\n"
    )
    assert first == code(
        '"""Other."""\n\n\ndef f(x):  # why\n    """Three."""\n    return (x)\n', "x = 2"
    )
