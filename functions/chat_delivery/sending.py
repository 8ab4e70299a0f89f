"""Stage 7 · what one run has under way to whom, and whom it has given up.

Each connection is sent its frames one after the other, so its events are in order. One that does not answer in time holds up
nobody: the others are served on while it is waited for, and then it is closed. Its client comes back and resumes from the
last `seq` it has.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import Protocol

from headwater.domain.chat_rounds import Position, Shard
from headwater.domain.ids import ConnectionId, StreamId
from headwater.errors import DependencyUnavailable
from headwater.observability import count

GRACE_SECONDS = 0.1  # how long everybody is waited for before the rest is served on


class Members(Protocol):
    def leave(self, stream_id: StreamId, connection_id: ConnectionId, shard: int) -> None: ...
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


class Sending:
    def __init__(self, shard: Shard, members: Members, posts: Posts) -> None:
        self._shard = shard
        self._members = members
        self._posts = posts
        self._tasks: dict[ConnectionId, asyncio.Task[Sent]] = {}
        # Those that not everybody has, each with its last event.
        self._rounds: deque[tuple[int, list[asyncio.Task[Sent]]]] = deque()
        self._stuck: set[ConnectionId] = set()
        self._position = Position()

    @property
    def lagging(self) -> bool:
        """Whether anybody has not yet answered."""
        return bool(self._tasks)

    def position(self) -> Position:
        """Raises DependencyUnavailable when a post has: then the cursor is not to move."""
        self._settle()
        while self._rounds and all(task.done() for task in self._rounds[0][1]):
            self._position = replace(self._position, sent=self._rounds.popleft()[0])
        return self._position

    async def send(self, frames: Collection[tuple[ConnectionId, Sequence[str]]], last_seq: int | None) -> None:
        """Return when everybody has them, or somebody has and the grace is over: the others are still being sent them.

        `last_seq`: of the newest event in the frames, if there is one.
        """
        for connection_id, own in frames:
            if own and connection_id not in self._stuck:
                before = self._tasks.get(connection_id)
                self._tasks[connection_id] = asyncio.create_task(self._send_one(connection_id, own, before))
        if last_seq is not None:
            self._position = replace(self._position, taken=last_seq)
            self._rounds.append((last_seq, list(self._tasks.values())))
        somebody_has, pending = False, set(self._tasks.values())
        while pending and not somebody_has:
            done, pending = await asyncio.wait(pending, timeout=GRACE_SECONDS)
            somebody_has = any(task.result() is Sent.DELIVERED for task in done)
        self._settle()
        if self._stuck and not somebody_has and not self._tasks:
            raise DependencyUnavailable("No connection of the shard takes frames or can be closed.")

    async def wait(self, seconds: float) -> None:
        """So long, or until everybody has answered."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
            self._settle()
        else:
            await asyncio.sleep(seconds)

    async def remove_stuck(self) -> None:
        """Others were served meanwhile, so these connections themselves are to blame."""
        for connection_id in self._stuck:
            count("ChatConnectionsStuck")
            await self._forget(connection_id)

    async def settle_all(self) -> None:
        """Until everybody has answered: posts have an end."""
        if self._tasks:
            await asyncio.wait(self._tasks.values())
            self._settle()

    async def give_up(self) -> None:
        """The run is over, or has failed: nothing is to be under way when another begins."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _settle(self) -> None:
        """Raises what a task raised."""
        for connection_id, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[connection_id]
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
                    await asyncio.to_thread(
                        self._members.leave, self._shard.stream_id, connection_id, self._shard.number
                    )
                    return Sent.REMOVED
                case "unresponsive":
                    count("ChatConnectionsUnresponsive")
                    if not await self._posts.close(connection_id):
                        return Sent.STUCK
                    await self._forget(connection_id)
                    return Sent.REMOVED
        return Sent.DELIVERED

    async def _forget(self, connection_id: ConnectionId) -> None:
        """Here for certain; elsewhere by the index, which lags."""
        await asyncio.to_thread(self._members.leave, self._shard.stream_id, connection_id, self._shard.number)
        await asyncio.to_thread(self._members.close, connection_id)
