"""Time and memory of an engine over the number of cases: both should be flat.

Short requests, each time ten times as many as before, in one process: seconds a case, and the
resident memory at the end.

    python tests/performance/scale.py [engine] [longest]      default: openvino 10000
"""

import os
import sys
import time
from pathlib import Path

from slmlib.engines import launch
from slmlib.engines.base import Request

MODEL, TOKENS = "smollm2-135m-instruct", 4


def resident() -> float:
    """Megabytes of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(name: str = "openvino", longest: str = "10000") -> None:
    """Measure and print."""
    dtype = launch.resolve_dtype("auto", engine=name)
    engine = launch.start(name, MODEL, dtype=dtype, batch_size=32)
    print(f"{name}, {dtype}, {TOKENS} tokens a case")
    count, paces = 100, []
    while count <= int(longest):
        requests = [
            Request(f"{i:06d}", [{"role": "user", "content": f"What is {i} plus 1?"}], TOKENS)
            for i in range(count)
        ]
        start = time.perf_counter()
        done = sum(1 for batch in engine.batches(requests) for _ in engine.generate(batch))
        paces.append((time.perf_counter() - start) / done)
        pace = f"{1e3 * paces[-1]:7.2f} ms a case, {paces[-1] / paces[0]:5.2f} x the first"
        print(f"{done:6} cases {pace}, {resident():7.0f} MB", flush=True)
        count *= 10


if __name__ == "__main__":
    main(*sys.argv[1:])
