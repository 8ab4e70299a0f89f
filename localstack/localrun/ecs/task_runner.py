"""Runs a task's process: started in a folder of its own, stopped with TERM and then KILL, reported when it ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from localrun.ecs.container import CannotStart, Container

_LOGS_KEPT = 20


class TaskProcess:
    """The process of one task. It leads a process group, so that what it started ends with it."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder

    async def ended(self) -> int:
        """Waits for the end. The exit code as a container runtime gives it: 128 + n after signal n."""
        code = await self._process.wait()
        self._signal(signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)
        return 128 - code if code < 0 else code

    async def stop(self, within_seconds: float, first: signal.Signals = signal.SIGTERM) -> None:
        """`first` is what it is asked with."""
        if self._process.returncode is not None:
            return
        # Only the leader, as `docker stop` signals process 1 only: what it does with its children is its own affair.
        with suppress(ProcessLookupError):
            self._process.send_signal(first)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._process.wait(), within_seconds)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


class TaskRunner:
    def __init__(self, *, folders: Path, logs: Path) -> None:
        self._folders = folders
        self._logs = logs

    async def start(self, task_id: str, container: Container) -> TaskProcess:
        """Raises CannotStart when the command does not exist or may not be run."""
        folder = self._folders / task_id
        folder.mkdir(parents=True)
        if shutil.which(container.argv[0], path=container.environment.get("PATH")) is None:
            shutil.rmtree(folder, ignore_errors=True)
            raise CannotStart(
                f"CannotStartContainerError: exec: {container.argv[0]!r}: executable file not found in $PATH"
            )
        self._forget_old_logs(container.name)
        with (self._logs / f"{container.name}-{task_id[:8]}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                "setpriv",
                "--pdeathsig=INT",  # the stack has gone: nobody could take over what this task does
                "--",
                *container.argv,
                cwd=folder,
                env=dict(container.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        return TaskProcess(process, folder)

    def _forget_old_logs(self, name: str) -> None:
        logs = sorted(self._logs.glob(f"{name}-*.log"), key=lambda path: path.stat().st_mtime)
        for log in logs[: -_LOGS_KEPT + 1]:
            log.unlink(missing_ok=True)
