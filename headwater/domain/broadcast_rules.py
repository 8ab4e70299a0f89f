"""Stages 2–4 · what may become of a broadcast: pure transitions, committed elsewhere by conditional writes.

`decide(control, event, now)` takes the hot state of one stream and one thing that happened, and answers with the next
state (with what others must be told in its outbox) and with what to answer whoever brought the event. `now` is Unix
milliseconds of the control plane's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from headwater.domain.broadcast import (
    Broadcast,
    BroadcastEventName,
    BroadcastState,
    EndReason,
    PublishSession,
    RecordingState,
    SessionRef,
    StreamControl,
    StreamEventName,
)
from headwater.domain.broadcast_events import (
    Configure,
    Decline,
    Delete,
    DeleteRecording,
    Done,
    Event,
    Finalised,
    MediaSeen,
    NameModerators,
    NameViewers,
    Publish,
    RotateKey,
    SourceRefused,
    Start,
    Stop,
    Suspend,
    Tick,
    Unsuspend,
    Update,
    Withhold,
)
from headwater.domain.control_edits import arm_pulse, put_broadcast, settle_session, tell
from headwater.domain.publish_pauses import failures_after, pause_after
from headwater.domain.stream_rules import (
    configure,
    decline,
    delete_recording,
    name_viewers,
    released,
    tell_of_stream,
    withheld,
    withhold,
)

IDLE_LIMIT_MS = 8_000  # a publish session is heard of every 2 s; silent for this long, it is gone
MEDIA_LIMIT_MS = 30_000  # an encoder that connects and sends nothing playable is dropped after this long
DURATION_LIMIT_MS = 48 * 3600 * 1000  # however long a deployment lets them last
PULSE_INTERVAL_MS = 2_000
FINALISE_PULSE_INTERVAL_MS = 1_000  # grows while the recording is not finished: nobody is waiting that long
FINALISE_PULSE_LONGEST_MS = 60_000
FINALISE_LIMIT_MS = 24 * 3600 * 1000  # a recording that could not be finished in a day never will be
UNFINISHED_LIMIT = 32  # the item of a stream must stay far below DynamoDB's 400 KB


class Outcome(StrEnum):
    ACCEPTED = "accepted"  # done, or already so
    IGNORED = "ignored"  # about something that is no longer current
    REFUSED = (
        "refused"  # publish: key no longer valid, stream deleted, a source that could not be played; else: not now
    )
    BUSY = "busy"  # publish: another session holds the claim
    KICK = "kick"  # update: this session must be dropped
    NOT_LIVE = "not_live"  # start, stop: there is no broadcast


@dataclass(frozen=True, slots=True)
class Decision:
    control: StreamControl
    outcome: Outcome

    def changes(self, before: StreamControl) -> bool:
        return self.control != before


def decide(control: StreamControl, event: Event, now: int) -> Decision:
    """What `event` makes of `control` at `now`. Total: any event in any state has an answer, and none raises."""
    match event:
        case Publish():
            return _publish(control, event, now)
        case Decline():
            return Decision(decline(control, event, now), Outcome.REFUSED)
        case Update():
            return _update(control, event, now)
        case Done():
            return _done(control, event, now)
        case MediaSeen():
            return _media_seen(control, event, now)
        case SourceRefused():
            return _source_refused(control, event, now)
        case Start():
            return _start(control, now)
        case Stop():
            return _end_active(control, now, EndReason.STOPPED)
        case Tick():
            return _tick(control, event, now)
        case Finalised():
            return _finalised(control, event, now)
        case Configure():
            return Decision(configure(control, event.settings, now), Outcome.ACCEPTED)
        case RotateKey():
            return _rotate_key(control)
        case Suspend():
            ended = _end_active(control, now, EndReason.SUSPENDED).control
            return Decision(replace(ended, suspended=True), Outcome.ACCEPTED)
        case Unsuspend():
            return Decision(replace(control, suspended=False), Outcome.ACCEPTED)
        case NameModerators():
            return Decision(replace(control, moderators=event.moderators), Outcome.ACCEPTED)
        case NameViewers():
            return Decision(name_viewers(control, event, now), Outcome.ACCEPTED)
        case Withhold():
            return _unless_refused(control, withhold(control, event))
        case DeleteRecording():
            return _unless_refused(control, delete_recording(control, event, now))
        case Delete():
            if not control.deleted:
                control = tell_of_stream(control, StreamEventName.DELETED, now)
            ended = _end_active(control, now, EndReason.STREAM_DELETED).control
            return Decision(replace(ended, deleted=True), Outcome.ACCEPTED)


def _unless_refused(control: StreamControl, after: StreamControl | None) -> Decision:
    return Decision(control, Outcome.REFUSED) if after is None else Decision(after, Outcome.ACCEPTED)


def _publish(control: StreamControl, event: Publish, now: int) -> Decision:
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
            control, broadcast = _release(control, broadcast, now)
            holder = None
    if holder is not None:
        if now - holder.last_seen_at <= IDLE_LIMIT_MS:
            return Decision(control, Outcome.BUSY)
        control, broadcast = _release(control, broadcast, now)
    if broadcast.is_active and _window_elapsed(control, broadcast, now):
        control = _end_of_window(control, broadcast, now)
        broadcast = control.find(broadcast.broadcast_id) or broadcast
    if not broadcast.is_active:
        return _begin(control, event, now)
    session = PublishSession(
        ref=event.ref,
        serial=broadcast.sessions + 1,
        pull_url=event.pull_url,
        claimed_at=now,
        last_seen_at=now,
        heard_at=event.ref.opened_at,
    )
    control = settle_session(control, broadcast.silent_session)
    return Decision(_resume(control, broadcast, session, now), Outcome.ACCEPTED)


def _resume(control: StreamControl, broadcast: Broadcast, session: PublishSession, now: int) -> StreamControl:
    resumed = replace(broadcast, session=session, sessions=session.serial, silent_session=None)
    return arm_pulse(put_broadcast(control, resumed), resumed.broadcast_id, now, 0)


def _begin(control: StreamControl, event: Publish, now: int) -> Decision:
    previous = control.unsettled  # the ended one, until its recording is settled
    if len(previous) >= UNFINISHED_LIMIT:
        return Decision(control, Outcome.BUSY)
    session = PublishSession(
        ref=event.ref,
        serial=1,
        pull_url=event.pull_url,
        claimed_at=now,
        last_seen_at=now,
        heard_at=event.ref.opened_at,
    )
    broadcast = Broadcast(
        broadcast_id=event.candidate_id,
        state=BroadcastState.STARTING,
        started_at=now,
        sequence=0,
        sessions=1,
        session=session,
        public=control.settings.auto_start,
        ends_by=now + min(event.longest_ms, DURATION_LIMIT_MS),
    )
    control = replace(control, previous=previous, broadcast=broadcast, declined=None)
    if not broadcast.public:
        control = withheld(control, broadcast.broadcast_id)
    control = tell(control, broadcast, BroadcastEventName.STARTED, now)
    return Decision(arm_pulse(control, broadcast.broadcast_id, now, 0), Outcome.ACCEPTED)


def _same_connection(ref: SessionRef, node: str, client_id: str) -> bool:
    return (ref.node, ref.client_id) == (node, client_id)


def _update(control: StreamControl, event: Update, now: int) -> Decision:
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
    if broadcast.session is not None or _window_elapsed(control, broadcast, now):
        return Decision(_dismiss(session, control, broadcast, now), Outcome.KICK)
    returned = replace(heard, serial=broadcast.sessions + 1, claimed_at=now)
    return Decision(_resume(control, broadcast, returned, now), Outcome.ACCEPTED)


def _dismiss(session: PublishSession, control: StreamControl, broadcast: Broadcast, now: int) -> StreamControl:
    """`session` is over; the broadcast waits for another one if it was the claim's holder."""
    if session is broadcast.session:
        return _release(control, broadcast, now)[0]
    return settle_session(put_broadcast(control, replace(broadcast, silent_session=None)), session)


