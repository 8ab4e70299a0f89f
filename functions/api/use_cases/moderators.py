"""Stage 7 · a stream's moderators: named and dismissed by its owner; chat reads their copy in the hot state.

As with streams, PostgreSQL is written first, uncommitted, then the hot state, and committed last. The owner's lock on the
stream makes the copies of two calls at once follow each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from functions.api.use_cases.streams import HotState, StreamStore, owned_stream, visible_stream
from headwater.adapters.stream_moderators import Moderator
from headwater.domain.accounts import User
from headwater.domain.audit import Action, Subject, SubjectKind
from headwater.domain.broadcast_events import NameModerators
from headwater.domain.ids import StreamId, UserId
from headwater.errors import Conflict, Forbidden, LimitReached, NotFound

MOST_MODERATORS = 50  # they are in the stream's item of the hot state, which is written every few seconds


class ModeratorStore(Protocol):
    def of_stream(self, stream_id: StreamId) -> Sequence[Moderator]: ...
    def add(self, stream_id: StreamId, user_id: UserId) -> bool: ...
    def remove(self, stream_id: StreamId, user_id: UserId) -> bool: ...


class AccountStore(Protocol):
    def by_username(self, username: str) -> User | None: ...


class AuditLog(Protocol):
    def write(
        self,
        actor_id: str,
        action: Action,
        subject: Subject,
        reason: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None: ...


class Work(Protocol):
    @property
    def streams(self) -> StreamStore: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def moderators(self) -> ModeratorStore: ...
    @property
    def audit(self) -> AuditLog: ...


def list_moderators(work: Work, stream_id: StreamId, caller: UserId) -> Sequence[Moderator]:
    """For the owner and the moderators themselves. Raises NotFound, Forbidden."""
    stream = visible_stream(work.streams, stream_id, caller)
    moderators = work.moderators.of_stream(stream_id)
    if not stream.is_owned_by(caller) and caller not in [moderator.user_id for moderator in moderators]:
        raise Forbidden("Only the stream's owner and its moderators may see this.")
    return moderators


def name_moderator(work: Work, hot_state: HotState, stream_id: StreamId, owner: UserId, username: str) -> None:
    """Whether they already were one or not. Raises NotFound, Forbidden, Conflict for oneself, LimitReached."""
    user = _held(work, stream_id, owner, username)
    if user.user_id == owner:
        raise Conflict("The owner moderates anyway.")
    named = work.moderators.of_stream(stream_id)
    if user.user_id in [moderator.user_id for moderator in named]:
        return
    if len(named) >= MOST_MODERATORS:
        raise LimitReached(f"A stream has at most {MOST_MODERATORS} moderators.")
    if not work.moderators.add(stream_id, user.user_id):
        raise NotFound
    _tell(work, hot_state, stream_id, owner, Action.MODERATOR_NAMED, user.user_id)


def dismiss_moderator(work: Work, hot_state: HotState, stream_id: StreamId, owner: UserId, username: str) -> None:
    """Whether they were one or not. Raises NotFound, Forbidden."""
    user = _held(work, stream_id, owner, username)
    if work.moderators.remove(stream_id, user.user_id):
        _tell(work, hot_state, stream_id, owner, Action.MODERATOR_DISMISSED, user.user_id)


def _held(work: Work, stream_id: StreamId, owner: UserId, username: str) -> User:
    work.streams.hold(stream_id, owner)
    owned_stream(work.streams, stream_id, owner)
    user = work.accounts.by_username(username)
    if user is None:
        raise NotFound
    return user


def _tell(
    work: Work, hot_state: HotState, stream_id: StreamId, owner: UserId, action: Action, moderator: UserId
) -> None:
    work.audit.write(owner, action, Subject(SubjectKind.STREAM, stream_id), details={"user": moderator})
    now = tuple(each.user_id for each in work.moderators.of_stream(stream_id))
    hot_state.apply(stream_id, NameModerators(now))
