"""Stage 7 · going live: what an encoder needs, and the owner's start and stop. Decided by the hot state alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.api.use_cases.ingest_doors import Door, IngestDoors
from functions.api.use_cases.streams import HotState, StreamStore, as_of, owned_stream
from headwater.broadcasts import unix_ms
from headwater.domain.broadcast import StreamControl
from headwater.domain.broadcast_events import Event, RotateKey, Start, Stop
from headwater.domain.decision import Outcome
from headwater.domain.ids import StreamId, UserId
from headwater.domain.stream_key import derive_stream_key
from headwater.domain.streams import IngestHealth, Stream, ingest_health
from headwater.errors import NotFound, NotLive


@dataclass(frozen=True, slots=True)
class IngestAccess:
    door: Door
    stream_key: str
    health: IngestHealth

    def __repr__(self) -> str:
        return f"IngestAccess(door={self.door}, stream_key=…, health={self.health})"


@dataclass(frozen=True, slots=True)
class Ingest:
    """What going live needs: the hot state, where to publish, and the secret that keys are derived from."""

    hot_state: HotState
    doors: IngestDoors
    secret: Callable[[], bytes]


def show_ingest(streams: StreamStore, ingest: Ingest, stream_id: StreamId, user_id: UserId) -> IngestAccess:
    owned_stream(streams, stream_id, user_id)
    return _access(_control(ingest, stream_id), ingest.doors.look(stream_id), ingest.secret())


def ask_for_ingest(streams: StreamStore, ingest: Ingest, stream_id: StreamId, user_id: UserId) -> IngestAccess:
    """The same, and somewhere to publish to from now on, or in a moment. Raises IngestFull and LimitReached."""
    owned_stream(streams, stream_id, user_id)
    control = _control(ingest, stream_id)
    return _access(control, ingest.doors.open(stream_id, user_id), ingest.secret())


def rotate_key(streams: StreamStore, ingest: Ingest, stream_id: StreamId, user_id: UserId) -> IngestAccess:
    """A new key; the old one is worthless from now on, and an encoder that publishes with it is dropped."""
    owned_stream(streams, stream_id, user_id)
    control = ingest.hot_state.apply(stream_id, RotateKey()).control
    return _access(control, ingest.doors.look(stream_id), ingest.secret())


def start_broadcast(streams: StreamStore, hot_state: HotState, stream_id: StreamId, user_id: UserId) -> Stream:
    """Take the preview public. Raises NotLive when nothing is on the air."""
    return _decide(streams, hot_state, stream_id, user_id, Start())


def stop_broadcast(streams: StreamStore, hot_state: HotState, stream_id: StreamId, user_id: UserId) -> Stream:
    """End the broadcast and drop its encoder; ended when this returns. Raises NotLive when there is none."""
    return _decide(streams, hot_state, stream_id, user_id, Stop())


def _decide(streams: StreamStore, hot_state: HotState, stream_id: StreamId, user_id: UserId, event: Event) -> Stream:
    stream = owned_stream(streams, stream_id, user_id)
    decision = hot_state.apply(stream_id, event)
    if decision.outcome is Outcome.NOT_LIVE:
        raise NotLive
    return as_of(stream, decision.control)


def _control(ingest: Ingest, stream_id: StreamId) -> StreamControl:
    control = ingest.hot_state.read(stream_id)
    if control is None:
        raise NotFound
    return control


def _access(control: StreamControl, door: Door, secret: bytes) -> IngestAccess:
    key = derive_stream_key(secret, control.stream_id, control.key_version)
    return IngestAccess(door=door, stream_key=key, health=ingest_health(control.broadcast, unix_ms(), control.declined))
