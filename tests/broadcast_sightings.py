"""What must stay true of a stream's broadcasts in tests/broadcast_world.py, whatever happens there."""

from __future__ import annotations

from dataclasses import replace

from headwater.domain.broadcast import Broadcast, BroadcastState, RecordingState, SessionRef, StreamControl
from headwater.domain.broadcast_events import Done, Event, Publish, Update
from headwater.domain.decision import Decision, Outcome
from headwater.domain.ids import BroadcastId, WorkerId
from headwater.domain.lease import Fence
from headwater.domain.media_access import Audience, audience_of
from headwater.domain.publish_rules import IDLE_LIMIT_MS


class Sightings:
    """What was true once, and what must therefore be true for ever."""

    def __init__(self) -> None:
        self.settled_sessions: set[SessionRef] = set()
        self.ended: dict[BroadcastId, Broadcast] = {}
        self.sequences: dict[BroadcastId, int] = {}
        self.generations: dict[tuple[BroadcastId, int], WorkerId] = {}
        self.version = 0

    def writer(self, fence: Fence) -> None:
        first = self.generations.setdefault((fence.broadcast_id, fence.generation), fence.worker_id)
        assert first == fence.worker_id, "two workers of one generation"

    def answer(self, before: StreamControl, event: Event, decision: Decision, now: int) -> None:
        """An event of a session that does not hold the claim changes nothing, nor does a publish that is turned away."""
        if isinstance(event, Publish) and decision.outcome in (Outcome.BUSY, Outcome.REFUSED):
            assert _without_outbox(decision.control) == _without_outbox(before)
        holder = before.broadcast.session if before.broadcast else None
        if isinstance(event, Publish) and holder is not None and now - holder.last_seen_at <= IDLE_LIMIT_MS:
            ours = (event.ref.node, event.ref.client_id)
            after = decision.control.broadcast
            if (holder.ref.node, holder.ref.client_id) != ours:
                assert after is not None
                assert after.session == holder, "a second publisher has moved the first"
        if isinstance(event, Update | Done):
            broadcast = before.broadcast
            known = (broadcast.session, broadcast.silent_session) if broadcast else ()
            ours = (event.ref_node, event.ref_client_id)
            if not any(session and (session.ref.node, session.ref.client_id) == ours for session in known):
                assert _without_outbox(decision.control) == _without_outbox(before)

    def check(self, control: StreamControl) -> None:
        assert control.version >= self.version
        self.version = control.version
        assert all(b.state is BroadcastState.ENDED and not b.is_settled for b in control.previous)
        current = control.broadcast
        ids = [b.broadcast_id for b in control.previous] + ([current.broadcast_id] if current else [])
        assert len(ids) == len(set(ids))
        self.settled_sessions.update(control.settled_sessions)
        if current is not None and current.is_active and not current.public:
            assert audience_of(control, None) is audience_of(control, current.broadcast_id), "a preview with two doors"
            assert audience_of(control, None) >= Audience.OWNER, "a preview that others can fetch"
        for broadcast in (*control.previous, *((current,) if current else ())):
            self._check_broadcast(broadcast)
        for earlier, later in zip(control.news, control.news[1:], strict=False):
            if earlier.broadcast.broadcast_id == later.broadcast.broadcast_id:
                assert earlier.broadcast.sequence < later.broadcast.sequence

    def _check_broadcast(self, broadcast: Broadcast) -> None:
        key = broadcast.broadcast_id
        assert broadcast.sequence >= self.sequences.get(key, 0)
        self.sequences[key] = broadcast.sequence
        if broadcast.session is not None:
            assert broadcast.is_active
            assert broadcast.session.serial == broadcast.sessions
            assert broadcast.silent_session is None
            assert broadcast.session.ref not in self.settled_sessions, "a session that was over has the claim again"
        if broadcast.state is BroadcastState.LIVE:
            assert broadcast.session is not None
            assert broadcast.live_at is not None
        if not broadcast.is_active:
            first = self.ended.setdefault(key, broadcast)
            assert (first.ended_at, first.end_reason) == (broadcast.ended_at, broadcast.end_reason)
            if first.is_settled:
                assert first == broadcast
            self.ended[key] = broadcast
        else:
            assert key not in self.ended, "ended is final"
            assert broadcast.recording is RecordingState.PENDING


def _without_outbox(control: StreamControl) -> StreamControl:
    return replace(control, news=(), stream_news=(), pulses=(), version=0)
