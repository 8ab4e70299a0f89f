"""Stage 7 · who is watching: a sorted set of playback sessions by expiry for each stream, in Redis. All of it may be lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from redis.cluster import RedisCluster

from headwater.adapters.cache import CACHE_FAILURES
from headwater.domain.ids import StreamId
from headwater.domain.playback_session import PRESENCE_SECONDS
from headwater.errors import DependencyUnavailable
from headwater.observability import count

SAMPLE_SECONDS = 5  # how often a watched stream's audience is written to the database
VIEWS_KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Sample:
    """Due now for the database: how many watch, and how many began to since the last sample was taken."""

    viewers: int
    new_views: int


class Presence:
    def __init__(self, cache: Callable[[], RedisCluster]) -> None:
        self._cache = cache

    def arrive(self, stream_id: StreamId, session_id: str, now_ms: int) -> Sample | None:
        """A viewer begins to watch."""
        return self._beat(stream_id, session_id, now_ms, views=1)

    def beat(self, stream_id: StreamId, session_id: str, now_ms: int) -> Sample | None:
        """A viewer is still there; also one whose place was lost with the cache."""
        return self._beat(stream_id, session_id, now_ms, views=0)

    def give_back(self, stream_id: StreamId, sample: Sample) -> None:
        """The sample could not be written: count its views with the next one."""
        try:
            self._cache().incrby(_views(stream_id), sample.new_views)
        except CACHE_FAILURES:
            count("ViewsLost", sample.new_views)

    def viewers(self, stream_ids: Sequence[StreamId], now_ms: int) -> Mapping[StreamId, int]:
        """How many watch each stream, in one round trip; empty when Redis does not answer."""
        if not stream_ids:
            return {}
        try:
            pipeline = self._cache().pipeline()  # type: ignore[no-untyped-call]
            for stream_id in stream_ids:
                pipeline.zcount(_sessions(stream_id), now_ms, "+inf")
            return dict(zip(stream_ids, pipeline.execute(), strict=True))
        except CACHE_FAILURES:
            count("PresenceNotRead")
            return {}

    def last_seen(self, stream_id: StreamId, now_ms: int) -> tuple[int, int]:
        """How many watch, and until when the last of them is believed to. Raises DependencyUnavailable."""
        try:
            pipeline = self._cache().pipeline()  # type: ignore[no-untyped-call]
            pipeline.zcount(_sessions(stream_id), now_ms, "+inf")
            pipeline.zrange(_sessions(stream_id), -1, -1, withscores=True)
            viewers, last = pipeline.execute()
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error
        return int(viewers), int(last[0][1]) if last else now_ms

    def _beat(self, stream_id: StreamId, session_id: str, now_ms: int, views: int) -> Sample | None:
        sessions = _sessions(stream_id)
        try:
            pipeline = self._cache().pipeline()  # type: ignore[no-untyped-call]
            pipeline.zadd(sessions, {session_id: now_ms + PRESENCE_SECONDS * 1000})
            pipeline.zremrangebyscore(sessions, "-inf", now_ms - 1)
            pipeline.expire(sessions, 2 * PRESENCE_SECONDS)
            pipeline.incrby(_views(stream_id), views)
            pipeline.expire(_views(stream_id), VIEWS_KEPT_SECONDS)
            pipeline.zcard(sessions)
            # One of many viewers' beats takes the sample; the key's expiry says when the next is due.
            pipeline.set(f"presence:{{{stream_id}}}:sampled", "1", nx=True, ex=SAMPLE_SECONDS)
            *_, viewers, due = pipeline.execute()
            if not due:
                return None
            new_views = int(self._cache().getdel(_views(stream_id)) or 0)
        except CACHE_FAILURES:
            count("PresenceNotCounted")
            return None
        return Sample(viewers=viewers, new_views=new_views)


def _sessions(stream_id: StreamId) -> str:
    return f"presence:{{{stream_id}}}"


def _views(stream_id: StreamId) -> str:
    return f"presence:{{{stream_id}}}:views"
