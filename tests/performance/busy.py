"""What a busy neighbour costs: a training step and an evaluation, alone and with one core taken.

The neighbour computes on one core, paused and continued between measurements. Each setting is a
process of its own; they take turns, so that a noisy machine is noisy for all. Rates are relative to
the first setting without the neighbour; medians over the rounds.

    python tests/performance/busy.py [train|evaluate] [rounds]      default: both, 3; 5 minutes each
"""

import os
import signal
import statistics
import subprocess
import sys
import time

SETTINGS = {  # by work: environment variables, or properties of OpenVINO in OV
    "train": {
        "all threads": {},
        "1 thread": {"OMP_NUM_THREADS": "1"},
        "all threads, GOMP_SPINCOUNT=0": {"GOMP_SPINCOUNT": "0"},  # as slmlib.training sets it
        "all threads, GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    },
    "evaluate": {
        "all threads, pinned": {"OV": "ENABLE_CPU_PINNING=True"},
        "1 thread": {"OV": "INFERENCE_NUM_THREADS=1"},
        "all threads, not pinned": {},  # as the engine sets it
    },
}
MODEL = "smollm2-135m-instruct"
LENGTH, CASES, ANSWER = 256, 10, 20  # tokens of a training sequence; cases, tokens of their answers


def train():
    """A function that takes one training step, LoRA in fp32."""
    import torch
    from peft import LoraConfig, get_peft_model

    from slmlib.models import weights

    network = get_peft_model(
        weights.load(MODEL).network, LoraConfig(r=8, target_modules="all-linear")
    )
    tokens = torch.randint(1000, (1, LENGTH))
    return lambda: network(input_ids=tokens, labels=tokens).loss.backward()


def evaluate():
    """A function that completes some cases with OpenVINO."""
    import openvino_genai

    from slmlib.engines import launch
    from slmlib.engines.base import Request

    added = dict(part.split("=") for part in os.environ.get("OV", "").split() if part)
    added = {
        key: int(value) if value.isdigit() else value == "True" for key, value in added.items()
    }
    original = openvino_genai.ContinuousBatchingPipeline
    openvino_genai.ContinuousBatchingPipeline = lambda model, scheduler, device, hints: original(
        model, scheduler, device, hints | added
    )
    engine = launch.start("openvino", MODEL, dtype="float32", batch_size=CASES, reuse=False)
    words = "The lab door was left open on Monday by a courier who had no key. " * 6
    requests = [
        Request(str(i), [{"role": "user", "content": f"{i}. {words}"}], ANSWER)
        for i in range(CASES)
    ]
    return lambda: list(engine.generate(requests))


def worker(name: str) -> None:
    """Do the work once for each line of standard input, and print its seconds."""
    work = {"train": train, "evaluate": evaluate}[name]()
    work()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        work()
        print(time.perf_counter() - start, flush=True)


def compare(name: str, rounds: int) -> None:
    """Measure every setting alone and beside the neighbour; print rates relative to the first."""
    command = [sys.executable, "-c", "while True: pass"]
    neighbour = subprocess.Popen(command, start_new_session=True)  # shares as a stranger does
    neighbour.send_signal(signal.SIGSTOP)
    workers, rates = {}, {}
    try:
        for setting, variables in SETTINGS[name].items():
            command = [sys.executable, __file__, "worker", name]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            pipes["stderr"] = subprocess.DEVNULL
            workers[setting] = subprocess.Popen(command, env=os.environ | variables, **pipes)
            while workers[setting].stdout.readline() not in ("ready\n", ""):
                pass
        for _ in range(rounds):
            for loaded in (False, True):
                neighbour.send_signal(signal.SIGCONT if loaded else signal.SIGSTOP)
                for setting, process in workers.items():
                    process.stdin.write("\n")
                    process.stdin.flush()
                    rates.setdefault((setting, loaded), []).append(
                        1 / float(process.stdout.readline())
                    )
    finally:
        neighbour.kill()
        for process in workers.values():
            process.kill()
    first = statistics.median(rates[next(iter(workers)), False])
    print(f"{name:40} {'alone':>8} {'beside a busy process':>24}", flush=True)
    for setting in workers:
        alone, beside = (
            statistics.median(rates[setting, loaded]) / first for loaded in (False, True)
        )
        print(f"  {setting:38} {alone:8.2f} {beside:24.2f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2])
    else:
        names = sys.argv[1:2] or list(SETTINGS)
        for name in names:
            compare(name, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
