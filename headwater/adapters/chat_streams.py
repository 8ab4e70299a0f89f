"""Stage 7 · whose a room is and whether it is private, from the hot state of ingest, remembered for a second."""

from __future__ import annotations

import time
from typing import Protocol

from headwater.domain.broadcast import StreamControl
from headwater.domain.chat import Room
from headwater.domain.ids import StreamId

KEPT_SECONDS = 1.0
_KEPT_STREAMS = 10_000


class Controls(Protocol):
    def load(self, stream_id: StreamId) -> StreamControl | None: ...


class ChatStreams:
    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._kept: dict[StreamId, tuple[float, Room | None]] = {}

    def room(self, stream_id: StreamId) -> Room | None:
        """None when there is no such stream, or it was deleted. Raises DependencyUnavailable."""
        now = time.monotonic()
        kept = self._kept.get(stream_id)
        if kept is not None and now - kept[0] < KEPT_SECONDS:
            return kept[1]
        control = self._controls.load(stream_id)
        room = None
        if control is not None and not control.deleted:
            room = Room(
                control.owner_id,
                private=control.settings.private,
                moderators=frozenset(control.moderators),
                viewers=frozenset(control.viewers),
            )
        if len(self._kept) >= _KEPT_STREAMS:
            self._kept.clear()
        self._kept[stream_id] = (now, room)
        return room
