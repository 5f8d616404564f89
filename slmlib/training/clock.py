"""What a long run needs around it: what it has taken so far, an end when it is asked to, and to be alone."""

import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slmlib.core import machine

CLOCK = "clock.json"


class Busy(RuntimeError):
    """Another process is at work on the same thing."""


class Stop:
    """Lets Ctrl-C, or SIGTERM, end a run after its step or evaluation, with a checkpoint; a second one ends
    it at once."""

    SIGNALS = signal.SIGINT, signal.SIGTERM

    def __init__(self):
        self.asked, self.before = False, {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():  # no other may set them
            self.before = {each: signal.signal(each, self._ask) for each in self.SIGNALS}

    def __exit__(self, *_) -> None:
        for each, handler in self.before.items():
            signal.signal(each, handler)

    def _ask(self, *_) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        os.write(1, b"stopping after this step or evaluation; once more to stop at once\n")  # no buffer here


class Clock:
    """What a run takes over all its parts; what a kill takes back is not counted.

    Attributes:
        seconds, joules, source: time, and energy with what it was read from.
        aside, joules_aside: of those, what was spent while nothing was learnt.
        tokens: that were learnt from.
        peak: bytes of memory; of the GPU where there is one.
        foreseen: seconds and joules of the whole run without what is set aside, as its beginning let expect.
    """

    KEPT = "seconds", "aside", "tokens", "joules", "joules_aside", "source", "peak", "foreseen", "warm"

    def __init__(self):
        self.seconds, self.aside, self.joules, self.source = 0.0, 0.0, 0.0, ""
        self.tokens, self.peak, self.joules_aside, self.foreseen = 0, 0, 0.0, {}
        self.warm = 0, 0.0, 0.0

    def __enter__(self) -> "Clock":
        self._begin()
        return self

    def __exit__(self, *_) -> None:
        self._end()

    def _begin(self) -> None:
        self._began, self._read, self._left = time.perf_counter(), self.tokens, self.aside
        self._energy = machine.Energy(every=5)
        self._energy.__enter__()

    def _end(self) -> None:
        self._energy.__exit__()
        self.seconds += time.perf_counter() - self._began
        self.joules, self.source = self.joules + self._energy.joules, self._energy.source
        self.peak = max(self.peak, machine.peak_gpu_memory() or machine.peak_memory())

    @property
    def speed(self) -> float:
        """Tokens a second since the last checkpoint."""
        spent = time.perf_counter() - self._began - (self.aside - self._left)
        return (self.tokens - self._read) / spent

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Time in which nothing is learnt."""
        self._end()
        seconds, joules = self.seconds, self.joules
        self._begin()
        yield
        self._end()
        self.aside += self.seconds - seconds
        self.joules_aside += self.joules - joules
        self._begin()

    def warmed_up(self, steps: int) -> None:
        """Count what these first steps took once: they compile, or fill caches."""
        self._end()
        self.warm = steps, *self._learning
        self._begin()

    def foresee(self, steps: int, of: int) -> None:
        """Estimate the whole from its first steps, those of warming up apart."""
        self._end()
        before, *spent = self.warm
        ahead, pairs = (of - before) / (steps - before), zip(spent, self._learning, strict=True)
        seconds, joules = (then + (now - then) * ahead for then, now in pairs)
        self.foreseen = {"after_steps": steps, "seconds": round(seconds, 1), "joules": round(joules)}
        self._begin()

    @property
    def _learning(self) -> tuple[float, float]:
        """Seconds and joules up to the last end, those set aside left out."""
        return self.seconds - self.aside, self.joules - self.joules_aside

    def save(self, folder: Path) -> None:
        self._end()
        kept = {name: getattr(self, name) for name in self.KEPT}
        (folder / CLOCK).write_text(json.dumps(kept), "utf-8")
        self._begin()

    def load(self, folder: Path) -> None:
        for name, value in json.loads((folder / CLOCK).read_text("utf-8")).items():
            setattr(self, name, value)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Have a folder for this process alone; the kernel lets go of it when the process ends.

    Raises:
        Busy: another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{folder}: another process is at work on this; wait for it.") from None
        yield
