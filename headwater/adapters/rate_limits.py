"""Stage 7 · how often somebody may try something, counted in Redis by the minute. Counting fails open."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from redis.cluster import RedisCluster

from headwater.adapters.cache import CACHE_FAILURES
from headwater.errors import RateLimited
from headwater.observability import count

WINDOW_SECONDS = 60


class RateLimits:
    def __init__(self, cache: Callable[[], RedisCluster]) -> None:
        self._cache = cache

    def spend(self, action: str, subject: str, per_minute: int) -> None:
        """Note one more `action` by or on `subject`; raises RateLimited, saying when to come back, above `per_minute`.

        The subject (an address, a login) is kept as a hash only. Without Redis nobody is limited, and a metric tells.
        """
        digest = hashlib.sha256(subject.encode()).hexdigest()[:32]
        key = f"rate:{{{action}:{digest}}}"
        try:
            pipeline = self._cache().pipeline()  # type: ignore[no-untyped-call]
            pipeline.incr(key)
            pipeline.expire(key, WINDOW_SECONDS, nx=True)
            pipeline.ttl(key)
            tries, _, seconds_left = pipeline.execute()
        except CACHE_FAILURES:
            count("RateLimitNotCounted")
            return
        if tries > per_minute:
            raise RateLimited(retry_after_seconds=max(1, seconds_left))
