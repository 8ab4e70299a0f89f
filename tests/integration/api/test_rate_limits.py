"""Limits are buckets: so many at once, then evenly; and nobody is locked out by a cache that is away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from headwater.adapters.cache import cache_client
from headwater.adapters.rate_limits import HOUR, RateLimits
from headwater.domain.ids import new_id
from headwater.errors import RateLimited
from headwater.observability import metrics
from tests.redis_server import RedisServer


@pytest.fixture
def limits(redis: RedisServer) -> RateLimits:
    return RateLimits(lambda: cache_client(redis.url))


def taken(limits: RateLimits, subject: str, tries: int, allowed: int, seconds: int = HOUR) -> int:
    """How many of so many tries are let through."""
    through = 0
    for _ in range(tries):
        try:
            limits.spend("try", subject, allowed, seconds)
        except RateLimited:
            continue
        through += 1
    return through


def pass_time(redis: RedisServer, seconds: float) -> None:
    """As the buckets see it: their time to be full comes nearer."""
    client = cache_client(redis.url)
    for key in client.keys("rate:*"):
        client.set(key, f"{int(str(client.get(key))) - seconds * 1_000_000:.0f}", keepttl=True)


def test_a_bucket_gives_what_it_holds_and_fills_evenly(limits: RateLimits, redis: RedisServer) -> None:
    subject = new_id()
    assert taken(limits, subject, 10, allowed=4) == 4
    pass_time(redis, HOUR / 4 + 1)
    assert taken(limits, subject, 10, allowed=4) == 1, (
        "a quarter of the period is one of four; what was refused cost nothing"
    )
    pass_time(redis, 10 * HOUR)
    assert taken(limits, subject, 10, allowed=4) == 4, "no more than it holds"


def test_who_is_refused_is_told_when_to_come_back(limits: RateLimits) -> None:
    subject = new_id()
    limits.spend("try", subject, 1, 60)
    with pytest.raises(RateLimited) as refusal:
        limits.spend("try", subject, 1, 60)
    assert refusal.value.retry_after_seconds is not None
    assert 1 <= refusal.value.retry_after_seconds <= 60


def test_actions_and_subjects_are_counted_apart(limits: RateLimits) -> None:
    subject = new_id()
    limits.spend("one", subject, 1)
    with pytest.raises(RateLimited):
        limits.spend("one", subject, 1)
    for action, whose in (("other", subject), ("one", new_id())):
        limits.spend(action, whose, 1)
        with pytest.raises(RateLimited):
            limits.spend(action, whose, 1)


def test_many_at_once_do_not_get_more(limits: RateLimits) -> None:
    subject = new_id()
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: taken(limits, subject, 5, allowed=7), range(8))) == 7


def test_what_is_kept_shows_nobody_and_goes_by_itself(limits: RateLimits, redis: RedisServer) -> None:
    limits.spend("kept-for", "ana@example.org", 3)
    client = cache_client(redis.url)
    [key] = client.keys("rate:*kept-for*")
    assert "ana" not in key
    assert 0 < client.ttl(key) <= 60
    client.delete(key)


def test_without_redis_nobody_is_limited_and_operators_are_told() -> None:
    limits = RateLimits(lambda: cache_client("redis://127.0.0.1:9"))
    metrics().clear_metrics()
    assert taken(limits, "anybody", 3, allowed=1) == 3
    assert "RateLimitNotCounted" in metrics().metric_set
    metrics().clear_metrics()
