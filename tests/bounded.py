"""A limit on time for what must not grow out of hand: far above what it takes, far below what it would."""

import time
from contextlib import contextmanager

LIMIT = 30.0  # seconds; what is measured takes one or two, and a quadratic scan of a megabyte takes hours


@contextmanager
def bounded():
    """Fail if the block takes more processor time than `LIMIT`."""
    start = time.process_time()
    yield
    taken = time.process_time() - start
    assert taken < LIMIT, f"took {taken:.1f} s of processor time"
