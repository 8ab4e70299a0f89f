"""Stage 7 · a room that turned private, whose list got shorter, or that is gone: close the sockets of who may not be in it.

Nobody slips in behind this: `join` writes a connection down and then looks at what holds now, so that it is either seen here or
refused there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from headwater.adapters.chat_streams import admits
from headwater.domain.broadcast import StreamControl
from headwater.domain.chat import Membership
from headwater.domain.ids import ConnectionId, StreamId
from headwater.errors import DependencyUnavailable


class Controls(Protocol):
    def load(self, stream_id: StreamId) -> StreamControl | None: ...


class Connections(Protocol):
    def members(self, stream_id: StreamId) -> Iterable[Membership]: ...
    def expel(self, stream_id: StreamId, members: Sequence[Membership]) -> None: ...


class Posts(Protocol):
    async def close(self, connection_id: ConnectionId) -> bool:
        """Whether there was an answer."""


class ClearRoom:
    def __init__(self, controls: Controls, connections: Connections, posts: Posts) -> None:
        self._controls = controls
        self._connections = connections
        self._posts = posts

    async def __call__(self, stream_id: StreamId) -> int:
        """How many were put out. Raises DependencyUnavailable; then call it again."""
        control = await asyncio.to_thread(self._controls.load, stream_id)
        members = await asyncio.to_thread(lambda: list(self._connections.members(stream_id)))
        leaving = [each for each in members if not admits(control, each.chatter)]
        answers = await asyncio.gather(
            *(self._posts.close(each.connection_id) for each in leaving), return_exceptions=True
        )
        # Whose socket cannot be closed cannot be sent anything either, and stays to be found the next time.
        closed = [each for each, answer in zip(leaving, answers, strict=True) if answer is True]
        await asyncio.to_thread(self._connections.expel, stream_id, closed)
        if len(closed) < len(leaving):
            raise DependencyUnavailable("Not every socket could be closed.")
        return len(closed)
