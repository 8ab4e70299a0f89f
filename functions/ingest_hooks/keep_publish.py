"""Stage 2 · update: the heartbeat of a publish session, and the moment at which it can be dropped."""

from __future__ import annotations

from functions.ingest_hooks.claim_publish import Streams
from functions.ingest_hooks.ingest_event import IngestEvent, Verdict
from functions.ingest_hooks.keyed_stream import find_keyed_stream
from headwater.domain.broadcast_events import Update
from headwater.domain.decision import Outcome
from headwater.errors import NotFound


def keep_publish(streams: Streams, event: IngestEvent, key_secret: bytes) -> Verdict:
    """DROP when this session may not go on: its key was rotated, its broadcast stopped, its stream deleted."""
    stream = find_keyed_stream(streams, event.key, key_secret)
    if stream is None:
        return Verdict.DROP
    update = Update(
        ref_node=event.node,
        ref_client_id=event.client_id,
        occurred_at=event.occurred_at,
        key_version=stream.key_version,
        age_seconds=event.age_seconds,
    )
    try:
        decision = streams.apply(stream.control.stream_id, update, seen=stream.control)
    except NotFound:
        return Verdict.DROP
    return Verdict.DROP if decision.outcome is Outcome.KICK else Verdict.GO_ON
