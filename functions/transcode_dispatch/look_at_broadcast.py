"""Stage 3 · look at one broadcast: let time pass for it, then see that it has the worker, or the finaliser, that it needs.

Safe to run at any time, any number of times, by several dispatchers at once: every step is either a conditional write or
idempotent (RunTask by its client token, StopTask, a finaliser that checks for itself).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol
from urllib.parse import urlsplit

from functions.transcode_dispatch.next_step import NextStep, next_step
from functions.transcode_dispatch.wire import Look
from headwater.contracts import BroadcastPulse, FinaliseRecording, Message, TranscodeJob
from headwater.domain.broadcast import Broadcast, EndReason
from headwater.domain.broadcast_events import Event, SourceRefused, Tick
from headwater.domain.decision import Decision
from headwater.domain.ids import BroadcastId, StreamId
from headwater.domain.lease import Lease, LeaseState, is_suspect, judge
from headwater.domain.worker_size import WorkerSize, size_for
from headwater.errors import DependencyUnavailable, NotFound, StateContended
from headwater.observability import count, logger

PUT_OFF_SECONDS = 2


class BroadcastControl(Protocol):
    def apply(self, stream_id: StreamId, event: Event) -> Decision: ...


class WorkerLeases(Protocol):
    def load(self, broadcast_id: BroadcastId) -> Lease: ...
    def request(self, lease: Lease, now: int) -> Lease | None: ...
    def request_successor(self, lease: Lease, now: int) -> Lease | None: ...
    def note_judgement(self, lease: Lease) -> bool: ...
    def note_task(self, lease: Lease, task_id: str) -> bool: ...
    def close_as_seen(self, lease: Lease) -> Lease | None: ...


class WorkerTasks(Protocol):
    def start(
        self, job: TranscodeJob, client_token: str, size: WorkerSize | None, *, spot: bool, near: str | None
    ) -> str: ...
    def stop(self, task_id: str, reason: str) -> None: ...
    def has_stopped(self, task_id: str) -> bool: ...
    def of_broadcast(self, stream_id: StreamId, broadcast_id: BroadcastId) -> list[str]: ...


class WaitingWorkers(Protocol):
    def claim(self, job: TranscodeJob, lease: Lease, size: WorkerSize | None) -> str | None: ...


class Queue(Protocol):
    def send(self, message: Message, *, delay_seconds: int = 0) -> None: ...


class LookAtBroadcast:
    def __init__(
        self,
        broadcasts: BroadcastControl,
        leases: WorkerLeases,
        tasks: WorkerTasks,
        pulses: Queue,
        finaliser: Queue,
        clock: Callable[[], int],
        start_limit_ms: int,
        waiting: WaitingWorkers | None = None,
    ) -> None:
        """`waiting`: None where the deployment keeps no workers warm."""
        self._broadcasts = broadcasts
        self._leases = leases
        self._tasks = tasks
        self._pulses = pulses
        self._finaliser = finaliser
        self._clock = clock
        self._start_limit_ms = start_limit_ms
        self._waiting = waiting

    def __call__(self, look: Look) -> None:
        """Raises DependencyUnavailable when the chain of pulses would end here: the queue delivers this one again."""
        lease = self._lease(look)
        awaited = lease is not None and lease.state is LeaseState.REQUESTED
        try:
            decision = self._broadcasts.apply(look.stream_id, Tick(look.broadcast_id, look.due, awaited))
        except NotFound:
            return
        except (DependencyUnavailable, StateContended):
            # Put off rather than handed back: redelivery takes a minute, and after some times ends among the dead letters.
            pulse = BroadcastPulse(stream_id=look.stream_id, broadcast_id=look.broadcast_id, due=look.due)
            self._pulses.send(pulse, delay_seconds=PUT_OFF_SECONDS)
            count("PulsePutOff")
            return
        if decision.control.pulses:
            raise DependencyUnavailable("The next pulse could not be sent.")  # so this one must come again
        broadcast = decision.control.find(look.broadcast_id)
        if broadcast is None or broadcast.is_settled:
            return
        try:
            millicpu = decision.control.worker_millicpu
            size = None if millicpu is None else size_for(millicpu)
            self._reconcile(look, broadcast, lease or self._leases.load(look.broadcast_id), size)
        except (DependencyUnavailable, StateContended):
            ids = {"stream_id": look.stream_id, "broadcast_id": look.broadcast_id}
            logger().exception("left for the next pulse", extra=ids)
            count("PulseIncomplete")

    def _lease(self, look: Look) -> Lease | None:
        """None while it cannot be read: the broadcast's deadlines are met all the same."""
        try:
            return self._leases.load(look.broadcast_id)
        except DependencyUnavailable:
            return None

    def _reconcile(self, look: Look, broadcast: Broadcast, lease: Lease, size: WorkerSize | None) -> None:
        """`size` of the machine that the stream's source took last; None when that is not known."""
        now = self._clock()
        judged = judge(lease, now)
        if judged != lease:
            self._leases.note_judgement(judged)
        task_stopped = self._task_has_stopped(look, judged, now)
        step = next_step(broadcast, judged, now, self._start_limit_ms, task_stopped=task_stopped)
        match step:
            case NextStep.START_WORKER:
                self._start_worker(look, judged, now, size, _node_of(broadcast))
            case NextStep.START_SUCCESSOR:
                self._start_successor(look, judged, now, size, _node_of(broadcast))
            case NextStep.ASK_FOR_TASK_AGAIN:
                self._ask_for_task(look, judged, size, _node_of(broadcast))
            case NextStep.GIVE_UP:
                logger().error("workers keep dying", extra=_about(look, judged))
                count("BroadcastGivenUp")
                detail = "Transcoding failed again and again. Check the encoder's settings, then start again."
                self._broadcasts.apply(
                    look.stream_id,
                    SourceRefused(look.broadcast_id, broadcast.sessions, EndReason.TRANSCODE_FAILED, detail),
                )
            case NextStep.CLOSE_LEASE:
                closed = self._leases.close_as_seen(judged)
                if closed is not None:
                    self._ask_finaliser(look, closed, now)
                    self._stop_tasks(look, judged, keep=None)
            case NextStep.ASK_FINALISER:
                self._ask_finaliser(look, judged, now)
            case NextStep.NOTHING:
                pass

    def _task_has_stopped(self, look: Look, lease: Lease, now: int) -> bool:
        if look.stopped_generation is not None:
            stopped = look.stopped_generation == lease.generation
        else:
            stopped = look.stopped_task is not None and look.stopped_task == lease.task_id
        if stopped or lease.task_id is None or not is_suspect(lease, now):
            return stopped
        try:
            return self._tasks.has_stopped(lease.task_id)
        except DependencyUnavailable:
            return False  # then the lease has to run out by itself

    def _start_worker(self, look: Look, lease: Lease, now: int, size: WorkerSize | None, near: str | None) -> None:
        """`near`: the address of the node that has the source."""
        requested = self._leases.request(lease, now)
        if requested is None:
            return  # another dispatcher was quicker, or the worker lives after all
        if lease.state in (LeaseState.HELD, LeaseState.REQUESTED):
            logger().warning("worker replaced", extra=_about(look, lease))
            count("WorkerReplaced")
        self._ask_for_task(look, requested, size, near, before=lease)

    def _start_successor(self, look: Look, lease: Lease, now: int, size: WorkerSize | None, near: str | None) -> None:
        requested = self._leases.request_successor(lease, now)
        if requested is None:
            return  # another dispatcher was quicker, or the lease is not held any more
        logger().info("worker leaves", extra=_about(look, lease))
        count("WorkerLeaves")
        self._ask_for_task(look, requested, size, near)

    def _ask_for_task(
        self, look: Look, lease: Lease, size: WorkerSize | None, near: str | None, *, before: Lease | None = None
    ) -> None:
        # A worker that died, or did not come, may have been a machine that was taken away, or one that there was none of:
        # the next is neither on spare capacity nor one that waited, and may be in any zone.
        spot = lease.deaths == 0
        job = TranscodeJob(stream_id=look.stream_id, broadcast_id=look.broadcast_id, generation=lease.generation)
        claimed = self._waiting.claim(job, lease, size) if self._waiting is not None and spot else None
        if claimed is not None:
            logger().info("worker claimed", extra={**_about(look, lease), "task_id": claimed})
            self._stop_predecessors(look, lease, before, keep=claimed)
            return
        try:
            task_id = self._tasks.start(job, lease.client_token, size, spot=spot, near=near if spot else None)
        except DependencyUnavailable as error:
            # Whether a task was started is not known. The next pulse asks again, with the same token.
            logger().warning("RunTask failed", extra={**_about(look, lease), "reason": repr(error.__cause__)})
            count("RunTaskFailed")
            return
        self._leases.note_task(lease, task_id)
        logger().info("worker asked for", extra={**_about(look, lease), "task_id": task_id})
        self._stop_predecessors(look, lease, before, keep=task_id)

    def _stop_predecessors(self, look: Look, lease: Lease, before: Lease | None, *, keep: str) -> None:
        if lease.generation > 1 and lease.state is not LeaseState.HANDING_OVER:
            self._stop_tasks(look, before, keep=keep)

    def _ask_finaliser(self, look: Look, lease: Lease, now: int) -> None:
        self._finaliser.send(FinaliseRecording(stream_id=look.stream_id, broadcast_id=look.broadcast_id))
        logger().info("finaliser asked", extra=_about(look, lease))
        self._leases.note_judgement(replace(lease, judged_at=now))

    def _stop_tasks(self, look: Look, lease: Lease | None, *, keep: str | None) -> None:
        """End every task of the broadcast but `keep`. They could no longer write; this saves their cost."""
        try:
            found = set(self._tasks.of_broadcast(look.stream_id, look.broadcast_id))
            if lease is not None and lease.claimed and lease.task_id is not None:
                found.add(lease.task_id)  # ECS does not know for whom one works that had been waiting
            for task_id in found:
                if task_id != keep:
                    self._tasks.stop(task_id, "another worker has the broadcast" if keep else "the broadcast is over")
        except DependencyUnavailable:
            count("OrphansNotStopped")  # a worker without its lease ends by itself


def _node_of(broadcast: Broadcast) -> str | None:
    return urlsplit(broadcast.session.pull_url).hostname if broadcast.session is not None else None


def _about(look: Look, lease: Lease) -> dict[str, object]:
    return {
        "stream_id": look.stream_id,
        "broadcast_id": look.broadcast_id,
        "generation": lease.generation,
        "task_id": lease.task_id,
    }
