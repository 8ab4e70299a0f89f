"""Stage 7 · streams in PostgreSQL: what their owners say about them, with what history knows of their broadcasts."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from headwater.adapters.live_rankings import ON_AIR_STATES
from headwater.adapters.tables import (
    broadcasts,
    categories,
    chat_messages,
    stream_viewers,
    stream_words,
    streams,
    users,
)
from headwater.domain.broadcast import BroadcastState, RecordingState
from headwater.domain.ids import BroadcastId, StreamId, UserId
from headwater.domain.stream_search import searchable
from headwater.domain.streams import Latency, OnAir, Owner, Privacy, Stream, StreamProfile

NOTHING_KEPT = (RecordingState.FAILED.value, RecordingState.DISCARDED.value)

newest_broadcast = (
    select(broadcasts.c.id, broadcasts.c.state, broadcasts.c.public, broadcasts.c.live_at)
    .where(broadcasts.c.stream_id == streams.c.id)
    .order_by(broadcasts.c.id.desc())
    .limit(1)
    .lateral("newest")
)
_poster_of = (
    select(broadcasts.c.id)
    .where(broadcasts.c.stream_id == streams.c.id, broadcasts.c.public, broadcasts.c.live_at.is_not(None))
    .where(broadcasts.c.withheld.is_(False), broadcasts.c.deleted_at.is_(None))
    .where(broadcasts.c.recording.not_in(NOTHING_KEPT))
    .order_by(broadcasts.c.id.desc())
    .limit(1)
    .correlate(streams)
    .scalar_subquery()
)
is_live = and_(
    newest_broadcast.c.public.is_(True),
    newest_broadcast.c.state.in_(ON_AIR_STATES),
    newest_broadcast.c.live_at.is_not(None),
)
# Made once, also for SQLAlchemy, which then need not look them up.
_COUNT_OWNED = select(func.count()).select_from(streams).where(streams.c.owner_id == bindparam("owner", type_=Text))
_ASKED = bindparam("asked", type_=Text)
_CATEGORY_NAMED = select(categories.c.name).where(
    or_(func.lower(categories.c.name) == _ASKED, categories.c.id == _ASKED)
)
_ADD_STREAM = insert(streams).returning(streams.c.created_at)
_ADD_WORDS = insert(stream_words)


class StreamCatalogue:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count_of_owner(self, owner_id: UserId) -> int:
        return self._connection.execute(_COUNT_OWNED, {"owner": owner_id}).scalar_one()

    def category_named(self, text: str) -> str:
        """The category's own spelling, where `text` is the name or the id of one; otherwise `text`."""
        return self._connection.execute(_CATEGORY_NAMED, {"asked": text.lower()}).scalar() or text

    def add(self, stream_id: StreamId, owner: Owner, profile: StreamProfile) -> Stream:
        """As `visible` would find it: nothing has happened to it yet."""
        row = {"id": stream_id, "owner_id": owner.user_id, **_columns(profile)}
        created_at = self._connection.execute(_ADD_STREAM, row).scalar_one()
        self._connection.execute(_ADD_WORDS, {"stream_id": stream_id, **_words(owner, profile)})
        return Stream(
            stream_id=stream_id,
            owner=owner,
            profile=profile,
            created_at=created_at,
            total_views=0,
            on_air=None,
            poster_of=None,
        )

    def visible(self, stream_id: StreamId, viewer: UserId | None) -> Stream | None:
        """The stream, unless it is private and somebody else's."""
        wanted = {"stream_id": stream_id} if viewer is None else {"stream_id": stream_id, "viewer": viewer}
        row = self._connection.execute(_visible_to(anybody=viewer is None), wanted).one_or_none()
        return stream_of(row) if row else None

    def hold(self, stream_id: StreamId, owner_id: UserId) -> None:
        """Until the end of the transaction nobody else changes the stream: whoever reads it to change it begins so."""
        owned = (streams.c.id == stream_id) & (streams.c.owner_id == owner_id)
        # `key_share`: history, which only refers to the row, is not kept waiting.
        self._connection.execute(select(streams.c.id).where(owned).with_for_update(key_share=True))

    def change(self, stream_id: StreamId, owner: Owner, profile: StreamProfile) -> None:
        owned = (streams.c.id == stream_id) & (streams.c.owner_id == owner.user_id)
        if self._connection.execute(update(streams).where(owned).values(**_columns(profile))).rowcount:
            words = _words(owner, profile)
            written = upsert(stream_words).values(stream_id=stream_id, **words)
            self._connection.execute(
                written.on_conflict_do_update(index_elements=[stream_words.c.stream_id], set_=words)
            )

    def remove(self, stream_id: StreamId, owner_id: UserId) -> None:
        """The stream with its history and its chat."""
        owned = (streams.c.id == stream_id) & (streams.c.owner_id == owner_id)
        if self._connection.execute(delete(streams).where(owned)).rowcount:
            self._connection.execute(delete(chat_messages).where(chat_messages.c.stream_id == stream_id))


