"""What a device would see: cases one at a time, after a warm-up, in a process of its own.

    python -m slmlib.evaluation.latency smollm2-135m-instruct --engine llamacpp --dtype q8_0 --cases 20

Times are wall times of this machine and belong to it; nothing is averaged over machines. The memory is
the peak of the whole process, libraries included. The energy is that of the machine during the answers, by
CodeCarbon: measured where the machine lets its counters be read (RAPL), else estimated from the load and
the kind of CPU; the profile says which. Each prompt is read whole: no engine keeps the instruction in its
cache from case to case, as a device could that is always asked in the same way.
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

from slmlib.core import io, machine, paths, tables
from slmlib.core.tables import NONE, Table
from slmlib.engines import base as engines
from slmlib.engines.base import Completion, Request
from slmlib.models import registry as models
from slmlib.tasks import base as tasks
from slmlib.tasks.base import Sample

WARM_UP = 2  # cases that are not counted


@dataclass(frozen=True)
class Profile:
    """Speed and size of one model in one engine, one case at a time.

    Seconds, tokens a second, bytes, joules. `latency` is the time of a whole answer; p50 and p95 are over
    the cases. `joules_per_right_answer` is all energy over the right answers; None if there was none.
    """

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
    energy: str  # "measured", "measured in part" or "estimated", and of what


def profile(model: str, **options) -> dict:
    """Measure in a fresh process, so that its peak of memory is the model's alone.

    Args:
        model: a model of the registry.
        options: as of `measure`.

    Raises:
        RuntimeError: the measurement failed; the message is that of the process.
    """
    _ready(model, options.get("engine") or "auto", options.get("dtype") or "auto")
    given = {name.replace("_", "-"): str(value) for name, value in options.items() if value is not None}
    flags = [part for name, value in given.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-m", "slmlib.evaluation.latency", model, "--json", *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(
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
        model: a model of the registry.
        engine: one of `engines.ENGINES`, but for a server, whose memory is not to be seen; "auto" as in
            an evaluation.
        dtype: a type of the engine, or "auto".
        cases: simple cases of EdgeJSON's `val` to answer, beside those of the warm-up.
        prompt: one of the task's prompts; the usual one if not given.
        decoding: "free" or "schema".
        threads: cores to use; all that there are if not given.
    """
    prompt = prompt or models.usual_prompt(tasks.get("edgejson"), model, decoding)
    asked = _asked(cases + WARM_UP, prompt, decoding)
    engine, dtype = _ready(model, engine, dtype)
    begun = time.perf_counter()
    running = engines.start(engine, model, dtype=dtype, batch_size=1, threads=threads, reuse=False)
    loaded = time.perf_counter() - begun
    for _, request in asked[:WARM_UP]:
        list(running.generate([request]))
    with machine.Energy() as energy:
        answered = [(case, c) for case, request in asked[WARM_UP:] for c in running.generate([request])]
    for _, completion in answered:
        if completion.finish == "error":
            raise RuntimeError(f"case {completion.id} could not be answered: {completion.error}")
    judge = tasks.get("edgejson").score
    right = sum(judge(case, c.text, c.finish).failure is None for case, c in answered)
    return Profile(
        model=model,
        engine=running.describe(),
        prompt=prompt,
        decoding=decoding,
        cases=len(answered),
        right=right,
        load_seconds=loaded,
        **_times([completion for _, completion in answered]),
        peak_memory_bytes=machine.peak_memory(),
        joules_per_answer=energy.joules / len(answered),
        joules_per_right_answer=energy.joules / right if right else None,
        energy=energy.source,
    )


def _ready(model: str, engine: str, dtype: str) -> tuple[str, str]:
    """Make and verify what is made once for a model, and import libraries: none of that is loading.

    Returns:
        Engine and type, resolved.
    """
    known = [name for name in engines.ENGINES if name != "openai"]
    tasks.choose("engine with a profile", engine, ("auto", *known))
    engine = engines.resolve(engine, gguf=models.has_gguf(models.get(model)))
    engines.require(engine)
    dtype = engines.resolve_dtype(dtype, engine=engine)
    models.vocabulary(model)
    if engine in ("openvino", "llamacpp"):
        models.gguf(models.get(model), "f16" if engine == "openvino" else dtype)
    return engine, dtype


def _asked(count: int, prompt: str, decoding: str) -> list[tuple[Sample, Request]]:
    """Simple cases of EdgeJSON's `val`, each with its request."""
    task = tasks.get("edgejson")
    chosen = task.prompts[tasks.choose("prompt", prompt, task.prompts)]
    simple = [example for example in task.load("val") if example.tier == "simple"]
    cases = [simple[i % len(simple)] for i in range(count)]
    return [(case, engines.request(task, case, chosen, decoding)) for case in cases]


