"""In-memory stand-ins for stores and senders, with the semantics of the real ones (tests/integration holds them to it)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headwater.broadcasts import Broadcasts
from headwater.contracts import Message, TranscodeJob
from headwater.domain import lease as lease_rules
from headwater.domain.broadcast import BroadcastNews, Pulse, StreamControl, StreamNews
from headwater.domain.ids import BroadcastId, StreamId, WorkerId
from headwater.domain.lease import Fence, Lease, LeaseState
from headwater.domain.worker_size import WorkerSize
from headwater.errors import DependencyUnavailable
from tests.factories import NOW


class FakeClock:
    """A clock that stands still until told otherwise; Unix ms."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, milliseconds: int) -> None:
        self.now += milliseconds


class MemoryControls:
    """A ControlStore. `broken`: it does not answer."""

    def __init__(self, *controls: StreamControl) -> None:
        self.broken = False
        self.items = {control.stream_id: control for control in controls}
        self.reads = 0
        self.writes = 0

    def load(self, stream_id: StreamId) -> StreamControl | None:
        if self.broken:
            raise DependencyUnavailable
        self.reads += 1
        return self.items.get(stream_id)

    def create(self, control: StreamControl) -> bool:
        if control.stream_id in self.items:
            return False
        self.writes += 1
        self.items[control.stream_id] = control
        return True

    def commit(self, control: StreamControl, expected_version: int) -> bool:
        stored = self.items.get(control.stream_id)
        if stored is None or stored.version != expected_version:
            return False
        self.writes += 1
        self.items[control.stream_id] = control
        return True

    def unsettled(self) -> list[StreamId]:
        return [stream_id for stream_id, control in self.items.items() if control.needs_attention]


class MemoryOutbox:
    """An OutboxSender that keeps what it was given. `broken`: it fails, having sent nothing."""

    def __init__(self) -> None:
        self.news: list[BroadcastNews] = []
        self.stream_news: list[StreamNews] = []
        self.pulses: list[Pulse] = []
        self.nudges: list[tuple[StreamId, BroadcastId]] = []
        self.broken = False

    def send(self, control: StreamControl) -> None:
        if self.broken:
            raise DependencyUnavailable
        self.news.extend(control.news)
        self.stream_news.extend(control.stream_news)
        self.pulses.extend(control.pulses)

    def pulse(self, stream_id: StreamId, broadcast_id: BroadcastId) -> None:
        if self.broken:
            raise DependencyUnavailable
        self.nudges.append((stream_id, broadcast_id))


def memory_broadcasts(*controls: StreamControl) -> tuple[Broadcasts, MemoryControls, MemoryOutbox, FakeClock]:
    """The real `Broadcasts` over memory."""
    store, outbox, clock = MemoryControls(*controls), MemoryOutbox(), FakeClock()
    return Broadcasts(store, outbox, clock), store, outbox, clock


class MemoryLeases:
    """Workers' leases, as `headwater.adapters.leases.Leases` keeps them."""

    def __init__(self) -> None:
        self.items: dict[BroadcastId, Lease] = {}

    def load(self, broadcast_id: BroadcastId) -> Lease:
        return self.items.get(broadcast_id, Lease(broadcast_id))

    def request(self, lease: Lease, now: int) -> Lease | None:
        return self._replace(lease, lease_rules.request_worker(lease, now))

    def request_successor(self, lease: Lease, now: int) -> Lease | None:
        return self._replace(lease, lease_rules.request_successor(lease, now))

    def leave(self, fence: Fence) -> bool:
        lease = self.load(fence.broadcast_id)
        return self._store(lease_rules.leave(lease, fence.generation, fence.worker_id)) is not None

    def acquire(self, broadcast_id: BroadcastId, generation: int, worker_id: WorkerId) -> Lease | None:
        return self._store(lease_rules.acquire(self.load(broadcast_id), generation, worker_id))

    def beat(self, fence: Fence) -> bool:
        lease = self.load(fence.broadcast_id)
        return self._store(lease_rules.beat(lease, fence.generation, fence.worker_id)) is not None

    def may_write(self, fence: Fence) -> bool:
        return lease_rules.may_write(self.load(fence.broadcast_id), fence.generation, fence.worker_id)

    def release(self, fence: Fence) -> bool:
        lease = self.load(fence.broadcast_id)
        return self._store(lease_rules.release(lease, fence.generation, fence.worker_id)) is not None

    def note_judgement(self, lease: Lease) -> bool:
        now = self.load(lease.broadcast_id)
        if now.generation != lease.generation:
            return False
        self._store(replace(now, judged_beats=lease.judged_beats, judged_at=lease.judged_at))
        return True

    def note_task(self, lease: Lease, task_id: str) -> bool:
        now = self.load(lease.broadcast_id)
        if now.generation != lease.generation:
            return False
        self._store(replace(now, task_id=task_id))
        return True

    def close_as_seen(self, lease: Lease) -> Lease | None:
        return self._replace(lease, lease_rules.close(lease))

    def close_whatever(self, broadcast_id: BroadcastId) -> Lease:
        lease = self.load(broadcast_id)
        if lease.state is not LeaseState.CLOSED:
            lease = lease_rules.close(lease)
            self._store(lease)
        return lease

    def _replace(self, before: Lease, after: Lease) -> Lease | None:
        now = self.load(before.broadcast_id)
        unchanged = (now.generation, now.state) == (before.generation, before.state)
        if not unchanged or (now.state is LeaseState.HELD and now.beats != before.beats):
            return None
        return self._store(after)

    def _store(self, lease: Lease | None) -> Lease | None:
        if lease is not None:
            self.items[lease.broadcast_id] = lease
        return lease


@dataclass
class MemoryTask:
    task_id: str
    job: TranscodeJob
    size: WorkerSize | None = None
    spot: bool = True
    near: str | None = None
    running: bool = True


class MemoryTasks:
    """ECS: one task per client token. `broken`: it does not answer; `mute`: it does what was asked, and does not answer."""

    def __init__(self) -> None:
        self.started: dict[str, MemoryTask] = {}
        self.broken = False
        self.mute = False

    def start(
        self, job: TranscodeJob, client_token: str, size: WorkerSize | None, *, spot: bool, near: str | None
    ) -> str:
        if self.broken:
            raise DependencyUnavailable
        task = self.started.setdefault(client_token, MemoryTask(f"task/{client_token}", job, size, spot, near))
        if self.mute:
            raise DependencyUnavailable
        return task.task_id

    def stop(self, task_id: str, reason: str) -> None:
        if self.broken:
            raise DependencyUnavailable
        for task in self.started.values():
            if task.task_id == task_id:
                task.running = False

    def has_stopped(self, task_id: str) -> bool:
        if self.broken:
            raise DependencyUnavailable
        return not any(task.running for task in self.started.values() if task.task_id == task_id)

    def of_broadcast(self, stream_id: StreamId, broadcast_id: BroadcastId) -> list[str]:
        if self.broken:
            raise DependencyUnavailable
        return [t.task_id for t in self.started.values() if t.running and t.job.broadcast_id == broadcast_id]

    @property
    def running(self) -> list[MemoryTask]:
        return [task for task in self.started.values() if task.running]


class MemoryQueue:
    """An SQS queue that keeps what was sent, with its delay in seconds."""

    def __init__(self) -> None:
        self.sent: list[tuple[Message, int]] = []
        self.broken = False

    def send(self, message: Message, *, delay_seconds: int = 0) -> None:
        if self.broken:
            raise DependencyUnavailable
        self.sent.append((message, delay_seconds))

    @property
    def messages(self) -> list[Message]:
        return [message for message, _ in self.sent]
