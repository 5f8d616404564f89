"""Kill and resume: would break if a stopped run lost a case, completed one twice or differently."""

import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import toy
import toy_model
from toy_server import MODEL, serving, sleep

from slmlib.core import io, machine, paths
from slmlib.engines import base, chat
from slmlib.engines.base import Completion
from slmlib.engines.control import Control
from slmlib.evaluation import run
from slmlib.evaluation.results import PREDICTIONS
from slmlib.models import registry


def untimed(folder: Path) -> list[dict]:
    """The predictions without their times."""
    (path,) = folder.glob(f"*/*{PREDICTIONS}")
    rows = io.read_jsonl(path)
    return [row | {"turns": [turn | {"seconds": 0} for turn in row["turns"]]} for row in rows]


def work(folder: Path, out: Path, task: str, model: str, deadly: int) -> None:
    """Evaluate a model; kill this process in the middle of writing the finished turn `deadly`."""
    paths.DATA, chat.BATCH = folder / "data", 4
    toy.write(paths.DATA)
    if model == "toy-1m":
        os.environ["SLMBENCH_MODELS"] = str(folder / "models")
        registry.MODELS[model] = toy_model.write()
    write = os.write

    def killed(descriptor, data):
        nonlocal deadly
        deadly -= data.startswith(b'{"key"')
        if deadly:
            return write(descriptor, data)
        write(descriptor, data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    os.write = killed
    options = {"engine": "transformers", "dtype": "float32", "batch_size": 2, "threads": 1}
    run.evaluate(task, model=model, out=out, **options)


@pytest.mark.model
@pytest.mark.parametrize(
    ("task", "model"),
    [("toy", "smollm2-135m-instruct"), ("toylabels", "toy-1m"), ("toytools", "toy-1m")],
)
def test_kill_9_and_resume_give_the_same_predictions(tmp_path, task, model):
    """Processes are forked from one that has imported torch."""
    context = multiprocessing.get_context("forkserver")
    llama = "transformers.models.llama.modeling_llama"
    context.set_forkserver_preload(["torch", llama, "slmlib.evaluation.run"])

    def start(out: str, deadly: int = -1) -> int:
        process = context.Process(target=work, args=(tmp_path, tmp_path / out, task, model, deadly))
        process.start()
        process.join(300)
        return process.exitcode

    assert start("unbroken") == 0
    for deadly in (2, 5):  # in the first batch and, when resumed, in a later one
        assert start("broken", deadly) == -signal.SIGKILL
    assert start("broken") == 0
    assert untimed(tmp_path / "broken") == untimed(tmp_path / "unbroken")
    (path,) = tmp_path.glob("broken/*/*.json")
    before = path.stat().st_mtime_ns
    assert start("broken") == 0 and path.stat().st_mtime_ns == before, "completed all over again"


def test_ctrl_c_on_a_notebook_is_one_message(tmp_path):
    """The signal reaches the whole process group, as it does on a terminal."""
    with serving(sleep(60)) as server:
        options = {"model": MODEL, "engine": "openai", "endpoint": server.url, "out": tmp_path}
        options |= {"limit": 3, "by_hand": 0, "device_cases": 0}
        given = [part for name, value in options.items() for part in ("-p", name, str(value))]
        command = [sys.executable, "-m", "slmlib", "notebook", "02_evaluate"]
        process = subprocess.Popen(
            [*command, str(tmp_path / "out.ipynb"), *given],
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
    for length in range(0, len(whole), 127):
        path.write_bytes(whole[:length])
        evaluate(Counting())
        assert untimed(tmp_path) == expected, length


def test_log_of_other_settings_is_set_aside_and_says_which(evaluate, tmp_path, capsys):
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
        evaluate(every := Counting())
        assert every.ids == ids(0)
        assert f"other settings ({what}): it is kept as" in capsys.readouterr().err
        assert path.with_suffix(".old").read_text() == "".join(lines)


def test_two_processes_do_not_share_a_run(evaluate, tmp_path):
    stop_after(evaluate, 3)
    with open(log(tmp_path)) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(io.Busy, match="another process is working on this run"):
            evaluate(Counting())


def test_half_done_run_survives_an_edit_that_decides_no_completion(tmp_path, monkeypatch):
    """Comments, docstrings and other modules do not count."""
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
