"""Stage 2 · publish: an encoder with the right key gets the claim on its stream, and a name that says nothing."""

from __future__ import annotations

import secrets
from typing import Protocol

from functions.ingest_hooks.ingest_event import IngestEvent, PublishAccepted
from functions.ingest_hooks.keyed_stream import find_keyed_stream
from headwater.domain.broadcast import SessionRef, StreamControl
from headwater.domain.broadcast_events import Event, Publish
from headwater.domain.broadcast_rules import Decision, Outcome
from headwater.domain.ids import BroadcastId, StreamId, new_id
from headwater.errors import AlreadyPublishing, PublishRefused


class Streams(Protocol):
    def read(self, stream_id: StreamId) -> StreamControl | None: ...
    def apply(self, stream_id: StreamId, event: Event, *, seen: StreamControl | None = None) -> Decision: ...


def claim_publish(streams: Streams, event: IngestEvent, key_secret: bytes) -> PublishAccepted:
    """The new name of the stream on its node. The same hook again gets the same name.

    Raises PublishRefused (never saying why) or AlreadyPublishing, and then nothing has changed.
    """
    stream = find_keyed_stream(streams, event.key, key_secret)
    if stream is None or stream.key_version is None:
        raise PublishRefused
    candidate = BroadcastId(new_id())
    publish = Publish(
        ref=SessionRef(event.node, event.client_id, event.occurred_at),
        key_version=stream.key_version,
        candidate_id=candidate,
        pull_url=f"{event.pull_base}/{_stream_name(stream.control, candidate)}",
    )
    decision = streams.apply(stream.control.stream_id, publish, seen=stream.control)
    if decision.outcome is Outcome.BUSY:
        raise AlreadyPublishing
    broadcast = decision.control.broadcast
    if decision.outcome is not Outcome.ACCEPTED or broadcast is None or broadcast.session is None:
        raise PublishRefused
    return PublishAccepted(broadcast.session.pull_url.rpartition("/")[2])


def _stream_name(control: StreamControl, candidate: BroadcastId) -> str:
    """`{broadcast}-{session}-{128 random bits}`. The first two are for the reader of a log, as things stand before the
    claim; only the random part must be right, for knowing it is what lets a worker pull."""
    current = control.broadcast
    if current is not None and current.is_active:
        return f"{current.broadcast_id}-{current.sessions + 1}-{secrets.token_hex(16)}"
    return f"{candidate}-1-{secrets.token_hex(16)}"
