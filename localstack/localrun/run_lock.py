"""One run at a time for each run folder: a lock that the kernel gives back however its holder ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType


class AlreadyRunning(Exception):
    """Another process runs this stack. The message names it."""


class RunLock:
    """`waits_seconds`: how long a holder that is just stopping may take to give it back."""

    def __init__(self, path: Path, *, waits_seconds: float = 0.0) -> None:
        self._path = path
        self._waits_seconds = waits_seconds
        self._descriptor: int | None = None

    def __enter__(self) -> RunLock:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + self._waits_seconds
        while not _taken(descriptor):
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise AlreadyRunning(f"This stack is already running (pid {holder(self._path)}): `make down` stops it.")
            time.sleep(0.1)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder(path: Path) -> int | None:
    """The process that holds the lock now, or None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 32).decode()
        return int(text) if text.strip().isdigit() else None
    else:
        return None
    finally:
        os.close(descriptor)
