"""Stage 7 · users in PostgreSQL. Names and addresses are unique whatever their case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, all_, bindparam, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from headwater.adapters.tables import users
from headwater.domain.accounts import Role, User
from headwater.domain.ids import UserId

USER_COLUMNS = (
    users.c.id,
    users.c.username,
    users.c.email,
    users.c.roles,
    users.c.is_verified,
    users.c.bio,
    users.c.avatar_url,
    users.c.created_at,
    users.c.email_verified_at,
    users.c.suspended_at,
    users.c.follower_count,
    users.c.password_hash.is_not(None).label("has_password"),
)

_HOLD_ABLE = (  # made once, also for SQLAlchemy, which then need not look it up
    select(*USER_COLUMNS)
    .where(users.c.id == bindparam("user", type_=Text), users.c.suspended_at.is_(None))
    .with_for_update(key_share=True)
)


def user_of(row: Row[*tuple[Any, ...]]) -> User:
    return User(
        user_id=UserId(row.id),
        username=row.username,
        email=row.email,
        roles=tuple(row.roles),
        is_verified=row.is_verified,
        bio=row.bio,
        avatar_url=row.avatar_url,
        created_at=row.created_at,
        email_verified=row.email_verified_at is not None,
        is_suspended=row.suspended_at is not None,
        follower_count=row.follower_count,
        has_password=row.has_password,
    )


class Accounts:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def usernames(self, user_ids: Iterable[str]) -> Mapping[str, str]:
        """By id, of those whose account is there."""
        wanted = users.c.id.in_(list(user_ids)) & users.c.deleted_at.is_(None)
        return {
            row.id: row.username for row in self._connection.execute(select(users.c.id, users.c.username).where(wanted))
        }

    def add(self, user_id: UserId, username: str, email: str, password_hash: str) -> User | None:
        """The new account, or None when its name or address is taken; two at once cannot both get it."""
        row = self._connection.execute(
            upsert(users)
            .values(id=user_id, username=username, email=email, password_hash=password_hash)
            .on_conflict_do_nothing()
            .returning(*USER_COLUMNS)
        ).one_or_none()
        return user_of(row) if row else None

    def by_id(self, user_id: UserId) -> User | None:
        row = self._connection.execute(select(*USER_COLUMNS).where(users.c.id == user_id)).one_or_none()
        return user_of(row) if row else None

    def hold_able(self, user_id: UserId) -> User | None:
        """The user, whom nobody else changes, nor gives a stream, until the end of the transaction. None when there is no
        such account, or it was suspended just now: whoever suspends it holds it, too, and then sees every stream of it."""
        row = self._connection.execute(_HOLD_ABLE, {"user": user_id}).one_or_none()
        return user_of(row) if row else None

    def by_username(self, username: str) -> User | None:
        wanted = func.lower(users.c.username) == username.lower()
        row = self._connection.execute(select(*USER_COLUMNS).where(wanted)).one_or_none()
        return user_of(row) if row else None

    def by_email(self, email: str) -> User | None:
        wanted = func.lower(users.c.email) == email.strip().lower()
        row = self._connection.execute(select(*USER_COLUMNS).where(wanted)).one_or_none()
        return user_of(row) if row else None

    def password_hash(self, user_id: UserId) -> str | None:
        """None for an account without a password, or no account."""
        return self._connection.execute(select(users.c.password_hash).where(users.c.id == user_id)).scalar()

    def hold_password(self, user_id: UserId, stored: str) -> bool:
        """Whether the hash is still `stored`; if so, it stays until the end of the transaction. To compare a password takes
        a while, in which its owner may have replaced it."""
        same = (users.c.id == user_id) & (users.c.password_hash == stored)
        held = self._connection.execute(select(users.c.id).where(same).with_for_update(key_share=True))
        return held.first() is not None

    def set_email_verified(self, user_id: UserId, now: datetime) -> None:
        self._connection.execute(update(users).where(users.c.id == user_id).values(email_verified_at=now))

    def set_email(self, user_id: UserId, email: str, now: datetime) -> bool:
        """Another address, shown to be theirs; False when somebody has it. Then nothing more can be done in this
        transaction."""
        changed = update(users).where(users.c.id == user_id).values(email=email, email_verified_at=now)
        try:
            self._connection.execute(changed)
        except IntegrityError:
            return False
        return True

    def credentials(self, login: str) -> tuple[User, str | None] | None:
        """The account of `login` (a username or an e-mail address, in lower case) with its password hash."""
        wanted = or_(func.lower(users.c.username) == login, func.lower(users.c.email) == login)
        row = self._connection.execute(select(*USER_COLUMNS, users.c.password_hash).where(wanted)).one_or_none()
        return (user_of(row), row.password_hash) if row else None

    def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        self._connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))

    def set_bio(self, user_id: UserId, bio: str) -> None:
        self._connection.execute(update(users).where(users.c.id == user_id).values(bio=bio))

    def add_role(self, user_id: UserId, role: Role) -> None:
        lacking = literal(role.value) != all_(users.c.roles)
        grown = func.array_append(users.c.roles, role.value)
        self._connection.execute(update(users).where(users.c.id == user_id, lacking).values(roles=grown))
