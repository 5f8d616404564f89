"""Cases generated and proved per second, and how time and memory grow with their number.

Training cases of composed and hand-designed schemas are generated; every case passes its checks
(target, rules, evidence, grammars of two engines). Two processes share the work, as on two cores;
each has generated 200 cases before the clock starts.

    python tests/performance/generation.py [cases ...]      default: 1000 10000 100000
"""

import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from slmlib.tasks.edgejson.generate import dataset

WORKERS, WARM_UP = 2, 200


def generate(size: int, seed: int) -> tuple[float, float]:
    """Seconds and peak memory in MB of one process that generates `size` cases and keeps none."""
    list(dataset.extend(WARM_UP, seed=seed))  # imports, templates and word lists are read
    start = time.perf_counter()
    assert sum(1 for _ in dataset.extend(size, seed=seed)) == size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return time.perf_counter() - start, peak


def main(sizes: list[int]) -> None:
    """Print a line for each size, with ratios to the first."""
    base = None
    print("cases     seconds   cases/s   MB a process   time per case, x the first   memory, x")
    for size in sizes:
        with ProcessPoolExecutor(WORKERS) as pool:
            shares = list(pool.map(generate, [size // WORKERS] * WORKERS, range(WORKERS)))
        seconds, memory = map(max, zip(*shares, strict=True))
        base = base or (seconds / size, memory)
        print(f"{size:7,}  {seconds:8.1f}  {size / seconds:8,.0f}  {memory:13,.0f}", end="")
        print(f"  {seconds / size / base[0]:27.2f}  {memory / base[1]:10.2f}")


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1_000, 10_000, 100_000])
