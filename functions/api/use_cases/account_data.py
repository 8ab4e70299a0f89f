"""Stage 7 · one's own data: a copy of all of it, and the end of the account.

Deleting takes effect in the request: the account is closed, its streams are deleted, its sessions and sockets end. What may
take longer (what was said in chat, followers, files) is erased by `functions/account_data/`, which is asked before the
transaction is committed and begins well after it: a closed account that nobody erases cannot come about, and a request to
erase one that was not closed is void.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from functions.api.use_cases import proof_of_owner
from functions.api.use_cases.audit_log import AuditLog
from functions.api.use_cases.sessions import close_if_possible
from functions.api.use_cases.streams import HotState, StreamStore, delete_stream
from headwater.adapters.access_tokens import Identity
from headwater.adapters.account_exports import AccountExport
from headwater.contracts import AccountTask, AccountTaskKind
from headwater.domain.audit import Action, Subject, SubjectKind
from headwater.domain.ids import StreamId, UserId
from headwater.errors import LastAdmin, RateLimited

ERASE_DELAY_SECONDS = 30  # longer than any request or archived message that began before the account was closed
EXPORT_DELAY_SECONDS = 5  # until the transaction that it was asked for in is committed
EXPORT_RETRY_SECONDS = 3600


class Records(Protocol):
    def hold(self, user_id: UserId) -> None: ...
    def streams_of(self, user_id: UserId) -> Sequence[StreamId]: ...
    def close(self, user_id: UserId, now: datetime) -> None: ...


class Exports(Protocol):
    def add(self, user_id: UserId, now: datetime) -> AccountExport | None: ...


class Admins(Protocol):
    def hold_admins(self) -> Sequence[UserId]: ...


class SessionStore(proof_of_owner.SessionStore, Protocol):
    def end_all(self, user_id: UserId, reason: str, now: datetime) -> Sequence[str]: ...


class Work(Protocol):
    @property
    def account_records(self) -> Records: ...
    @property
    def account_exports(self) -> Exports: ...
    @property
    def accounts(self) -> proof_of_owner.AccountStore: ...
    @property
    def administered_users(self) -> Admins: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def streams(self) -> StreamStore: ...
    @property
    def audit(self) -> AuditLog: ...
    def commit(self) -> None: ...


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
    passwords: proof_of_owner.Passwords,
    hot_state: HotState,
    sockets: Sockets,
    tasks: Tasks,
    who: Identity,
    password: str | None,
) -> None:
    """The account is closed, and will be erased.

    Raises InvalidInput (the password is wrong), ReauthenticationRequired, LastAdmin; DependencyUnavailable, and then nothing
    but perhaps some of the streams is deleted, and it may be asked for again.
    """
    now = datetime.now(UTC)
    proof_of_owner.prove_owner(work, passwords, who, password)
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
    close_if_possible(lambda: sockets.close_all(who.user_id), who.user_id)
