"""Stage 2 · who holds the claim to a stream's broadcast: what an encoder's publish, updates and done make of it. Pure."""

from __future__ import annotations

from dataclasses import replace

from headwater.domain.broadcast import (
    Broadcast,
    BroadcastEventName,
    BroadcastState,
    PublishSession,
    SessionRef,
    StreamControl,
)
from headwater.domain.broadcast_ending import end_of_window, release, window_elapsed
from headwater.domain.broadcast_events import Done, Publish, Update
from headwater.domain.control_edits import arm_pulse, put_broadcast, settle_session, tell
from headwater.domain.decision import Decision, Outcome
from headwater.domain.publish_pauses import pause_after
from headwater.domain.stream_rules import withheld

IDLE_LIMIT_MS = 8_000  # a publish session is heard of every 2 s; silent for this long, it is gone
DURATION_LIMIT_MS = 48 * 3600 * 1000  # however long a deployment lets broadcasts last
UNFINISHED_LIMIT = 32  # the item of a stream must stay far below DynamoDB's 400 KB


def publish(control: StreamControl, event: Publish, now: int) -> Decision:
    """Begin a broadcast, resume the one that waits, or turn the encoder away."""
    if control.deleted or control.suspended or event.key_version != control.key_version:
        return Decision(control, Outcome.REFUSED)
    if event.ref in control.settled_sessions:
        return Decision(control, Outcome.REFUSED)
    broadcast = control.broadcast
    if broadcast is None or not broadcast.is_active:
        if broadcast is not None and now - (broadcast.ended_at or 0) < pause_after(control, broadcast):
            return Decision(control, Outcome.REFUSED)
        return _begin(control, event, now)
    holder = broadcast.session
    for known in (holder, broadcast.silent_session):
        if known is None or not _same_connection(known.ref, event.ref.node, event.ref.client_id):
            continue
        if known.ref == event.ref:  # the same hook, delivered twice
            return Decision(control, Outcome.ACCEPTED if known is holder else Outcome.REFUSED)
        if event.ref.opened_at < known.ref.opened_at:
            return Decision(control, Outcome.REFUSED)  # an old hook, delivered late
        if known is holder:  # the connection published anew; that its former publish is over was never said
            control, broadcast = release(control, broadcast, now)
            holder = None
    if holder is not None:
        if now - holder.last_seen_at <= IDLE_LIMIT_MS:
            return Decision(control, Outcome.BUSY)
        control, broadcast = release(control, broadcast, now)
    if broadcast.is_active and window_elapsed(control, broadcast, now):
        control = end_of_window(control, broadcast, now)
        broadcast = control.find(broadcast.broadcast_id) or broadcast
    if not broadcast.is_active:
        return _begin(control, event, now)
    session = _claim(event, broadcast.sessions + 1, now)
    control = settle_session(control, broadcast.silent_session)
    return Decision(_resume(control, broadcast, session, now), Outcome.ACCEPTED)


def _begin(control: StreamControl, event: Publish, now: int) -> Decision:
    previous = control.unsettled  # the ended one, until its recording is settled
    if len(previous) >= UNFINISHED_LIMIT:
        return Decision(control, Outcome.BUSY)
    broadcast = Broadcast(
        broadcast_id=event.candidate_id,
        state=BroadcastState.STARTING,
        started_at=now,
        sequence=0,
        sessions=1,
        session=_claim(event, 1, now),
        public=control.settings.auto_start,
        ends_by=now + min(event.longest_ms, DURATION_LIMIT_MS),
    )
    control = replace(control, previous=previous, broadcast=broadcast, declined=None)
    if not broadcast.public:
        control = withheld(control, broadcast.broadcast_id)
    control = tell(control, broadcast, BroadcastEventName.STARTED, now)
    return Decision(arm_pulse(control, broadcast.broadcast_id, now, 0), Outcome.ACCEPTED)


def _claim(event: Publish, serial: int, now: int) -> PublishSession:
    return PublishSession(
        ref=event.ref,
        serial=serial,
        pull_url=event.pull_url,
        claimed_at=now,
        last_seen_at=now,
        heard_at=event.ref.opened_at,
    )


def _resume(control: StreamControl, broadcast: Broadcast, session: PublishSession, now: int) -> StreamControl:
    resumed = replace(broadcast, session=session, sessions=session.serial, silent_session=None)
    return arm_pulse(put_broadcast(control, resumed), resumed.broadcast_id, now, 0)


def update(control: StreamControl, event: Update, now: int) -> Decision:
    broadcast = control.broadcast
    if broadcast is not None:
        for session in (broadcast.session, broadcast.silent_session):
            if session is not None and _same_connection(session.ref, event.ref_node, event.ref_client_id):
                return _update_of(session, control, broadcast, event, now)
    for settled in control.settled_sessions:
        if _same_connection(settled, event.ref_node, event.ref_client_id):
            return Decision(control, Outcome.KICK if event.occurred_at >= settled.opened_at else Outcome.IGNORED)
    if control.deleted or control.suspended or event.key_version != control.key_version:
        return Decision(control, Outcome.KICK)
    # Unknown: its publish hook may still be on the way, so a young one is left alone.
    old = event.age_seconds is not None and event.age_seconds * 1000 > 2 * IDLE_LIMIT_MS
    return Decision(control, Outcome.KICK if old else Outcome.IGNORED)


def _update_of(
    session: PublishSession, control: StreamControl, broadcast: Broadcast, event: Update, now: int
) -> Decision:
    if event.occurred_at <= session.heard_at:
        return Decision(control, Outcome.IGNORED)  # a copy, or overtaken by a newer one: no proof of life
    if event.key_version != control.key_version:  # the key was rotated: this encoder must go
        return Decision(_dismiss(session, control, broadcast, now), Outcome.KICK)
    heard = replace(session, last_seen_at=max(now, session.last_seen_at), heard_at=event.occurred_at)
    if session is broadcast.session:
        return Decision(put_broadcast(control, replace(broadcast, session=heard)), Outcome.ACCEPTED)
    # Its updates did not reach us for a while, but the node has it still, and nobody else has come: it claims anew.
    if broadcast.session is not None or window_elapsed(control, broadcast, now):
        return Decision(_dismiss(session, control, broadcast, now), Outcome.KICK)
    returned = replace(heard, serial=broadcast.sessions + 1, claimed_at=now)
    return Decision(_resume(control, broadcast, returned, now), Outcome.ACCEPTED)


def done(control: StreamControl, event: Done, now: int) -> Decision:
    broadcast = control.broadcast
    if broadcast is not None:
        for session in (broadcast.session, broadcast.silent_session):
            if (
                session is not None
                and _same_connection(session.ref, event.ref_node, event.ref_client_id)
                and event.occurred_at >= session.ref.opened_at
            ):
                return Decision(_dismiss(session, control, broadcast, now), Outcome.ACCEPTED)
    return Decision(control, Outcome.IGNORED)  # of a session that never held the claim, or is over already


def _dismiss(session: PublishSession, control: StreamControl, broadcast: Broadcast, now: int) -> StreamControl:
    """`session` is over; the broadcast waits for another one if it was the claim's holder."""
    if session is broadcast.session:
        return release(control, broadcast, now)[0]
    return settle_session(put_broadcast(control, replace(broadcast, silent_session=None)), session)


def _same_connection(ref: SessionRef, node: str, client_id: str) -> bool:
    return (ref.node, ref.client_id) == (node, client_id)
