"""Stage 3 · once a minute: workers that nobody needs any more, or that are older than any broadcast may be, are stopped.

A worker ends by itself when its broadcast has, or when it has lost the lease, and the dispatcher stops it besides; this is
for the one that hangs, and for the answer of RunTask that was lost. Such a task writes nothing, but is paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from headwater.adapters.transcode_tasks import RunningTask
from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import StreamId
from headwater.domain.orphans import why_orphan
from headwater.errors import DependencyUnavailable
from headwater.observability import count, logger


class Streams(Protocol):
    def load(self, stream_id: StreamId) -> StreamControl | None: ...


class WorkerTasks(Protocol):
    def running(self) -> Iterable[RunningTask]: ...
    def stop(self, task_id: str, reason: str) -> None: ...


class StopOrphans:
    def __init__(self, streams: Streams, tasks: WorkerTasks, clock: Callable[[], int], longest_ms: int) -> None:
        """`longest_ms`: of one broadcast."""
        self._streams = streams
        self._tasks = tasks
        self._clock = clock
        self._longest_ms = longest_ms

    def __call__(self) -> None:
        """What cannot be looked at or stopped now is there in a minute, too."""
        try:
            for task in self._tasks.running():
                reason = self._why_not(task)
                if reason is not None:
                    self._tasks.stop(task.task_id, reason)
                    ids = {"stream_id": task.stream_id, "broadcast_id": task.broadcast_id, "task_id": task.task_id}
                    logger().warning("orphan stopped", extra={**ids, "reason": reason})
                    count("OrphansStopped")
        except DependencyUnavailable:
            logger().exception("orphans not looked for")
            count("OrphansNotStopped")

    def _why_not(self, task: RunningTask) -> str | None:
        """Why it should not run; None when it should, or may."""
        control = self._streams.load(task.stream_id)
        return why_orphan(control, task.broadcast_id, task.created_at, self._clock(), self._longest_ms)
