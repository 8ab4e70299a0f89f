"""Stage 7 · who is who in a room and how it is set, from the hot state and its settings, remembered for a second."""

from __future__ import annotations

import time
from typing import Protocol

from headwater.domain.broadcast import StreamControl
from headwater.domain.chat import Chatter, Room
from headwater.domain.ids import StreamId
from headwater.domain.room_settings import RoomRules

KEPT_SECONDS = 1.0
_KEPT_STREAMS = 10_000


class Controls(Protocol):
    def load(self, stream_id: StreamId) -> StreamControl | None: ...


class Rules(Protocol):
    def load(self, stream_id: StreamId) -> RoomRules: ...


class ChatStreams:
    def __init__(self, controls: Controls, rules: Rules, kept_seconds: float = KEPT_SECONDS) -> None:
        self._controls = controls
        self._kept_seconds = kept_seconds
        self._rules = rules
        self._kept: dict[StreamId, tuple[float, Room | None]] = {}

    def room(self, stream_id: StreamId) -> Room | None:
        """None when there is no such stream, or it was deleted. Raises DependencyUnavailable."""
        now = time.monotonic()
        kept = self._kept.get(stream_id)
        if kept is not None and now - kept[0] < self._kept_seconds:
            return kept[1]
        control = self._controls.load(stream_id)
        room = None
        if control is not None and not control.deleted:
            room = Room(
                control.owner_id,
                private=control.settings.private,
                moderators=frozenset(control.moderators),
                vips=frozenset(control.vips),
                viewers=frozenset(control.viewers),
                rules=self._rules.load(stream_id),
            )
        if len(self._kept) >= _KEPT_STREAMS:
            self._kept.clear()
        self._kept[stream_id] = (now, room)
        return room

    def admits_now(self, stream_id: StreamId, chatter: Chatter | None) -> bool:
        """As of the last change that was acknowledged, whatever is remembered. Raises DependencyUnavailable."""
        return admits(self._controls.load(stream_id), chatter)


def admits(control: StreamControl | None, chatter: Chatter | None) -> bool:
    """Whether somebody may be in the room of a stream."""
    if control is None or control.deleted:
        return False
    return Room(control.owner_id, control.settings.private, viewers=frozenset(control.viewers)).admits(chatter)
