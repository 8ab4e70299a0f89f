"""Stage 5 · recordings that were kept for as long as the deployment keeps them: deleted as their owners would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta
from typing import Protocol

from headwater.domain.broadcast_events import DeleteRecording, Event
from headwater.domain.decision import Decision, Outcome
from headwater.domain.ids import BroadcastId, StreamId
from headwater.errors import Conflict, NotFound
from headwater.observability import count

BATCH = 200


class Archive(Protocol):
    def ended_before(self, moment: datetime, limit: int) -> Sequence[tuple[StreamId, BroadcastId]]: ...
    def mark_deleted(self, broadcast_id: BroadcastId, at: datetime) -> None: ...


class HotState(Protocol):
    def apply(self, stream_id: StreamId, event: Event) -> Decision: ...


def expire_recordings(
    unit_of_work: Callable[[], AbstractContextManager[Archive]],
    hot_state: HotState,
    days: int,
    now: datetime,
    has_time: Callable[[], bool],
) -> int:
    """How many; 0 `days` keep them for ever. One that is cut off goes on the next time: each is a transaction of its own."""
    expired = 0
    while days > 0 and has_time():
        with unit_of_work() as archive:
            due = archive.ended_before(now - timedelta(days=days), BATCH)
        for stream_id, broadcast_id in due:
            _expire(unit_of_work, hot_state, stream_id, broadcast_id, now)
            expired += 1
            if not has_time():
                break
        if len(due) < BATCH:
            break
    count("RecordingsExpired", expired)
    return expired


def _expire(
    unit_of_work: Callable[[], AbstractContextManager[Archive]],
    hot_state: HotState,
    stream_id: StreamId,
    broadcast_id: BroadcastId,
    now: datetime,
) -> None:
    with unit_of_work() as archive:
        archive.mark_deleted(broadcast_id, now)
        with suppress(NotFound):  # the stream is gone, and its objects with it
            if hot_state.apply(stream_id, DeleteRecording(broadcast_id)).outcome is Outcome.REFUSED:
                raise Conflict  # what history calls ready, the hot state does not: undone, and looked at by whoever is paged
