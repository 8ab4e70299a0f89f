"""Stage 7 · what a moderator sends: `delete`, `timeout`, `ban`, `slow` and the like."""

from __future__ import annotations

from typing import Protocol

import msgspec

from headwater.chat_moderation import Act, ChatModeration
from headwater.domain.chat import Membership
from headwater.domain.client_frames import (
    AnyModeration,
    Approve,
    Ban,
    Clear,
    Delete,
    Reject,
    Restore,
    Slow,
    Timeout,
    Unban,
)
from headwater.domain.ids import ConnectionId, StreamId
from headwater.domain.room_settings import RoomRules
from headwater.domain.server_frames import Ack
from headwater.errors import NotJoined, Unauthenticated


class Members(Protocol):
    def member(self, stream_id: StreamId, connection_id: ConnectionId) -> Membership | None: ...


class ModerateRoom:
    def __init__(self, moderation: ChatModeration, members: Members) -> None:
        self._moderation = moderation
        self._members = members

    def __call__(self, connection_id: ConnectionId, frame: AnyModeration) -> Ack:
        """Raises NotJoined, Unauthenticated, NotFound, Forbidden, Conflict, DependencyUnavailable.

        After the last of these the sender may send again under the same nonce; it is done once.
        """
        member = self._members.member(frame.stream_id, connection_id)
        if member is None:
            raise NotJoined
        if member.chatter is None:
            raise Unauthenticated("Sign in to moderate. This connection may only read.")
        act = self._moderation.begin(frame.stream_id, member.chatter, frame.nonce)
        return Ack(nonce=frame.nonce, seq=self._carry_out(act, frame))

    def _carry_out(self, act: Act, frame: AnyModeration) -> int | None:
        moderation = self._moderation
        match frame:
            case Timeout():
                target = moderation.find(act, frame.username, frame.user_id)
                return moderation.ban(act, target, frame.reason, frame.seconds)
            case Ban():
                return moderation.ban(act, moderation.find(act, frame.username, frame.user_id), frame.reason)
            case Unban():
                return moderation.lift(act, moderation.find_barred(act, frame.username, frame.user_id))
            case Delete():
                return moderation.delete(act, frame.message_id, frame.reason)
            case Restore():
                return moderation.restore(act, frame.message_id)
            case Clear():
                return moderation.clear(act)
            case Slow():
                return moderation.set(act, lambda rules: _slowed(rules, frame.seconds))[0]
            case Approve():
                return moderation.approve(act, frame.message_id)
            case Reject():
                moderation.reject(act, frame.message_id)
                return None


def _slowed(rules: RoomRules, seconds: int) -> RoomRules:
    settings = msgspec.structs.replace(rules.settings, slow_seconds=seconds)
    return msgspec.structs.replace(rules, settings=settings)