def _done(control: StreamControl, event: Done, now: int) -> Decision:
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


def _media_seen(control: StreamControl, event: MediaSeen, now: int) -> Decision:
    broadcast = control.broadcast
    if broadcast is None or broadcast.broadcast_id != event.broadcast_id or not broadcast.is_active:
        return Decision(control, Outcome.IGNORED)
    current = broadcast.session is not None and broadcast.session.serial == event.session_serial
    if current and broadcast.state is not BroadcastState.LIVE:
        first = broadcast.live_at is None
        live = replace(
            broadcast,
            state=BroadcastState.LIVE,
            live_at=now if first else broadcast.live_at,
            interrupted_at=None,
        )
        name = BroadcastEventName.LIVE if first else BroadcastEventName.RESUMED
        return Decision(tell(control, live, name, now), Outcome.ACCEPTED)
    if broadcast.state is BroadcastState.STARTING and event.session_serial <= broadcast.sessions:
        # A short first session whose media became durable only after its encoder had gone: there is something to record.
        seen = replace(
            broadcast,
            state=BroadcastState.INTERRUPTED,
            live_at=now,
            interrupted_at=broadcast.interrupted_at if broadcast.interrupted_at is not None else now,
        )
        return Decision(tell(control, seen, BroadcastEventName.INTERRUPTED, now), Outcome.ACCEPTED)
    return Decision(control, Outcome.IGNORED)


