"""A stream to which an encoder publishes, and the dispatcher over memory: for tests of what it does about workers."""

from __future__ import annotations

from dataclasses import replace

from functions.transcode_dispatch.look_at_broadcast import LookAtBroadcast
from functions.transcode_dispatch.wire import Look
from headwater.domain.broadcast import Broadcast
from headwater.domain.broadcast_events import Event
from headwater.domain.ids import WorkerId
from headwater.domain.lease import Fence, Lease
from tests.factories import publish, session_ref, stream_control, update
from tests.fakes import MemoryLeases, MemoryQueue, MemoryTasks, memory_broadcasts

START_LIMIT_MS = 60_000
ENCODER = session_ref("1")


class Stage:
    def __init__(self) -> None:
        control = stream_control()
        self.stream_id = control.stream_id
        self.broadcasts, self.controls, self.outbox, self.clock = memory_broadcasts(control)
        self.leases, self.tasks = MemoryLeases(), MemoryTasks()
        self.pulses, self.finaliser = MemoryQueue(), MemoryQueue()
        self.dispatch = LookAtBroadcast(
            self.broadcasts, self.leases, self.tasks, self.pulses, self.finaliser, self.clock, START_LIMIT_MS
        )
        self.apply(publish(ENCODER))

    def apply(self, event: Event) -> None:
        self.broadcasts.apply(self.stream_id, event)

    @property
    def broadcast(self) -> Broadcast:
        broadcast = self.controls.items[self.stream_id].broadcast
        assert broadcast is not None
        return broadcast

    @property
    def lease(self) -> Lease:
        return self.leases.load(self.broadcast.broadcast_id)

    def look(self, **what: object) -> None:
        self.dispatch(replace(Look(self.stream_id, self.broadcast.broadcast_id), **what))  # type: ignore[arg-type]

    def after(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)
        self.look()

    def apply_update(self) -> None:
        """The node says that the encoder is there."""
        self.apply(update(ENCODER, self.clock.now))

    @staticmethod
    def worker_id(generation: int) -> WorkerId:
        return WorkerId(f"worker-{generation}")

    def worker_comes(self) -> Fence:
        generation = self.lease.generation
        fence = Fence(self.broadcast.broadcast_id, generation, self.worker_id(generation))
        assert self.leases.acquire(fence.broadcast_id, generation, fence.worker_id) is not None
        return fence
