"""Waiting for something to become true, with an end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from localrun.processes import ServiceFailed


async def wait_until(
    is_true: Callable[[], Awaitable[bool]], *, within_seconds: float, every_seconds: float = 0.05, what: str = ""
) -> None:
    """Returns when `is_true` does; raises ServiceFailed naming `what` when it does not within the time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    while not await is_true():
        if loop.time() > deadline:
            raise ServiceFailed(f"{what or 'a service'} did not become ready within {within_seconds:.0f} s.")
        await asyncio.sleep(every_seconds)
