"""Stage 7 · what moderators do to a room, by the socket or over HTTP: the same steps, in an order that can be cut off anywhere.

First DynamoDB, which lasts; then the cache, where it takes effect and everybody is told, in one step; then the hint to
deliver, and the log. Nothing of it asks the database, which may be asleep. Who gets no answer repeats the command under the
same nonce: whatever was done already is not done again, and the rest is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from headwater.adapters.chat_moderations import Change, Recorded
from headwater.adapters.held_messages import Decision, HeldMessage, HeldState
from headwater.broadcasts import unix_ms
from headwater.contracts import ChatMessageArchived, ChatModerated
from headwater.domain.chat import Chatter, Membership, Room
from headwater.domain.ids import MessageId, StreamId, UserId, new_id
from headwater.domain.moderation import (
    ModerationAction,
    Sanction,
    Standing,
    check_may_act_on,
    check_may_delete,
    check_may_moderate,
    clean_reason,
)
from headwater.domain.room_settings import RoomRules
from headwater.domain.server_frames import (
    ClearedEvent,
    MessageDeletedEvent,
    MessageEvent,
    MessageRestoredEvent,
    NumberedEvent,
    Person,
    SettingsEvent,
    UserBannedEvent,
    UserTimeoutEvent,
    UserUnbannedEvent,
)
from headwater.errors import Conflict, NotFound


class Streams(Protocol):
    def room(self, stream_id: StreamId) -> Room | None: ...


class Standings(Protocol):
    def of(self, stream_id: StreamId, owner_id: UserId, user_id: UserId) -> Standing: ...
    def sanction(self, stream_id: StreamId, user_id: UserId) -> Sanction | None: ...
    def sanctions(self, stream_id: StreamId) -> Iterable[Sanction]: ...
    def put(self, stream_id: StreamId, sanction: Sanction) -> None: ...
    def remove(self, stream_id: StreamId, user_id: UserId) -> None: ...


class Rules(Protocol):
    def change(self, stream_id: StreamId, edit: Callable[[RoomRules], RoomRules]) -> tuple[RoomRules, RoomRules]: ...


class Held(Protocol):
    def get(self, stream_id: StreamId, message_id: MessageId) -> HeldMessage | None: ...
    def add(self, stream_id: StreamId, held: HeldMessage) -> None: ...
    def decide(self, stream_id: StreamId, held: HeldMessage, decided: HeldMessage) -> bool: ...
    def waiting(self, stream_id: StreamId) -> int: ...


class Moderations(Protocol):
    def record(
        self,
        stream_id: StreamId,
        actor: UserId,
        nonce: str,
        entry_id: str,
        event: NumberedEvent | None,
        change: Change = ...,
        of: str = ...,
        undoes: str | None = ...,
    ) -> Recorded: ...
    def message(self, stream_id: StreamId, message_id: MessageId) -> MessageEvent | None: ...
    def speaker(self, stream_id: StreamId, username: str) -> tuple[UserId, str, bool] | None: ...


class Figures(Protocol):
    def set_waiting(self, stream_id: StreamId, waiting: int) -> None: ...


class Members(Protocol):
    def members(self, stream_id: StreamId) -> Iterable[Membership]: ...


class DeliveryQueue(Protocol):
    def hint(self, stream_id: StreamId, seq: int | None = None) -> None: ...


class ArchiveQueue(Protocol):
    def send(self, message: ChatModerated | ChatMessageArchived) -> None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody to whom something is done. Of who was found by name, it may not be known what they are on the site."""

    user_id: UserId
    username: str
    moderates_the_site: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, in which room, once under each `nonce`."""

    stream_id: StreamId
    room: Room
    by: Chatter
    nonce: str


class ChatModeration:
    """Every method raises Forbidden where the moderator may not do this, and DependencyUnavailable; then call it again."""

    def __init__(
        self,
        streams: Streams,
        standings: Standings,
        rules: Rules,
        held: Held,
        moderations: Moderations,
        figures: Figures,
        members: Members,
        delivery: DeliveryQueue,
        archive: ArchiveQueue,
        clock: Callable[[], int] = unix_ms,
    ) -> None:
        self._streams = streams
        self._standings = standings
        self._rules = rules
        self._held = held
        self._moderations = moderations
        self._figures = figures
        self._members = members
        self._delivery = delivery
        self._archive = archive
        self._clock = clock

    def begin(self, stream_id: StreamId, by: Chatter, nonce: str | None) -> Act:
        """Whoever moderates the room, about to do something. Raises NotFound for a room that they may not be in."""
        room = self._streams.room(stream_id)
        if room is None or not room.admits(by):
            raise NotFound("There is no such room.")
        check_may_moderate(room, by, self._standings.of(stream_id, room.owner_id, by.user_id), self._clock())
        return Act(stream_id, room, by, nonce or new_id())

    def target(self, user_id: UserId, username: str, roles: Iterable[str]) -> Target:
        """Somebody of whom all that counts is known."""
        return Target(user_id, username, Chatter(user_id, username, tuple(roles)).moderates_the_site)

    def find(self, act: Act, username: str, user_id: UserId | None = None) -> Target:
        """Who is meant: of those who spoke lately, or who are in the room. Raises NotFound."""
        spoke = self._moderations.speaker(act.stream_id, username)
        if spoke is not None and user_id in (None, spoke[0]):
            return Target(*spoke)
        for member in self._members.members(act.stream_id):
            each = member.chatter
            if each and _is_meant(username, user_id, each.username, each.user_id):
                return Target(each.user_id, each.username, each.moderates_the_site)
        raise NotFound("There is nobody of this name in the room.")

    def find_barred(self, act: Act, username: str, user_id: UserId | None = None) -> Target:
        """Likewise, and of those who are banned or timed out, wherever they are. What they are on the site by now, an old
        ban does not tell: it is enough to lift it, and to nothing else."""
        for sanction in self._standings.sanctions(act.stream_id):
            if _is_meant(username, user_id, sanction.username, sanction.user_id):
                return Target(sanction.user_id, sanction.username)
        return self.find(act, username, user_id)

    def ban(self, act: Act, target: Target, reason: str | None = None, seconds: int | None = None) -> int:
        """For ever, or as a timeout of so many `seconds`; the event's `seq`. A later one takes the place of an earlier one,
        but no timeout that of a ban: Conflict."""
        check_may_act_on(act.room, act.by, target.user_id, target.moderates_the_site)
        now = self._clock()
        if seconds is not None:
            known = self._standings.sanction(act.stream_id, target.user_id)
            if known is not None and known.until_ms is None:
                raise Conflict("They are banned already.")
        sanction = Sanction(
            user_id=target.user_id,
            username=target.username,
            entry_id=new_id(),
            by=act.by.user_id,
            at_ms=now,
            until_ms=None if seconds is None else now + seconds * 1000,
            reason=clean_reason(reason),
        )
        self._standings.put(act.stream_id, sanction)
        person = Person(id=target.user_id, username=target.username)
        event = UserBannedEvent(user=person) if seconds is None else UserTimeoutEvent(user=person, seconds=seconds)
        recorded = self._record(act, event, Change.BAR, target.user_id, sanction.entry_id)
        if recorded.entry_id != sanction.entry_id:  # it is said again, and the log knows it by its first id
            self._standings.put(act.stream_id, msgspec.structs.replace(sanction, entry_id=recorded.entry_id))
        action = ModerationAction.BAN if seconds is None else ModerationAction.TIMEOUT
        details = {} if seconds is None else {"seconds": seconds}
        self._log(act, action, recorded, user_id=target.user_id, reason=sanction.reason, details=details)
        return recorded.seq

    def lift(self, act: Act, target: Target) -> int:
        """A ban or a timeout, whether there was one or not. What they said stays hidden."""
        check_may_act_on(act.room, act.by, target.user_id, target.moderates_the_site)
        known = self._standings.sanction(act.stream_id, target.user_id)
        self._standings.remove(act.stream_id, target.user_id)
        event = UserUnbannedEvent(user=Person(id=target.user_id, username=target.username))
        undoes = None if known is None else known.entry_id
        recorded = self._record(act, event, Change.LIFT, target.user_id, undoes=undoes)
        self._log(act, ModerationAction.UNBAN, recorded, user_id=target.user_id, undoes=recorded.undoes)
        return recorded.seq

    def delete(self, act: Act, message_id: MessageId, reason: str | None = None) -> int:
        """Also one that is only in the archive any more."""
        author = self._author(act, message_id)
        event = MessageDeletedEvent(message_id=message_id)
        recorded = self._record(act, event, Change.DELETE, message_id)
        self._log(
            act,
            ModerationAction.DELETE,
            recorded,
            user_id=author,
            message_id=message_id,
            reason=clean_reason(reason),
        )
        return recorded.seq

    def restore(self, act: Act, message_id: MessageId) -> int:
        """Raises NotFound for a message that the room's log does not hold any more."""
        message = self._moderations.message(act.stream_id, message_id)
        if message is None:
            raise NotFound("The room does not remember this message any more.")
        event = MessageRestoredEvent(message=message)
        recorded = self._record(act, event, Change.RESTORE, message_id)
        author = UserId(message.user.id)
        self._log(
            act, ModerationAction.RESTORE, recorded, user_id=author, message_id=message_id, undoes=recorded.undoes
        )
        return recorded.seq

    def clear(self, act: Act) -> int:
        recorded = self._record(act, ClearedEvent(), Change.CLEAR)
        self._log(act, ModerationAction.CLEAR, recorded)
        return recorded.seq

    def set(self, act: Act, edit: Callable[[RoomRules], RoomRules]) -> tuple[int, RoomRules]:
        """Change how the room is set; the event's `seq`, and how it is from now on. Raises StateContended."""
        before, after = self._rules.change(act.stream_id, edit)
        recorded = self._record(act, SettingsEvent(settings=after.settings))
        self._log(act, ModerationAction.SETTINGS, recorded, details=_changes(before, after))
        return recorded.seq, after

    def approve(self, act: Act, message_id: MessageId) -> int:
        """Let a message be said that was held; also one that was rejected. Once, whoever else does it, too."""
        held = self._held_message(act, message_id)
        while held.state is not HeldState.APPROVED or held.seq is None:
            # Under one nonce for all: two moderators at once let it be said once.
            nobody, nonce = UserId(""), f"held:{message_id}"
            said = self._moderations.record(act.stream_id, nobody, nonce, message_id, held.message)
            self._delivery.hint(act.stream_id, said.seq)
            self._archive.send(msgspec.structs.replace(held.archived, seq=said.seq))
            held = self._decide(act, held, HeldState.APPROVED, said.seq)
        self._tell_decision(act, held, ModerationAction.APPROVE)
        return held.seq

    def reject(self, act: Act, message_id: MessageId) -> None:
        """Raises Conflict when it was said already: then delete it."""
        held = self._held_message(act, message_id)
        while held.state is HeldState.WAITING:
            held = self._decide(act, held, HeldState.REJECTED)
        if held.state is HeldState.APPROVED:
            raise Conflict("The message was approved already. Delete it.")
        self._tell_decision(act, held, ModerationAction.REJECT)

    def hold(self, stream_id: StreamId, held: HeldMessage) -> None:
        """Let a message wait for a moderator."""
        self._held.add(stream_id, held)
        self._tell_waiting(stream_id)

    def _tell_waiting(self, stream_id: StreamId) -> None:
        self._figures.set_waiting(stream_id, self._held.waiting(stream_id))
        self._delivery.hint(stream_id)

    def _held_message(self, act: Act, message_id: MessageId) -> HeldMessage:
        held = self._held.get(act.stream_id, message_id)
        if held is None:
            raise NotFound("There is no such message that waits.")
        return held

    def _decide(self, act: Act, held: HeldMessage, state: HeldState, seq: int | None = None) -> HeldMessage:
        """As it is from now on; when somebody else was quicker, as they have decided."""
        undoes = None if held.decision is None else held.decision.entry_id
        decision = Decision(entry_id=new_id(), by=act.by.user_id, at_ms=self._clock(), undoes=undoes)
        decided = msgspec.structs.replace(held, state=state, decision=decision, seq=seq)
        if self._held.decide(act.stream_id, held, decided):
            return decided
        return self._held_message(act, held.message.id)

    def _tell_decision(self, act: Act, held: HeldMessage, action: ModerationAction) -> None:
        """Also when it was decided before: whoever did may have been cut off here. The log takes an entry once."""
        self._tell_waiting(act.stream_id)
        if held.decision is not None:
            self._archive.send(
                ChatModerated(
                    entry_id=held.decision.entry_id,
                    stream_id=act.stream_id,
                    action=action,
                    actor_id=held.decision.by,
                    user_id=UserId(held.message.user.id),
                    message_id=held.message.id,
                    undoes=held.decision.undoes,
                    created_at=held.decision.at_ms,
                )
            )

    def _author(self, act: Act, message_id: MessageId) -> UserId | None:
        """Whose message it is, if the room still knows. Raises Forbidden when its author is above the moderator."""
        message = self._moderations.message(act.stream_id, message_id)
        if message is None:
            return None
        author = UserId(message.user.id)
        spoke = self._moderations.speaker(act.stream_id, message.user.username)
        moderates_the_site = spoke is not None and spoke[0] == author and spoke[2]
        check_may_delete(act.room, act.by, author, moderates_the_site)
        return author

    def _record(
        self,
        act: Act,
        event: NumberedEvent,
        change: Change = Change.NONE,
        of: str = "",
        entry_id: str | None = None,
        undoes: str | None = None,
    ) -> Recorded:
        recorded = self._moderations.record(
            act.stream_id, act.by.user_id, act.nonce, entry_id or new_id(), event, change, of, undoes
        )
        self._delivery.hint(act.stream_id, recorded.seq)
        return recorded

    def _log(
        self,
        act: Act,
        action: ModerationAction,
        recorded: Recorded,
        *,
        user_id: UserId | None = None,
        message_id: MessageId | None = None,
        reason: str | None = None,
        details: Mapping[str, Any] | None = None,
        undoes: str | None = None,
    ) -> None:
        self._archive.send(
            ChatModerated(
                entry_id=recorded.entry_id,
                stream_id=act.stream_id,
                action=action,
                actor_id=act.by.user_id,
                user_id=user_id,
                message_id=message_id,
                reason=reason,
                details=dict(details or {}),
                undoes=undoes,
                seq=recorded.seq,
                first_seq=recorded.first_seq,
                created_at=self._clock(),
            )
        )


def _is_meant(username: str, user_id: UserId | None, name: str, named: UserId) -> bool:
    """An id counts more than a name, which may have changed hands."""
    return named == user_id if user_id is not None else name.lower() == username.lower()


def _changes(before: RoomRules, after: RoomRules) -> dict[str, list[Any]]:
    """What was set otherwise, each as it was and as it is."""
    was, now = ({**msgspec.to_builtins(each.settings), **msgspec.to_builtins(each)} for each in (before, after))
    return {name: [was[name], now[name]] for name in now if name != "settings" and was[name] != now[name]}
