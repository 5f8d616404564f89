"""Progress bars: widgets in JupyterLab, one line on standard error in headless runs."""

import os
import sys
import time

HEADLESS = "SLMBENCH_HEADLESS"  # set in the kernels that the notebook runner starts


def bar(iterable=None, **options):
    """A tqdm bar, with its options, that suits the place where it runs."""
    if os.environ.get(HEADLESS):
        from tqdm.std import tqdm

        return tqdm(iterable, file=sys.stderr, mininterval=1, ncols=80, **options)
    from tqdm.auto import tqdm

    disable = bool(os.environ.get("TQDM_DISABLE"))  # tqdm's bars for notebooks ignore it
    return tqdm(iterable, disable=disable, **options)


class Tokens:
    """An engine's `on_tokens` callback: shows the tokens generated so far beside a bar."""

    def __init__(self, bar):
        self.bar, self.count, self.shown = bar, 0, 0.0

    def __call__(self, number: int) -> None:
        self.count += number
        if time.monotonic() - self.shown > 1:
            self.shown = time.monotonic()
            self.bar.set_postfix_str(f"{self.count:,} tokens")
