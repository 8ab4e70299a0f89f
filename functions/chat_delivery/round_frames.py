"""Stage 7 · the frames of one round: made once for all who get the same."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headwater.domain.chat import RoomEvent
from headwater.domain.chat_rounds import Figures, Seat
from headwater.domain.ids import StreamId
from headwater.domain.server_frames import Figure, ReactionsEvent, ReviewEvent, ViewerCountEvent, events_frames


class RoundFrames:
    def __init__(self, stream_id: StreamId, events: Sequence[RoomEvent], figures: Figures | None) -> None:
        self._stream_id = stream_id
        self._events = events
        self._first = events[0].seq if events else 0
        self._figures, self._for_moderators = _told(figures)
        self._made: dict[tuple[int, bool], list[str]] = {}

    def of(self, seat: Seat) -> list[str]:
        """What this connection has not had, in as few frames as the limit allows: events in order, then figures."""
        after = seat.joined_seq if seat.joined_seq >= self._first else 0
        kind = (after, seat.moderates)
        if kind not in self._made:
            events = [event for event in self._events if event.seq > after] + self._figures
            if seat.moderates:
                events += self._for_moderators
            self._made[kind] = events_frames(self._stream_id, events)
        return self._made[kind]


def _told(figures: Figures | None) -> tuple[list[RoomEvent], list[RoomEvent]]:
    """For everybody, and for moderators."""
    if figures is None:
        return [], []
    everybody: list[Figure] = []
    if figures.reactions:
        everybody.append(ReactionsEvent(counts=dict(figures.reactions)))
    if figures.viewers is not None:
        everybody.append(ViewerCountEvent(viewers=figures.viewers))
    moderators = [] if figures.waiting is None else [ReviewEvent(waiting=figures.waiting)]
    return [_unnumbered(each) for each in everybody], [_unnumbered(each) for each in moderators]


def _unnumbered(figure: Figure) -> RoomEvent:
    return RoomEvent(0, msgspec.json.encode(figure).decode())
