"""Stage 7 · watching: playback sessions, which count viewers and let them in, and what is kept of the counts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from functions.api.use_cases.streams import StreamStore, visible_stream
from headwater.adapters.presence import Sample
from headwater.broadcasts import unix_ms
from headwater.domain.ids import StreamId, UserId
from headwater.domain.media_access import Audience
from headwater.domain.media_signature import SignedAccess
from headwater.domain.playback_session import (
    PRESENCE_SECONDS,
    is_signed_session,
    new_playback_session,
    stream_of_session,
)
from headwater.domain.streams import Privacy, Stream
from headwater.errors import DependencyUnavailable, NotFound
from headwater.observability import count


class AudienceCount(Protocol):
    def arrive(self, stream_id: StreamId, session_id: str, now_ms: int) -> Sample | None: ...
    def beat(self, stream_id: StreamId, session_id: str, now_ms: int) -> Sample | None: ...
    def give_back(self, stream_id: StreamId, sample: Sample) -> None: ...


class AudienceHistory(Protocol):
    def add_audience(self, stream_id: StreamId, viewers: int, new_views: int) -> None: ...


class RoomAudience(Protocol):
    def tell(self, stream_id: StreamId, viewers: int) -> None: ...


class Work(Protocol):
    @property
    def streams(self) -> StreamStore: ...
    @property
    def broadcasts(self) -> AudienceHistory: ...


class Signer(Protocol):
    def sign(self, stream_id: StreamId, entrance: Audience) -> SignedAccess: ...


@dataclass(frozen=True, slots=True)
class PlaybackSession:
    """`access` is what opens `entrance`; None where nothing is needed, or where who asked may not have it."""

    session_id: str
    stream_id: StreamId
    expires_at: datetime
    entrance: Audience
    access: SignedAccess | None


def entrance_of(stream: Stream, viewer: UserId | None) -> Audience:
    """How somebody who may see the stream gets at its media. The owner's own way leads to previews, too."""
    if stream.is_owned_by(viewer):
        return Audience.OWNER
    return Audience.VIEWERS if stream.profile.privacy is Privacy.PRIVATE else Audience.EVERYONE


def open_playback_session(
    work: Work,
    audience: AudienceCount,
    room: RoomAudience,
    signer: Signer,
    secret: Callable[[], bytes],
    stream_id: StreamId,
    viewer: UserId | None,
) -> PlaybackSession:
    """Somebody begins to watch a stream that they may see."""
    entrance = entrance_of(visible_stream(work.streams, stream_id, viewer), viewer)
    access = None if entrance is Audience.EVERYONE else signer.sign(stream_id, entrance)
    session_id = new_playback_session(secret(), stream_id, signed=access is not None)
    now_ms = unix_ms()
    sample = audience.arrive(stream_id, session_id, now_ms)
    if sample is not None:
        room.tell(stream_id, sample.viewers)
        try:
            work.broadcasts.add_audience(stream_id, sample.viewers, sample.new_views)
        except Exception:
            audience.give_back(stream_id, sample)
            raise
    return PlaybackSession(session_id, stream_id, _expiry(now_ms), entrance, access)


def keep_watching(
    audience: AudienceCount,
    room: RoomAudience,
    unit_of_work: Callable[[], AbstractContextManager[Work]],
    signer: Signer,
    secret: Callable[[], bytes],
    session_id: str,
    viewer: UserId | None,
) -> PlaybackSession:
    """A heartbeat. Most touch only the cache; one in some seconds for each stream also writes its sample.

    A viewer is never bothered with the failure of either store, but access is renewed only for somebody signed in who, as
    the database says at this moment, may watch. Raises NotFound for an id that we did not issue, and when they may not.
    """
    stream_id = stream_of_session(secret(), session_id)
    if stream_id is None:
        raise NotFound
    entrance, access = Audience.EVERYONE, None
    if viewer is not None and is_signed_session(secret(), session_id):
        with unit_of_work() as work:
            entrance = entrance_of(visible_stream(work.streams, stream_id, viewer), viewer)
        access = None if entrance is Audience.EVERYONE else signer.sign(stream_id, entrance)
    now_ms = unix_ms()
    sample = audience.beat(stream_id, session_id, now_ms)
    if sample is not None:
        room.tell(stream_id, sample.viewers)
        try:
            with unit_of_work() as work:
                work.broadcasts.add_audience(stream_id, sample.viewers, sample.new_views)
        except DependencyUnavailable:
            audience.give_back(stream_id, sample)
            count("AudienceNotWritten")
    return PlaybackSession(session_id, stream_id, _expiry(now_ms), entrance, access)


def _expiry(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000 + PRESENCE_SECONDS, UTC)
