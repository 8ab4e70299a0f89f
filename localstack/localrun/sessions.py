"""Sessions of processes, read from /proc: who belongs to one, and how to signal all of it.

Every service leads a session of its own. Children may leave its process group or lose their parent, but not its session.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_STATE, _SESSION = 0, 3  # proc(5), /proc/pid/stat, counted after the command's closing parenthesis
_ENDED = "ZX"


@dataclass(frozen=True, slots=True)
class Member:
    pid: int
    folder: Path | None
    """Its working directory; None when we may not see it."""


def members(session: int) -> list[Member]:
    """The processes of `session` that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()
        if int(fields[_SESSION]) == session and fields[_STATE] not in _ENDED:
            found.append(Member(pid=int(entry.name), folder=_working_directory(entry)))
    return found


def signal_session(session: int, number: signal.Signals) -> None:
    for member in members(session):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(member.pid, number)


def _working_directory(process: Path) -> Path | None:
    try:
        return (process / "cwd").readlink()
    except OSError:
        return None
