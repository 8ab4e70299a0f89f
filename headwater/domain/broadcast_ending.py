"""Stages 2–4 · a broadcast that loses its publisher: how long it waits for another, and how it ends. Pure."""

from __future__ import annotations

from dataclasses import replace

from headwater.domain.broadcast import Broadcast, BroadcastEventName, BroadcastState, EndReason, StreamControl
from headwater.domain.control_edits import arm_pulse, put_broadcast, settle_session, tell
from headwater.domain.publish_pauses import failures_after

# An encoder of which nothing can be played is dropped: by a tick and a heartbeat, so after 30 s at most.
MEDIA_LIMIT_MS = 25_000
WORKER_LIMIT_MS = 150_000  # a task on Fargate takes up to a minute to run, and may have to be asked for twice


def release(
    control: StreamControl, broadcast: Broadcast, now: int, *, silent: bool = False
) -> tuple[StreamControl, Broadcast]:
    """The publisher is gone: wait for it inside the reconnect window, or end when there is none.

    `silent`: nobody said that it is gone, it was only not heard of.
    """
    gone = replace(broadcast, session=None, silent_session=broadcast.session if silent else None)
    if not silent:
        control = settle_session(control, broadcast.session)
    if broadcast.state is BroadcastState.LIVE or broadcast.interrupted_at is None:
        gone = replace(gone, interrupted_at=now)
    if control.settings.reconnect_window_seconds == 0:
        control = end_of_window(control, gone, now)
    elif broadcast.state is BroadcastState.LIVE:
        gone = replace(gone, state=BroadcastState.INTERRUPTED)
        control = tell(control, gone, BroadcastEventName.INTERRUPTED, now)
    else:
        control = put_broadcast(control, gone)
    return control, control.find(broadcast.broadcast_id) or gone


def window_elapsed(control: StreamControl, broadcast: Broadcast, now: int) -> bool:
    if broadcast.interrupted_at is None:
        return False
    window = control.settings.reconnect_window_seconds * 1000
    if broadcast.live_at is None:
        window = min(window, MEDIA_LIMIT_MS)
    return now - broadcast.interrupted_at >= window


def end_of_window(control: StreamControl, broadcast: Broadcast, now: int) -> StreamControl:
    reason = EndReason.NO_MEDIA if broadcast.live_at is None else EndReason.WINDOW_ELAPSED
    return end(control, broadcast, now, reason)


def end(
    control: StreamControl, broadcast: Broadcast, now: int, reason: EndReason, detail: str | None = None
) -> StreamControl:
    control = settle_session(settle_session(control, broadcast.session), broadcast.silent_session)
    ended = replace(
        broadcast,
        state=BroadcastState.ENDED,
        session=None,
        silent_session=None,
        ended_at=now,
        end_reason=reason,
        end_detail=detail,
        encoder_dropped=broadcast.session is not None,
        recorded=control.settings.record,
    )
    failures = failures_after(control, broadcast, reason, now)
    control = tell(replace(control, failures=failures), ended, BroadcastEventName.ENDED, now)
    return arm_pulse(control, ended.broadcast_id, now, 0)
