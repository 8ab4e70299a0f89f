"""Stage 7 · streams in PostgreSQL: what their owners say about them, with what history knows of their broadcasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)

from headwater.adapters.tables import broadcasts, chat_messages, streams, users
from headwater.domain.broadcast import BroadcastState
from headwater.domain.ids import BroadcastId, StreamId, UserId
from headwater.domain.streams import Latency, OnAir, Owner, Privacy, Stream, StreamProfile


class StreamOrder(StrEnum):
    NEWEST = "newest"
    VIEWERS = "viewers"


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """Every given field narrows the list. `owner` is a username, in any case."""

    live: bool | None = None
    category: str | None = None
    tag: str | None = None
    q: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """The last stream of a page, where the next one goes on."""

    stream_id: StreamId
    viewers: int


_newest = (
    select(broadcasts.c.id, broadcasts.c.state, broadcasts.c.public, broadcasts.c.live_at, broadcasts.c.viewers)
    .where(broadcasts.c.stream_id == streams.c.id)
    .order_by(broadcasts.c.id.desc())
    .limit(1)
    .lateral("newest")
)
_poster_of = (
    select(broadcasts.c.id)
    .where(broadcasts.c.stream_id == streams.c.id, broadcasts.c.public, broadcasts.c.live_at.is_not(None))
    .order_by(broadcasts.c.id.desc())
    .limit(1)
    .correlate(streams)
    .scalar_subquery()
)
_ON_AIR_STATES = (BroadcastState.LIVE.value, BroadcastState.INTERRUPTED.value)
_is_live = and_(_newest.c.public.is_(True), _newest.c.state.in_(_ON_AIR_STATES), _newest.c.live_at.is_not(None))
_viewers = case((_is_live, _newest.c.viewers), else_=0)


class StreamCatalogue:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, stream_id: StreamId, owner_id: UserId, profile: StreamProfile) -> bool:
        """False: there is no such user (any more)."""
        columns = _columns(profile)
        values = [literal(value, streams.c[name].type) for name, value in columns.items()]
        of_owner = select(literal(stream_id, Text), users.c.id, *values).where(users.c.id == owner_id)
        statement = insert(streams).from_select(["id", "owner_id", *columns], of_owner)
        return self._connection.execute(statement.returning(streams.c.id)).first() is not None

    def visible(self, stream_id: StreamId, viewer: UserId | None) -> Stream | None:
        """The stream, unless it is private and somebody else's."""
        row = self._connection.execute(_select().where(streams.c.id == stream_id, _may_see(viewer))).one_or_none()
        return _stream(row) if row else None

    def hold(self, stream_id: StreamId, owner_id: UserId) -> None:
        """Until the end of the transaction nobody else changes the stream: whoever reads it to change it begins so."""
        owned = (streams.c.id == stream_id) & (streams.c.owner_id == owner_id)
        # `key_share`: history, which only refers to the row, is not kept waiting.
        self._connection.execute(select(streams.c.id).where(owned).with_for_update(key_share=True))

    def change(self, stream_id: StreamId, owner_id: UserId, profile: StreamProfile) -> None:
        owned = (streams.c.id == stream_id) & (streams.c.owner_id == owner_id)
        self._connection.execute(update(streams).where(owned).values(**_columns(profile)))

    def remove(self, stream_id: StreamId, owner_id: UserId) -> None:
        """The stream with its history and its chat."""
        owned = (streams.c.id == stream_id) & (streams.c.owner_id == owner_id)
        if self._connection.execute(delete(streams).where(owned)).rowcount:
            self._connection.execute(delete(chat_messages).where(chat_messages.c.stream_id == stream_id))

    def page(
        self,
        wanted: StreamFilter,
        order: StreamOrder,
        viewer: UserId | None,
        after: StreamPosition | None,
        limit: int,
    ) -> Sequence[Stream]:
        """Public streams, and with `owner` the viewer's own of every kind."""
        query = _select().where(*_conditions(wanted, viewer))
        if order is StreamOrder.VIEWERS:
            query = query.order_by(_viewers.desc(), streams.c.id.desc())
            if after is not None:
                query = query.where(tuple_(_viewers, streams.c.id) < tuple_(after.viewers, after.stream_id))
        else:
            query = query.order_by(streams.c.id.desc())
            if after is not None:
                query = query.where(streams.c.id < after.stream_id)
        return [_stream(row) for row in self._connection.execute(query.limit(limit))]


def _select() -> Select[Any]:
    return (
        select(
            streams,
            users.c.username,
            users.c.avatar_url,
            _newest.c.id.label("newest_id"),
            _newest.c.state.label("newest_state"),
            _newest.c.public.label("newest_public"),
            _newest.c.live_at.label("newest_live_at"),
            _viewers.label("newest_viewers"),
            _poster_of.label("poster_of"),
        )
        .join(users, users.c.id == streams.c.owner_id)
        .outerjoin(_newest, _newest.c.id.is_not(None))
    )


def _may_see(viewer: UserId | None) -> ColumnElement[bool]:
    open_to_all = streams.c.privacy != Privacy.PRIVATE.value
    return open_to_all if viewer is None else or_(open_to_all, streams.c.owner_id == viewer)


def _conditions(wanted: StreamFilter, viewer: UserId | None) -> list[ColumnElement[bool]]:
    listed: ColumnElement[bool] = streams.c.privacy == Privacy.PUBLIC.value
    if wanted.owner is not None and viewer is not None:
        listed = or_(listed, streams.c.owner_id == viewer)
    conditions = [listed]
    if wanted.owner is not None:
        conditions.append(func.lower(users.c.username) == wanted.owner.lower())
    if wanted.live is not None:
        conditions.append(_is_live if wanted.live else func.coalesce(_is_live, False).is_(False))
    if wanted.live:
        # Says nothing that `_is_live` does not, but begins with the few streams on the air, by an index of just those.
        conditions.append(streams.c.id.in_(select(broadcasts.c.stream_id).where(text("state <> 'ended'"))))
    if wanted.category is not None:
        conditions.append(func.lower(streams.c.category) == wanted.category.lower())
    if wanted.tag is not None:
        conditions.append(streams.c.tags.contains([wanted.tag.lower()]))
    if wanted.q is not None:
        conditions.append(streams.c.title.icontains(wanted.q, autoescape=True))
    return conditions


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
    }


def _stream(row: Row[*tuple[Any, ...]]) -> Stream:
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
        ),
        created_at=row.created_at,
        total_views=row.total_views,
        on_air=on_air,
        poster_of=BroadcastId(row.poster_of) if row.poster_of else None,
        sampled_viewers=row.newest_viewers,
    )
