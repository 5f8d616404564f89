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
SAVED = "seconds", "joules", "source", "tokens", "peak", "estimate", "warm"


class GracefulStop:
    """Let Ctrl-C or SIGTERM request a stop after the current step; a second one stops at once."""

    def __init__(self):
        self.requested, self.previous = False, {}

    def __enter__(self) -> "GracefulStop":
        if threading.current_thread() is threading.main_thread():  # others may set no handler
            for each in (signal.SIGINT, signal.SIGTERM):
                self.previous[each] = signal.signal(each, self._request)
        return self

    def __exit__(self, *_) -> None:
        for each, handler in self.previous.items():
            signal.signal(each, handler)

    def _request(self, *_) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        os.write(1, b"stopping after this step or evaluation; repeat to stop at once\n")


class Clock:
    """Time and energy over all sessions of a run, excluding work that a kill undid.

    Attributes:
        seconds, joules: by activity, training and evaluation.
        source: how the energy was measured.
        tokens: tokens trained on.
        peak: peak memory in bytes; of the GPU where there is one.
        estimate: seconds and joules of the whole training, extrapolated from its first steps.
        warm: steps that warm up, their seconds and joules.
    """

    def __init__(self):
        self.seconds, self.joules = ({TRAINING: 0.0, EVALUATION: 0.0} for _ in range(2))
        self.source, self.tokens, self.peak, self.estimate = "", 0, 0, {}
        self.warm = 0, 0.0, 0.0
        self._activity = TRAINING

    def __enter__(self) -> "Clock":
        self._began, self._tokens = time.perf_counter(), self.tokens
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

    @property
    def speed(self) -> float:
        """Tokens per second since the last reading."""
        return (self.tokens - self._tokens) / (time.perf_counter() - self._began)

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
            self.warm = done, seconds, joules
            return False
        warm, warm_seconds, warm_joules = self.warm
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
