"""A limit on time, far above what a function takes and far below what a quadratic one would."""

import time
from contextlib import contextmanager

LIMIT = 30.0  # seconds; what is measured takes one or two, a quadratic scan of a megabyte hours


@contextmanager
def bounded():
    """Fail if the block takes more processor time than `LIMIT`."""
    start = time.process_time()
    yield
    taken = time.process_time() - start
    assert taken < LIMIT, f"took {taken:.1f} s of processor time"
