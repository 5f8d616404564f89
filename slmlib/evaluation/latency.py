"""Latency, memory and energy as on a device: one case at a time, after a warm-up, in a fresh process.

    slmbench profile smollm2-135m-instruct --engine llamacpp --dtype q8_0 --cases 20

Times are wall times of this machine and belong to it; nothing is averaged over machines. The memory is the
peak of the whole process, libraries included. The energy is that of the machine during the answers, by
CodeCarbon: measured where the machine allows its counters to be read (RAPL), else estimated from the load and
the kind of CPU; the profile says which. Each prompt is read whole: no engine keeps the instruction in its
cache between cases, as a device that always asks in the same way could.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Profile:
    """Speed and size of one model in one engine, one case at a time.

    Seconds, tokens per second, bytes, joules. `latency` is the time of a whole answer (the first turn of
    a case); p50 and p95 are over the cases. `joules_per_right_answer` is the whole energy over the right
    answers; None if there was none. `energy` is "measured", "measured in part" or "estimated", and of what.
    """

    task: str
    model: str
    engine: dict
    prompt: str
    decoding: str
    cases: int
    right: int
    load_seconds: float
    first_token_p50: float
    first_token_p95: float
    latency_p50: float
    latency_p95: float
    prompt_tokens_per_second: float
    generated_tokens_per_second: float
    peak_memory_bytes: int
    joules_per_answer: float
    joules_per_right_answer: float | None
    energy: str


def profile(task: str, model: str, **options) -> dict:
    """Measure in a fresh process, so that its peak memory is the model's alone.

    Args:
        task: name of a task.
        model: a model of the registry.
        options: those of `measure`.

    Raises:
        RuntimeError: the measurement failed; the message is that of the process.
    """
    engine = options.get("engine") or "auto"
    choose("engine with a profile", engine, ("auto", *launch.LOCAL))
    engine = launch.resolve(engine, gguf=weights.has_gguf(registry.get(model)))
    dtype = launch.resolve_dtype(options.get("dtype") or "auto", engine=engine)
    _convert(tasks.get(task), model, {"name": engine, "dtype": dtype})
    given = {
        name.replace("_", "-"): str(value) for name, value in options.items() if value is not None
    }
    flags = [part for name, value in given.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-m", "slmlib", "profile", model, "--task", task, "--json", *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(
    task: Task,
    model: str,
    *,
    engine: str = "auto",
    dtype: str = "auto",
    cases: int = 20,
    prompt: str | None = None,
    decoding: str = "free",
    threads: int | None = None,
) -> Profile:
    """Measure in this process.

    Args:
        task: a task; the cases are those of its `timing_slice` in its validation split.
        model: a model of the registry.
        engine: one of `launch.LOCAL`, since the memory of a server cannot be seen; "auto" as in a run.
        dtype: a type of the engine, or "auto".
        cases: cases to answer after the warm-up.
        prompt: one of the task's prompts; the model's or the task's own by default.
        decoding: "free" or "constrained".
        threads: cores to use; all available ones by default.
    """
    choose("engine with a profile", engine, ("auto", *launch.LOCAL))
    split = task.split_names("val")[0]
    options = {"engine": engine, "dtype": dtype, "prompt": prompt, "decoding": decoding}
    once = {"threads": threads, "reuse": False, "batch_size": 1}
    plan = run.prepare(task, model=model, split=split, out=paths.RUNS, **options, **once)
    samples = plan.samples
    if task.timing_slice:
        name, value = task.timing_slice
        samples = [sample for sample in samples if sample.slices.get(name) == value]
    _convert(task, model, plan.settings["engine"])
    begun = time.perf_counter()
    started = plan.engine()
    load_seconds = time.perf_counter() - begun

    def complete(number: int) -> run.Conversation:
        conversation = run.Conversation.begin(task, samples[number % len(samples)], plan.prompt)
        while not conversation.over:
            request = task.request(
                conversation.sample, plan.prompt, decoding, conversation.messages
            )
            for completion in started.generate([request]):
                if completion.finish == "error":
                    raise RuntimeError(
                        f"{completion.id} could not be completed: {completion.error}"
                    )
                conversation.take(completion)
        return conversation

    for number in range(WARM_UP):
        complete(number)
    with machine.Energy() as energy:
        conversations = [complete(number) for number in range(WARM_UP, WARM_UP + cases)]
    completions = [conversation.completions[0] for conversation in conversations]
    right = sum(task.score(c.sample, c.transcript()).failure is None for c in conversations)
    return Profile(
        task=task.name,
        model=model,
        engine=started.describe(),
        prompt=plan.prompt.name,
        decoding=decoding,
        cases=len(completions),
        right=right,
        load_seconds=load_seconds,
        **times(completions),
        peak_memory_bytes=machine.peak_memory(),
        joules_per_answer=energy.joules / len(completions),
        joules_per_right_answer=energy.joules / right if right else None,
        energy=energy.source,
    )


def times(completions: Sequence[Completion]) -> dict[str, float]:
    """Percentiles of latency and rates of tokens over completions that were made one at a time."""
    first, whole = [c.first_token_seconds for c in completions], [c.seconds for c in completions]
    later = sum(c.tokens_out - 1 for c in completions)
    return {
        "first_token_p50": statistics.median(first),
        "first_token_p95": _p95(first),
        "latency_p50": statistics.median(whole),
        "latency_p95": _p95(whole),
        "prompt_tokens_per_second": sum(c.tokens_in for c in completions) / sum(first),
        "generated_tokens_per_second": later / max(sum(whole) - sum(first), 1e-9),
    }


def _p95(values: list[float]) -> float:
    return (
        statistics.quantiles(values, n=100, method="inclusive")[94]
        if len(values) > 1
        else values[0]
    )


def _convert(task: Task, model: str, engine: Mapping) -> None:
    """Import libraries and convert weights, which are not part of loading, nor of the peak memory."""
    launch.require(engine["name"])
    weights.vocabulary(model)
    if engine["name"] in ("openvino", "llamacpp"):
        run.gguf(model, "f16" if engine["name"] == "openvino" else engine["dtype"], task)


# --- published profiles -----------------------------------------------------------------------


def write(found: Mapping, folder: Path) -> Path:
    """Write a profile, with the machine it was measured on, into a folder of results."""
    record = {**found, "environment": machine.environment()}
    parts = [found["model"], found["engine"]["name"], found["engine"]["dtype"], found["decoding"]]
    if found["prompt"] != run.default_prompt(
        tasks.get(found["task"]), found["model"], found["decoding"]
    ):
        parts.append(found["prompt"])
    path = folder / "profiles" / f"{'-'.join(parts).replace('_', '-')}.json"
    io.check(record, PROFILE, where=str(path))
    io.write_json(path, record)
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
    header = [
        "Model", "Engine", "Precision", "Load, s", "TTFT p50/p95, s", "Case p50/p95, s", "Prompt, tok/s",
        "Answer, tok/s", "Peak, MB", "Weights, MB", "J/answer", "J/right answer", "Energy", "Machine",
    ]  # fmt: skip
    lines = []
    for p in profiles:
        engine, right = p["engine"], p["joules_per_right_answer"]
        mode = "" if p["decoding"] == "free" else f", {p['decoding']}"
        used = p["environment"]["machine"] if "environment" in p else machine.describe()
        lines.append(
            [
                tables.plain(p["model"] + mode),
                engine["name"],
                launch.precision(engine),
                f"{p['load_seconds']:.1f}",
                f"{p['first_token_p50']:.2f} / {p['first_token_p95']:.2f}",
                f"{p['latency_p50']:.2f} / {p['latency_p95']:.2f}",
                f"{p['prompt_tokens_per_second']:.0f}",
                f"{p['generated_tokens_per_second']:.1f}",
                f"{p['peak_memory_bytes'] / 1e6:.0f}",
                f"{engine['weights_bytes'] / 1e6:.0f}",
                f"{p['joules_per_answer']:.0f}",
                f"{right:.0f} ({p['right']} of {p['cases']})" if right else NONE,
                p["energy"].partition(":")[0],
                f"{machine.label(used)}, {engine['threads']} threads",
            ]
        )
    return Table.of(header, lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure a model as on a device, one case at a time."""
    parser = argparse.ArgumentParser(prog="slmbench profile", description=main.__doc__)
    parser.add_argument("model", help="a model of the registry")
    names = tasks.names()
    only = names[0] if len(names) == 1 else None
    parser.add_argument(
        "--task", default=only, required=only is None, choices=names, help="its cases are answered"
    )
    parser.add_argument("--engine", default="auto", help=f"{', '.join(launch.LOCAL)}, or auto")
    parser.add_argument("--dtype", default="auto", help="a type of the engine")
    parser.add_argument("--cases", type=int, default=20, help="cases after the warm-up")
    parser.add_argument("--prompt", help="one of the task's prompts")
    parser.add_argument("--decoding", default="free", choices=MODES)
    parser.add_argument("--threads", type=int, help="cores to use; all available ones by default")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a table")
    options = vars(parser.parse_args(arguments))
    as_json, task, model = (options.pop(name) for name in ("json", "task", "model"))
    if as_json:  # this process is a fresh one already
        print(json.dumps(asdict(measure(tasks.get(task), model, **options))))
        return
    for name, value in profile(task, model, **options).items():
        if name.endswith("bytes"):
            value = f"{value / 1e6:,.0f} MB"
        elif isinstance(value, float):
            value = f"{value:,.3f}"
        print(f"{name.replace('_', ' '):28} {value}")
