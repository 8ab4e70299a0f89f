"""Stage 7 · clips in PostgreSQL. What may be seen of them is what may be seen of their broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from headwater.adapters.stream_catalogue import NOTHING_KEPT
from headwater.adapters.tables import broadcasts, clips, users
from headwater.domain.clips import Clip, ClipId
from headwater.domain.ids import BroadcastId, StreamId, UserId


class ClipList:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(
        self,
        clip_id: ClipId,
        broadcast_id: BroadcastId,
        maker_id: UserId,
        title: str,
        start_seconds: float,
        duration_seconds: float,
        picture: int | None,
    ) -> None:
        """Of a broadcast whose recording was neither deleted nor given up meanwhile; else it is not there afterwards."""
        held = (
            select(broadcasts.c.stream_id)
            .where(broadcasts.c.id == broadcast_id, broadcasts.c.deleted_at.is_(None))
            .where(broadcasts.c.recording.not_in(NOTHING_KEPT))
            .with_for_update(key_share=True)
        )
        row = self._connection.execute(held).one_or_none()
        if row is not None:
            values = {
                "id": clip_id,
                "stream_id": row.stream_id,
                "broadcast_id": broadcast_id,
                "maker_id": maker_id,
                "title": title,
                "start_seconds": start_seconds,
                "duration_seconds": duration_seconds,
                "picture": picture,
            }
            self._connection.execute(insert(clips).values(values))

    def by_id(self, clip_id: ClipId) -> Clip | None:
        row = self._connection.execute(_select().where(clips.c.id == clip_id)).one_or_none()
        return _clip(row) if row else None

    def of_stream(self, stream_id: StreamId, *, for_owner: bool, before: ClipId | None, limit: int) -> Sequence[Clip]:
        """Newest first. The owner also sees those of broadcasts that are withheld."""
        query = _select().where(clips.c.stream_id == stream_id)
        if not for_owner:
            query = query.where(broadcasts.c.public, broadcasts.c.withheld.is_(False))
        if before is not None:
            query = query.where(clips.c.id < before)
        return [_clip(row) for row in self._connection.execute(query.order_by(clips.c.id.desc()).limit(limit))]

    def count_of(self, stream_id: StreamId, maker_id: UserId) -> int:
        query = select(func.count()).where(clips.c.stream_id == stream_id, clips.c.maker_id == maker_id)
        return self._connection.execute(query).scalar_one()

    def remove(self, clip_id: ClipId) -> None:
        self._connection.execute(delete(clips).where(clips.c.id == clip_id))


def _select() -> Select[Any]:
    return (
        select(clips, users.c.username, (broadcasts.c.withheld | broadcasts.c.public.is_(False)).label("withheld"))
        .join(broadcasts, broadcasts.c.id == clips.c.broadcast_id)
        .outerjoin(users, users.c.id == clips.c.maker_id)
        .where(broadcasts.c.deleted_at.is_(None))
    )


def _clip(row: Row[*tuple[Any, ...]]) -> Clip:
    return Clip(
        clip_id=ClipId(row.id),
        stream_id=StreamId(row.stream_id),
        broadcast_id=BroadcastId(row.broadcast_id),
        maker_id=UserId(row.maker_id) if row.maker_id else None,
        maker_name=row.username,
        title=row.title,
        start_seconds=row.start_seconds,
        duration_seconds=row.duration_seconds,
        picture=row.picture,
        withheld=row.withheld,
        created_at=row.created_at,
    )
