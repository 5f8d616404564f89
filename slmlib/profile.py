"""What a device would see: cases one at a time, after a warm-up, in a process of its own.

    python -m slmlib.profile smollm2-135m-instruct --engine llamacpp --dtype q8_0 --cases 20

Times are wall times of this machine and belong to it; nothing is averaged over machines. The memory is
the peak of the whole process, libraries included. An engine that keeps the instruction in its cache
does so here too, as it would on a device that asks the same way again and again.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from slmlib import engines, models, tasks
from slmlib.engines import Completion, Request

WARM_UP = 2  # cases that are not counted


@dataclass(frozen=True)
class Profile:
    """Speed and size of one model in one engine, one case at a time.

    Seconds, tokens a second, bytes. `latency` is the time of a whole answer; p50 and p95 are over the
    cases.
    """

    model: str
    engine: dict
    prompt: str
    decoding: str
    cases: int
    load_seconds: float
    first_token_p50: float
    first_token_p95: float
    latency_p50: float
    latency_p95: float
    prompt_tokens_per_second: float
    generated_tokens_per_second: float
    peak_memory_bytes: int
    file_bytes: int  # of the weights as the registry has them


def profile(model: str, **options) -> dict:
    """Measure in a fresh process, so that its peak of memory is the model's alone.

    Args:
        model: a model of the registry.
        options: as of `measure`.

    Raises:
        RuntimeError: the measurement failed; the message is that of the process.
    """
    flags = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "slmlib.profile", model, "--json", *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(
    model: str,
    *,
    engine: str = "openvino",
    dtype: str = "auto",
    cases: int = 20,
    prompt: str | None = None,
    decoding: str = "free",
    threads: int | None = None,
) -> Profile:
    """Measure in this process.

    Args:
        model: a model of the registry.
        engine: one of `engines.ENGINES`, but for a server, whose memory is not to be seen.
        dtype: a type of the engine, or "auto".
        cases: simple cases of EdgeJSON's `val` to answer, beside those of the warm-up.
        prompt: one of the task's prompts; its first if not given.
        decoding: "free" or "schema".
        threads: cores to use; all that there are if not given.
    """
    tasks.choose("engine with a profile", engine, [name for name in engines.ENGINES if name != "openai"])
    asked = _requests(cases + WARM_UP, prompt, decoding)
    begun = time.perf_counter()
    dtype = engines.resolve_dtype(dtype, engine=engine)
    running = engines.start(engine, model, dtype=dtype, batch_size=1, threads=threads)
    loaded = time.perf_counter() - begun
    answered = [completion for request in asked for completion in running.generate([request])][WARM_UP:]
    return Profile(
        model=model,
        engine=running.describe(),
        prompt=prompt or next(iter(tasks.get("edgejson").prompts)),
        decoding=decoding,
        cases=len(answered),
        load_seconds=loaded,
        **_times(answered),
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        file_bytes=_size(models.find(models.get(model))),
    )


def _size(path: Path) -> int:
    files = path.glob("*.safetensors") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _requests(count: int, prompt: str | None, decoding: str) -> list[Request]:
    task = tasks.get("edgejson")
    chosen = task.prompts[tasks.choose("prompt", prompt or next(iter(task.prompts)), task.prompts)]
    examples = [example for example in task.load("val") if example.tier == "simple"]
    examples = [examples[i % len(examples)] for i in range(count)]
    return [
        Request(
            f"{i}-{e.id}",
            chosen.messages(e),
            task.max_new_tokens,
            task.stop,
            e.input["schema"] if decoding == "schema" else None,
            chosen.chat,
        )
        for i, e in enumerate(examples)
    ]


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


def main(arguments: list[str] | None = None) -> None:
    """Measure a model as a device would see it and print the table."""
    parser = argparse.ArgumentParser(prog="python -m slmlib.profile", description=main.__doc__)
    parser.add_argument("model", help="a model of the registry")
    parser.add_argument("--engine", default="openvino", help="transformers, openvino or llamacpp")
    parser.add_argument("--dtype", default="auto", help="a type of the engine")
    parser.add_argument("--cases", type=int, default=20, help="cases, beside the warm-up")
    parser.add_argument("--prompt", help="one of the task's prompts")
    parser.add_argument("--decoding", default="free", choices=engines.DECODINGS)
    parser.add_argument("--threads", type=int, help="cores to use")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a table")
    options = vars(parser.parse_args(arguments))
    as_json = options.pop("json")
    found = asdict(measure(options.pop("model"), **options))
    if as_json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name.replace('_', ' '):28} {_shown(name, value)}")


def _shown(name: str, value) -> str:
    if name.endswith("bytes"):
        return f"{value / 1e6:,.0f} MB"
    return f"{value:,.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    try:
        main()
    except (models.ModelError, engines.EngineError, ValueError) as error:
        sys.exit(f"error: {error}")
