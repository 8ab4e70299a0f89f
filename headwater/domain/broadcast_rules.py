"""Stages 2–4 · what may become of a broadcast: pure transitions, committed elsewhere by conditional writes.

`decide(control, event, now)` takes the hot state of one stream and one thing that happened, and answers with the next
state (with what others must be told in its outbox) and with what to answer whoever brought the event. `now` is Unix
milliseconds of the control plane's clock.
"""

from __future__ import annotations

from dataclasses import replace

from headwater.domain.broadcast import (
    Broadcast,
    BroadcastEventName,
    BroadcastState,
    EndReason,
    RecordingState,
    StreamControl,
    StreamEventName,
)
from headwater.domain.broadcast_ending import (
    MEDIA_LIMIT_MS,
    WORKER_LIMIT_MS,
    end,
    end_of_window,
    release,
    window_elapsed,
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
    NameVips,
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
from headwater.domain.control_edits import arm_pulse, put_broadcast, tell
from headwater.domain.decision import Decision, Outcome
from headwater.domain.edge_entries import edge_entries
from headwater.domain.publish_rules import DURATION_LIMIT_MS, IDLE_LIMIT_MS, done, publish, update
from headwater.domain.stream_rules import (
    configure,
    decline,
    delete_recording,
    name_viewers,
    released,
    tell_of_stream,
    withhold,
)

PULSE_INTERVAL_MS = 2_000
FINALISE_PULSE_INTERVAL_MS = 1_000  # grows while the recording is not finished: nobody is waiting that long
FINALISE_PULSE_LONGEST_MS = 60_000
FINALISE_LIMIT_MS = 24 * 3600 * 1000  # a recording that could not be finished in a day never will be


def decide(control: StreamControl, event: Event, now: int) -> Decision:
    """What `event` makes of `control` at `now`. Total: any event in any state has an answer, and none raises."""
    decision = _decided(control, event, now)
    after = decision.control
    if after.stream_news == control.stream_news and edge_entries(after) != edge_entries(control):
        decision = replace(decision, control=tell_of_stream(after, StreamEventName.AUDIENCE_CHANGED, now))
    return decision


def _decided(control: StreamControl, event: Event, now: int) -> Decision:
    match event:
        case Publish():
            return publish(control, event, now)
        case Decline():
            return Decision(decline(control, event, now), Outcome.REFUSED)
        case Update():
            return update(control, event, now)
        case Done():
            return done(control, event, now)
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
            return Decision(replace(control, key_version=control.key_version + 1), Outcome.ACCEPTED)
        case Suspend():
            ended = _end_active(control, now, EndReason.SUSPENDED).control
            return Decision(replace(ended, suspended=True), Outcome.ACCEPTED)
        case Unsuspend():
            return Decision(replace(control, suspended=False), Outcome.ACCEPTED)
        case NameModerators():
            return Decision(replace(control, moderators=event.moderators), Outcome.ACCEPTED)
        case NameVips():
            return Decision(replace(control, vips=event.vips), Outcome.ACCEPTED)
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


def _media_seen(control: StreamControl, event: MediaSeen, now: int) -> Decision:
    broadcast = control.broadcast
    if broadcast is None or broadcast.broadcast_id != event.broadcast_id or not broadcast.is_active:
        return Decision(control, Outcome.IGNORED)
    if event.millicpu is not None and event.session_serial <= broadcast.sessions:
        control = replace(control, worker_millicpu=event.millicpu)
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
    return Decision(end(control, broadcast, now, event.reason, event.detail), Outcome.ACCEPTED)


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
    return Decision(end(control, broadcast, now, reason), Outcome.ACCEPTED)


def _finalised(control: StreamControl, event: Finalised, now: int) -> Decision:
    broadcast = control.find(event.broadcast_id)
    if broadcast is None or broadcast.is_active or broadcast.is_settled:
        return Decision(control, Outcome.IGNORED)
    settled = replace(
        broadcast,
        recording=_recording_state(event),
        duration_seconds=event.duration_seconds,
        renditions=event.renditions,
    )
    control = tell(control, settled, _RECORDING_NEWS[settled.recording], now)
    if settled.recording is RecordingState.FAILED:
        control = released(control, event.broadcast_id)  # nothing was ever there to withhold
    elif settled.recording is RecordingState.DISCARDED:
        # Like a recording that is deleted: what caches have of it is refused, and what came too late is removed.
        control = delete_recording(control, DeleteRecording(event.broadcast_id), now) or control
    return Decision(control, Outcome.ACCEPTED)


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
        if event.worker_awaited:
            control, broadcast = _note_awaited(control, broadcast, now)
        control = _meet_deadlines(control, broadcast, now)
    elif broadcast.ended_at is not None and now - broadcast.ended_at >= FINALISE_LIMIT_MS:
        # What there is of it stays where it is, and withheld if it was: for an operator, or until its owner deletes it.
        given_up = replace(broadcast, recording=RecordingState.FAILED, duration_seconds=0.0)
        return Decision(tell(control, given_up, BroadcastEventName.FAILED, now), Outcome.ACCEPTED)
    broadcast = control.find(event.broadcast_id) or broadcast
    if event.due != broadcast.next_pulse_at and now < broadcast.next_pulse_at:
        return Decision(control, Outcome.IGNORED)  # a copy, or a nudge: the chain itself is on its way
    interval = PULSE_INTERVAL_MS
    if broadcast.ended_at is not None:
        waited = (now - broadcast.ended_at) // 4
        interval = min(max(FINALISE_PULSE_INTERVAL_MS, waited), FINALISE_PULSE_LONGEST_MS)
    return Decision(arm_pulse(control, broadcast.broadcast_id, now, interval), Outcome.ACCEPTED)


def _note_awaited(control: StreamControl, broadcast: Broadcast, now: int) -> tuple[StreamControl, Broadcast]:
    """Media are not late before there is somebody to see them; but nobody is waited for without end."""
    session = broadcast.session
    if session is None or broadcast.state is BroadcastState.LIVE:
        return control, broadcast
    unseen_until = min(now, session.claimed_at + WORKER_LIMIT_MS)
    awaiting = replace(broadcast, session=replace(session, unseen_until=unseen_until))
    return put_broadcast(control, awaiting), awaiting


def _meet_deadlines(control: StreamControl, broadcast: Broadcast, now: int) -> StreamControl:
    session = broadcast.session
    if now >= (broadcast.ends_by or broadcast.started_at + DURATION_LIMIT_MS):
        return end(control, broadcast, now, EndReason.DURATION_LIMIT)
    if session is not None and now - session.last_seen_at > IDLE_LIMIT_MS:
        control, broadcast = release(control, broadcast, now, silent=True)
    elif (
        session is not None
        and broadcast.state is not BroadcastState.LIVE
        and now - max(session.claimed_at, session.unseen_until) >= MEDIA_LIMIT_MS
    ):
        if broadcast.live_at is None:
            return end(control, broadcast, now, EndReason.NO_MEDIA)
        control, broadcast = release(control, broadcast, now)  # came back, but silent: its window goes on
    if broadcast.is_active and broadcast.session is None and window_elapsed(control, broadcast, now):
        return end_of_window(control, broadcast, now)
    return control
