"""Time, energy and graceful shutdown of a long run."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from slmlib.core import machine

TRAINING, EVALUATION = "training", "evaluation"


class GracefulStop:
    """Let Ctrl-C or SIGTERM request a stop after the current step; a second signal stops at once."""

    SIGNALS = signal.SIGINT, signal.SIGTERM

    def __init__(self):
        self.requested, self.previous = False, {}

    def __enter__(self) -> "GracefulStop":
        if threading.current_thread() is threading.main_thread():  # no other thread may set handlers
            self.previous = {each: signal.signal(each, self._request) for each in self.SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for each, handler in self.previous.items():
            signal.signal(each, handler)

    def _request(self, *_) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        os.write(1, b"stopping after this step or evaluation; repeat to stop at once\n")  # unbuffered


class Clock:
    """Time and energy over all sessions of a run, excluding work that a kill undid.

    Attributes:
        seconds, joules: by activity, training and evaluation.
        source: how the energy was measured.
        tokens: tokens trained on.
        peak: peak memory in bytes; of the GPU where there is one.
        estimate: seconds and joules of the whole training, extrapolated from its first steps.
    """

    SAVED = "seconds", "joules", "source", "tokens", "peak", "estimate", "warm"

    def __init__(self):
        self.seconds, self.joules = ({TRAINING: 0.0, EVALUATION: 0.0} for _ in range(2))
        self.source, self.tokens, self.peak, self.estimate = "", 0, 0, {}
        self.warm = 0, 0.0, 0.0  # steps that warm up, their seconds and joules
        self._activity = TRAINING

    def __enter__(self) -> "Clock":
        self._start()
        return self

    def __exit__(self, *_) -> None:
        self._stop()

    def _start(self) -> None:
        self._began, self._tokens = time.perf_counter(), self.tokens
        self._energy = machine.Energy(every=5)
        self._energy.__enter__()

    def _stop(self) -> None:
        self._energy.__exit__()
        self.seconds[self._activity] += time.perf_counter() - self._began
        self.joules[self._activity] += self._energy.joules
        self.source = self._energy.source
        self.peak = max(self.peak, machine.peak_gpu_memory() or machine.peak_memory())

    @property
    def speed(self) -> float:
        """Tokens per second since the last reading."""
        return (self.tokens - self._tokens) / (time.perf_counter() - self._began)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Count the time as evaluation instead of training."""
        self._stop()
        self._activity = EVALUATION
        self._start()
        try:
            yield
        finally:
            self._stop()
            self._activity = TRAINING
            self._start()

    def warmed_up(self, steps: int) -> None:
        """Leave the first steps out of later estimates: they compile or fill caches."""
        self._stop()
        self.warm = steps, self.seconds[TRAINING], self.joules[TRAINING]
        self._start()

    def extrapolate(self, done: int, *, total: int) -> None:
        """Estimate the whole training from its first steps, without evaluations."""
        self._stop()
        warm, *before = self.warm
        factor = (total - warm) / (done - warm)
        now = self.seconds[TRAINING], self.joules[TRAINING]
        seconds, joules = (a + (b - a) * factor for a, b in zip(before, now, strict=True))
        self.estimate = {"after_steps": done, "seconds": round(seconds, 1), "joules": round(joules)}
        self._start()

    def state(self) -> dict:
        """A JSON value from which `restore` goes on."""
        self._stop()
        self._start()
        return {name: getattr(self, name) for name in self.SAVED}

    def restore(self, state: dict) -> None:
        """Go on from a saved state."""
        for name in self.SAVED:
            setattr(self, name, state[name])
