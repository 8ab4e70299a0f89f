"""Stage 3 · whether a worker's task is one that nobody needs any more."""

from __future__ import annotations

from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import BroadcastId

SPARED_MS = 60_000  # what has just begun may be ahead of what we read; what has just ended stores its last segment
LONGEST_RECONNECT_MS = (
    3600 * 1000
)  # a broadcast that is over time is ended by its next pulse; a worker has this much more


def why_orphan(
    control: StreamControl | None, broadcast_id: BroadcastId, working_since: int, now: int, longest_ms: int
) -> str | None:
    """Why a task of this broadcast should not run; None when it should, or may. `longest_ms`: of one broadcast."""
    if now - working_since < SPARED_MS:
        return None
    if now - working_since > longest_ms + LONGEST_RECONNECT_MS:
        return "no broadcast lasts so long"
    broadcast = control.find(broadcast_id) if control is not None else None
    if broadcast is None:
        return "there is no such broadcast"
    if broadcast.ended_at is not None and now - broadcast.ended_at >= SPARED_MS:
        return "the broadcast is over"
    return None
