"""Stage 7 · `join`: be sent a room's events from now on, and all that was missed."""

from __future__ import annotations

from typing import Protocol

from headwater.domain.chat import MODERATING, Chatter, Room, RoomView
from headwater.domain.client_frames import Join
from headwater.domain.ids import ConnectionId, StreamId
from headwater.domain.server_frames import joined_frames
from headwater.errors import NotFound

_NO_SUCH_ROOM = "There is no such room."


class Streams(Protocol):
    def room(self, stream_id: StreamId) -> Room | None:
        """None when there is no such stream (any more). May be a second old."""

    def admits_now(self, stream_id: StreamId, chatter: Chatter | None) -> bool:
        """Is not."""


class Rooms(Protocol):
    def view(self, stream_id: StreamId, *, after_seq: int | None) -> RoomView: ...


class Connections(Protocol):
    def chatter(self, connection_id: ConnectionId) -> Chatter | None: ...
    def join(
        self, stream_id: StreamId, connection_id: ConnectionId, chatter: Chatter | None, *, moderates: bool
    ) -> None: ...
    def leave(self, stream_id: StreamId, connection_id: ConnectionId) -> None: ...


class Limits(Protocol):
    def spend(self, action: str, subject: str, allowed: int) -> None: ...


class JoinRoom:
    def __init__(
        self, streams: Streams, rooms: Rooms, connections: Connections, limits: Limits, joins_per_minute: int
    ) -> None:
        self._streams = streams
        self._rooms = rooms
        self._connections = connections
        self._limits = limits
        self._joins_per_minute = joins_per_minute

    def __call__(self, connection_id: ConnectionId, frame: Join) -> list[str]:
        """The frames of the answer, in order. Raises NotFound, also for somebody else's private stream, and RateLimited.

        The connection is written down before the log is read: an event is either in the log by then, or accepted later
        and so delivered to everyone who is written down. One that comes in between may arrive twice; `seq` tells.
        Likewise for whoever closes the room to somebody: they either find the connection there (chat_admission), or we see
        that it is closed.
        """
        room = self._streams.room(frame.stream_id)
        chatter = self._connections.chatter(connection_id)
        # A user, wherever from; of those who only read, each connection, which an address can open only so many of.
        self._limits.spend("chat-join", chatter.user_id if chatter else connection_id, self._joins_per_minute)
        if room is None or not room.admits(chatter):
            raise NotFound(_NO_SUCH_ROOM)
        role = room.role_of(chatter)
        self._connections.join(frame.stream_id, connection_id, chatter, moderates=role in MODERATING)
        if not self._streams.admits_now(frame.stream_id, chatter):
            self._connections.leave(frame.stream_id, connection_id)
            raise NotFound(_NO_SUCH_ROOM)
        view = self._rooms.view(frame.stream_id, after_seq=frame.after_seq)
        return joined_frames(
            view,
            stream_id=frame.stream_id,
            chatter=chatter,
            role=role,
            settings=room.rules.settings,
            nonce=frame.nonce,
            resumed=frame.after_seq is not None,
        )
