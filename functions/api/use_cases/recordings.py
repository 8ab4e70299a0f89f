"""Stage 7 · what an owner does with broadcasts that are over: name them, keep them to themselves, delete them.

PostgreSQL is written first, uncommitted, then the hot state, and committed last. What a crash in between leaves behind: a
recording that the edge refuses although its owner was told of an error, and does it again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from functions.api.use_cases.streams import HotState, StreamStore, owned_stream
from headwater.domain.broadcast_events import DeleteRecording, Withhold
from headwater.domain.decision import Outcome
from headwater.domain.ids import BroadcastId, UserId
from headwater.domain.streams import BroadcastStatus, PastBroadcast
from headwater.errors import Conflict, LimitReached, NotFound


class BroadcastStore(Protocol):
    def visible(self, broadcast_id: BroadcastId, viewer: UserId | None) -> PastBroadcast | None: ...
    def rename(self, broadcast_id: BroadcastId, title: str) -> None: ...
    def withhold(self, broadcast_id: BroadcastId, withheld: bool) -> None: ...
    def mark_deleted(self, broadcast_id: BroadcastId, at: datetime) -> None: ...


class Work(Protocol):
    @property
    def streams(self) -> StreamStore: ...
    @property
    def broadcasts(self) -> BroadcastStore: ...


def change_broadcast(
    work: Work,
    hot_state: HotState,
    broadcast_id: BroadcastId,
    owner: UserId,
    *,
    title: str | None = None,
    withheld: bool | None = None,
) -> PastBroadcast:
    """Raises NotFound, Forbidden, and for `withheld` Conflict where there is no recording, or it is a preview's."""
    broadcast = _owned(work, broadcast_id, owner)
    if title is not None:
        work.broadcasts.rename(broadcast_id, title)
    if withheld is not None and withheld != broadcast.is_withheld:
        if broadcast.status is not BroadcastStatus.READY:
            raise Conflict("Only a recording can be kept private; this broadcast has none.")
        if not broadcast.public:
            raise Conflict("This is the recording of a preview that was never started: it stays private.")
        work.broadcasts.withhold(broadcast_id, withheld)
    if withheld is not None and broadcast.public and broadcast.status is BroadcastStatus.READY:
        # Also when nothing changes here: the edge may follow a change of which this store never heard.
        told = hot_state.apply(broadcast.stream_id, Withhold(broadcast_id, withheld))
        if told.outcome is Outcome.REFUSED:
            raise LimitReached("So many recordings are private that there is no room for another. Delete some.")
    return _owned(work, broadcast_id, owner)


def delete_recording(work: Work, hot_state: HotState, broadcast_id: BroadcastId, owner: UserId) -> None:
    """Nobody can watch it from then on; its objects are removed soon after (functions/stream_purge).

    Raises NotFound, Forbidden, and Conflict while it is on the air or its recording is being made.
    """
    broadcast = _owned(work, broadcast_id, owner)
    work.broadcasts.mark_deleted(broadcast_id, datetime.now(UTC))
    if hot_state.apply(broadcast.stream_id, DeleteRecording(broadcast_id)).outcome is Outcome.REFUSED:
        raise Conflict("The broadcast is on the air, or its recording is being made. Try again when it is ready.")


def _owned(work: Work, broadcast_id: BroadcastId, owner: UserId) -> PastBroadcast:
    broadcast = work.broadcasts.visible(broadcast_id, owner)
    if broadcast is None:
        raise NotFound
    owned_stream(work.streams, broadcast.stream_id, owner)
    return broadcast
