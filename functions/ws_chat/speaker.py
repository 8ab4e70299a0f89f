"""Stage 7 · who wants to be heard in a room: somebody signed in who has joined it, and may be there now."""

from __future__ import annotations

from typing import Protocol

from headwater.domain.chat import Chatter, Membership, Room
from headwater.domain.ids import ConnectionId, StreamId
from headwater.errors import NotFound, NotJoined, Unauthenticated


class Streams(Protocol):
    def room(self, stream_id: StreamId) -> Room | None:
        """None when there is no such stream (any more)."""


class Members(Protocol):
    def member(self, stream_id: StreamId, connection_id: ConnectionId) -> Membership | None: ...


def speaker_in(
    members: Members, streams: Streams, stream_id: StreamId, connection_id: ConnectionId, *, to: str
) -> tuple[Chatter, Room]:
    """`to` do what, as whoever may only read is told. Raises NotJoined, Unauthenticated, NotFound."""
    member = members.member(stream_id, connection_id)
    if member is None:
        raise NotJoined
    if member.chatter is None:
        raise Unauthenticated(f"Sign in to {to}. This connection may only read.")
    room = streams.room(stream_id)
    if room is None or not room.admits(member.chatter):
        raise NotFound("There is no such room.")
    return member.chatter, room
