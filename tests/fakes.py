"""In-memory stand-ins for stores and senders, with the semantics of the real ones (tests/integration holds them to it)."""

from __future__ import annotations

from headwater.broadcasts import Broadcasts
from headwater.domain.broadcast import BroadcastNews, Pulse, StreamControl
from headwater.domain.ids import BroadcastId, StreamId
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
    """A ControlStore."""

    def __init__(self, *controls: StreamControl) -> None:
        self.items = {control.stream_id: control for control in controls}
        self.reads = 0
        self.writes = 0

    def load(self, stream_id: StreamId) -> StreamControl | None:
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
        self.pulses: list[Pulse] = []
        self.nudges: list[tuple[StreamId, BroadcastId]] = []
        self.broken = False

    def send(self, control: StreamControl) -> None:
        if self.broken:
            raise DependencyUnavailable
        self.news.extend(control.news)
        self.pulses.extend(control.pulses)

    def pulse(self, stream_id: StreamId, broadcast_id: BroadcastId) -> None:
        if self.broken:
            raise DependencyUnavailable
        self.nudges.append((stream_id, broadcast_id))


def memory_broadcasts(*controls: StreamControl) -> tuple[Broadcasts, MemoryControls, MemoryOutbox, FakeClock]:
    """The real `Broadcasts` over memory."""
    store, outbox, clock = MemoryControls(*controls), MemoryOutbox(), FakeClock()
    return Broadcasts(store, outbox, clock), store, outbox, clock
