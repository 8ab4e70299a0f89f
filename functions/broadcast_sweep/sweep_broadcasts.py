"""Stage 3 · once a minute: whatever was lost on the way (a pulse, an outbox that was not sent) is made good here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from headwater.domain.broadcast import Broadcast, StreamControl, StreamSettings
from headwater.domain.ids import BroadcastId, StreamId
from headwater.errors import DependencyUnavailable
from headwater.observability import count, logger

OVERDUE_MS = 5_000  # queues are a little late at times, and that is no reason to nudge
ZOMBIE_MS = 30 * 60_000  # the recording of two days is made within minutes; a worker is replaced within seconds


class BroadcastControl(Protocol):
    def deliver(self, stream_id: StreamId) -> StreamControl | None: ...


class UnsettledStreams(Protocol):
    def unsettled(self) -> Iterable[StreamId]: ...


class Nudges(Protocol):
    def pulse(self, stream_id: StreamId, broadcast_id: BroadcastId) -> None: ...


class SweepBroadcasts:
    def __init__(
        self, broadcasts: BroadcastControl, streams: UnsettledStreams, nudges: Nudges, clock: Callable[[], int]
    ) -> None:
        self._broadcasts = broadcasts
        self._streams = streams
        self._nudges = nudges
        self._clock = clock

    def __call__(self) -> None:
        """One stream that cannot be swept does not keep the others from it."""
        for stream_id in self._streams.unsettled():
            try:
                self._sweep(stream_id)
            except DependencyUnavailable:
                logger().exception("stream not swept", extra={"stream_id": stream_id})
                count("StreamNotSwept")

    def _sweep(self, stream_id: StreamId) -> None:
        control = self._broadcasts.deliver(stream_id)
        if control is None:
            return
        for broadcast in control.unsettled:
            ids = {"stream_id": stream_id, "broadcast_id": broadcast.broadcast_id}
            if self._clock() - broadcast.next_pulse_at >= OVERDUE_MS:
                self._nudges.pulse(stream_id, broadcast.broadcast_id)
                logger().warning("pulse was lost", extra=ids)
                count("PulseLost")
            if is_zombie(broadcast, control.settings, self._clock()):
                logger().error("broadcast does not settle", extra={**ids, "state": broadcast.state})
                count("ZombieBroadcasts")


def is_zombie(broadcast: Broadcast, settings: StreamSettings, now: int) -> bool:
    """Whether every deadline of the rules has long passed and it is unsettled all the same: then a person must look.

    Nobody publishes to it, or it may not be on the air any more, or its recording does not come about.
    """
    if broadcast.ended_at is not None:
        due = broadcast.ended_at
    elif broadcast.interrupted_at is not None:
        due = broadcast.interrupted_at + settings.reconnect_window_seconds * 1000
    elif broadcast.live_at is None:
        due = broadcast.started_at
    else:
        due = broadcast.ends_by or now
    return now - due >= ZOMBIE_MS
