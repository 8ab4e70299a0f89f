"""A run's folder for many short-lived files: in memory, held by a lock that the kernel gives back however the run ends.

A run that is killed outright leaves up to a gigabyte of memory there, and its stack may never start again to clear it: its
data folder may be gone, too. So whoever starts or stops any stack removes every scratch folder that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localrun.plan import SCRATCH_PREFIX
from localrun.processes import ServiceFailed
from localrun.run_lock import AlreadyRunning

_CLEARED_WITHIN_SECONDS = 10.0


@contextmanager
def held_scratch(folder: Path) -> Iterator[None]:
    """`folder`, new and ours alone for as long as the block lasts. Raises AlreadyRunning when another run holds it."""
    descriptor = _hold(folder)
    try:
        yield
    finally:
        _remove(folder)
        os.close(descriptor)


def remove_abandoned(parent: Path) -> list[Path]:
    """Removes the scratch folders of runs that ended without doing so. Returns which; other users' are left alone."""
    removed = []
    for folder in parent.glob(f"{SCRATCH_PREFIX}*"):
        with suppress(OSError):
            if not _is_ours(folder):
                continue
            descriptor = _locked(folder)
            _remove(folder)
            os.close(descriptor)
            removed.append(folder)
    return removed


def _hold(folder: Path) -> int:
    """The lock of the folder, made now. Somebody who is just removing an old one may hold it for a moment."""
    deadline = time.monotonic() + _CLEARED_WITHIN_SECONDS
    while True:
        with suppress(BlockingIOError, FileNotFoundError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(folder):
                raise ServiceFailed(f"{folder} belongs to another user, who has to remove it.")
            return _locked(folder)
        if time.monotonic() > deadline:
            raise AlreadyRunning(f"Another run of this stack holds {folder}.")
        time.sleep(0.05)


def _is_ours(folder: Path) -> bool:
    return folder.lstat().st_uid == os.geteuid()


def _locked(folder: Path) -> int:
    """A descriptor that holds the folder's lock until it is closed.

    Raises BlockingIOError when another holds it, and FileNotFoundError when it is gone, or was replaced meanwhile.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), folder.lstat()):
            raise FileNotFoundError(folder)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove(folder: Path) -> None:
    """Again when something is left: a process killed a moment ago may have put a file where we had looked already."""
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
