"""Stage 7 · more than one frame to a sender, or the end of its socket, through `@connections`.

A single frame goes back as the function's return value, which costs no post.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from headwater.domain.ids import ConnectionId


class Posts(Protocol):
    async def post(self, connection_id: ConnectionId, frame: str) -> object: ...
    async def close(self, connection_id: ConnectionId) -> object: ...
    async def aclose(self) -> None: ...


class Reply:
    """`loop` is kept between calls, and with it the wires to API Gateway."""

    def __init__(self, posts: Posts, loop: asyncio.AbstractEventLoop) -> None:
        self._posts = posts
        self._loop = loop

    def send(self, connection_id: ConnectionId, frames: Sequence[str], *, closing: bool) -> None:
        """`frames` in order, then, if `closing`, the end of the socket. Raises DependencyUnavailable."""
        self._loop.run_until_complete(self._send(connection_id, frames, closing))

    async def _send(self, connection_id: ConnectionId, frames: Sequence[str], closing: bool) -> None:
        for frame in frames:
            await self._posts.post(connection_id, frame)
        if closing:
            await self._posts.close(connection_id)

    def close(self) -> None:
        self._loop.run_until_complete(self._posts.aclose())
        self._loop.close()
