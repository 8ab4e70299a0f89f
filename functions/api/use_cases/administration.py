"""Stage 7 · what administrators do with accounts. Each call is in the audit log, in the transaction of what it changes.

A suspension has to reach four places: sessions and refresh tokens (PostgreSQL), stream keys and broadcasts (the hot state
of each stream), and chat sockets. All are told before the answer is given; who is told that it failed can say it again, for
every step may be taken twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

from functions.api.use_cases.audit_log import AuditLog
from headwater.adapters.administered_users import AdministeredUser
from headwater.domain.accounts import Role
from headwater.domain.audit import OPERATOR, THE_SITE, Action, AuditEntry, Subject, SubjectKind
from headwater.domain.broadcast_events import Event, Suspend, Unsuspend
from headwater.domain.decision import Decision
from headwater.domain.ids import StreamId, UserId
from headwater.errors import Conflict, LastAdmin, NotFound


class UserStore(Protocol):
    def search(
        self, prefix: str | None, role: Role | None, suspended: bool | None, before: UserId | None, limit: int
    ) -> Sequence[AdministeredUser]: ...
    def hold(self, username: str) -> AdministeredUser | None: ...
    def hold_admins(self) -> Sequence[UserId]: ...
    def grant(self, user_id: UserId, role: Role) -> None: ...
    def revoke(self, user_id: UserId, role: Role) -> None: ...
    def set_verified(self, user_id: UserId, *, verified: bool) -> None: ...
    def suspend(self, user_id: UserId, now: datetime, reason: str) -> None: ...
    def unsuspend(self, user_id: UserId) -> None: ...
    def streams_of(self, user_id: UserId) -> Sequence[StreamId]: ...


class SessionStore(Protocol):
    def end_all(self, user_id: UserId, reason: str, now: datetime) -> Sequence[str]: ...


class ReadableAuditLog(AuditLog, Protocol):
    def page(
        self, *, actor_id: str | None, subject_id: str | None, action: Action | None, before: str | None, limit: int
    ) -> Sequence[AuditEntry]: ...


class Work(Protocol):
    @property
    def administered_users(self) -> UserStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def audit(self) -> ReadableAuditLog: ...
    def commit(self) -> None: ...


class HotState(Protocol):
    def apply(self, stream_id: StreamId, event: Event) -> Decision: ...


class Sockets(Protocol):
    def close_all(self, user_id: UserId) -> None:
        """Raises DependencyUnavailable."""


def search_users(
    work: Work,
    admin: UserId,
    prefix: str | None,
    role: Role | None,
    suspended: bool | None,
    before: UserId | None,
    limit: int,
) -> Sequence[AdministeredUser]:
    found = work.administered_users.search(prefix, role, suspended, before, limit)
    # What was looked for may be somebody's address, and the log cannot forget: so only that somebody looked.
    work.audit.write(admin, Action.USERS_SEARCHED, THE_SITE, details={"found": len(found)})
    return found


def show_user(work: Work, admin: UserId, username: str) -> AdministeredUser:
    user = _held(work, username)
    work.audit.write(admin, Action.USERS_SEARCHED, _subject(user), details={"found": 1})
    return user


def grant_role(work: Work, admin: UserId, username: str, role: Role, reason: str | None) -> AdministeredUser:
    user = _held(work, username)
    if role not in user.roles:
        work.administered_users.grant(user.user_id, role)
        work.audit.write(admin, Action.ROLE_GRANTED, _subject(user), reason, {"role": role.value})
    return _held(work, username)


def revoke_role(work: Work, admin: UserId, username: str, role: Role, reason: str | None) -> AdministeredUser:
    """Raises LastAdmin rather than leave nobody who could give the role back."""
    if role is Role.ADMIN:
        _keep_an_admin(work, username)
    user = _held(work, username)
    if role in user.roles:
        work.administered_users.revoke(user.user_id, role)
        work.audit.write(admin, Action.ROLE_REVOKED, _subject(user), reason, {"role": role.value})
    return _held(work, username)


def set_verified(work: Work, admin: UserId, username: str, reason: str | None, *, verified: bool) -> AdministeredUser:
    user = _held(work, username)
    if user.is_verified != verified:
        work.administered_users.set_verified(user.user_id, verified=verified)
        work.audit.write(admin, Action.VERIFIED if verified else Action.UNVERIFIED, _subject(user), reason)
    return _held(work, username)


def suspend_account(
    work: Work, hot_state: HotState, sockets: Sockets, admin: UserId, username: str, reason: str
) -> AdministeredUser:
    """From now on the account may do nothing. Raises Conflict for oneself, LastAdmin, DependencyUnavailable."""
    _keep_an_admin(work, username)
    user = _held(work, username)
    if user.user_id == admin:
        raise Conflict("You cannot suspend yourself.")
    now = datetime.now(UTC)
    if user.suspended_at is None:
        work.administered_users.suspend(user.user_id, now, reason)
        work.audit.write(admin, Action.SUSPENDED, _subject(user), reason)
    work.sessions.end_all(user.user_id, "suspended", now)
    for stream_id in work.administered_users.streams_of(user.user_id):
        with suppress(NotFound):  # it has no hot state: nothing can be published to it
            hot_state.apply(stream_id, Suspend())
    suspended = _held(work, username)
    work.commit()  # nobody gets another ticket from here on, and the sockets that there are can be looked for
    sockets.close_all(user.user_id)
    return suspended


def unsuspend_account(work: Work, hot_state: HotState, admin: UserId, username: str, reason: str) -> AdministeredUser:
    """The account may sign in again, and its keys publish. Its sessions stay ended. Raises DependencyUnavailable when not
    all of its streams could be told: then it may be called again."""
    user = _held(work, username)
    if user.suspended_at is not None:
        work.administered_users.unsuspend(user.user_id)
        work.audit.write(admin, Action.UNSUSPENDED, _subject(user), reason)
        work.commit()  # first: a key must not publish for an account that is suspended after all
        user = _held(work, username)
        if user.suspended_at is not None:
            return user  # again, by somebody else
    for stream_id in work.administered_users.streams_of(user.user_id):
        with suppress(NotFound):
            hot_state.apply(stream_id, Unsuspend())
    return _held(work, username)


def read_audit_log(
    work: Work,
    admin: UserId,
    *,
    actor: str | None,
    subject: str | None,
    action: Action | None,
    before: str | None,
    limit: int,
) -> Sequence[AuditEntry]:
    """`actor` and `subject` are ids of users or streams, or a username; `actor` may be the operator."""
    entries = work.audit.page(
        actor_id=_id_of(work, actor), subject_id=_id_of(work, subject), action=action, before=before, limit=limit
    )
    if before is None:  # one reading, however many pages
        work.audit.write(admin, Action.AUDIT_LOG_READ, THE_SITE)
    return entries


def _id_of(work: Work, named: str | None) -> str | None:
    if named is None or named == OPERATOR:
        return named
    user = work.administered_users.hold(named)
    return user.user_id if user else named


def _held(work: Work, username: str) -> AdministeredUser:
    user = work.administered_users.hold(username)
    if user is None:
        raise NotFound
    return user


def _keep_an_admin(work: Work, username: str) -> None:
    """Before any one account is held, so that two who take from each other at once wait here, and not for each other."""
    admins = work.administered_users.hold_admins()
    user = _held(work, username)
    if admins == [user.user_id]:
        raise LastAdmin


def _subject(user: AdministeredUser) -> Subject:
    return Subject(SubjectKind.USER, user.user_id)
