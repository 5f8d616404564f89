"""Progress bars: rich ones in JupyterLab, a line on the terminal in headless runs."""

import os
import sys
import time

HEADLESS = "SLMBENCH_HEADLESS"


def bar(iterable=None, **options):
    """A tqdm bar that suits where it runs; the options are tqdm's."""
    if os.environ.get(HEADLESS):
        from tqdm.std import tqdm

        return tqdm(
            iterable, file=sys.stderr, mininterval=1, dynamic_ncols=False, ncols=100, **options
        )
    from tqdm.auto import tqdm

    disable = bool(os.environ.get("TQDM_DISABLE"))  # which tqdm's bars for notebooks do not heed
    return tqdm(iterable, disable=disable, **options)


class Tokens:
    """Shows the tokens generated so far behind a bar, once a second: `on_tokens` of an engine."""

    def __init__(self, bar):
        self.bar, self.count, self.shown = bar, 0, 0.0

    def __call__(self, number: int) -> None:
        self.count += number
        if time.monotonic() - self.shown > 1:
            self.shown = time.monotonic()
            self.bar.set_postfix_str(f"{self.count:,} tokens")
