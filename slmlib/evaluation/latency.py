"""Latency, memory and energy as on a device: one case at a time, after a warm-up, in a new process.

    slmbench profile smollm2-135m-instruct --engine llamacpp --dtype q8_0 --cases 20

Times are wall times of this machine and belong to it; nothing is averaged over machines. The
memory is the peak of the whole process, libraries included. The energy is that of the machine
during the answers, by CodeCarbon: measured where the machine allows its counters to be read
(RAPL), else estimated from the load and the kind of CPU; the profile says which. Each prompt is
read whole: no engine keeps the instruction in its cache between cases, as a device that always
asks in the same way could.

A profile has the fields of `profile.schema.json`, in seconds, tokens per second, bytes and joules.
Its latency is the time of a whole answer, the first turn of a case.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from slmlib import tasks
from slmlib.core import io, machine, paths, tables
from slmlib.core.names import choose
from slmlib.core.tables import NONE, Table
from slmlib.engines import launch
from slmlib.engines.base import Completion
from slmlib.evaluation import run
from slmlib.models import registry, weights
from slmlib.tasks.base import MODES, Task

PROFILE = paths.RESULTS / "profile.schema.json"
WARM_UP = 2  # cases that are not counted


def profile(task: str, model: str, **options) -> dict:
    """Measure in a new process, so that its peak memory is the model's alone.

    Args:
        task: name of a task.
        model: a model of the registry.
        options: those of `measure`; None is the default.

    Raises:
        RuntimeError: the measurement failed; the message is that of the process.
    """
    engine = choose(
        "engine with a profile", options.get("engine") or "auto", ("auto", *launch.LOCAL)
    )
    engine = launch.resolve(engine, gguf=weights.has_gguf(registry.get(model)))
    dtype = launch.resolve_dtype(options.get("dtype") or "auto", engine=engine)
    _convert(tasks.get(task), model, engine, dtype)
    command = [sys.executable, "-m", "slmlib", "profile", model, "--task", task, "--json"]
    for name, value in options.items():
        if value is not None:
            command += [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(task: Task, model: str, *, engine: str = "auto", cases: int = 20, **options) -> dict:
    """Measure in this process.

    Args:
        task: a task; the cases are those of its `timing_slice` in its validation split.
        model: a model of the registry.
        engine: one of `launch.LOCAL`, since a server's memory cannot be seen; "auto" as in a run.
        cases: cases to answer after the warm-up.
        options: those of `run.prepare`: dtype, prompt, decoding, threads.
    """
    choose("engine with a profile", engine, ("auto", *launch.LOCAL))
    options |= {"split": task.split_names("val")[0], "batch_size": 1, "reuse": False}
    plan = run.prepare(task, model=model, engine=engine, **options)
    decoding = plan.settings["decoding"]["mode"]
    samples = plan.samples
    if task.timing_slice:
        name, value = task.timing_slice
        samples = [sample for sample in samples if sample.slices.get(name) == value]
    _convert(task, model, plan.settings["engine"]["name"], plan.settings["engine"]["dtype"])
    begun = time.perf_counter()
    started = plan.engine()
    load_seconds = time.perf_counter() - begun

    def complete(number: int) -> run.Conversation:
        sample = samples[number % len(samples)]
        conversation = run.Conversation(task, sample, plan.prompt)
        while not conversation.over:
            messages = conversation.messages
            request = task.request(sample, plan.prompt, decoding, messages)
            (completion,) = started.generate([request])
            if completion.finish == "error":
                raise RuntimeError(f"{sample.id} could not be completed: {completion.error}")
            conversation.take(completion)
        return conversation

    for number in range(WARM_UP):
        complete(number)
    with machine.Energy() as energy:
        conversations = [complete(number) for number in range(WARM_UP, WARM_UP + cases)]
    right = sum(task.score(c.sample, c.transcript()).failure is None for c in conversations)
    return {
        "task": task.name,
        "model": model,
        "engine": started.describe(),
        "prompt": plan.prompt.name,
        "decoding": decoding,
        "cases": cases,
        "right": right,
        "load_seconds": load_seconds,
        **times([conversation.completions[0] for conversation in conversations]),
        "peak_memory_bytes": machine.peak_memory(),
        "joules_per_answer": energy.joules / cases,
        "joules_per_right_answer": energy.joules / right if right else None,
        "energy": energy.source,
        "environment": machine.environment(),
    }


def times(completions: Sequence[Completion]) -> dict[str, float]:
    """Percentiles of latency and rates of tokens over completions that were made one at a time."""
    first, whole = [c.first_token_seconds for c in completions], [c.seconds for c in completions]
    later = sum(c.tokens_out - 1 for c in completions)
    return {
        "first_token_p50": float(np.percentile(first, 50)),
        "first_token_p95": float(np.percentile(first, 95)),
        "latency_p50": float(np.percentile(whole, 50)),
        "latency_p95": float(np.percentile(whole, 95)),
        "prompt_tokens_per_second": sum(c.tokens_in for c in completions) / sum(first),
        "generated_tokens_per_second": later / max(sum(whole) - sum(first), 1e-9),
    }


def _convert(task: Task, model: str, engine: str, dtype: str) -> None:
    """Import libraries and convert weights: no part of loading, nor of the peak memory."""
    launch.require(engine)
    weights.vocabulary(model)
    if engine in ("openvino", "llamacpp"):
        run.gguf(model, "f16" if engine == "openvino" else dtype, task)


# --- published profiles -----------------------------------------------------------------------


def write(profile: Mapping, folder: Path) -> Path:
    """Write a profile into a folder of results."""
    engine = profile["engine"]
    parts = [profile["model"], engine["name"], engine["dtype"], profile["decoding"]]
    task = tasks.get(profile["task"])
    if profile["prompt"] != run.default_prompt(task, profile["model"], profile["decoding"]):
        parts.append(profile["prompt"])
    path = folder / "profiles" / f"{'-'.join(parts).replace('_', '-')}.json"
    io.check(profile, PROFILE, where=str(path))
    io.write_json(path, profile)
    return path


def load_all(folder: Path) -> list[dict]:
    """Load the profiles in a task's folder of results, checked, in the order of their names.

    Raises:
        DataError: one is damaged or breaks the schema.
    """
    profiles = []
    for path in sorted((folder / "profiles").glob("*.json")):
        profiles.append(io.read_json(path))
        io.check(profiles[-1], PROFILE, where=str(path))
    return profiles


def table(profiles: Iterable[Mapping]) -> Table:
    """Latency, speed, memory and energy of each model, engine and precision."""

    def model(p: Mapping) -> str:
        mode = p["decoding"]
        return tables.plain(p["model"] if mode == "free" else f"{p['model']}, {mode}")

    def right_answer(p: Mapping) -> str:
        joules = p["joules_per_right_answer"]
        return f"{joules:.0f} ({p['right']} of {p['cases']})" if joules else NONE

    def used_machine(p: Mapping) -> str:
        return f"{machine.label(p['environment']['machine'])}, {p['engine']['threads']} threads"

    columns = {
        "Model": model,
        "Engine": lambda p: p["engine"]["name"],
        "Precision": lambda p: launch.precision(p["engine"]),
        "Load, s": lambda p: f"{p['load_seconds']:.1f}",
        "TTFT p50/p95, s": lambda p: f"{p['first_token_p50']:.2f} / {p['first_token_p95']:.2f}",
        "Case p50/p95, s": lambda p: f"{p['latency_p50']:.2f} / {p['latency_p95']:.2f}",
        "Prompt, tok/s": lambda p: f"{p['prompt_tokens_per_second']:.0f}",
        "Answer, tok/s": lambda p: f"{p['generated_tokens_per_second']:.1f}",
        "Peak, MB": lambda p: f"{p['peak_memory_bytes'] / 1e6:.0f}",
        "Weights, MB": lambda p: f"{p['engine']['weights_bytes'] / 1e6:.0f}",
        "J/answer": lambda p: f"{p['joules_per_answer']:.0f}",
        "J/right answer": right_answer,
        "Energy": lambda p: p["energy"].partition(":")[0],
        "Machine": used_machine,
    }
    return Table.by(columns, profiles)


def main(arguments: list[str] | None = None) -> None:
    """Measure a model as on a device, one case at a time."""
    parser = argparse.ArgumentParser(prog="slmbench profile", description=main.__doc__)
    names = tasks.names()
    parser.add_argument("model", help="a model of the registry")
    only = names[0] if len(names) == 1 else None
    which = {"default": only, "required": only is None, "choices": names}
    parser.add_argument("--task", **which, help="the task whose cases are answered")
    parser.add_argument("--engine", default="auto", help=f"{', '.join(launch.LOCAL)}, or auto")
    parser.add_argument("--dtype", default="auto", help="a type of the engine")
    parser.add_argument("--cases", type=int, default=20, help="cases after the warm-up")
    parser.add_argument("--prompt", help="one of the task's prompts")
    parser.add_argument("--decoding", default="free", choices=MODES, help="free by default")
    parser.add_argument("--threads", type=int, help="cores to use; all available ones by default")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a table")
    options = vars(parser.parse_args(arguments))
    as_json, task, model = (options.pop(name) for name in ("json", "task", "model"))
    if as_json:  # this process is a new one already
        print(json.dumps(measure(tasks.get(task), model, **options)))
        return
    shown = table([profile(task, model, **options)])
    for title, cell in zip(shown.header, shown.rows[0], strict=True):
        print(f"{title:16} {cell}")
