"""Stage 3 · workers that wait for a broadcast: one is claimed when it begins, and others are started in place of those that go.

Safe to run at any time, any number of times, by several dispatchers at once: the pool is replaced on condition of its
version, a claim is one transaction, and RunTask is idempotent by its client token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from functions.transcode_dispatch.wire import Look, LookAtPool
from headwater.adapters.transcode_tasks import PoolTask
from headwater.adapters.warm_pools import Claim
from headwater.contracts import Message, TranscodeJob, WarmPoolPulse, decode
from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import StreamId, WorkerId, new_id
from headwater.domain.lease import Lease, note_claim
from headwater.domain.orphans import SPARED_MS, why_orphan
from headwater.domain.warm_pool import (
    LIFETIME_MS,
    PoolNeeds,
    Review,
    Sign,
    WaitingState,
    WarmPool,
    WarmWorker,
    claimable,
    review,
)
from headwater.domain.worker_size import WorkerSize
from headwater.errors import DependencyUnavailable, StateContended
from headwater.observability import count, logger

_ATTEMPTS = 5  # several broadcasts may begin at the same moment


class Pools(Protocol):
    def load(self) -> WarmPool: ...
    def replace(self, before: WarmPool, after: WarmPool) -> bool: ...
    def sign(self, worker_id: WorkerId) -> Sign | None: ...
    def claim(self, pool: WarmPool, worker: WarmWorker, job: TranscodeJob, lease: Lease) -> Claim: ...
    def retire(self, worker_id: WorkerId) -> bool: ...


class WaitingTasks(Protocol):
    def start_waiting(self, worker_id: WorkerId, client_token: str) -> str: ...
    def stop(self, task_id: str, reason: str) -> None: ...
    def of_pool(self) -> Sequence[PoolTask]: ...


class Streams(Protocol):
    def read(self, stream_id: StreamId) -> StreamControl | None: ...


class Queue(Protocol):
    def send(self, message: Message, *, delay_seconds: int = 0) -> None: ...


class WarmWorkers:
    def __init__(
        self,
        pools: Pools,
        tasks: WaitingTasks,
        streams: Streams,
        pulses: Queue,
        clock: Callable[[], int],
        needs: PoolNeeds,
        longest_ms: int,
    ) -> None:
        """`longest_ms`: of one broadcast."""
        self._pools = pools
        self._tasks = tasks
        self._streams = streams
        self._pulses = pulses
        self._clock = clock
        self._needs = needs
        self._longest_ms = longest_ms

    def claim(self, job: TranscodeJob, lease: Lease, size: WorkerSize | None) -> str | None:
        """The task of the worker that has `job` now; None where none waits that is large enough.

        Raises StateContended when the lease has another task by now, and DependencyUnavailable.
        """
        for _ in range(_ATTEMPTS if self._needs.count else 0):
            pool = self._pools.load()
            worker = next((each for each in claimable(pool, size) if self._waits(each)), None)
            noted = note_claim(lease, worker.task_id, self._clock()) if worker and worker.task_id else None
            if worker is None or noted is None:
                break
            outcome = self._pools.claim(pool, worker, job, noted)
            if outcome is Claim.NOT_NEEDED:
                raise StateContended
            if outcome is Claim.MADE:
                count("WarmWorkersClaimed")
                self._have_it_replaced()
                return worker.task_id
        if self._needs.count:
            count("NoWarmWorker")
        return None

    def look(self, look: LookAtPool) -> Look | None:
        """See that as many wait as should. What is to be looked at besides, when a task stopped that had a job.

        Raises DependencyUnavailable: the queue delivers the message again, and the next minute brings another.
        """
        stopped = self._pools.sign(look.stopped_worker) if look.stopped_worker else None
        pool, leaving = self._review(look.stopped_worker)
        for worker, reason in leaving:
            # Retired first: from here on nobody can claim it, and it goes by itself if ECS does not answer.
            if self._pools.retire(worker.worker_id) and worker.task_id is not None:
                self._tasks.stop(worker.task_id, reason)
            logger().info("waiting worker goes", extra={"task_id": worker.task_id, "reason": reason})
        for worker in pool.workers:
            if worker.task_id is None:
                self._start(worker)
        self._stop_those_of_nobody(pool)
        if stopped is None or stopped.job is None:
            return None
        job = decode(stopped.job, TranscodeJob)
        return Look(job.stream_id, job.broadcast_id, stopped_task=look.stopped_task, stopped_generation=job.generation)

    def _waits(self, worker: WarmWorker) -> bool:
        sign = self._pools.sign(worker.worker_id)
        return sign is not None and sign.state is WaitingState.WAITING

    def _have_it_replaced(self) -> None:
        """By a message, for RunTask takes a second, and other broadcasts wait to be looked at."""
        try:
            self._pulses.send(WarmPoolPulse())
        except DependencyUnavailable:
            logger().warning("the sweep will see that a worker is missing")

    def _review(self, stopped: WorkerId | None) -> tuple[WarmPool, Sequence[tuple[WarmWorker, str]]]:
        for _ in range(_ATTEMPTS):
            pool = self._pools.load()
            found = ((each.worker_id, self._pools.sign(each.worker_id)) for each in pool.workers)
            signs = {worker_id: sign for worker_id, sign in found if sign is not None}
            reviewed: Review = review(
                pool, signs, self._needs, self._clock(), lambda: WorkerId(new_id()), stopped=stopped
            )
            if reviewed.pool == pool or self._pools.replace(pool, reviewed.pool):
                return reviewed.pool, tuple(reviewed.leaving.values())
        raise DependencyUnavailable("The pool changes all the time.")

    def _start(self, worker: WarmWorker) -> None:
        try:
            task_id = self._tasks.start_waiting(worker.worker_id, worker.client_token)
        except DependencyUnavailable as error:
            # Whether a task was started is not known. The next look asks again, with the same token.
            logger().warning("RunTask failed", extra={"reason": repr(error.__cause__)})
            count("RunTaskFailed")
            return
        for _ in range(_ATTEMPTS):
            pool = self._pools.load()
            if self._pools.replace(pool, pool.with_task(worker.worker_id, task_id)):
                logger().info("worker asked for, to wait", extra={"task_id": task_id})
                return

    def _stop_those_of_nobody(self, pool: WarmPool) -> None:
        """Tasks that were started to wait, and neither are in the pool nor work for a broadcast that there is."""
        waiting = {each.worker_id for each in pool.workers}
        for task in self._tasks.of_pool():
            if task.worker_id in waiting:
                continue
            reason = self._why_orphan(task)
            if reason is not None:
                self._tasks.stop(task.task_id, reason)
                logger().warning("orphan stopped", extra={"task_id": task.task_id, "reason": reason})
                count("OrphansStopped")

    def _why_orphan(self, task: PoolTask) -> str | None:
        now = self._clock()
        if now - task.created_at < SPARED_MS:
            return None  # the pool that was read may be older than the task
        sign = self._pools.sign(task.worker_id)
        if sign is None or sign.job is None:
            return "nobody waits for it" if self._pools.retire(task.worker_id) else None
        job = decode(sign.job, TranscodeJob)
        control = self._streams.read(job.stream_id)
        return why_orphan(control, job.broadcast_id, task.created_at, now, self._longest_ms + LIFETIME_MS)
