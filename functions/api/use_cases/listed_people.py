"""Stage 7 · the lists of people that a stream's owner keeps: its moderators, its VIPs, and who may watch it while private.

As with streams, PostgreSQL is written first, uncommitted, then the hot state, and committed last: chat and ingest read the
copy there. The owner's lock on the stream makes the copies of two calls at once follow each other. Whoever is taken off the
list of viewers cannot renew what they watch with, and is put out of the room by what the hot state tells
(functions/chat_admission).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from functions.api.use_cases.audit_log import AuditLog
from functions.api.use_cases.streams import HotState, StreamStore, owned_stream, visible_stream
from headwater.adapters.listed_people import ListedPerson
from headwater.broadcasts import unix_ms
from headwater.contracts import ChatModerated
from headwater.domain.accounts import User
from headwater.domain.audit import Action, Subject, SubjectKind
from headwater.domain.broadcast_events import Event, NameModerators, NameViewers, NameVips
from headwater.domain.ids import StreamId, UserId, new_id
from headwater.domain.moderation import ModerationAction
from headwater.domain.stream_rules import MODERATORS_LIMIT, VIEWERS_LIMIT, VIPS_LIMIT
from headwater.errors import Conflict, Forbidden, LimitReached, NotFound


class ListStore(Protocol):
    def of_stream(self, stream_id: StreamId) -> Sequence[ListedPerson]: ...
    def add(self, stream_id: StreamId, user_id: UserId) -> bool: ...
    def remove(self, stream_id: StreamId, user_id: UserId) -> bool: ...


class LogStore(Protocol):
    def write(self, entry: ChatModerated) -> None: ...


class AccountStore(Protocol):
    def by_username(self, username: str) -> User | None: ...


class Work(Protocol):
    @property
    def streams(self) -> StreamStore: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def moderators(self) -> ListStore: ...
    @property
    def vips(self) -> ListStore: ...
    @property
    def viewers(self) -> ListStore: ...
    @property
    def moderation_log(self) -> LogStore: ...
    @property
    def audit(self) -> AuditLog: ...


@dataclass(frozen=True, slots=True)
class PeopleList:
    """What one list has of its own."""

    store: Callable[[Work], ListStore]
    limit: int
    full: str  # why nobody more is taken
    not_the_owner: str
    shown_to_the_listed: bool
    copied_by: Callable[[tuple[UserId, ...]], Event]  # into the hot state
    audited_as: tuple[Action, Action] | None = None  # put on it, taken off it
    logged_as: tuple[ModerationAction, ModerationAction] | None = None  # likewise, in the moderation log of the stream


MODERATORS = PeopleList(
    store=lambda work: work.moderators,
    limit=MODERATORS_LIMIT,
    full=f"A stream has at most {MODERATORS_LIMIT} moderators.",
    not_the_owner="The owner moderates anyway.",
    shown_to_the_listed=True,
    copied_by=NameModerators,
    audited_as=(Action.MODERATOR_NAMED, Action.MODERATOR_DISMISSED),
    logged_as=(ModerationAction.MODERATOR, ModerationAction.UNMODERATOR),
)
VIPS = PeopleList(
    store=lambda work: work.vips,
    limit=VIPS_LIMIT,
    full=f"A stream has at most {VIPS_LIMIT} VIPs.",
    not_the_owner="The owner needs no exemption.",
    shown_to_the_listed=True,
    copied_by=NameVips,
    logged_as=(ModerationAction.VIP, ModerationAction.UNVIP),
)
VIEWERS = PeopleList(
    store=lambda work: work.viewers,
    limit=VIEWERS_LIMIT,
    full=f"A stream's list has at most {VIEWERS_LIMIT} viewers.",
    not_the_owner="The owner may watch anyway.",
    shown_to_the_listed=False,
    copied_by=NameViewers,
)


def people_on(work: Work, kept: PeopleList, stream_id: StreamId, caller: UserId) -> Sequence[ListedPerson]:
    """Raises NotFound, Forbidden."""
    stream = visible_stream(work.streams, stream_id, caller)
    people = kept.store(work).of_stream(stream_id)
    is_shown = kept.shown_to_the_listed and caller in [each.user_id for each in people]
    if not is_shown and not stream.is_owned_by(caller):
        raise Forbidden("This list is not yours to see.")
    return people


def put_on(
    work: Work, hot_state: HotState, kept: PeopleList, stream_id: StreamId, owner: UserId, username: str
) -> None:
    """Whether they were on it or not. Raises NotFound, Forbidden, Conflict for oneself, LimitReached."""
    person = _held(work, stream_id, owner, username)
    if person == owner:
        raise Conflict(kept.not_the_owner)
    people = kept.store(work).of_stream(stream_id)
    if person not in [each.user_id for each in people]:
        if len(people) >= kept.limit:
            raise LimitReached(kept.full)
        if not kept.store(work).add(stream_id, person):
            raise NotFound
        _note(work, kept, 0, stream_id, owner, person)
    _copy(work, hot_state, kept, stream_id)


def take_off(
    work: Work, hot_state: HotState, kept: PeopleList, stream_id: StreamId, owner: UserId, username: str
) -> None:
    """Whether they were on it or not. Raises NotFound, Forbidden."""
    person = _held(work, stream_id, owner, username)
    if kept.store(work).remove(stream_id, person):
        _note(work, kept, 1, stream_id, owner, person)
    _copy(work, hot_state, kept, stream_id)


def _held(work: Work, stream_id: StreamId, owner: UserId, username: str) -> UserId:
    work.streams.hold(stream_id, owner)
    owned_stream(work.streams, stream_id, owner)
    user = work.accounts.by_username(username)
    if user is None:
        raise NotFound
    return user.user_id


def _note(work: Work, kept: PeopleList, which: int, stream_id: StreamId, owner: UserId, person: UserId) -> None:
    """`which`: 0, put on the list; 1, taken off it."""
    if kept.audited_as is not None:
        subject = Subject(SubjectKind.STREAM, stream_id)
        work.audit.write(owner, kept.audited_as[which], subject, details={"user": person})
    if kept.logged_as is not None:
        work.moderation_log.write(
            ChatModerated(
                entry_id=new_id(),
                stream_id=stream_id,
                action=kept.logged_as[which],
                actor_id=owner,
                user_id=person,
                created_at=unix_ms(),
            )
        )


def _copy(work: Work, hot_state: HotState, kept: PeopleList, stream_id: StreamId) -> None:
    """Also when nothing has changed: the copy may be of a change that was not committed in the end."""
    people = tuple(each.user_id for each in kept.store(work).of_stream(stream_id))
    hot_state.apply(stream_id, kept.copied_by(people))
