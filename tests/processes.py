"""The end of a process that a test has started, also where the test itself is ended from outside."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path


def ended_with_us(command: Sequence[str], by: signal.Signals = signal.SIGTERM) -> list[str]:
    """`command`, to be started by the main thread: it gets the signal when the process of that is gone, however it went
    (prctl(2), PR_SET_PDEATHSIG)."""
    return ["setpriv", f"--pdeathsig={by.name.removeprefix('SIG')}", "--", *command]


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str], within_seconds: float) -> None:
    """As a person would end it, and then for certain."""
    process.terminate()
    try:
        process.wait(within_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def is_alive(pid: int) -> bool:
    """Not one that has ended and is waited for by nobody yet, either."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