def _source_refused(control: StreamControl, event: SourceRefused, now: int) -> Decision:
    broadcast = control.broadcast
    if broadcast is None or broadcast.broadcast_id != event.broadcast_id or not broadcast.is_active:
        return Decision(control, Outcome.IGNORED)
    if event.session_serial != broadcast.sessions:
        return Decision(control, Outcome.IGNORED)  # the encoder came back meanwhile, perhaps with a better source
    return Decision(_end(control, broadcast, now, event.reason, event.detail), Outcome.ACCEPTED)


def _start(control: StreamControl, now: int) -> Decision:
    broadcast = control.broadcast
    if broadcast is None or not broadcast.is_active:
        return Decision(control, Outcome.NOT_LIVE)
    if broadcast.public:
        return Decision(control, Outcome.ACCEPTED)
    control = released(control, broadcast.broadcast_id)
    told = tell(control, replace(broadcast, public=True), BroadcastEventName.PUBLISHED, now)
    return Decision(told, Outcome.ACCEPTED)


def _end_active(control: StreamControl, now: int, reason: EndReason) -> Decision:
    broadcast = control.broadcast
    if broadcast is None or not broadcast.is_active:
        return Decision(control, Outcome.NOT_LIVE)
    return Decision(_end(control, broadcast, now, reason), Outcome.ACCEPTED)


def _rotate_key(control: StreamControl) -> Decision:
    return Decision(replace(control, key_version=control.key_version + 1), Outcome.ACCEPTED)


def _finalised(control: StreamControl, event: Finalised, now: int) -> Decision:
    broadcast = control.find(event.broadcast_id)
    if broadcast is None or broadcast.is_active or broadcast.is_settled:
        return Decision(control, Outcome.IGNORED)
    ready = event.duration_seconds > 0
    settled = replace(
        broadcast,
        recording=_recording_state(event),
        duration_seconds=event.duration_seconds,
        renditions=event.renditions,
    )
    if not ready:
        control = released(control, event.broadcast_id)  # nothing is left to withhold
    return Decision(tell(control, settled, _RECORDING_NEWS[settled.recording], now), Outcome.ACCEPTED)


