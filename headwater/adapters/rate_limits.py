"""Stage 7 · how often somebody may try something: token buckets in Redis. Counting fails open.

A bucket holds as many tries as are allowed in the period, and fills evenly. It is kept as one number, the time at which it
will be full again ("generic cell rate algorithm", ITU-T I.371), so that a try is one key, one script and one round trip.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

from redis.cluster import RedisCluster

from headwater.adapters.cache import CACHE_FAILURES
from headwater.errors import RateLimited
from headwater.observability import count

MINUTE = 60
HOUR = 3600

# ARGV: microseconds until one try is back, tries that a full bucket holds · microseconds to wait, 0 when the try is taken.
# By Redis's clock: those of many processes differ. Numbers are written with %.0f: Lua would say 1.7e+15.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, size = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local wait = full_at + interval - now - interval * size
if wait > 0 then return string.format('%.0f', wait) end
redis.call('SET', KEYS[1], string.format('%.0f', full_at + interval), 'PX', math.ceil((full_at + interval - now) / 1000))
return '0'
"""


class RateLimits:
    def __init__(self, cache: Callable[[], RedisCluster]) -> None:
        self._cache = cache

    def spend(self, action: str, subject: str, allowed: int, seconds: int = MINUTE) -> None:
        """Note one more `action` by or on `subject`; raises RateLimited, saying when to come back, when `allowed` of
        them were made at once, or more than `allowed` in `seconds` for long. What is refused does not count.

        The subject (an address, a login) is kept as a hash only. Without Redis nobody is limited, and a metric tells:
        a cache that is away must not lock everybody out, and each try at a password still costs its hash.
        """
        digest = hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        interval = seconds * 1_000_000 // allowed
        try:
            answer: Any = self._cache().eval(_TAKE, 1, f"rate:{{{action}:{digest}}}", str(interval), str(allowed))
        except CACHE_FAILURES:
            count("RateLimitNotCounted")
            return
        if wait := int(answer):
            raise RateLimited(retry_after_seconds=math.ceil(wait / 1_000_000))
