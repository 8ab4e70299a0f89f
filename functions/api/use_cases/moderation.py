"""Stage 7 · moderation over HTTP: the same acts as over the socket, and what they have led to.

What a room is like is read where chat reads it, so that nobody is told here what does not hold there. Names are looked up in
the database: over HTTP, one may also ban who has never been in the room.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from functions.api.use_cases.streams import StreamStore, visible_stream
from headwater.adapters.moderation_log import ModerationEntry
from headwater.broadcasts import unix_ms
from headwater.domain.accounts import User
from headwater.domain.chat import Chatter
from headwater.domain.ids import MessageId, StreamId, UserId
from headwater.domain.moderation import ModerationAction, Sanction
from headwater.errors import NotFound, Unauthenticated

if TYPE_CHECKING:  # dear to import
    from headwater.adapters.held_messages import HeldMessage
    from headwater.chat_moderation import Act, ChatModeration

EXPORTED_ENTRIES = 10_000
_PAGE = 1_000
_COLUMNS = (
    "id", "created_at", "action", "actor_id", "actor", "user_id", "user", "message_id", "message", "reason", "details",
    "undoes", "undone_by",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for one (OWASP: CSV Injection)


class AccountStore(Protocol):
    def by_id(self, user_id: UserId) -> User | None: ...
    def by_username(self, username: str) -> User | None: ...
    def usernames(self, user_ids: Iterable[str]) -> Mapping[str, str]: ...


class LogStore(Protocol):
    def page(
        self,
        stream_id: StreamId,
        *,
        action: ModerationAction | None = ...,
        actor_id: UserId | None = ...,
        user_id: UserId | None = ...,
        before: str | None = ...,
        limit: int,
    ) -> Sequence[ModerationEntry]: ...


class Work(Protocol):
    @property
    def streams(self) -> StreamStore: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def moderation_log(self) -> LogStore: ...


class Standings(Protocol):
    def sanction(self, stream_id: StreamId, user_id: UserId) -> Sanction | None: ...
    def sanctions(self, stream_id: StreamId, after: UserId | None = ...) -> Iterable[Sanction]: ...


class Held(Protocol):
    def of_room(self, stream_id: StreamId, after: MessageId | None = ...) -> Iterable[HeldMessage]: ...


def begin(work: Work, moderation: ChatModeration, stream_id: StreamId, caller: UserId) -> Act:
    """What somebody who moderates the room is about to do. Raises NotFound, Forbidden."""
    visible_stream(work.streams, stream_id, caller)
    user = work.accounts.by_id(caller)
    if user is None:
        raise Unauthenticated
    chatter = Chatter(user.user_id, user.username, user.roles, user.is_verified)
    return moderation.begin(stream_id, chatter, None)


def ban(
    work: Work, moderation: ChatModeration, act: Act, username: str, seconds: int | None, reason: str | None
) -> UserId:
    """Raises NotFound, Forbidden, Conflict."""
    user = _named(work, username)
    moderation.ban(act, moderation.target(user.user_id, user.username, user.roles), reason, seconds)
    return user.user_id


def unban(work: Work, moderation: ChatModeration, act: Act, username: str) -> None:
    user = _named(work, username)
    moderation.lift(act, moderation.target(user.user_id, user.username, ()))


def ban_of(work: Work, standings: Standings, stream_id: StreamId, username: str) -> Sanction:
    """Raises NotFound, also for one that is over."""
    sanction = standings.sanction(stream_id, _named(work, username).user_id)
    if sanction is None or not sanction.holds(unix_ms()):
        raise NotFound("They are not banned.")
    return sanction


def bans(standings: Standings, stream_id: StreamId, after: UserId | None, limit: int) -> Sequence[Sanction]:
    """Those that hold, in the order of the users' ids."""
    now = unix_ms()
    holding = (each for each in standings.sanctions(stream_id, after) if each.holds(now))
    return list(islice(holding, limit))


def waiting(held: Held, stream_id: StreamId, after: MessageId | None, limit: int) -> Sequence[HeldMessage]:
    """Messages that wait for a moderator, in the order in which they were said."""
    undecided = (each for each in held.of_room(stream_id, after) if each.state == "waiting")
    return list(islice(undecided, limit))


def exported(log: LogStore, stream_id: StreamId) -> str:
    """The newest entries as CSV (RFC 4180), for a spreadsheet."""
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(_COLUMNS)
    before = None
    for _ in range(EXPORTED_ENTRIES // _PAGE):
        page = log.page(stream_id, before=before, limit=_PAGE)
        rows.writerows(map(_row, page))
        if len(page) < _PAGE:
            break
        before = page[-1].entry_id
    return written.getvalue()


def _row(entry: ModerationEntry) -> list[str]:
    values = (
        entry.entry_id, entry.created_at.isoformat(), entry.action.value, entry.actor_id, entry.actor_name, entry.user_id,
        entry.user_name, entry.message_id, entry.message_text, entry.reason, _json(entry.details), entry.undoes,
        entry.undone_by,
    )  # fmt: skip
    return [_cell("" if value is None else str(value)) for value in values]


def _json(details: Mapping[str, Any]) -> str | None:
    return msgspec.json.encode(dict(details)).decode() if details else None


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _named(work: Work, username: str) -> User:
    user = work.accounts.by_username(username)
    if user is None:
        raise NotFound
    return user
