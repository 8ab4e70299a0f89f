"""redis-server in place of ElastiCache: a cluster of one node, so that a command across slots fails here as it would there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio

from localrun.plan import LOOPBACK, StackPlan
from localrun.processes import Processes, Program, base_environment
from localrun.readiness import wait_until

_ALL_SLOTS = (0, 16383)


@asynccontextmanager
async def cache(plan: StackPlan, processes: Processes) -> AsyncIterator[str]:
    """Yields the cache's URL once every slot is served."""
    # Under the run folder: a cache that survived a restart would hide what must be rebuilt.
    folder = plan.run / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "bind": LOOPBACK,
        "port": plan.ports.redis,
        "dir": folder,
        "save": "",
        "appendonly": "no",
        "databases": 1,  # as a cluster has, or it warns
        "cluster-enabled": "yes",
        "cluster-config-file": "nodes.conf",
        "cluster-port": plan.ports.redis_bus,
        "cluster-announce-ip": LOOPBACK,
        "maxmemory": "256mb",
        "maxmemory-policy": "allkeys-lru",
        "loglevel": "notice",
    }
    argv = ["redis-server", *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]
    async with processes.running(Program(name="redis", argv=argv, env=base_environment(), cwd=folder)):
        client = redis.asyncio.Redis(host=LOOPBACK, port=plan.ports.redis, socket_connect_timeout=1, socket_timeout=2)

        async def serves_every_slot() -> bool:
            try:
                state = await client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
            except (redis.ConnectionError, redis.TimeoutError):
                return False
            if state["cluster_state"] == "ok":
                return True
            if state["cluster_slots_assigned"] == "0":
                await client.execute_command("CLUSTER ADDSLOTSRANGE", *_ALL_SLOTS)  # type: ignore[no-untyped-call]
            return False

        try:
            await wait_until(serves_every_slot, within_seconds=20, what="redis-server")
        finally:
            await client.aclose()
        yield plan.cache_url
