"""Stage 7 · who follows whom, in PostgreSQL; each user's number of followers is kept with them.

Of two users the lower id is locked first, so that two who follow each other at once wait for one another only one way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from headwater.adapters.accounts import USER_COLUMNS, user_of
from headwater.adapters.tables import follows, users
from headwater.domain.accounts import User
from headwater.domain.ids import UserId, new_id


@dataclass(frozen=True, slots=True)
class Follow:
    follow_id: str
    user: User  # the other one
    followed_at: datetime


class Follows:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def hold_both(self, follower_id: UserId, followee_id: UserId) -> bool:
        """Neither goes away until the end of the transaction; False when one already has."""
        both = users.c.id.in_((follower_id, followee_id)) & users.c.deleted_at.is_(None)
        rows = self._connection.execute(
            select(users.c.id).where(both).order_by(users.c.id).with_for_update(key_share=True)
        )
        return len(rows.all()) == 2

    def count(self, follower_id: UserId) -> int:
        """How many this user follows."""
        return self._connection.execute(select(func.count()).where(follows.c.follower_id == follower_id)).scalar_one()

    def add(self, follower_id: UserId, followee_id: UserId) -> None:
        """Whether they did before or not."""
        added = self._connection.execute(
            upsert(follows)
            .values(follower_id=follower_id, followee_id=followee_id, id=new_id())
            .on_conflict_do_nothing()
            .returning(follows.c.id)
        ).first()
        if added is not None:
            self._count(followee_id, 1)

    def remove(self, follower_id: UserId, followee_id: UserId) -> None:
        """Whether they did or not."""
        wanted = (follows.c.follower_id == follower_id) & (follows.c.followee_id == followee_id)
        if self._connection.execute(delete(follows).where(wanted)).rowcount:
            self._count(followee_id, -1)

    def is_following(self, follower_id: UserId, followee_id: UserId) -> bool:
        return self.since(follower_id, followee_id) is not None

    def since(self, follower_id: UserId, followee_id: UserId) -> datetime | None:
        wanted = (follows.c.follower_id == follower_id) & (follows.c.followee_id == followee_id)
        found: datetime | None = self._connection.execute(select(follows.c.created_at).where(wanted)).scalar()
        return found

    def following(self, user_id: UserId, before: str | None, limit: int) -> Sequence[Follow]:
        """Whom the user follows, the latest first."""
        return self._page(follows.c.followee_id == users.c.id, follows.c.follower_id == user_id, before, limit)

    def followers(self, user_id: UserId, before: str | None, limit: int) -> Sequence[Follow]:
        """Who follows the user, the latest first."""
        return self._page(follows.c.follower_id == users.c.id, follows.c.followee_id == user_id, before, limit)

    def _page(
        self, other: ColumnElement[bool], of_user: ColumnElement[bool], before: str | None, limit: int
    ) -> Sequence[Follow]:
        query = (
            select(*USER_COLUMNS, follows.c.id.label("follow_id"), follows.c.created_at.label("followed_at"))
            .join(follows, other)
            .where(of_user, users.c.deleted_at.is_(None))
        )
        if before is not None:
            query = query.where(follows.c.id < before)
        return [_follow(row) for row in self._connection.execute(query.order_by(follows.c.id.desc()).limit(limit))]

    def _count(self, user_id: UserId, change: int) -> None:
        grown = users.c.follower_count + change
        self._connection.execute(update(users).where(users.c.id == user_id).values(follower_count=grown))


def _follow(row: Row[*tuple[Any, ...]]) -> Follow:
    return Follow(row.follow_id, user_of(row), row.followed_at)
