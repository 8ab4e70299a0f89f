"""Stage 7 · who may watch a private stream beside its owner, in PostgreSQL; the hot state holds a copy for chat to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert

from headwater.adapters.tables import stream_viewers, users
from headwater.domain.ids import StreamId, UserId


@dataclass(frozen=True, slots=True)
class AllowedViewer:
    user_id: UserId
    username: str
    avatar_url: str | None
    since: datetime


class StreamViewers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_stream(self, stream_id: StreamId) -> Sequence[AllowedViewer]:
        """All of them, in the order in which they were let in."""
        query = (
            select(users.c.id, users.c.username, users.c.avatar_url, stream_viewers.c.created_at)
            .join_from(stream_viewers, users)
            .where(stream_viewers.c.stream_id == stream_id, users.c.deleted_at.is_(None))
            .order_by(stream_viewers.c.created_at, users.c.id)
        )
        return [
            AllowedViewer(UserId(row.id), row.username, row.avatar_url, row.created_at)
            for row in self._connection.execute(query)
        ]

    def add(self, stream_id: StreamId, user_id: UserId) -> bool:
        """False when they already were on the list, or their account has just gone."""
        named = select(literal(stream_id), users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
        added = self._connection.execute(
            upsert(stream_viewers)
            .from_select(["stream_id", "user_id"], named)
            .on_conflict_do_nothing()
            .returning(stream_viewers.c.user_id)
        )
        return added.first() is not None

    def remove(self, stream_id: StreamId, user_id: UserId) -> bool:
        wanted = (stream_viewers.c.stream_id == stream_id) & (stream_viewers.c.user_id == user_id)
        return bool(self._connection.execute(delete(stream_viewers).where(wanted)).rowcount)
