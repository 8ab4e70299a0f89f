"""Stage 7 · `send`: accept a message, number it, and see to it that it is delivered and archived."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from functions.ws_chat.speaker import Members, Streams, speaker_in
from headwater.adapters.chat_acceptance import Accepted
from headwater.adapters.held_messages import HeldMessage
from headwater.broadcasts import unix_ms
from headwater.contracts import ChatMessageArchived
from headwater.domain.chat import Chatter, Room, clean_text
from headwater.domain.client_frames import Send
from headwater.domain.emotes import find_emotes, has_only_emotes
from headwater.domain.ids import ConnectionId, MessageId, StreamId, UserId, new_id
from headwater.domain.moderation import Standing, judge
from headwater.domain.server_frames import Ack, MessageEvent, message_event
from headwater.errors import BadFrame, DependencyUnavailable, Forbidden

_LOOKS = 3


class Standings(Protocol):
    def of(self, stream_id: StreamId, owner_id: UserId, user_id: UserId) -> Standing: ...


class Rooms(Protocol):
    def holds(self, stream_id: StreamId, message_id: MessageId) -> bool: ...


class Acceptance(Protocol):
    def accept(
        self, stream_id: StreamId, room: Room, chatter: Chatter, nonce: str, message: MessageEvent, *, held: bool
    ) -> Accepted | None:
        """None: ask for the user's standing again."""

    def accepted_before(self, stream_id: StreamId, user_id: UserId, nonce: str) -> bool: ...


class Review(Protocol):
    def hold(self, stream_id: StreamId, held: HeldMessage) -> None: ...


class Emotes(Protocol):
    def own(self, stream_id: StreamId) -> Mapping[str, str]:
        """The ids of the room's own emotes, by name."""


class DeliveryQueue(Protocol):
    def hint(self, stream_id: StreamId, seq: int) -> None: ...


class ArchiveQueue(Protocol):
    def send(self, message: ChatMessageArchived) -> None: ...


class SendMessage:
    def __init__(
        self,
        streams: Streams,
        rooms: Rooms,
        standings: Standings,
        acceptance: Acceptance,
        members: Members,
        emotes: Emotes,
        delivery: DeliveryQueue,
        archive: ArchiveQueue,
        review: Review,
        clock: Callable[[], int] = unix_ms,
    ) -> None:
        self._streams = streams
        self._rooms = rooms
        self._standings = standings
        self._acceptance = acceptance
        self._members = members
        self._emotes = emotes
        self._delivery = delivery
        self._archive = archive
        self._review = review
        self._clock = clock

    def __call__(self, connection_id: ConnectionId, frame: Send) -> Ack:
        """Raises NotJoined, Unauthenticated, NotFound, BadFrame, TooLong, all that a room can refuse (domain/moderation.py),
        RateLimited, DependencyUnavailable.

        After the last of these the sender may send again under the same nonce: what was accepted is not accepted twice,
        and its way to the others and to the archive, which may have been cut off, is taken again. Who somebody is in the
        room, and whether they may be there, is what holds now, and not what held when they joined.
        """
        if frame.nonce is None:
            raise BadFrame("`send` needs a `nonce`.")
        text = clean_text(frame.text)
        chatter, room = speaker_in(self._members, self._streams, frame.stream_id, connection_id, to="chat")
        reply_to = frame.reply_to
        if reply_to is not None and not self._rooms.holds(frame.stream_id, reply_to):
            reply_to = None  # long ago, or never: what others get are ids that were given here
        created_at = self._clock()
        role = room.role_of(chatter)
        emotes = find_emotes(text, self._emotes.own(frame.stream_id))
        standing = self._standings.of(frame.stream_id, room.owner_id, chatter.user_id)
        message = message_event(
            MessageId(new_id()),
            chatter,
            role,
            text,
            emotes,
            reply_to,
            created_at,
            follower=standing.follows_since_ms is not None,
        )
        accepted = self._accept(frame.stream_id, room, chatter, frame.nonce, message, standing)
        archived = ChatMessageArchived(
            stream_id=frame.stream_id,
            seq=accepted.seq or 0,
            message_id=accepted.message_id,
            user_id=chatter.user_id,
            username=chatter.username,
            text=text,
            reply_to=reply_to,
            created_at=created_at,
            badges=message.user.badges,
            emotes=emotes,
        )
        if accepted.seq is None:
            said = msgspec.structs.replace(message, id=accepted.message_id)
            self._review.hold(frame.stream_id, HeldMessage(message=said, archived=archived))
            return Ack(nonce=frame.nonce, id=accepted.message_id, held=True)
        self._delivery.hint(frame.stream_id, accepted.seq)
        self._archive.send(archived)
        return Ack(nonce=frame.nonce, id=accepted.message_id, seq=accepted.seq)

    def _accept(
        self,
        stream_id: StreamId,
        room: Room,
        chatter: Chatter,
        nonce: str,
        message: MessageEvent,
        standing: Standing,
    ) -> Accepted:
        only_emotes = has_only_emotes(message.text, message.emotes)
        for _ in range(_LOOKS):
            held = False
            try:
                held = (
                    judge(message.text, room, chatter, standing, only_emotes=only_emotes, now_ms=self._clock())
                    is not None
                )
            except Forbidden:
                if not self._acceptance.accepted_before(stream_id, chatter.user_id, nonce):
                    raise
            accepted = self._acceptance.accept(stream_id, room, chatter, nonce, message, held=held)
            if accepted is not None:
                return accepted
            standing = self._standings.of(stream_id, room.owner_id, chatter.user_id)
        raise DependencyUnavailable("The room is being moderated too quickly. Try again.")
