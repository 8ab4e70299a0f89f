"""Stage 7 · who is on a list of a stream (its moderators, its viewers), in PostgreSQL; the hot state holds copies to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, delete, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert

from headwater.adapters.tables import users
from headwater.domain.ids import StreamId, UserId


@dataclass(frozen=True, slots=True)
class ListedPerson:
    user_id: UserId
    username: str
    avatar_url: str | None
    since: datetime


class ListedPeople:
    def __init__(self, connection: Connection, table: Table) -> None:
        """`table` has the columns stream_id, user_id and created_at."""
        self._connection = connection
        self._table = table

    def of_stream(self, stream_id: StreamId) -> Sequence[ListedPerson]:
        """All of them, in the order in which they came."""
        listed = self._table.c
        query = (
            select(users.c.id, users.c.username, users.c.avatar_url, listed.created_at)
            .join_from(self._table, users)
            .where(listed.stream_id == stream_id, users.c.deleted_at.is_(None))
            .order_by(listed.created_at, users.c.id)
        )
        return [
            ListedPerson(UserId(row.id), row.username, row.avatar_url, row.created_at)
            for row in self._connection.execute(query)
        ]

    def has(self, stream_id: StreamId, user_id: UserId) -> bool:
        listed = self._table.c
        wanted = (listed.stream_id == stream_id) & (listed.user_id == user_id)
        return self._connection.execute(select(listed.user_id).where(wanted)).first() is not None

    def add(self, stream_id: StreamId, user_id: UserId) -> bool:
        """False when they already were on it, or their account has just gone."""
        found = select(literal(stream_id), users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
        added = self._connection.execute(
            upsert(self._table)
            .from_select(["stream_id", "user_id"], found)
            .on_conflict_do_nothing()
            .returning(self._table.c.user_id)
        )
        return added.first() is not None

    def remove(self, stream_id: StreamId, user_id: UserId) -> bool:
        listed = self._table.c
        wanted = (listed.stream_id == stream_id) & (listed.user_id == user_id)
        return bool(self._connection.execute(delete(self._table).where(wanted)).rowcount)
