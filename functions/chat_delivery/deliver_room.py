"""Stage 7 · send a room's new events to everyone in it, in order.

Level-triggered: the queue only says that there is something. What there is stands in the room's log, after a cursor that
moves on when everybody was sent it. So a hint may come twice, late, or for events that went out with an earlier one.

One run at a time delivers a room (the queue's group is the room), and each connection is sent its frames one after the
other, so its events are in order. If a run dies before it moved the cursor, the next repeats some; clients know them by
`seq`. A connection that does not answer in time holds up nobody: the others are served on while it is waited for, and
then it is closed. Its client comes back and resumes from the last `seq` it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Protocol

from headwater.domain.chat import Membership, RoomEvent
from headwater.domain.ids import ConnectionId, StreamId
from headwater.domain.server_frames import events_frames
from headwater.errors import DependencyUnavailable
from headwater.observability import count

BATCH_EVENTS = 200
GRACE_SECONDS = 0.1  # how long everybody is waited for before the rest is served on
LOOK_AGAIN_SECONDS = 0.04  # for newer events, while some connections have not yet answered


class Rooms(Protocol):
    def undelivered(self, stream_id: StreamId, limit: int) -> list[RoomEvent]: ...
    def mark_delivered(self, stream_id: StreamId, seq: int) -> None: ...


class Connections(Protocol):
    def members(self, stream_id: StreamId) -> Iterable[Membership]: ...
    def leave(self, stream_id: StreamId, connection_id: ConnectionId) -> None: ...
    def close(self, connection_id: ConnectionId) -> None: ...


class Posts(Protocol):
    async def post(self, connection_id: ConnectionId, frame: str) -> str:
        """Answers "delivered", "gone" or "unresponsive". Raises DependencyUnavailable when it is nobody's fault."""

    async def close(self, connection_id: ConnectionId) -> bool:
        """Whether there was an answer."""


class Sent(Enum):
    """What has become of one connection's frames."""

    DELIVERED = auto()
    REMOVED = auto()  # the connection is gone, or was closed because it did not take them
    STUCK = auto()  # neither takes them nor can be closed


class DeliverRoom:
    def __init__(self, rooms: Rooms, connections: Connections, posts: Posts) -> None:
        self._rooms = rooms
        self._connections = connections
        self._posts = posts

    async def __call__(self, stream_id: StreamId) -> None:
        """Until everything is sent. Raises DependencyUnavailable; the cursor has then not moved past what nobody got."""
        run = _Run(stream_id, self._connections, self._posts)
        try:
            while True:
                events = await asyncio.to_thread(self._rooms.undelivered, stream_id, BATCH_EVENTS)
                if events:
                    await run.send(events)
                    await asyncio.to_thread(self._rooms.mark_delivered, stream_id, events[-1].seq)
                elif not await run.lagging(LOOK_AGAIN_SECONDS):
                    break
            await run.remove_stuck()
        finally:
            await run.settle_all()


class _Run:
    """One run's state: what is on its way to whom, and whom it has given up."""

    def __init__(self, stream_id: StreamId, connections: Connections, posts: Posts) -> None:
        self._stream_id = stream_id
        self._connections = connections
        self._posts = posts
        self._sending: dict[ConnectionId, asyncio.Task[Sent]] = {}
        self._stuck: set[ConnectionId] = set()

    async def send(self, events: Sequence[RoomEvent]) -> None:
        """Return when everybody has them, or somebody has and the grace is over: who has not is still being sent them."""
        # Read after the log: who is not in it yet joined after these events, and got them when it joined.
        members = await asyncio.to_thread(lambda: list(self._connections.members(self._stream_id)))
        for_everyone = events_frames(self._stream_id, events)
        for member in members:
            if member.connection_id in self._stuck:
                continue
            frames = for_everyone
            if member.joined_seq >= events[0].seq:
                frames = events_frames(self._stream_id, [event for event in events if event.seq > member.joined_seq])
            before = self._sending.get(member.connection_id)
            self._sending[member.connection_id] = asyncio.create_task(
                self._send_one(member.connection_id, frames, before)
            )
        somebody_has = False
        pending = set(self._sending.values())
        until_grace_is_over = asyncio.get_running_loop().time() + GRACE_SECONDS
        while pending:
            left = until_grace_is_over - asyncio.get_running_loop().time()
            if left <= 0 and somebody_has:
                break
            done, pending = await asyncio.wait(
                pending, timeout=left if somebody_has else None, return_when=asyncio.FIRST_COMPLETED
            )
            somebody_has = somebody_has or any(task.result() is Sent.DELIVERED for task in done)
        self._settle()
        if self._stuck and not somebody_has and not self._sending:
            raise DependencyUnavailable("No connection of the room takes frames or can be closed.")

    async def lagging(self, seconds: float) -> bool:
        """Wait so long for those who have not answered; whether there still are any."""
        if self._sending:
            await asyncio.wait(self._sending.values(), timeout=seconds)
            self._settle()
        return bool(self._sending)

    async def remove_stuck(self) -> None:
        """Others were served meanwhile, so these connections themselves are to blame."""
        for connection_id in self._stuck:
            count("ChatConnectionsStuck")
            await asyncio.to_thread(self._connections.close, connection_id)

    async def settle_all(self) -> None:
        """Also when the run fails: the cursor may have moved past what these have yet to answer, and posts have an end."""
        await asyncio.gather(*self._sending.values(), return_exceptions=True)

    def _settle(self) -> None:
        """Raises what a task raised."""
        for connection_id, task in list(self._sending.items()):
            if task.done():
                del self._sending[connection_id]
                if task.result() is Sent.STUCK:
                    self._stuck.add(connection_id)

    async def _send_one(
        self, connection_id: ConnectionId, frames: Sequence[str], before: asyncio.Task[Sent] | None
    ) -> Sent:
        if before is not None and (sent := await before) is not Sent.DELIVERED:
            return sent
        for frame in frames:
            match await self._posts.post(connection_id, frame):
                case "gone":
                    count("ChatConnectionsGone")
                    await asyncio.to_thread(self._connections.leave, self._stream_id, connection_id)
                    return Sent.REMOVED
                case "unresponsive":
                    count("ChatConnectionsUnresponsive")
                    if not await self._posts.close(connection_id):
                        return Sent.STUCK
                    await asyncio.to_thread(self._connections.close, connection_id)
                    return Sent.REMOVED
        return Sent.DELIVERED
