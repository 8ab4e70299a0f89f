"""Stage 7 · who moderates a stream's room, in PostgreSQL; the hot state holds a copy for chat to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert

from headwater.adapters.tables import stream_moderators, users
from headwater.domain.ids import StreamId, UserId


@dataclass(frozen=True, slots=True)
class Moderator:
    user_id: UserId
    username: str
    avatar_url: str | None
    since: datetime


class StreamModerators:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_stream(self, stream_id: StreamId) -> Sequence[Moderator]:
        """All of them, in the order in which they were named."""
        query = (
            select(users.c.id, users.c.username, users.c.avatar_url, stream_moderators.c.created_at)
            .join_from(stream_moderators, users)
            .where(stream_moderators.c.stream_id == stream_id, users.c.deleted_at.is_(None))
            .order_by(stream_moderators.c.created_at, users.c.id)
        )
        return [
            Moderator(UserId(row.id), row.username, row.avatar_url, row.created_at)
            for row in self._connection.execute(query)
        ]

    def moderates(self, stream_id: StreamId, user_id: UserId) -> bool:
        wanted = (stream_moderators.c.stream_id == stream_id) & (stream_moderators.c.user_id == user_id)
        return self._connection.execute(select(stream_moderators.c.user_id).where(wanted)).first() is not None

    def moderated_by(self, user_id: UserId) -> Sequence[StreamId]:
        query = select(stream_moderators.c.stream_id).where(stream_moderators.c.user_id == user_id)
        return [StreamId(row.stream_id) for row in self._connection.execute(query)]

    def add(self, stream_id: StreamId, user_id: UserId) -> bool:
        """False when they already were one, or their account has just gone."""
        named = select(literal(stream_id), users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
        added = self._connection.execute(
            upsert(stream_moderators)
            .from_select(["stream_id", "user_id"], named)
            .on_conflict_do_nothing()
            .returning(stream_moderators.c.user_id)
        )
        return added.first() is not None

    def remove(self, stream_id: StreamId, user_id: UserId) -> bool:
        wanted = (stream_moderators.c.stream_id == stream_id) & (stream_moderators.c.user_id == user_id)
        return bool(self._connection.execute(delete(stream_moderators).where(wanted)).rowcount)
