"""Stage 7 · whoever watches says so; that nobody does any more has to be looked for. One delayed message for each watched
stream: it comes when the last viewer known of would be gone, and sends itself again as long as somebody is there.

`presence:{id}:watch` in the cache names the message that counts, for queues deliver twice. It may be lost: then the next
viewer that is news to the room sends another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from redis.cluster import RedisCluster

from headwater.adapters.cache import CACHE_FAILURES
from headwater.contracts import AudienceLook
from headwater.domain.ids import StreamId, new_id
from headwater.domain.playback_session import PRESENCE_SECONDS
from headwater.errors import DependencyUnavailable

_LATE_SECONDS = 60  # queues are a little late at times


class Queue(Protocol):
    def send(self, message: AudienceLook, *, delay_seconds: int) -> None: ...


class AudienceWatch:
    """Every method raises DependencyUnavailable when the cache or the queue does not answer."""

    def __init__(self, cache: Callable[[], RedisCluster], queue: Queue) -> None:
        self._cache = cache
        self._queue = queue

    def begin(self, stream_id: StreamId) -> None:
        """Somebody watches: look when they might have gone, unless somebody looks anyway."""
        token = new_id()
        try:
            first = self._cache().set(_key(stream_id), token, nx=True, ex=PRESENCE_SECONDS + _LATE_SECONDS)
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error
        if first:
            self._send(stream_id, token, PRESENCE_SECONDS + 1)

    def counts(self, look: AudienceLook) -> bool:
        """Whether this is the message that counts; also when nobody knows any more."""
        try:
            return self._cache().get(_key(look.stream_id)) in (None, look.token)
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error

    def go_on(self, stream_id: StreamId, seconds: int) -> None:
        """Look again after so many. If this is cut off and repeated, the later message counts."""
        token = new_id()
        self._send(stream_id, token, seconds)
        try:
            self._cache().set(_key(stream_id), token, ex=seconds + _LATE_SECONDS)
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error

    def end(self, stream_id: StreamId) -> None:
        """Nobody is there. Call it before the room is told: whoever comes in between is news to it, and begins anew."""
        try:
            self._cache().delete(_key(stream_id))
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error

    def _send(self, stream_id: StreamId, token: str, seconds: int) -> None:
        self._queue.send(AudienceLook(stream_id=stream_id, token=token), delay_seconds=seconds)


def _key(stream_id: StreamId) -> str:
    return f"presence:{{{stream_id}}}:watch"
