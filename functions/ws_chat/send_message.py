"""Stage 7 · `send`: accept a message, number it, and see to it that it is delivered and archived."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from headwater.broadcasts import unix_ms
from headwater.contracts import ChatMessageArchived
from headwater.domain.chat import Membership, Room, clean_text
from headwater.domain.client_frames import Send
from headwater.domain.emotes import find_emotes
from headwater.domain.ids import ConnectionId, MessageId, StreamId, UserId, new_id
from headwater.domain.server_frames import Ack, MessageEvent, message_event
from headwater.errors import BadFrame, NotFound, NotJoined, Unauthenticated


class Accepted(Protocol):
    @property
    def message_id(self) -> MessageId: ...
    @property
    def seq(self) -> int: ...


class Acceptance(Protocol):
    def accept(self, stream_id: StreamId, user_id: UserId, nonce: str, message: MessageEvent) -> Accepted: ...


class Streams(Protocol):
    def room(self, stream_id: StreamId) -> Room | None:
        """None when there is no such stream (any more)."""


class Members(Protocol):
    def member(self, stream_id: StreamId, connection_id: ConnectionId) -> Membership | None: ...


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
        acceptance: Acceptance,
        members: Members,
        emotes: Emotes,
        delivery: DeliveryQueue,
        archive: ArchiveQueue,
        clock: Callable[[], int] = unix_ms,
    ) -> None:
        self._streams = streams
        self._acceptance = acceptance
        self._members = members
        self._emotes = emotes
        self._delivery = delivery
        self._archive = archive
        self._clock = clock

    def __call__(self, connection_id: ConnectionId, frame: Send) -> Ack:
        """Raises NotJoined, Unauthenticated, NotFound, BadFrame, TooLong, RateLimited, DependencyUnavailable.

        After the last of these the sender may send again under the same nonce: what was accepted is not accepted twice,
        and its way to the others and to the archive, which may have been cut off, is taken again. Who somebody is in the
        room, and whether they may be there, is what holds now, and not what held when they joined.
        """
        if frame.nonce is None:
            raise BadFrame("`send` needs a `nonce`.")
        text = clean_text(frame.text)
        member = self._members.member(frame.stream_id, connection_id)
        if member is None:
            raise NotJoined
        if member.chatter is None:
            raise Unauthenticated("Sign in to chat. This connection may only read.")
        room = self._streams.room(frame.stream_id)
        if room is None or not room.admits(member.chatter):
            raise NotFound("There is no such room.")
        created_at = self._clock()
        role = room.role_of(member.chatter)
        emotes = find_emotes(text, self._emotes.own(frame.stream_id))
        message = message_event(MessageId(new_id()), member.chatter, role, text, emotes, frame.reply_to, created_at)
        accepted = self._acceptance.accept(frame.stream_id, member.chatter.user_id, frame.nonce, message)
        self._delivery.hint(frame.stream_id, accepted.seq)
        self._archive.send(
            ChatMessageArchived(
                stream_id=frame.stream_id,
                seq=accepted.seq,
                message_id=accepted.message_id,
                user_id=member.chatter.user_id,
                username=member.chatter.username,
                text=text,
                reply_to=frame.reply_to,
                created_at=created_at,
                badges=message.user.badges,
                emotes=emotes,
            )
        )
        return Ack(nonce=frame.nonce, id=accepted.message_id, seq=accepted.seq)
