"""Stage 7 · watching: playback sessions, which count viewers, and what is kept of the counts."""

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
from headwater.domain.playback_session import PRESENCE_SECONDS, new_playback_session, stream_of_session
from headwater.errors import DependencyUnavailable, NotFound
from headwater.observability import count


class Audience(Protocol):
    def arrive(self, stream_id: StreamId, session_id: str, now_ms: int) -> Sample | None: ...
    def beat(self, stream_id: StreamId, session_id: str, now_ms: int) -> Sample | None: ...
    def give_back(self, stream_id: StreamId, sample: Sample) -> None: ...


class AudienceHistory(Protocol):
    def add_audience(self, stream_id: StreamId, viewers: int, new_views: int) -> None: ...


class Work(Protocol):
    @property
    def broadcasts(self) -> AudienceHistory: ...


@dataclass(frozen=True, slots=True)
class PlaybackSession:
    session_id: str
    expires_at: datetime


def open_playback_session(
    streams: StreamStore,
    audience: Audience,
    history: AudienceHistory,
    secret: Callable[[], bytes],
    stream_id: StreamId,
    viewer: UserId | None,
) -> PlaybackSession:
    """Somebody begins to watch a stream that they may see."""
    visible_stream(streams, stream_id, viewer)
    session_id = new_playback_session(secret(), stream_id)
    now_ms = unix_ms()
    sample = audience.arrive(stream_id, session_id, now_ms)
    if sample is not None:
        try:
            history.add_audience(stream_id, sample.viewers, sample.new_views)
        except Exception:
            audience.give_back(stream_id, sample)
            raise
    return PlaybackSession(session_id, _expiry(now_ms))


def keep_watching(
    audience: Audience,
    unit_of_work: Callable[[], AbstractContextManager[Work]],
    secret: Callable[[], bytes],
    session_id: str,
) -> PlaybackSession:
    """A heartbeat. Most touch only the cache; one in some seconds for each stream also writes its sample.

    A viewer is never bothered with the failure of either store. Raises NotFound for an id that we did not issue.
    """
    stream_id = stream_of_session(secret(), session_id)
    if stream_id is None:
        raise NotFound
    now_ms = unix_ms()
    sample = audience.beat(stream_id, session_id, now_ms)
    if sample is not None:
        try:
            with unit_of_work() as work:
                work.broadcasts.add_audience(stream_id, sample.viewers, sample.new_views)
        except DependencyUnavailable:
            audience.give_back(stream_id, sample)
            count("AudienceNotWritten")
    return PlaybackSession(session_id, _expiry(now_ms))


def _expiry(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000 + PRESENCE_SECONDS, UTC)
