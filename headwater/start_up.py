"""Stage 7 · what a function with much to import does while Lambda starts it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imported_for_good() -> Iterator[None]:
    """Around imports. Nearly all that they make stays for as long as the process, and yet the collector goes through it time
    and again as it grows: an eighth of what the API's start cost. So it waits, and never looks at any of it later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
