"""Stage 4 · `python -m ffmpeg_worker.healthy`: 0 while the worker has looked at its broadcast lately; HEALTH_FILE tells."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

LATE_SECONDS = 30.0  # it looks once a second, and asks a store that may be slow


def note_look(health_file: str) -> None:
    """A disk that is full, or none at all, is no reason not to work."""
    try:
        Path(health_file).touch()
    except OSError:
        return


def main() -> int:
    try:
        return 0 if time.time() - Path(os.environ["HEALTH_FILE"]).stat().st_mtime < LATE_SECONDS else 1
    except (KeyError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
