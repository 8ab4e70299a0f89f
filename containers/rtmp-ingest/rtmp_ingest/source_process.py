"""Stage 1 · the source server as a child: told what to attach to, started again if it ends, never outliving us."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import IO

from headwater.observability import redact
from rtmp_ingest.settings import SourceSettings

ATTACH_SECONDS = 0.3  # fails open: a publisher does not wait longer, and what it sends until then may be missed
READY_SECONDS = 5.0
STOP_SECONDS = 1.5  # consumers take what they have not read yet
PAUSE_SECONDS = 0.5

log = logging.getLogger(__name__)


class SourceProcess:
    """`live_names` are those that a new process has to attach to, when the one before has died."""

    def __init__(self, settings: SourceSettings, live_names: Callable[[], Iterable[str]]) -> None:
        self._environment = _environment(settings)
        self._live_names = live_names
        self._lock = threading.Lock()
        self._attached: dict[str, threading.Event] = {}
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._process = self._start()
        self._watching = threading.Thread(target=self._watch, name="sources", daemon=True)
        self._watching.start()

    def wait_until_ready(self) -> bool:
        return self._ready.wait(READY_SECONDS)

    def attach(self, name: str) -> bool:
        """Have everything buffered that is published as `name` from now on; whether that could be confirmed in time."""
        attached = threading.Event()
        with self._lock:
            self._attached[name] = attached
        try:
            self._say(f"attach {name}")
            return attached.wait(ATTACH_SECONDS)
        finally:
            with self._lock:
                self._attached.pop(name, None)

    def stop(self) -> None:
        self._stopping.set()
        with suppress(OSError):
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._watching.join(STOP_SECONDS)

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "rtmp_ingest.source_server"],
            env=self._environment,
            stdin=subprocess.PIPE,  # ends with us, and then so does it
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        threading.Thread(target=_print_messages, args=(process.stderr,), daemon=True).start()
        return process

    def _watch(self) -> None:
        while True:
            for line in _pipe(self._process.stdout):
                self._hear(line.decode().strip())
            self._process.wait()
            if self._stopping.wait(PAUSE_SECONDS):
                return
            log.error("the source server ended with %d, starting it again", self._process.returncode)
            with self._lock:
                self._process = self._start()
            for name in self._live_names():
                self._say(f"attach {name}")

    def _hear(self, line: str) -> None:
        word, _, name = line.partition(" ")
        if word == "ready":
            self._ready.set()
        with self._lock:
            attached = self._attached.get(name)
        if word == "attached" and attached is not None:
            attached.set()

    def _say(self, line: str) -> None:
        with self._lock, suppress(OSError, ValueError):  # it has just died: the next one is told all names
            pipe = _pipe(self._process.stdin)
            pipe.write(f"{line}\n".encode())
            pipe.flush()


def _environment(settings: SourceSettings) -> dict[str, str]:
    """What it needs, and nothing of ours beyond that: we hold the signing key."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return kept | {
        "RTMP_LISTEN": settings.rtmp_listen,
        "PULL_LISTEN": settings.pull_listen,
        "PULL_ALLOW": settings.pull_allow,
        "SOURCE_BUFFER_SECONDS": str(settings.source_buffer_seconds),
        "SOURCE_BUFFER_BYTES": str(settings.source_buffer_bytes),
        "SOURCE_BUFFERS_BYTES": str(settings.source_buffers_bytes),
    }


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 for the type checker: we asked for pipes
    return stream


def _print_messages(stream: IO[bytes]) -> None:
    with stream:
        for line in stream:
            said = redact(line.decode(errors="replace").rstrip())
            level, _, message = said.partition(" ")
            known = logging.getLevelNamesMapping().get(level)
            log.log(known or logging.INFO, "sources: %s", said if known is None else message)
