"""Stage 4 · notices that this machine transcodes more slowly than the encoder publishes, so that something can be left out."""

from __future__ import annotations

LATE_SECONDS = 20.0  # behind the node; before that nobody waits, and it may pass
WINDOW_SECONDS = 15.0
FAST_ENOUGH = 0.95  # of real time: what is measured in half seconds may as well be all of it
CLOCKS_DISAGREE_SECONDS = 900.0  # no node keeps so much: then it is not known how late we are


class Pace:
    """Pure. Looked at several times a second while one FFmpeg runs; begun again with the next."""

    def __init__(self) -> None:
        self._since: tuple[float, float] | None = None
        self._late_at_first = 0.0

    def begin(self) -> None:
        self._since = None

    def is_too_slow(self, now: float, reached_ms: float, *, late_seconds: float, is_busy: bool) -> bool:
        """`now` is any clock in seconds, `reached_ms` how far the slowest track is, on the publisher's clock.

        True when for a whole window FFmpeg always had something to do, less came of it than was published meanwhile, and that
        is late already, later than when it last had nothing to do or was started.
        """
        if not is_busy or reached_ms == float("-inf"):
            self._since = None
            return False
        if self._since is None:
            self._since, self._late_at_first = (now, reached_ms), late_seconds
        since, reached_then = self._since
        if now - since < WINDOW_SECONDS:
            return False
        self._since = now, reached_ms
        speed = (reached_ms - reached_then) / 1000 / (now - since)
        least = max(LATE_SECONDS, self._late_at_first)
        return speed < FAST_ENOUGH and least < late_seconds < CLOCKS_DISAGREE_SECONDS