def select_streams() -> Select[Any]:
    return (
        select(
            streams,
            users.c.username,
            users.c.avatar_url,
            newest_broadcast.c.id.label("newest_id"),
            newest_broadcast.c.state.label("newest_state"),
            newest_broadcast.c.public.label("newest_public"),
            newest_broadcast.c.live_at.label("newest_live_at"),
            _poster_of.label("poster_of"),
        )
        .join(users, users.c.id == streams.c.owner_id)
        .outerjoin(newest_broadcast, newest_broadcast.c.id.is_not(None))
    )


@functools.cache  # the statement of nearly every request: made once, also for SQLAlchemy, which then need not look it up
def _visible_to(*, anybody: bool) -> Select[Any]:
    viewer: Any = None if anybody else bindparam("viewer", type_=Text)
    return select_streams().where(streams.c.id == bindparam("stream_id", type_=Text), _may_see(viewer))


def _may_see(viewer: UserId | None) -> ColumnElement[bool]:
    open_to_all = streams.c.privacy != Privacy.PRIVATE.value
    if viewer is None:
        return open_to_all
    return or_(open_to_all, streams.c.owner_id == viewer, is_allowed(viewer))


def is_allowed(viewer: UserId) -> ColumnElement[bool]:
    """Whether the viewer is on the stream's list."""
    return exists().where(stream_viewers.c.stream_id == streams.c.id, stream_viewers.c.user_id == viewer)


def _columns(profile: StreamProfile) -> Mapping[str, Any]:
    return {
        "title": profile.title,
        "description": profile.description,
        "category": profile.category,
        "tags": list(profile.tags),
        "privacy": profile.privacy.value,
        "record": profile.record,
        "latency": profile.latency.value,
        "reconnect_window": profile.reconnect_window,
        "auto_start": profile.auto_start,
        "mature": profile.mature,
        "scheduled_start": profile.scheduled_start,
    }


def _words(owner: Owner, profile: StreamProfile) -> Mapping[str, str]:
    """What the stream is found by."""
    return {
        "title": searchable(profile.title),
        "labels": searchable(" ".join([owner.username, profile.category or "", *profile.tags])),
        "description": searchable(profile.description),
    }


def stream_of(row: Row[*tuple[Any, ...]]) -> Stream:
    on_air = None
    if row.newest_id is not None:
        on_air = OnAir(
            broadcast_id=BroadcastId(row.newest_id),
            state=BroadcastState(row.newest_state),
            public=row.newest_public,
            went_live_at=row.newest_live_at,
        )
    return Stream(
        stream_id=StreamId(row.id),
        owner=Owner(user_id=UserId(row.owner_id), username=row.username, avatar_url=row.avatar_url),
        profile=StreamProfile(
            title=row.title,
            description=row.description,
            category=row.category,
            tags=tuple(row.tags),
            privacy=Privacy(row.privacy),
            record=row.record,
            latency=Latency(row.latency),
            reconnect_window=row.reconnect_window,
            auto_start=row.auto_start,
            mature=row.mature,
            scheduled_start=row.scheduled_start,
        ),
        created_at=row.created_at,
        total_views=row.total_views,
        on_air=on_air,
        poster_of=BroadcastId(row.poster_of) if row.poster_of else None,
    )
