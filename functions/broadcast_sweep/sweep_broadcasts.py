"""Stage 3 · once a minute: whatever was lost on the way (a pulse, an outbox that was not sent) is made good here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import BroadcastId, StreamId
from headwater.errors import DependencyUnavailable
from headwater.observability import count, logger

OVERDUE_MS = 5_000  # queues are a little late at times, and that is no reason to nudge


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
            if self._clock() - broadcast.next_pulse_at >= OVERDUE_MS:
                self._nudges.pulse(stream_id, broadcast.broadcast_id)
                logger().warning("pulse was lost", extra={"broadcast_id": broadcast.broadcast_id})
                count("PulseLost")
