"""Cases made and proved per second, and whether time and memory stay in proportion.

The embedded writer makes training cases of composed schemas; every case passes its gates (target,
rules, evidence, grammars of two engines). Two processes share the work, as on two cores; each has made
200 cases before the clock starts.

    python tests/performance/generation.py [cases ...]      default: 1000 10000 100000
"""

import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from slmlib.tasks.edgejson.generate import dataset

WORKERS, WARM_UP = 2, 200


def make(size: int, seed: int) -> tuple[float, float]:
    """Seconds and peak memory in MB of one process that makes `size` cases and keeps none."""
    list(dataset.extend(WARM_UP, seed=seed))  # imports, templates and word lists are read
    start = time.perf_counter()
    made = sum(1 for _ in dataset.extend(size, seed=seed))
    assert made == size
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(sizes: list[int]) -> None:
    """Print a line for each size, with ratios to the first."""
    first = None
    print("cases     seconds   cases/s   MB a process   time per case, x the first   memory, x the first")
    for size in sizes:
        with ProcessPoolExecutor(WORKERS) as pool:
            shares = list(pool.map(make, [size // WORKERS] * WORKERS, range(WORKERS)))
        seconds, memory = max(s for s, _ in shares), max(m for _, m in shares)
        first = first or (seconds / size, memory)
        ratios = seconds / size / first[0], memory / first[1]
        print(f"{size:7,}  {seconds:8.1f}  {size / seconds:8,.0f}  {memory:13,.0f}", end="")
        print(f"  {ratios[0]:27.2f}  {ratios[1]:20.2f}")


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1_000, 10_000, 100_000])
