"""Stage 7 · users as administrators see and change them, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, all_, func, literal, or_, select, update

from headwater.adapters.tables import streams, users
from headwater.domain.accounts import Role
from headwater.domain.ids import StreamId, UserId

_COLUMNS = (
    users.c.id,
    users.c.username,
    users.c.email,
    users.c.roles,
    users.c.is_verified,
    users.c.suspended_at,
    users.c.suspension_reason,
    users.c.created_at,
)


@dataclass(frozen=True, slots=True)
class AdministeredUser:
    user_id: UserId
    username: str
    email: str | None
    roles: tuple[str, ...]
    is_verified: bool
    suspended_at: datetime | None
    suspension_reason: str | None
    created_at: datetime


class AdministeredUsers:
    """Accounts that their owners have deleted are not among them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def search(
        self, prefix: str | None, role: Role | None, suspended: bool | None, before: UserId | None, limit: int
    ) -> Sequence[AdministeredUser]:
        """Whose name, address or id begins with `prefix`, in any case; the newest accounts first."""
        query = select(*_COLUMNS).where(users.c.deleted_at.is_(None))
        if prefix is not None:
            start = prefix.lower()
            query = query.where(
                or_(
                    func.lower(users.c.username).startswith(start, autoescape=True),
                    func.lower(users.c.email).startswith(start, autoescape=True),
                    users.c.id == start,
                )
            )
        if role is not None:
            query = query.where(literal(role.value) == func.any(users.c.roles))
        if suspended is not None:
            query = query.where(users.c.suspended_at.is_not(None) if suspended else users.c.suspended_at.is_(None))
        if before is not None:
            query = query.where(users.c.id < before)
        return [_user(row) for row in self._connection.execute(query.order_by(users.c.id.desc()).limit(limit))]

    def hold(self, username: str) -> AdministeredUser | None:
        """The user of that name; nobody else changes them until the end of the transaction."""
        wanted = (func.lower(users.c.username) == username.lower()) & users.c.deleted_at.is_(None)
        row = self._connection.execute(select(*_COLUMNS).where(wanted).with_for_update(key_share=True)).one_or_none()
        return _user(row) if row else None

    def hold_admins(self) -> Sequence[UserId]:
        """Everyone who can administer the site now. Whoever would take one away asks here first, one at a time."""
        able = (literal(Role.ADMIN.value) == func.any(users.c.roles)) & users.c.deleted_at.is_(None)
        rows = self._connection.execute(
            select(users.c.id, users.c.suspended_at).where(able).order_by(users.c.id).with_for_update(key_share=True)
        )
        return [UserId(row.id) for row in rows if row.suspended_at is None]

    def grant(self, user_id: UserId, role: Role) -> None:
        lacking = literal(role.value) != all_(users.c.roles)
        grown = func.array_append(users.c.roles, role.value)
        self._connection.execute(update(users).where(users.c.id == user_id, lacking).values(roles=grown))

    def revoke(self, user_id: UserId, role: Role) -> None:
        shrunk = func.array_remove(users.c.roles, role.value)
        self._connection.execute(update(users).where(users.c.id == user_id).values(roles=shrunk))

    def set_verified(self, user_id: UserId, *, verified: bool) -> None:
        self._connection.execute(update(users).where(users.c.id == user_id).values(is_verified=verified))

    def suspend(self, user_id: UserId, now: datetime, reason: str) -> None:
        values = {"suspended_at": now, "suspension_reason": reason}
        self._connection.execute(update(users).where(users.c.id == user_id).values(**values))

    def unsuspend(self, user_id: UserId) -> None:
        values = {"suspended_at": None, "suspension_reason": None}
        self._connection.execute(update(users).where(users.c.id == user_id).values(**values))

    def streams_of(self, user_id: UserId) -> Sequence[StreamId]:
        """Every stream of theirs."""
        return [
            StreamId(row.id)
            for row in self._connection.execute(select(streams.c.id).where(streams.c.owner_id == user_id))
        ]


def _user(row: Row[*tuple[Any, ...]]) -> AdministeredUser:
    return AdministeredUser(
        user_id=UserId(row.id),
        username=row.username,
        email=row.email,
        roles=tuple(row.roles),
        is_verified=row.is_verified,
        suspended_at=row.suspended_at,
        suspension_reason=row.suspension_reason,
        created_at=row.created_at,
    )
