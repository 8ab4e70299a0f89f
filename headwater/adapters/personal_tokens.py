"""Stage 7 · personal access tokens in PostgreSQL, of which only the hashes are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from headwater.adapters.tables import personal_tokens, users
from headwater.domain.ids import UserId, new_id
from headwater.domain.personal_tokens import LAST_USE_SECONDS, PersonalToken, personal_token_hash
from headwater.domain.sign_in import Standing


@dataclass(frozen=True, slots=True)
class ShownPersonalToken:
    """A token that somebody showed and that has not expired, with what is true of its owner's account now."""

    token_id: str
    user_id: UserId
    scopes: frozenset[str]
    standing: Standing


class PersonalTokens:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(
        self, user_id: UserId, name: str, token: str, scopes: Sequence[str], now: datetime, expires_at: datetime
    ) -> PersonalToken:
        values = {
            "id": new_id(),
            "user_id": user_id,
            "name": name,
            "token_hash": personal_token_hash(token),
            "scopes": list(scopes),
            "created_at": now,
            "expires_at": expires_at,
        }
        row = self._connection.execute(insert(personal_tokens).values(**values).returning(personal_tokens)).one()
        return _token(row)

    def of_user(self, user_id: UserId, before: str | None, limit: int) -> Sequence[PersonalToken]:
        """Newest first, the expired ones too: their owner should see why a bot has stopped."""
        query = select(personal_tokens).where(personal_tokens.c.user_id == user_id)
        if before is not None:
            query = query.where(personal_tokens.c.id < before)
        return [
            _token(row) for row in self._connection.execute(query.order_by(personal_tokens.c.id.desc()).limit(limit))
        ]

    def hold_count(self, user_id: UserId, now: datetime) -> int:
        """How many of the user's tokens have not expired; no other is added until the end of the transaction."""
        self._connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))
        valid = (personal_tokens.c.user_id == user_id) & (personal_tokens.c.expires_at > now)
        return self._connection.execute(select(func.count()).where(valid)).scalar_one()

    def remove(self, user_id: UserId, token_id: str) -> bool:
        """False: this user has no such token."""
        own = (personal_tokens.c.id == token_id) & (personal_tokens.c.user_id == user_id)
        return bool(self._connection.execute(delete(personal_tokens).where(own)).rowcount)

    def remove_all(self, user_id: UserId) -> Sequence[str]:
        """The ids of those that there were."""
        gone = delete(personal_tokens).where(personal_tokens.c.user_id == user_id).returning(personal_tokens.c.id)
        return [row.id for row in self._connection.execute(gone)]

    def show(self, token: str, now: datetime) -> ShownPersonalToken | None:
        """What is known of the token, when it is one of ours, has not expired, and its owner is still there."""
        row = self._connection.execute(
            select(
                personal_tokens.c.id,
                personal_tokens.c.user_id,
                personal_tokens.c.scopes,
                users.c.roles,
                users.c.suspended_at,
            )
            .join_from(personal_tokens, users)
            .where(
                personal_tokens.c.token_hash == personal_token_hash(token),
                personal_tokens.c.expires_at > now,
                users.c.deleted_at.is_(None),
            )
        ).one_or_none()
        if row is None:
            return None
        standing = Standing(tuple(row.roles), row.suspended_at is not None)
        return ShownPersonalToken(row.id, UserId(row.user_id), frozenset(row.scopes), standing)

    def note_use(self, token_id: str, now: datetime) -> None:
        """A bot asks many times a second: its last use is written once a minute."""
        stale = or_(
            personal_tokens.c.last_used_at.is_(None),
            personal_tokens.c.last_used_at < now - timedelta(seconds=LAST_USE_SECONDS),
        )
        self._connection.execute(
            update(personal_tokens).where(personal_tokens.c.id == token_id, stale).values(last_used_at=now)
        )


def _token(row: Row[*tuple[Any, ...]]) -> PersonalToken:
    return PersonalToken(
        token_id=row.id,
        user_id=UserId(row.user_id),
        name=row.name,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
