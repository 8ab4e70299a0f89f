"""Stage 7 · tell a stream's room that the stream went live, was interrupted, came back or ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from headwater.contracts import BroadcastChanged
from headwater.domain.ids import StreamId
from headwater.domain.streams import OnAir
from headwater.observability import logger


class Rooms(Protocol):
    def set_status(self, stream_id: StreamId, status: str, version: str, at_ms: int) -> int | None: ...


class DeliveryQueue(Protocol):
    def hint(self, stream_id: StreamId, seq: int) -> None: ...


class TellStatus:
    def __init__(self, rooms: Rooms, delivery: DeliveryQueue) -> None:
        self._rooms = rooms
        self._delivery = delivery

    def __call__(self, changed: BroadcastChanged) -> None:
        """Only what viewers see, and only when it has changed. Raises DependencyUnavailable; then call it again."""
        on_air = OnAir(
            broadcast_id=changed.broadcast_id,
            state=changed.state,
            public=changed.public,
            went_live_at=None if changed.live_at is None else datetime.fromtimestamp(changed.live_at / 1000, UTC),
        )
        # Ids of broadcasts rise with time, and so does the sequence within one.
        version = f"{changed.broadcast_id}#{changed.sequence:010d}"
        status = on_air.status(for_owner=False).value
        seq = self._rooms.set_status(changed.stream_id, status, version, changed.occurred_at)
        if seq is not None:
            self._delivery.hint(changed.stream_id, seq)
            ids = {"stream_id": changed.stream_id, "broadcast_id": changed.broadcast_id}
            logger().info("room told", extra={**ids, "status": status, "seq": seq})
