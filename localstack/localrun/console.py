"""What the person at the terminal reads: one line for each thing that happened, with how long it took."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_NAME_COLUMNS = 10
_LOGGED_PROGRESS_SECONDS = 5.0


class Console:
    """Writes status lines. On a terminal, the progress of a long step stays on one line; in a log, each is its own."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._live = self._out.isatty()
        self._progress_shown = False
        self._last_progress = 0.0
        self._started = time.monotonic()

    def say(self, name: str, text: str) -> None:
        """A lasting line: `name` is the part of the stack that speaks."""
        self._clear_progress()
        seconds = time.monotonic() - self._started
        self._write(f"{seconds:6.1f} s  {name:<{_NAME_COLUMNS}}  {text}\n")

    def progress(self, name: str, text: str) -> None:
        """Where a long step has got to; on a terminal the next line replaces it, in a log few of many are kept."""
        now = time.monotonic()
        if not self._live:
            if now - self._last_progress > _LOGGED_PROGRESS_SECONDS:
                self._last_progress = now
                self.say(name, text)
            return
        self._clear_progress()
        self._write(f"          {name:<{_NAME_COLUMNS}}  {text[:90]}")
        self._progress_shown = True

    def plain(self, text: str) -> None:
        self._clear_progress()
        self._write(text + "\n")

    def _clear_progress(self) -> None:
        if self._progress_shown:
            self._write("\r\x1b[K")
            self._progress_shown = False

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            # The terminal went away (hang-up): the stack still has to be stopped in order.
            self._live = False
