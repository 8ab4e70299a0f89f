"""Stage 3 · workers that wait for a broadcast: which are in the pool, which have to go, which one a broadcast gets.

The pool is one value, replaced on condition of its version. Whoever is in it may be claimed, once: a claim takes the worker
out of the pool, gives it its job and notes its task in the broadcast's lease, all in one transaction. From there on it is a
worker like any other, and the lease alone says whether it may write (headwater/domain/lease.py).

A waiting worker counts beats, as one that holds a lease does; times are the dispatcher's (decision 0006).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from headwater.domain.ids import WorkerId
from headwater.domain.worker_size import WorkerSize

LOOK_SECONDS = 0.5  # a waiting worker reads its item so often
BEAT_SECONDS = 10.0  # and says so often that it lives
SILENT_MS = 45_000
LIFETIME_MS = 24 * 3600_000  # then another takes its place, on a machine and with an image of that day


class WaitingState(StrEnum):
    WAITING = "waiting"
    CLAIMED = "claimed"  # it has a job
    RETIRED = "retired"  # it shall go, or has gone


@dataclass(frozen=True, slots=True)
class Sign:
    """What is known of a worker that has come. `job` of one that was claimed, as JSON."""

    state: WaitingState
    beats: int
    job: str | None = None


@dataclass(frozen=True, slots=True)
class WarmWorker:
    worker_id: WorkerId
    definition: str  # the task definition's revision that it was started from
    cpu: int  # in ECS's units
    asked_at: int  # ms
    task_id: str | None = None  # what RunTask answered; None while that answer is unknown
    judged_beats: int = -1
    judged_at: int = 0  # ms, when the dispatcher first saw `judged_beats`

    @property
    def client_token(self) -> str:
        """Idempotency token of RunTask: one task, however often it is asked for."""
        return f"warm-{self.worker_id}"


@dataclass(frozen=True, slots=True)
class WarmPool:
    workers: tuple[WarmWorker, ...] = ()
    version: int = 0

    def without(self, worker_id: WorkerId) -> WarmPool:
        return replace(self, workers=tuple(each for each in self.workers if each.worker_id != worker_id))

    def with_task(self, worker_id: WorkerId, task_id: str) -> WarmPool:
        return replace(
            self,
            workers=tuple(
                replace(each, task_id=task_id) if each.worker_id == worker_id else each for each in self.workers
            ),
        )


@dataclass(frozen=True, slots=True)
class PoolNeeds:
    """What the deployment wants to have waiting."""

    count: int
    definition: str
    cpu: int
    start_limit_ms: int


@dataclass(frozen=True, slots=True)
class Review:
    pool: WarmPool
    leaving: Mapping[WorkerId, tuple[WarmWorker, str]]  # with the reason


def review(
    pool: WarmPool,
    signs: Mapping[WorkerId, Sign],
    needs: PoolNeeds,
    now: int,
    new_id: Callable[[], WorkerId],
    *,
    stopped: WorkerId | None = None,
) -> Review:
    """The pool as it should be. `stopped`: the task of this one is known to have ended."""
    judged = [_judge(each, signs.get(each.worker_id), now) for each in pool.workers]
    reasons = {each.worker_id: _why_leave(each, signs.get(each.worker_id), needs, now, stopped) for each in judged}
    # Those who have come are worth more than those who are on their way.
    staying = sorted(
        (each for each in judged if reasons[each.worker_id] is None), key=lambda e: e.worker_id not in signs
    )
    leaving = {each.worker_id: (each, reason) for each in judged if (reason := reasons[each.worker_id]) is not None}
    leaving |= {each.worker_id: (each, "more are waiting than are wanted") for each in staying[needs.count :]}
    missing = max(0, needs.count - len(staying))
    added = [WarmWorker(new_id(), needs.definition, needs.cpu, now, judged_at=now) for _ in range(missing)]
    return Review(replace(pool, workers=(*staying[: needs.count], *added)), leaving)


def claimable(pool: WarmPool, size: WorkerSize | None) -> list[WarmWorker]:
    """Who could take a broadcast whose source needs `size`, if they are waiting; the longest in the pool first."""
    fitting = (each for each in pool.workers if each.task_id is not None and (size is None or each.cpu >= size.cpu))
    return sorted(fitting, key=lambda each: each.asked_at)


def _judge(worker: WarmWorker, sign: Sign | None, now: int) -> WarmWorker:
    if sign is None or sign.beats == worker.judged_beats:
        return worker
    return replace(worker, judged_beats=sign.beats, judged_at=now)


def _why_leave(
    worker: WarmWorker, sign: Sign | None, needs: PoolNeeds, now: int, stopped: WorkerId | None
) -> str | None:
    if worker.definition != needs.definition:
        return "there is a newer revision"
    if now - worker.asked_at >= LIFETIME_MS:
        return "it has waited long enough"
    if sign is None:
        # Also when its task has stopped: an image that cannot run is started again once in a while, not all the time.
        return "it did not come" if now - worker.asked_at >= needs.start_limit_ms else None
    if sign.state is not WaitingState.WAITING or worker.worker_id == stopped:
        return "it has gone"
    return "it is silent" if now - worker.judged_at >= SILENT_MS else None
