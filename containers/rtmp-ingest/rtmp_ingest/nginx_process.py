"""Stage 1 · nginx as a child: started with a clean environment, its messages printed in our form, never outliving us."""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

from headwater.observability import redact

TERM_SECONDS = 2.0
_PR_SET_PDEATHSIG = 1  # prctl(2)

log = logging.getLogger(__name__)


class NginxProcess:
    """nginx in a process group of its own: master and worker end together, whatever ends first."""

    def __init__(self, binary: str, configuration: Path, state_dir: Path) -> None:
        _raise_open_file_limit()
        self._process = subprocess.Popen(
            [binary, "-e", "stderr", "-p", str(state_dir), "-c", str(configuration)],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},  # none of ours: it holds the signing key
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
            preexec_fn=_die_with_parent,
        )
        assert self._process.stderr is not None  # noqa: S101 for the type checker: we asked for a pipe
        self._printer = threading.Thread(target=_print_messages, args=(self._process.stderr,), daemon=True)
        self._printer.start()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Every connection is dropped; returns when no process of nginx is left."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(TERM_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._printer.join(TERM_SECONDS)


def _die_with_parent() -> None:
    """Runs in the child before nginx: when we are killed, the kernel stops nginx, so that its ports are free again."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _raise_open_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))


def _print_messages(stream: IO[bytes]) -> None:
    with stream:
        for line in stream:
            log.warning("nginx: %s", redact(line.decode(errors="replace").rstrip()))