def _times(answered: Sequence[Completion]) -> dict:
    first, whole = [c.first_token_seconds for c in answered], [c.seconds for c in answered]
    later = sum(c.tokens_out - 1 for c in answered)
    return {
        "first_token_p50": statistics.median(first),
        "first_token_p95": _percentile(first, 95),
        "latency_p50": statistics.median(whole),
        "latency_p95": _percentile(whole, 95),
        "prompt_tokens_per_second": sum(c.tokens_in for c in answered) / sum(first),
        "generated_tokens_per_second": later / max(sum(whole) - sum(first), 1e-9),
    }


def _percentile(values: Sequence[float], percent: int) -> float:
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


# --- kept profiles ----------------------------------------------------------------------------


def write(found: Mapping, folder: Path) -> Path:
    """Write a profile, with the machine it was measured on, into a folder of results."""
    record = {**found, "environment": machine.environment()}
    parts = [found["model"], found["engine"]["name"], found["engine"]["dtype"], found["decoding"]]
    usual = models.usual_prompt(tasks.get("edgejson"), found["model"], found["decoding"])
    parts += [] if found["prompt"] == usual else [found["prompt"]]
    path = folder / "profiles" / f"{'-'.join(parts).replace('_', '-')}.json"
    io.check(record, io.PROFILE, where=str(path))
    io.write_json(path, record)
    return path


def load_all(folder: Path | None = None) -> list[dict]:
    """The profiles in a folder of results, checked, in the order of their names.

    Raises:
        DataError: one is torn or breaks the contract.
    """
    folder = folder or paths.RESULTS / "edgejson"
    found = []
    for path in sorted((folder / "profiles").glob("*.json")):
        record = io.read_json(path)
        io.check(record, io.PROFILE, where=str(path))
        found.append(record)
    return found


def table(profiles: Iterable[Mapping]) -> Table:
    """What a device would see of each model, engine and type of number."""
    header = [
        "Model", "Engine", "Numbers", "Load, s", "TTFT p50/p95, s", "Case p50/p95, s", "Prompt, tok/s",
        "Answer, tok/s", "Peak, MB", "Weights, MB", "J/answer", "J/right answer", "Energy", "Machine",
    ]  # fmt: skip
    return Table.of(header, map(_line, profiles))


def _line(found: Mapping) -> list[str]:
    engine, right = found["engine"], found["joules_per_right_answer"]
    mode = "" if found["decoding"] == "free" else f", {found['decoding']}"
    used = found["environment"]["machine"] if "environment" in found else machine.described()
    return [
        tables.plain(found["model"] + mode),
        engine["name"],
        engines.numbers(engine),
        f"{found['load_seconds']:.1f}",
        f"{found['first_token_p50']:.2f} / {found['first_token_p95']:.2f}",
        f"{found['latency_p50']:.2f} / {found['latency_p95']:.2f}",
        f"{found['prompt_tokens_per_second']:.0f}",
        f"{found['generated_tokens_per_second']:.1f}",
        f"{found['peak_memory_bytes'] / 1e6:.0f}",
        f"{engine['weights_bytes'] / 1e6:.0f}",
        f"{found['joules_per_answer']:.0f}",
        f"{right:.0f} ({found['right']} of {found['cases']})" if right else NONE,
        found["energy"].partition(":")[0],
        f"{tables.machine(used)}, {engine['threads']} threads",
    ]


def main(arguments: list[str] | None = None) -> None:
    """Measure a model as a device would see it and print the table."""
    parser = argparse.ArgumentParser(prog="python -m slmlib.evaluation.latency", description=main.__doc__)
    parser.add_argument("model", help="a model of the registry")
    parser.add_argument("--engine", default="auto", help="transformers, openvino or llamacpp")
    parser.add_argument("--dtype", default="auto", help="a type of the engine")
    parser.add_argument("--cases", type=int, default=20, help="cases, beside the warm-up")
    parser.add_argument("--prompt", help="one of the task's prompts")
    parser.add_argument("--decoding", default="free", choices=engines.DECODINGS)
    parser.add_argument("--threads", type=int, help="cores to use")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a table")
    options = vars(parser.parse_args(arguments))
    as_json = options.pop("json")
    if as_json:  # this process is one of its own already
        print(json.dumps(asdict(measure(options.pop("model"), **options))))
        return
    for name, value in profile(options.pop("model"), **options).items():
        print(f"{name.replace('_', ' '):28} {_shown(name, value)}")


def _shown(name: str, value) -> str:
    if name.endswith("bytes"):
        return f"{value / 1e6:,.0f} MB"
    return f"{value:,.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, ValueError) as error:
        sys.exit(f"error: {error}")
