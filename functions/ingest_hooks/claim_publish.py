"""Stage 2 · publish: an encoder with the right key gets the claim on its stream, and a name that says nothing."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Protocol

from functions.ingest_hooks.ingest_event import IngestEvent, PublishAccepted
from functions.ingest_hooks.keyed_stream import find_keyed_stream
from headwater.domain.broadcast import SessionRef, StreamControl
from headwater.domain.broadcast_events import Decline, Event, Publish
from headwater.domain.concurrent_broadcasts import Slots, take_slot
from headwater.domain.decision import Decision, Outcome
from headwater.domain.ids import BroadcastId, StreamId, UserId, new_id
from headwater.errors import AlreadyPublishing, PublishRefused, StateContended, TooManyBroadcasts

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class PublishLimits:
    broadcasts_per_owner: int  # on the air at once
    longest_ms: int  # of one broadcast


class Streams(Protocol):
    def read(self, stream_id: StreamId) -> StreamControl | None: ...
    def apply(self, stream_id: StreamId, event: Event, *, seen: StreamControl | None = None) -> Decision: ...


class OwnersSlots(Protocol):
    def load(self, owner_id: UserId) -> tuple[Slots, int]: ...
    def commit(self, owner_id: UserId, slots: Slots, expected_version: int) -> bool: ...


def claim_publish(
    streams: Streams, slots: OwnersSlots, limits: PublishLimits, event: IngestEvent, key_secret: bytes, now: int
) -> PublishAccepted:
    """The new name of the stream on its node. The same hook again gets the same name.

    Raises PublishRefused (never saying why), AlreadyPublishing or TooManyBroadcasts, and then nothing has changed but what
    the owner can read of it.
    """
    stream = find_keyed_stream(streams, event.key, key_secret)
    if stream is None or stream.key_version is None:
        raise PublishRefused
    current = stream.control.broadcast
    if (current is None or not current.is_active) and not _has_slot(streams, slots, limits, stream.control, now):
        most = limits.broadcasts_per_owner
        detail = f"Your account may have {most} on the air at once, and has. Stop another broadcast first."
        streams.apply(stream.control.stream_id, Decline(detail), seen=stream.control)
        raise TooManyBroadcasts
    candidate = BroadcastId(new_id())
    publish = Publish(
        ref=SessionRef(event.node, event.client_id, event.occurred_at),
        key_version=stream.key_version,
        candidate_id=candidate,
        pull_url=f"{event.pull_base}/{_stream_name(stream.control, candidate)}",
        longest_ms=limits.longest_ms,
    )
    decision = streams.apply(stream.control.stream_id, publish, seen=stream.control)
    if decision.outcome is Outcome.BUSY:
        raise AlreadyPublishing
    broadcast = decision.control.broadcast
    if decision.outcome is not Outcome.ACCEPTED or broadcast is None or broadcast.session is None:
        raise PublishRefused
    return PublishAccepted(broadcast.session.pull_url.rpartition("/")[2], broadcast.broadcast_id)


def _has_slot(streams: Streams, slots: OwnersSlots, limits: PublishLimits, control: StreamControl, now: int) -> bool:
    """Take one of the owner's slots for a broadcast that is about to begin."""
    for _ in range(ATTEMPTS):
        taken, version = slots.load(control.owner_id)
        with_this = take_slot(taken, control.stream_id, limits.broadcasts_per_owner, now, streams.read)
        if with_this is None:
            return False
        if slots.commit(control.owner_id, with_this, version):
            return True
    raise StateContended


def _stream_name(control: StreamControl, candidate: BroadcastId) -> str:
    """`{broadcast}-{session}-{128 random bits}`. The first two are for the reader of a log, as things stand before the
    claim; only the random part must be right, for knowing it is what lets a worker pull."""
    current = control.broadcast
    if current is not None and current.is_active:
        return f"{current.broadcast_id}-{current.sessions + 1}-{secrets.token_hex(16)}"
    return f"{candidate}-1-{secrets.token_hex(16)}"
