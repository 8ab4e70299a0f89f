"""Builders of domain objects: valid by default, and a test names only what it is about."""

from __future__ import annotations

from typing import Any

from headwater.domain.broadcast import SessionRef, StreamControl
from headwater.domain.broadcast_events import Done, Publish, Update
from headwater.domain.ids import BroadcastId, StreamId, UserId, id_bound, new_id

NOW = 1_800_000_000_000  # Unix ms; tests count from here
NODE = "node-1"


def stream_control(**fields: Any) -> StreamControl:
    """A stream that is offline, with key version 1 and default settings."""
    return StreamControl(**{"stream_id": StreamId(new_id()), "owner_id": UserId(new_id()), **fields})


def id_made_at(milliseconds: int) -> str:
    """A fresh id of that moment (Unix): those of one millisecond are in no order."""
    moment = id_bound(milliseconds)
    return moment + new_id()[len(moment) :]


def session_ref(client_id: str = "1", opened_at: int = NOW, node: str = NODE) -> SessionRef:
    return SessionRef(node=node, client_id=client_id, opened_at=opened_at)


def publish(ref: SessionRef | None = None, *, key_version: int = 1, broadcast_id: str | None = None) -> Publish:
    ref = ref or session_ref()
    return Publish(
        ref=ref,
        key_version=key_version,
        candidate_id=BroadcastId(broadcast_id or new_id()),
        pull_url=f"http://10.0.3.7:1936/sources/{ref.node}-{ref.client_id}",
    )


def update(ref: SessionRef, occurred_at: int, *, key_version: int | None = 1, age_seconds: int | None = None) -> Update:
    return Update(ref.node, ref.client_id, occurred_at, key_version, age_seconds)


def done(ref: SessionRef, occurred_at: int) -> Done:
    return Done(ref.node, ref.client_id, occurred_at)
