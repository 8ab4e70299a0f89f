"""Stage 4 · how often is too often: what is mended by beginning anew is given up when that does not help."""

from __future__ import annotations

import time
from collections import deque

WITHIN_SECONDS = 60.0


class TooOften:
    def __init__(self, limit: int) -> None:
        self._when: deque[float] = deque(maxlen=limit)

    def again(self) -> bool:
        """It has happened once more; whether that makes `limit` times within a minute."""
        self._when.append(time.monotonic())
        return len(self._when) == self._when.maxlen and self._when[-1] - self._when[0] < WITHIN_SECONDS
