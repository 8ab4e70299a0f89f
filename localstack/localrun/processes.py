"""Runs the stack's processes: each in a session of its own, with a log, watched, and gone when the stack is gone.

Nothing may survive us. A child is told to stop when we stop; when we are killed, the kernel tells it (parent-death
signal); and what even then lives on is found by the next start through its session record (`leftovers.py`).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from localrun import sessions
from localrun.console import Console

_LAST_LINES = 15
_SESSION_GRACE_SECONDS = 0.5
_RESTARTS_PER_MINUTE = 5
_STOP_SECONDS = 9.0
"""After this long an orderly stop gives way to the kill: ten seconds after Ctrl-C nothing may be left."""


class ServiceFailed(Exception):
    """A part of the stack did not start, or ended by itself. The message carries the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user a service runs as when the stack is started by root, for a program that refuses to be root."""

    name: str

    def prefix(self) -> list[str]:
        # The one capability kept lets it walk to its data folder below a directory that only root may enter (/root).
        return [
            f"--reuid={self.name}",
            f"--regid={self.name}",
            "--init-groups",
            "--inh-caps=-all,+dac_read_search",
            "--ambient-caps=-all,+dac_read_search",
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run. `restarts`: whether it may simply be started again when it ends by itself, as ECS would."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 5.0
    account: Account | None = None
    restarts: bool = False

    def command(self) -> list[str]:
        wrapper = ["setpriv", f"--pdeathsig={self.stop_signal.name.removeprefix('SIG')}"]
        if self.account is not None:
            wrapper += self.account.prefix()
        return [*wrapper, "--", *self.argv]


class Processes:
    """Starts programs, and notices when one that must not end does."""

    def __init__(self, *, records: Path, logs: Path, console: Console) -> None:
        self._records = records
        self._logs = logs
        self._console = console
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = False
        self.crashed: asyncio.Future[ServiceFailed] = asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def running(self, program: Program) -> AsyncIterator[None]:
        """`program` for as long as the block lasts; then its stop signal, and `stop_seconds` later the kill.

        Must be entered on the main thread: the parent-death signal fires when the thread that forked ends.
        """
        self.log_path(program.name).unlink(missing_ok=True)
        await self._spawn(program)
        watcher = asyncio.create_task(self._watch(program))
        try:
            yield
        finally:
            self._start_stopping()
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
            await self._end(program)

    async def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        on_line: Callable[[str], None] = lambda _: None,
    ) -> int:
        """A command that ends: its exit code, with each line of its output given to `on_line` and kept in its log."""
        program = Program(name=name, argv=argv, env=env, cwd=cwd, stop_seconds=2.0)
        process = await asyncio.create_subprocess_exec(
            *program.command(),
            env=dict(env),
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=1 << 20,
        )
        self._record(name, process)
        try:
            assert process.stdout is not None  # noqa: S101  # asked for above
            with self.log_path(name).open("wb") as log:
                async for line in process.stdout:
                    log.write(line)
                    log.flush()
                    on_line(line.decode(errors="replace").rstrip())
            return await process.wait()
        finally:
            await self._end(program)

    def log_path(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _record_path(self, name: str) -> Path:
        return self._records / f"{name}.json"

    def _start_stopping(self) -> None:
        """The first program to be stopped means that all will be: from now on nothing crashes, and time is short."""
        if not self._stopping:
            self._stopping = True
            asyncio.get_running_loop().call_later(_STOP_SECONDS, self._kill_everything)

    def _kill_everything(self) -> None:
        for process in self._running.values():
            sessions.signal_session(process.pid, signal.SIGKILL)

    async def _spawn(self, program: Program) -> None:
        with self.log_path(program.name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *program.command(),
                env=dict(program.env),
                cwd=program.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._record(program.name, process)

    def _record(self, name: str, process: asyncio.subprocess.Process) -> None:
        self._running[name] = process
        self._record_path(name).write_text(json.dumps({"name": name, "session": process.pid}))

    async def _end(self, program: Program) -> None:
        await _end(self._running.pop(program.name), program.stop_signal, program.stop_seconds)
        self._record_path(program.name).unlink(missing_ok=True)

    async def _watch(self, program: Program) -> None:
        loop = asyncio.get_running_loop()
        restarts: deque[float] = deque(maxlen=_RESTARTS_PER_MINUTE)
        while True:
            process = self._running[program.name]
            how = _describe_end(await process.wait())
            if self._stopping:
                return
            too_often = len(restarts) == _RESTARTS_PER_MINUTE and loop.time() - restarts[0] < 60
            if not program.restarts or too_often:
                if not self.crashed.done():
                    self.crashed.set_result(ServiceFailed(self.account_of(program.name, how)))
                return
            self._console.say(program.name, f"{how}; starting it again")
            restarts.append(loop.time())
            sessions.signal_session(process.pid, signal.SIGKILL)
            await self._spawn(program)

    def account_of(self, name: str, how: str) -> str:
        """What happened, with the end of the log, for the one who has to understand why."""
        path = self.log_path(name)
        try:
            lines = path.read_text(errors="replace").rstrip().splitlines()[-_LAST_LINES:]
        except OSError:
            lines = []
        return "\n".join([f"{name} {how}. The end of {path}:", *(f"  {line}" for line in lines)])


def _describe_end(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


async def _end(process: asyncio.subprocess.Process, stop_signal: signal.Signals, stop_seconds: float) -> None:
    """Stops the leader in its own time, then whatever its session has left behind."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(stop_signal)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), stop_seconds)
    if process.returncode is not None:
        await _until_empty(process.pid, _SESSION_GRACE_SECONDS)
    sessions.signal_session(process.pid, signal.SIGKILL)
    await process.wait()
    # A kill is carried out a moment after it was sent.
    await _until_empty(process.pid, _SESSION_GRACE_SECONDS)


async def _until_empty(session: int, within_seconds: float) -> None:
    """Returns when nothing of the session runs, or when the time is over."""
    give_up = asyncio.get_running_loop().time() + within_seconds
    while sessions.members(session) and asyncio.get_running_loop().time() < give_up:
        await asyncio.sleep(0.02)


def base_environment() -> dict[str, str]:
    """What every process gets: enough to find programs, nothing of the caller's settings or credentials."""
    kept = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    # Debian keeps servers in sbin, which is not on the path of everyone.
    environment["PATH"] = f"{environment.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin".lstrip(":")
    return environment
