"""Progress bars: rich ones in JupyterLab, a line on the terminal in headless runs."""

import os
import sys

HEADLESS = "SLMBENCH_HEADLESS"


def bar(iterable=None, **options):
    """A tqdm bar that suits where it runs; the options are tqdm's."""
    if os.environ.get(HEADLESS):
        from tqdm.std import tqdm

        return tqdm(iterable, file=sys.stderr, mininterval=1, dynamic_ncols=False, ncols=100, **options)
    from tqdm.auto import tqdm

    return tqdm(iterable, **options)
