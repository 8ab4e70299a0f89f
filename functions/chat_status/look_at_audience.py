"""Stage 7 · tell a stream's room how many are watching when no viewer is left who would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from headwater.contracts import AudienceLook
from headwater.domain.ids import StreamId


class Audience(Protocol):
    def last_seen(self, stream_id: StreamId, now_ms: int) -> tuple[int, int]: ...


class Watch(Protocol):
    def counts(self, look: AudienceLook) -> bool: ...
    def go_on(self, stream_id: StreamId, seconds: int) -> None: ...
    def end(self, stream_id: StreamId) -> None: ...


class Rooms(Protocol):
    def set_viewers(self, stream_id: StreamId, viewers: int) -> bool: ...


class DeliveryQueue(Protocol):
    def hint(self, stream_id: StreamId) -> None: ...


class LookAtAudience:
    def __init__(
        self, audience: Audience, watch: Watch, rooms: Rooms, delivery: DeliveryQueue, clock: Callable[[], int]
    ) -> None:
        self._audience = audience
        self._watch = watch
        self._rooms = rooms
        self._delivery = delivery
        self._clock = clock

    def __call__(self, look: AudienceLook) -> None:
        """Raises DependencyUnavailable; then call it again."""
        if not self._watch.counts(look):
            return
        now_ms = self._clock()
        viewers, until_ms = self._audience.last_seen(look.stream_id, now_ms)
        if viewers:
            self._watch.go_on(look.stream_id, (until_ms - now_ms) // 1000 + 1)
        else:
            self._watch.end(look.stream_id)
        if self._rooms.set_viewers(look.stream_id, viewers):
            self._delivery.hint(look.stream_id)
