"""Stages 2–4 · the edits of a stream's control that every rule is made of. Pure, and without judgement."""

from __future__ import annotations

from dataclasses import replace

from headwater.domain.broadcast import (
    Broadcast,
    BroadcastEventName,
    BroadcastNews,
    PublishSession,
    Pulse,
    StreamControl,
)
from headwater.domain.ids import BroadcastId

SETTLED_SESSIONS_KEPT = 16
NEWS_LIMIT = 64  # the item of a stream must stay far below DynamoDB's 400 KB


def settle_session(control: StreamControl, session: PublishSession | None) -> StreamControl:
    if session is None:
        return control
    kept = (*control.settled_sessions, session.ref)[-SETTLED_SESSIONS_KEPT:]
    return replace(control, settled_sessions=kept)


def arm_pulse(control: StreamControl, broadcast_id: BroadcastId, now: int, delay_ms: int) -> StreamControl:
    """Make the pulse that is due in `delay_ms` the live one; whichever was outstanding becomes a stray copy."""
    broadcast = control.find(broadcast_id)
    if broadcast is None:
        return control
    due = now + delay_ms
    control = put_broadcast(control, replace(broadcast, next_pulse_at=due))
    others = (pulse for pulse in control.pulses if pulse.broadcast_id != broadcast_id)
    return replace(control, pulses=(*others, Pulse(broadcast_id, delay_ms, due)))


def tell(control: StreamControl, broadcast: Broadcast, name: BroadcastEventName, now: int) -> StreamControl:
    """Store `broadcast` and tell everyone how it is from now on."""
    told = replace(broadcast, sequence=broadcast.sequence + 1)
    # Each is a whole snapshot, so when the bus is away for long, the oldest can go.
    news = (*control.news, BroadcastNews(name, now, told))[-NEWS_LIMIT:]
    return put_broadcast(replace(control, news=news), told)


def put_broadcast(control: StreamControl, broadcast: Broadcast) -> StreamControl:
    """Store `broadcast` in its place; a settled one that is no longer the stream's current one is forgotten."""
    if any(b.broadcast_id == broadcast.broadcast_id for b in control.previous):
        kept = (broadcast if b.broadcast_id == broadcast.broadcast_id else b for b in control.previous)
        return replace(control, previous=tuple(b for b in kept if not b.is_settled))
    return replace(control, broadcast=broadcast)
