"""Clears what an earlier run left behind when it was killed outright: processes first, then its folders."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

from localrun import sessions
from localrun.plan import StackPlan
from localrun.scratch import remove_abandoned

LOCK_NAME = "lock"
RECORDS_NAME = "sessions"
_ORDERLY_SECONDS = 30.0
"""The kernel has told them already (parent-death signal); the emulator needs some seconds to write its state down."""


def clear(plan: StackPlan) -> list[str]:
    """Ends the recorded sessions of a dead run and empties its folders. Returns the names of what it had to end."""
    folders = (plan.run, plan.data, plan.scratch)
    records = list(_recorded(plan.run / RECORDS_NAME))
    alive = {name: session for name, session in records if _ours(session, folders)}
    for session in alive.values():
        _signal(session, folders, signal.SIGTERM)
    deadline = time.monotonic() + _ORDERLY_SECONDS
    while time.monotonic() < deadline and any(_ours(session, folders) for session in alive.values()):
        time.sleep(0.05)
    for session in alive.values():
        _signal(session, folders, signal.SIGKILL)
    empty(plan)
    remove_abandoned(plan.scratch.parent)
    return sorted(alive)


def empty(plan: StackPlan) -> None:
    """Removes what exists only during a run: everything but the lock, which its holder still needs."""
    for entry in plan.run.glob("*"):  # nothing where somebody took the folder itself away
        if entry.name == LOCK_NAME:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _recorded(folder: Path) -> list[tuple[str, int]]:
    found = []
    for record in folder.glob("*.json"):
        with suppress(OSError, ValueError, KeyError):
            content = json.loads(record.read_text())
            found.append((str(content["name"]), int(content["session"])))
    return found


def _ours(session: int, folders: tuple[Path, ...]) -> list[int]:
    """Members of a recorded session that also work inside our folders: the number alone could belong to a stranger by now."""
    return [
        member.pid
        for member in sessions.members(session)
        if member.folder is not None and any(member.folder.is_relative_to(folder) for folder in folders)
    ]


def _signal(session: int, folders: tuple[Path, ...], number: signal.Signals) -> None:
    for pid in _ours(session, folders):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
