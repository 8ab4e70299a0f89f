"""Stage 4 · one running FFmpeg: its pipes, what it complained of, and how to be rid of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterable

from ffmpeg_worker.ffmpeg_command import OutputPipes, ffmpeg_command
from ffmpeg_worker.transcode_plan import TranscodePlan
from headwater.errors import FfmpegUnavailable
from headwater.observability import redact

_PIPE_BYTES = 1 << 20  # the most that Linux allows; FFmpeg need not wait while we are busy for a moment
_READ_BYTES = 1 << 18
_TERM_PATIENCE_SECONDS = 0.5
_COMPLAINTS_KEPT = 20
PROGRESS, THUMBNAILS, COMPLAINTS = "progress", "thumbnails", "complaints"


class FfmpegProcess:
    """Started at once. All pipes are non-blocking: their owner watches `outputs` for reading and `stdin` for writing."""

    def __init__(self, plan: TranscodePlan, *, executable: str = "ffmpeg") -> None:
        """Raises FfmpegUnavailable."""
        names = [*plan.encoded_track_ids, PROGRESS, *([THUMBNAILS] if plan.rungs else [])]
        pipes = {name: os.pipe() for name in names}
        pipes_out = OutputPipes(
            tracks={track_id: pipes[track_id][1] for track_id in plan.encoded_track_ids},
            progress=pipes[PROGRESS][1],
            thumbnails=pipes[THUMBNAILS][1] if plan.rungs else None,
        )
        self.outputs = {reading: name for name, (reading, _) in pipes.items()}
        self._process = _start(ffmpeg_command(plan, pipes_out, executable=executable), pipes.values())
        stdin, stderr = self._process.stdin, self._process.stderr
        assert stdin is not None  # noqa: S101 - asked for
        assert stderr is not None  # noqa: S101
        self._stdin_file = stdin
        self.stdin = stdin.fileno()
        self.outputs[os.dup(stderr.fileno())] = COMPLAINTS
        stderr.close()
        for descriptor in (self.stdin, *self.outputs):
            os.set_blocking(descriptor, False)
            with contextlib.suppress(OSError):  # over the user's share: smaller pipes do, too
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self.complaints: deque[str] = deque(maxlen=_COMPLAINTS_KEPT)
        self._pending: deque[bytes] = deque()
        self.pending_bytes = 0
        self._no_more_input = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def wants_to_write(self) -> bool:
        return not self._stdin_file.closed and (self.pending_bytes > 0 or self._no_more_input)

    def send(self, data: bytes) -> None:
        """Queue `data` for stdin, if FFmpeg still reads it."""
        if self._stdin_file.closed:
            return
        self._pending.append(data)
        self.pending_bytes += len(data)

    def end_input(self) -> None:
        """After what is queued, nothing more comes: FFmpeg then writes out what it holds and ends."""
        self._no_more_input = True

    def write(self) -> bool:
        """Write what the pipe takes; whether it took anything. False for good once FFmpeg no longer reads."""
        took = False
        if self._stdin_file.closed:
            return took
        try:
            while self._pending:
                written = os.write(self.stdin, self._pending[0])
                took = True
                self.pending_bytes -= written
                if written < len(self._pending[0]):
                    self._pending[0] = self._pending[0][written:]
                    return True
                self._pending.popleft()
        except BlockingIOError:
            return took
        except BrokenPipeError:
            self._pending.clear()
            self.pending_bytes = 0
            self._no_more_input = True
        if self._no_more_input:
            self._stdin_file.close()
        return took

    def read(self, descriptor: int) -> bytes | None:
        """What `descriptor` has to offer, b"" when it is not ready after all, None when FFmpeg has closed it."""
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return b""
        if data and self.outputs[descriptor] == COMPLAINTS:
            self.complaints += redact(data.decode(errors="replace")).splitlines()
        return data or None

    def forget(self, descriptor: int) -> None:
        """Close a descriptor that FFmpeg has closed."""
        del self.outputs[descriptor]
        os.close(descriptor)

    def wait(self) -> int:
        """The exit status (negative: the signal), once every output is closed."""
        return self._process.wait()

    def dispose(self) -> None:
        """Be rid of it, whatever it is doing: TERM, TERM again, KILL, off this thread. Closes every pipe."""
        self._stdin_file.close()
        for descriptor in list(self.outputs):
            self.forget(descriptor)
        if self._process.poll() is None:
            threading.Thread(target=_end, args=(self._process,), name="end-ffmpeg").start()


def _start(command: list[str], pipes: Iterable[tuple[int, int]]) -> subprocess.Popen[bytes]:
    pipes = list(pipes)
    writing_ends = [writing for _, writing in pipes]
    try:
        return subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=writing_ends,
            start_new_session=True,  # a terminal's Ctrl-C is the worker's, which lets FFmpeg finish its segment
        )
    except OSError as error:
        for reading, _ in pipes:
            os.close(reading)
        raise FfmpegUnavailable(f"The transcoder ({command[0]}) could not be started: {error.strerror}.") from error
    finally:
        for descriptor in writing_ends:
            os.close(descriptor)


def _end(process: subprocess.Popen[bytes]) -> None:
    for _ in range(2):  # FFmpeg finishes its files at the first TERM, and may hang doing so; it obeys the second
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_TERM_PATIENCE_SECONDS)
            return
    process.send_signal(signal.SIGKILL)
    process.wait()
