"""Stage 7 · the list of those who may watch a private stream, and be in its chat room: kept by its owner.

As with streams, PostgreSQL is written first, uncommitted, then the hot state, and committed last. The owner's lock on the
stream makes the copies of two calls at once follow each other. Whoever is taken off the list cannot renew what they watch
with, and is put out of the room by what the hot state tells (functions/chat_admission).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from functions.api.use_cases.streams import HotState, StreamStore, owned_stream
from headwater.adapters.stream_viewers import AllowedViewer
from headwater.domain.accounts import User
from headwater.domain.broadcast_events import NameViewers
from headwater.domain.ids import StreamId, UserId
from headwater.domain.stream_rules import VIEWERS_LIMIT
from headwater.errors import Conflict, LimitReached, NotFound


class ViewerStore(Protocol):
    def of_stream(self, stream_id: StreamId) -> Sequence[AllowedViewer]: ...
    def add(self, stream_id: StreamId, user_id: UserId) -> bool: ...
    def remove(self, stream_id: StreamId, user_id: UserId) -> bool: ...


class AccountStore(Protocol):
    def by_username(self, username: str) -> User | None: ...


class Work(Protocol):
    @property
    def streams(self) -> StreamStore: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def viewers(self) -> ViewerStore: ...


def list_viewers(work: Work, stream_id: StreamId, owner: UserId) -> Sequence[AllowedViewer]:
    """Raises NotFound, Forbidden."""
    owned_stream(work.streams, stream_id, owner)
    return work.viewers.of_stream(stream_id)


def allow_viewer(work: Work, hot_state: HotState, stream_id: StreamId, owner: UserId, username: str) -> None:
    """Whether they were on the list or not. Raises NotFound, Forbidden, Conflict for oneself, LimitReached."""
    user = _held(work, stream_id, owner, username)
    if user.user_id == owner:
        raise Conflict("The owner may watch anyway.")
    allowed = work.viewers.of_stream(stream_id)
    if user.user_id in [viewer.user_id for viewer in allowed]:
        return
    if len(allowed) >= VIEWERS_LIMIT:
        raise LimitReached(f"A stream's list has at most {VIEWERS_LIMIT} viewers.")
    if not work.viewers.add(stream_id, user.user_id):
        raise NotFound
    _tell(work, hot_state, stream_id)


def disallow_viewer(work: Work, hot_state: HotState, stream_id: StreamId, owner: UserId, username: str) -> None:
    """Whether they were on the list or not. Raises NotFound, Forbidden."""
    user = _held(work, stream_id, owner, username)
    if work.viewers.remove(stream_id, user.user_id):
        _tell(work, hot_state, stream_id)


def _held(work: Work, stream_id: StreamId, owner: UserId, username: str) -> User:
    work.streams.hold(stream_id, owner)
    owned_stream(work.streams, stream_id, owner)
    user = work.accounts.by_username(username)
    if user is None:
        raise NotFound
    return user


def _tell(work: Work, hot_state: HotState, stream_id: StreamId) -> None:
    now = tuple(each.user_id for each in work.viewers.of_stream(stream_id))
    hot_state.apply(stream_id, NameViewers(now))
