"""Time, energy and graceful shutdown of a long run."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from slmlib.core import machine

TRAINING, EVALUATION = "training", "evaluation"
WARM_UP = 3  # steps that compile or fill caches
ESTIMATED = 10  # steps after which time and energy are estimated
SAVED = "seconds", "joules", "source", "tokens", "peak", "estimate"


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, to stop after a step; a second one stops at once."""
    requested = threading.Event()

    def request(*_) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()
        os.write(1, b"stopping after this step; press Ctrl-C again to stop now\n")

    signals = signal.SIGINT, signal.SIGTERM
    if threading.current_thread() is not threading.main_thread():  # others may set no handler
        signals = ()
    previous = {each: signal.signal(each, request) for each in signals}
    try:
        yield requested
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


class Clock:
    """Time and energy over all sessions of a run, excluding work that a kill undid."""

    def __init__(self):
        self.seconds, self.joules = ({TRAINING: 0.0, EVALUATION: 0.0} for _ in range(2))
        self.source = ""  # how the energy was measured
        self.tokens = 0  # trained on
        self.peak = 0  # bytes of memory; of the GPU where there is one
        self.estimate = {}  # seconds and joules of the whole training
        self._activity, self._warm = TRAINING, (0, 0.0, 0.0)

    def __enter__(self) -> "Clock":
        self._began = time.perf_counter()
        self._energy = machine.Energy(every=5)
        self._energy.__enter__()
        return self

    def __exit__(self, *_) -> None:
        self._energy.__exit__()
        self.seconds[self._activity] += time.perf_counter() - self._began
        self.joules[self._activity] += self._energy.joules
        self.source = self._energy.source
        self.peak = max(self.peak, machine.peak_gpu_memory() or machine.peak_memory())

    def _read(self, activity: str = TRAINING) -> None:
        """Add time and energy so far, then switch activity."""
        self.__exit__()
        self._activity = activity
        self.__enter__()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Count the time as evaluation instead of training."""
        self._read(EVALUATION)
        try:
            yield
        finally:
            self._read()

    def extrapolate(self, done: int, total: int) -> bool:
        """Estimate the whole training after some steps; whether there is a new estimate."""
        last = min(ESTIMATED, total)
        if done not in (WARM_UP, last):
            return False
        self._read()
        seconds, joules = self.seconds[TRAINING], self.joules[TRAINING]
        if done < last:
            self._warm = done, seconds, joules
            return False
        warm, warm_seconds, warm_joules = self._warm
        factor = (total - warm) / (done - warm)
        self.estimate = {
            "after_steps": done,
            "seconds": round(warm_seconds + (seconds - warm_seconds) * factor, 1),
            "joules": round(warm_joules + (joules - warm_joules) * factor),
        }
        return True

    def state(self) -> dict:
        """The state for `restore`, as JSON."""
        self._read()
        return {name: getattr(self, name) for name in SAVED}

    def restore(self, state: dict) -> None:
        """Go on from a saved state."""
        vars(self).update(state)
