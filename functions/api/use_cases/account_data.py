"""Stage 7 · one's own data: a copy of all of it, and the end of the account.

Deleting takes effect in the request: the account is closed, its streams are deleted, its sessions and sockets end. What may
take longer (what was said in chat, followers, files) is erased by `functions/account_data/`, which is asked before the
transaction is committed and begins well after it: a closed account that nobody erases cannot come about, and a request to
erase one that was not closed is void.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from functions.api.use_cases.audit_log import AuditLog
from functions.api.use_cases.streams import HotState, StreamStore, delete_stream
from headwater.adapters.access_tokens import Identity
from headwater.adapters.account_exports import AccountExport
from headwater.contracts import AccountTask, AccountTaskKind
from headwater.domain.audit import Action, Subject, SubjectKind
from headwater.domain.ids import StreamId, UserId
from headwater.errors import FieldError, InvalidInput, LastAdmin, RateLimited, ReauthenticationRequired

FRESH = timedelta(minutes=10)  # a sign-in that stands in for a password
ERASE_DELAY_SECONDS = 30  # longer than any request or archived message that began before the account was closed
EXPORT_DELAY_SECONDS = 5  # until the transaction that it was asked for in is committed
EXPORT_RETRY_SECONDS = 3600


class Records(Protocol):
    def hold(self, user_id: UserId) -> None: ...
    def signed_in_at(self, session_id: str) -> datetime | None: ...
    def streams_of(self, user_id: UserId) -> Sequence[StreamId]: ...
    def close(self, user_id: UserId, now: datetime) -> None: ...


class Exports(Protocol):
    def add(self, user_id: UserId, now: datetime) -> AccountExport | None: ...


class AccountStore(Protocol):
    def password_hash(self, user_id: UserId) -> str | None: ...


class Admins(Protocol):
    def hold_admins(self) -> Sequence[UserId]: ...


class SessionStore(Protocol):
    def end_all(self, user_id: UserId, reason: str, now: datetime) -> Sequence[str]: ...


class Work(Protocol):
    @property
    def account_records(self) -> Records: ...
    @property
    def account_exports(self) -> Exports: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def administered_users(self) -> Admins: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def streams(self) -> StreamStore: ...
    @property
    def audit(self) -> AuditLog: ...
    def commit(self) -> None: ...


class Passwords(Protocol):
    def matches(self, password: str, stored: str | None) -> bool: ...


class Sockets(Protocol):
    def close_all(self, user_id: UserId) -> None:
        """Raises DependencyUnavailable."""


class Tasks(Protocol):
    def send(self, message: AccountTask, *, delay_seconds: int = 0) -> None:
        """Raises DependencyUnavailable."""


def request_export(work: Work, tasks: Tasks, user_id: UserId) -> AccountExport:
    """An export that will be made. Raises RateLimited, DependencyUnavailable."""
    export = work.account_exports.add(user_id, datetime.now(UTC))
    if export is None:
        raise RateLimited("An export an hour is enough.", retry_after_seconds=EXPORT_RETRY_SECONDS)
    work.audit.write(user_id, Action.EXPORT_REQUESTED, Subject(SubjectKind.USER, user_id))
    task = AccountTask(kind=AccountTaskKind.EXPORT, user_id=user_id, export_id=export.export_id)
    tasks.send(task, delay_seconds=EXPORT_DELAY_SECONDS)
    return export


def delete_account(
    work: Work,
    passwords: Passwords,
    hot_state: HotState,
    sockets: Sockets,
    tasks: Tasks,
    who: Identity,
    password: str | None,
) -> None:
    """The account is closed, and will be erased.

    Raises InvalidInput (the password is wrong), ReauthenticationRequired, LastAdmin, DependencyUnavailable.
    """
    now = datetime.now(UTC)
    _prove(work, passwords, who, password, now)
    if work.administered_users.hold_admins() == [who.user_id]:
        raise LastAdmin
    work.account_records.hold(who.user_id)  # or they could make a stream meanwhile
    for stream_id in work.account_records.streams_of(who.user_id):
        delete_stream(work.streams, hot_state, stream_id, who.user_id)
    work.sessions.end_all(who.user_id, "account_deleted", now)
    work.account_records.close(who.user_id, now)
    work.audit.write(who.user_id, Action.DELETED, Subject(SubjectKind.USER, who.user_id))
    tasks.send(AccountTask(kind=AccountTaskKind.ERASE, user_id=who.user_id), delay_seconds=ERASE_DELAY_SECONDS)
    work.commit()
    sockets.close_all(who.user_id)


def _prove(work: Work, passwords: Passwords, who: Identity, password: str | None, now: datetime) -> None:
    if password is not None:
        if not passwords.matches(password, work.accounts.password_hash(who.user_id)):
            raise InvalidInput(errors=(FieldError("password", "This is not your password."),))
        return
    signed_in_at = work.account_records.signed_in_at(who.session_id)
    if signed_in_at is None or now - signed_in_at > FRESH:
        raise ReauthenticationRequired
