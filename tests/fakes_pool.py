"""The pool of waiting workers in memory, with the semantics of the real one, and the tasks that wait in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from headwater.adapters.transcode_tasks import PoolTask
from headwater.adapters.warm_pools import Claim
from headwater.contracts import TranscodeJob, encode
from headwater.domain.ids import WorkerId
from headwater.domain.lease import Lease, LeaseState
from headwater.domain.warm_pool import Sign, WaitingState, WarmPool, WarmWorker
from headwater.errors import DependencyUnavailable
from tests.fakes import FakeClock, MemoryLeases


class MemoryPools:
    """`meanwhile` is called between a read and the write that follows from it: other dispatchers, and workers, go on then."""

    def __init__(self, leases: MemoryLeases) -> None:
        self.pool, self.signs = WarmPool(), dict[WorkerId, Sign]()
        self.meanwhile: Callable[[], None] = lambda: None
        self._leases = leases

    def load(self) -> WarmPool:
        found = self.pool
        self.meanwhile()
        return found

    def replace(self, before: WarmPool, after: WarmPool) -> bool:
        if before.version != self.pool.version:
            return False
        self.pool = replace(after, version=before.version + 1)
        return True

    def sign(self, worker_id: WorkerId) -> Sign | None:
        return self.signs.get(worker_id)

    def claim(self, pool: WarmPool, worker: WarmWorker, job: TranscodeJob, lease: Lease) -> Claim:
        now = self._leases.load(job.broadcast_id)
        if (now.generation, now.state, now.task_id) != (job.generation, LeaseState.REQUESTED, None):
            return Claim.NOT_NEEDED
        sign = self.signs.get(worker.worker_id)
        if pool.version != self.pool.version or sign is None or sign.state is not WaitingState.WAITING:
            return Claim.POOL_CHANGED
        self.pool = replace(pool.without(worker.worker_id), version=pool.version + 1)
        self.signs[worker.worker_id] = replace(sign, state=WaitingState.CLAIMED, job=encode(job))
        claimed = replace(now, task_id=lease.task_id, claimed=True, judged_at=lease.judged_at)
        self._leases.items[job.broadcast_id] = claimed
        return Claim.MADE

    def retire(self, worker_id: WorkerId) -> bool:
        sign = self.signs.get(worker_id)
        if sign is not None and sign.state is WaitingState.CLAIMED:
            return False
        self.signs[worker_id] = Sign(WaitingState.RETIRED, sign.beats if sign else 0)
        return True

    def beat(self, worker_id: WorkerId) -> bool:
        sign = self.signs.get(worker_id) or Sign(WaitingState.WAITING, 0)
        if sign.state is not WaitingState.WAITING:
            return False
        self.signs[worker_id] = replace(sign, beats=sign.beats + 1)
        return True


@dataclass
class Waiter:
    task: PoolTask
    running: bool = True


class MemoryPoolTasks:
    """ECS: one task per client token. `broken`: it does not answer; `mute`: it does what was asked, and does not answer."""

    def __init__(self, clock: FakeClock) -> None:
        self.started: dict[str, Waiter] = {}
        self.broken = self.mute = False
        self._clock = clock

    def start_waiting(self, worker_id: WorkerId, client_token: str) -> str:
        if self.broken:
            raise DependencyUnavailable
        made = Waiter(PoolTask(f"task/{client_token}", worker_id, self._clock.now))
        waiter = self.started.setdefault(client_token, made)
        if self.mute:
            raise DependencyUnavailable
        return waiter.task.task_id

    def stop(self, task_id: str, reason: str) -> None:
        if self.broken:
            raise DependencyUnavailable
        for waiter in self.started.values():
            waiter.running = waiter.running and waiter.task.task_id != task_id

    def of_pool(self) -> list[PoolTask]:
        if self.broken:
            raise DependencyUnavailable
        return [waiter.task for waiter in self.running]

    @property
    def running(self) -> list[Waiter]:
        return [waiter for waiter in self.started.values() if waiter.running]
