"""Stage 7 · a room that turned private, whose list got shorter, or that is gone: close the sockets of who may not be in it.

Joining and sending are refused to them within a second (`chat_streams` remembers a room for so long), and the queue's delay is
longer: so nobody slips in behind this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from headwater.domain.broadcast import StreamControl
from headwater.domain.chat import Membership, Room
from headwater.domain.ids import ConnectionId, StreamId


class Controls(Protocol):
    def load(self, stream_id: StreamId) -> StreamControl | None: ...


class Connections(Protocol):
    def members(self, stream_id: StreamId) -> Iterable[Membership]: ...
    def close(self, connection_id: ConnectionId) -> None: ...


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
        leaving = [each.connection_id for each in members if not _admits(control, each)]
        # Out of the room first: what is said from now on is not sent to them, whatever becomes of the socket.
        for connection_id in leaving:
            await asyncio.to_thread(self._connections.close, connection_id)
        await asyncio.gather(*(self._posts.close(connection_id) for connection_id in leaving))
        return len(leaving)


def _admits(control: StreamControl | None, member: Membership) -> bool:
    if control is None or control.deleted:
        return False
    room = Room(control.owner_id, private=control.settings.private, viewers=frozenset(control.viewers))
    return room.admits(member.chatter)
