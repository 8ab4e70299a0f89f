"""Stage 2 · done: a publish session is over. Only the session that holds the claim can give it back."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from functions.ingest_hooks.ingest_event import IngestEvent
from headwater.domain.broadcast_events import Done, Event
from headwater.domain.decision import Decision
from headwater.domain.ids import StreamId
from headwater.domain.stream_key import stream_id_of_key
from headwater.errors import NotFound


class Streams(Protocol):
    def apply(self, stream_id: StreamId, event: Event) -> Decision: ...


def end_publish(streams: Streams, event: IngestEvent) -> None:
    """Release the claim if (node, client id) holds it. The key only says which stream: it may be an old one by now, and
    whoever was refused holds no claim that this could touch."""
    stream_id = stream_id_of_key(event.key)
    if stream_id is None:
        return
    with suppress(NotFound):
        streams.apply(
            stream_id, Done(ref_node=event.node, ref_client_id=event.client_id, occurred_at=event.occurred_at)
        )
