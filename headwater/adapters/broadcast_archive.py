"""Stage 7 · broadcasts in PostgreSQL: written from what the control plane tells, read as history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from headwater.adapters.stream_catalogue import is_allowed
from headwater.adapters.tables import broadcasts, clips, streams, users
from headwater.contracts import BroadcastChanged
from headwater.domain.broadcast import BroadcastState, EndReason, RecordingState
from headwater.domain.ids import BroadcastId, StreamId, UserId
from headwater.domain.streams import PastBroadcast, Privacy


class BroadcastArchive:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, changed: BroadcastChanged) -> bool:
        """Write the snapshot unless a newer one is there. False: there is no such stream (any more).

        News may come twice and in any order; the highest `sequence` wins, so the row ends up the same.
        """
        written = {
            "sequence": changed.sequence,
            "state": changed.state.value,
            "public": changed.public,
            "recording": changed.recording.value,
            "recorded": changed.record,
            "started_at": _time(changed.started_at),
            "live_at": _time(changed.live_at),
            "ended_at": _time(changed.ended_at),
            "end_reason": changed.end_reason.value if changed.end_reason else None,
            "end_detail": _storable(changed.end_detail),
            "duration_seconds": changed.duration_seconds,
            "renditions": list(changed.renditions),
        }
        values = [literal(value, broadcasts.c[name].type) for name, value in written.items()]
        of_stream = select(literal(changed.broadcast_id, String), streams.c.id, streams.c.title, *values).where(
            streams.c.id == changed.stream_id
        )
        statement = upsert(broadcasts).from_select(["id", "stream_id", "title", *written], of_stream)
        statement = statement.on_conflict_do_update(
            index_elements=[broadcasts.c.id],
            set_={name: statement.excluded[name] for name in written},
            where=broadcasts.c.sequence < statement.excluded.sequence,
        )
        if self._connection.execute(statement.returning(broadcasts.c.id)).first() is not None:
            if changed.recording in (RecordingState.FAILED, RecordingState.DISCARDED):
                self._connection.execute(delete(clips).where(clips.c.broadcast_id == changed.broadcast_id))
            return True
        stream: Select[Any] = select(literal_column("1")).where(streams.c.id == changed.stream_id)
        return self._connection.execute(stream).first() is not None

    def of_stream(
        self, stream_id: StreamId, *, for_owner: bool, before: BroadcastId | None, limit: int
    ) -> Sequence[PastBroadcast]:
        """Newest first. The owner also sees those that were never public or never had a picture."""
        query = select(broadcasts).where(broadcasts.c.stream_id == stream_id, broadcasts.c.deleted_at.is_(None))
        if not for_owner:
            query = query.where(_is_public(), broadcasts.c.live_at.is_not(None))
        if before is not None:
            query = query.where(broadcasts.c.id < before)
        rows = self._connection.execute(query.order_by(broadcasts.c.id.desc()).limit(limit))
        return [_past_broadcast(row) for row in rows]

    def recordings(self, before: BroadcastId | None, limit: int) -> Sequence[PastBroadcast]:
        """What anybody can watch again, newest first: recordings of public streams. Like lists of streams, without those of
        accounts that are suspended: they can be watched, but nobody is led there."""
        query = (
            select(broadcasts)
            .join(streams, streams.c.id == broadcasts.c.stream_id)
            .where(broadcasts.c.recording == RecordingState.READY.value, broadcasts.c.recorded, _is_public())
            .where(broadcasts.c.deleted_at.is_(None))
            .where(streams.c.privacy == Privacy.PUBLIC.value)
            .where(exists().where(users.c.id == streams.c.owner_id, users.c.suspended_at.is_(None)))
        )
        if before is not None:
            query = query.where(broadcasts.c.id < before)
        rows = self._connection.execute(query.order_by(broadcasts.c.id.desc()).limit(limit))
        return [_past_broadcast(row) for row in rows]

    def visible(self, broadcast_id: BroadcastId, viewer: UserId | None) -> PastBroadcast | None:
        """The broadcast, if `viewer` may see it: everything of one's own, and what was public of others' streams."""
        open_to = streams.c.privacy != Privacy.PRIVATE.value
        if viewer is not None:
            open_to |= is_allowed(viewer)
        public = open_to & _is_public() & broadcasts.c.live_at.is_not(None)
        query = (
            select(broadcasts)
            .join(streams, streams.c.id == broadcasts.c.stream_id)
            .where(broadcasts.c.id == broadcast_id, broadcasts.c.deleted_at.is_(None))
            .where(public if viewer is None else or_(public, streams.c.owner_id == viewer))
        )
        row = self._connection.execute(query).one_or_none()
        return _past_broadcast(row) if row else None

    def ended_before(self, moment: datetime, limit: int) -> Sequence[tuple[StreamId, BroadcastId]]:
        """Recordings that are older, the oldest first."""
        query = (
            select(broadcasts.c.stream_id, broadcasts.c.id)
            .where(broadcasts.c.recording == RecordingState.READY.value, broadcasts.c.deleted_at.is_(None))
            .where(broadcasts.c.ended_at < moment)
            .order_by(broadcasts.c.id)
            .limit(limit)
        )
        return [(StreamId(row.stream_id), BroadcastId(row.id)) for row in self._connection.execute(query)]

    def rename(self, broadcast_id: BroadcastId, title: str) -> None:
        self._connection.execute(update(broadcasts).where(broadcasts.c.id == broadcast_id).values(title=title))

    def withhold(self, broadcast_id: BroadcastId, withheld: bool) -> None:
        self._connection.execute(update(broadcasts).where(broadcasts.c.id == broadcast_id).values(withheld=withheld))

    def mark_deleted(self, broadcast_id: BroadcastId, at: datetime) -> None:
        """The row stays, for late news would bring it back, with its figures; its clips go with the recording."""
        self._connection.execute(delete(clips).where(clips.c.broadcast_id == broadcast_id))
        self._connection.execute(update(broadcasts).where(broadcasts.c.id == broadcast_id).values(deleted_at=at))

    def add_audience(self, stream_id: StreamId, viewers: int, new_views: int) -> None:
        """Note how many watch the stream right now, and that `new_views` people began to since the last time."""
        on_air = (
            select(broadcasts.c.id)
            .where(broadcasts.c.stream_id == stream_id, broadcasts.c.state != BroadcastState.ENDED.value)
            .order_by(broadcasts.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        if new_views:  # the stream first, as who deletes it locks them
            grown = streams.c.total_views + new_views
            self._connection.execute(update(streams).where(streams.c.id == stream_id).values(total_views=grown))
        self._connection.execute(
            update(broadcasts)
            .where(broadcasts.c.id == on_air)
            .values(
                viewers=viewers,
                viewers_at=func.now(),
                peak_viewers=func.greatest(broadcasts.c.peak_viewers, viewers),
                total_views=broadcasts.c.total_views + new_views,
            )
        )


def _is_public() -> ColumnElement[bool]:
    """Of those that may be watched by whoever may watch the stream."""
    return broadcasts.c.public & broadcasts.c.withheld.is_(False)


def _time(unix_ms: int | None) -> datetime | None:
    return None if unix_ms is None else datetime.fromtimestamp(unix_ms / 1000, UTC)


def _storable(text: str | None) -> str | None:
    """PostgreSQL's text cannot hold NUL, and a reason that quotes an encoder may."""
    return None if text is None else text.replace("\x00", "")


def _past_broadcast(row: Row[*tuple[Any, ...]]) -> PastBroadcast:
    return PastBroadcast(
        broadcast_id=BroadcastId(row.id),
        stream_id=StreamId(row.stream_id),
        title=row.title,
        state=BroadcastState(row.state),
        public=row.public,
        recording=RecordingState(row.recording),
        recorded=row.recorded,
        started_at=row.started_at,
        live_at=row.live_at,
        ended_at=row.ended_at,
        end_reason=EndReason(row.end_reason) if row.end_reason else None,
        end_detail=row.end_detail,
        duration_seconds=row.duration_seconds,
        renditions=tuple(row.renditions),
        peak_viewers=row.peak_viewers,
        total_views=row.total_views,
        withheld=row.withheld,
    )