_RECORDING_NEWS = {
    RecordingState.READY: BroadcastEventName.READY,
    RecordingState.FAILED: BroadcastEventName.FAILED,
    RecordingState.DISCARDED: BroadcastEventName.DISCARDED,
}


def _recording_state(event: Finalised) -> RecordingState:
    if event.discarded:
        return RecordingState.DISCARDED
    return RecordingState.READY if event.duration_seconds > 0 else RecordingState.FAILED


def _tick(control: StreamControl, event: Tick, now: int) -> Decision:
    """Apply every deadline that has passed, and keep exactly one chain of pulses alive while there is something to watch."""
    broadcast = control.find(event.broadcast_id)
    if broadcast is None or broadcast.is_settled:
        return Decision(control, Outcome.IGNORED)
    if broadcast.is_active:
        control = _meet_deadlines(control, broadcast, now)
    elif broadcast.ended_at is not None and now - broadcast.ended_at >= FINALISE_LIMIT_MS:
        return _finalised(control, Finalised(event.broadcast_id, 0.0), now)
    broadcast = control.find(event.broadcast_id) or broadcast
    if event.due != broadcast.next_pulse_at and now < broadcast.next_pulse_at:
        return Decision(control, Outcome.IGNORED)  # a copy, or a nudge: the chain itself is on its way
    interval = PULSE_INTERVAL_MS
    if broadcast.ended_at is not None:
        waited = (now - broadcast.ended_at) // 4
        interval = min(max(FINALISE_PULSE_INTERVAL_MS, waited), FINALISE_PULSE_LONGEST_MS)
    return Decision(arm_pulse(control, broadcast.broadcast_id, now, interval), Outcome.ACCEPTED)


def _meet_deadlines(control: StreamControl, broadcast: Broadcast, now: int) -> StreamControl:
    session = broadcast.session
    if now >= (broadcast.ends_by or broadcast.started_at + DURATION_LIMIT_MS):
        return _end(control, broadcast, now, EndReason.DURATION_LIMIT)
    if session is not None and now - session.last_seen_at > IDLE_LIMIT_MS:
        control, broadcast = _release(control, broadcast, now, silent=True)
    elif (
        session is not None
        and broadcast.state is not BroadcastState.LIVE
        and now - session.claimed_at >= MEDIA_LIMIT_MS
    ):
        if broadcast.live_at is None:
            return _end(control, broadcast, now, EndReason.NO_MEDIA)
        control, broadcast = _release(control, broadcast, now)  # came back, but silent: its window goes on
    if broadcast.is_active and broadcast.session is None and _window_elapsed(control, broadcast, now):
        return _end_of_window(control, broadcast, now)
    return control


def _end_of_window(control: StreamControl, broadcast: Broadcast, now: int) -> StreamControl:
    reason = EndReason.NO_MEDIA if broadcast.live_at is None else EndReason.WINDOW_ELAPSED
    return _end(control, broadcast, now, reason)


def _window_elapsed(control: StreamControl, broadcast: Broadcast, now: int) -> bool:
    if broadcast.interrupted_at is None:
        return False
    window = control.settings.reconnect_window_seconds * 1000
    if broadcast.live_at is None:
        window = min(window, MEDIA_LIMIT_MS)
    return now - broadcast.interrupted_at >= window


def _release(
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
        control = _end_of_window(control, gone, now)
    elif broadcast.state is BroadcastState.LIVE:
        gone = replace(gone, state=BroadcastState.INTERRUPTED)
        control = tell(control, gone, BroadcastEventName.INTERRUPTED, now)
    else:
        control = put_broadcast(control, gone)
    return control, control.find(broadcast.broadcast_id) or gone


def _end(
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
    )
    failures = failures_after(control, broadcast, reason, now)
    control = tell(replace(control, failures=failures), ended, BroadcastEventName.ENDED, now)
    return arm_pulse(control, ended.broadcast_id, now, 0)
