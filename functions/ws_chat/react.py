"""Stage 7 · `react`: one emoji or emote, added to what the room is told once a second. Nobody learns whose it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from functions.ws_chat.speaker import Members, Streams, speaker_in
from headwater.broadcasts import unix_ms
from headwater.domain.chat import REACTIONS_PER_MINUTE
from headwater.domain.client_frames import React
from headwater.domain.emotes import reaction_of
from headwater.domain.ids import ConnectionId, StreamId, UserId
from headwater.domain.moderation import Standing, check_may_speak, exemptions
from headwater.domain.server_frames import Ack
from headwater.errors import BadFrame


class Emotes(Protocol):
    def own(self, stream_id: StreamId) -> Mapping[str, str]:
        """The ids of the room's own emotes, by name."""


class Standings(Protocol):
    def of(self, stream_id: StreamId, owner_id: UserId, user_id: UserId) -> Standing: ...


class Limits(Protocol):
    def spend(self, action: str, subject: str, allowed: int) -> None: ...


class Rooms(Protocol):
    def add_reaction(self, stream_id: StreamId, emoji: str) -> None: ...


class DeliveryQueue(Protocol):
    def hint(self, stream_id: StreamId) -> None: ...


class ReactInRoom:
    def __init__(
        self,
        streams: Streams,
        members: Members,
        emotes: Emotes,
        standings: Standings,
        limits: Limits,
        rooms: Rooms,
        delivery: DeliveryQueue,
    ) -> None:
        self._streams = streams
        self._members = members
        self._emotes = emotes
        self._standings = standings
        self._limits = limits
        self._rooms = rooms
        self._delivery = delivery

    def __call__(self, connection_id: ConnectionId, frame: React) -> Ack:
        """Raises NotJoined, Unauthenticated, NotFound, BadFrame, Banned, TimedOut, RateLimited, DependencyUnavailable.

        The modes of a room are for what is said, and do not bind reactions. Sent again, one is counted again.
        """
        chatter, room = speaker_in(self._members, self._streams, frame.stream_id, connection_id, to="react")
        reaction = reaction_of(frame.emoji, self._emotes.own(frame.stream_id))
        if reaction is None:
            raise BadFrame("There is no such reaction in this room.")
        if not exemptions(room, chatter).from_bars:
            check_may_speak(self._standings.of(frame.stream_id, room.owner_id, chatter.user_id), unix_ms())
        self._limits.spend("chat-react", f"{frame.stream_id} {chatter.user_id}", REACTIONS_PER_MINUTE)
        self._rooms.add_reaction(frame.stream_id, reaction)
        self._delivery.hint(frame.stream_id)
        return Ack(nonce=frame.nonce)
