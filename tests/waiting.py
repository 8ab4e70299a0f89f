"""Waiting for what must come to be, with a limit that only ends a hang."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LIMIT_SECONDS = 120.0


def eventually(probe: Callable[[], T | None]) -> T:
    """What `probe` finds, once it does."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (found := probe()):
        assert time.monotonic() < deadline, "it has not come to be"
        time.sleep(0.02)
    return found
