"""Stage 7 · a room is told how many are watching, when that is another number than it was told before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from headwater.domain.ids import StreamId
from headwater.errors import DependencyUnavailable
from headwater.observability import count


class Rooms(Protocol):
    def set_viewers(self, stream_id: StreamId, viewers: int) -> bool: ...


class DeliveryQueue(Protocol):
    def hint(self, stream_id: StreamId) -> None: ...


class Watch(Protocol):
    def begin(self, stream_id: StreamId) -> None: ...


class RoomAudience:
    def __init__(self, rooms: Rooms, delivery: Callable[[], DeliveryQueue], watch: Callable[[], Watch]) -> None:
        """`delivery` and `watch` are called for when there is something to tell: their packages are dear to import."""
        self._rooms = rooms
        self._delivery = delivery
        self._watch = watch

    def tell(self, stream_id: StreamId, viewers: int) -> None:
        """Nobody who watches is bothered with its failure: the next number comes in seconds."""
        try:
            if self._rooms.set_viewers(stream_id, viewers):
                self._delivery().hint(stream_id)
                self._watch().begin(stream_id)
        except DependencyUnavailable:
            count("ViewersNotTold")
