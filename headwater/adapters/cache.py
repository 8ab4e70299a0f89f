"""Stage 7 · ElastiCache, spoken to as a cluster everywhere, so that a cross-slot mistake fails on one machine too.

Everything in the cache may be lost. Callers give all keys of one stream the hash tag `{stream_id}`.
"""

from __future__ import annotations

from functools import cache

from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry

CONNECT_TIMEOUT_SECONDS = 0.3
COMMAND_TIMEOUT_SECONDS = 0.3
# What a call can raise when the cache is gone, frozen or full. redis-py's cluster errors are no RedisErrors.
CACHE_FAILURES = (RedisError, RedisClusterException)
POOLED_CONNECTIONS = 32  # threads of one process that may be waiting for the cache at the same time


@cache
def cache_client(url: str) -> RedisCluster:
    """The process's client for `url` (`redis://` or `rediss://`), connected on first use, safe to share among threads.

    Answers are `str`. A command is never sent twice: a script whose answer was lost may have run, and only its caller
    knows whether it can be repeated. This and every command raise one of `CACHE_FAILURES` when the cache does not answer.
    """
    return RedisCluster.from_url(
        url,
        protocol=2,  # version 3 costs two more round trips on every new connection and brings nothing that we use
        decode_responses=True,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=COMMAND_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        max_connections=POOLED_CONNECTIONS,
        # ElastiCache Serverless is found by one DNS name; the node addresses behind it come and go.
        dynamic_startup_nodes=False,
    )
