"""The cost of a busy neighbour: a training step alone, and with one core taken.

The neighbour computes on one core, paused and continued between measurements. Each setting is a
process of its own; they take turns, so that a noisy machine is noisy for all. Rates are relative to
the first setting without the neighbour; medians over the rounds.

    python tests/performance/busy.py [rounds]      default: 3; 5 minutes
"""

import os
import signal
import statistics
import subprocess
import sys
import time

SETTINGS = {  # environment variables
    "all threads": {},
    "1 thread": {"OMP_NUM_THREADS": "1"},
    "all threads, GOMP_SPINCOUNT=0": {"GOMP_SPINCOUNT": "0"},  # as slmlib.training sets it
    "all threads, GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
}
MODEL, LENGTH = "smollm2-135m-instruct", 256  # tokens of a sequence


def work() -> None:
    """Take a training step for each line of standard input, LoRA in fp32; print its seconds."""
    import torch
    from peft import LoraConfig, get_peft_model

    from slmlib.models import weights

    adapter = LoraConfig(r=8, target_modules="all-linear")
    network = get_peft_model(weights.load(MODEL).network, adapter)
    tokens = torch.randint(1000, (1, LENGTH))
    network(input_ids=tokens, labels=tokens).loss.backward()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        network(input_ids=tokens, labels=tokens).loss.backward()
        print(time.perf_counter() - start, flush=True)


def compare(rounds: int) -> None:
    """Measure every setting alone and beside the neighbour; print rates relative to the first."""
    command = [sys.executable, "-c", "while True: pass"]
    neighbour = subprocess.Popen(command, start_new_session=True)  # shares as a stranger does
    neighbour.send_signal(signal.SIGSTOP)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers, rates = {}, {}
    try:
        for setting, variables in SETTINGS.items():
            command = [sys.executable, __file__, "work"]
            workers[setting] = subprocess.Popen(command, env=os.environ | variables, **pipes)
            while workers[setting].stdout.readline() not in ("ready\n", ""):
                pass
        for _ in range(rounds):
            for loaded in (False, True):
                neighbour.send_signal(signal.SIGCONT if loaded else signal.SIGSTOP)
                for setting, process in workers.items():
                    process.stdin.write("\n")
                    process.stdin.flush()
                    rate = 1 / float(process.stdout.readline())
                    rates.setdefault((setting, loaded), []).append(rate)
    finally:
        neighbour.kill()
        for process in workers.values():
            process.kill()
    medians = {key: statistics.median(values) for key, values in rates.items()}
    first = medians[next(iter(SETTINGS)), False]
    print(f"{'':36} {'alone':>8} {'beside a busy process':>24}")
    for setting in SETTINGS:
        alone, beside = medians[setting, False] / first, medians[setting, True] / first
        print(f"{setting:36} {alone:8.2f} {beside:24.2f}")


if __name__ == "__main__":
    if sys.argv[1:] == ["work"]:
        work()
    else:
        compare(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
