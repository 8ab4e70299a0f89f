"""Stage 7 · lists of streams out of PostgreSQL: narrowed, ordered, and turned page by page while the rows change.

Every list goes on after the last row of the page before (a keyset), so it must be ordered by what does not move: ids do
not, and of viewers and starts a ranking is kept (`live_rankings`). A query first finds the ids of one page, by an index,
and looks up the rest for those alone.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)

from headwater.adapters.live_rankings import LiveRankings, Ranking, kept_ranking, live_now
from headwater.adapters.stream_catalogue import is_live, newest_broadcast, select_streams, stream_of
from headwater.adapters.stream_words import forgive_typos, matches, relevance
from headwater.adapters.tables import broadcasts, categories, stream_words, streams, users
from headwater.domain.ids import StreamId, UserId
from headwater.domain.stream_search import StreamSearch
from headwater.domain.streams import SCHEDULE_GRACE, Privacy, Stream

SEARCHED_AT_MOST = 1_000  # a word that is in more streams than this finds the newest of them
ALIKE_AT_MOST = 200  # likewise of a word that may be misspelt, for whose likeness every name has to be read


class StreamOrder(StrEnum):
    NEWEST = "newest"
    VIEWERS = "viewers"  # what is live, most watched first; then the rest, newest first
    STARTED = "started"  # what is live, last started first; then the rest, newest first
    SCHEDULED = "scheduled"  # only what has a planned start ahead, soonest first
    RELEVANCE = "relevance"  # how well it fits the words searched for


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """Every given field narrows the list. `owner` is a username, `category` an id or a name, in any case."""

    live: bool | None = None
    category: str | None = None
    tag: str | None = None
    search: StreamSearch | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """Where the next page goes on: after this stream, in the ranking of `slot`, where it has `rank`.

    `forgiving`: the list began with typos forgiven, and goes on so, whatever can be found without by then.
    """

    stream_id: StreamId
    rank: int | None = None
    slot: int | None = None
    forgiving: bool = False


@dataclass(frozen=True, slots=True)
class StreamPage:
    streams: Sequence[Stream]
    next: StreamPosition | None


class StreamLists:
    """`after`, where it is given, is a position of a list with the same filter and order."""

    def __init__(self, connection: Connection, clock: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._rankings = LiveRankings(connection, clock)

    def page(
        self,
        wanted: StreamFilter,
        order: StreamOrder,
        viewer: UserId | None,
        after: StreamPosition | None,
        limit: int,
    ) -> StreamPage:
        """Public streams, and with `owner` the viewer's own of every kind."""
        if wanted.search is not None:
            if wanted.search.asks_for_nothing:
                return StreamPage((), None)
            wanted = replace(wanted, search=self._as_far_as_needed(wanted.search, after))
        if order in (StreamOrder.VIEWERS, StreamOrder.STARTED) and wanted.live is not False:
            positions = self._ranked(wanted, order, viewer, after, limit + 1)
        elif order is StreamOrder.RELEVANCE and wanted.search is not None:
            positions = self._found(_best(wanted, viewer, wanted.search, after), limit + 1)
        elif order is StreamOrder.SCHEDULED:
            positions = self._found(_scheduled(wanted, viewer, after), limit + 1)
        else:
            positions = self._found(_newest(wanted, viewer, after), limit + 1)
        shown = positions[:limit]
        last = shown[-1] if len(positions) > limit else None
        if last is not None and wanted.search is not None and wanted.search.tolerant:
            last = replace(last, forgiving=True)
        return StreamPage(self._look_up(shown), last)

    def _as_far_as_needed(self, search: StreamSearch, after: StreamPosition | None) -> StreamSearch:
        """Without tolerance for typos, where the words as they are find something that everybody may see."""
        if not search.tolerant:
            return search
        exact = replace(search, tolerant=())
        if not (self._finds_nothing(exact) if after is None else after.forgiving):
            return exact
        forgive_typos(self._connection)
        return search

    def _finds_nothing(self, exact: StreamSearch) -> bool:
        public = streams.c.privacy == Privacy.PUBLIC.value
        found = exists().where(stream_words.c.stream_id == streams.c.id, matches(exact), public)
        return not self._connection.execute(select(found)).scalar_one()

    def ranking_is_kept(self, slot: int) -> bool:
        return self._rankings.is_kept(slot)

    def _ranked(
        self, wanted: StreamFilter, order: StreamOrder, viewer: UserId | None, after: StreamPosition | None, limit: int
    ) -> list[StreamPosition]:
        slot = self._rankings.kept_slot() if after is None else after.slot
        if slot is None:
            everything = self._in_ranking(wanted, order, viewer, live_now(), None, None, limit)
            if len(everything) < limit:
                return everything  # and no other page, whose order this one would have to agree with
            slot = self._rankings.keep()
        return self._in_ranking(wanted, order, viewer, kept_ranking(), slot, after, limit)

    def _in_ranking(
        self,
        wanted: StreamFilter,
        order: StreamOrder,
        viewer: UserId | None,
        ranking: Ranking,
        slot: int | None,
        after: StreamPosition | None,
        limit: int,
    ) -> list[StreamPosition]:
        """First what is ranked, then, unless only what is live is wanted, all else, newest first."""
        positions: list[StreamPosition] = []
        if after is None or after.rank is not None:
            values: dict[str, Any] = {"most": limit, "slot": slot}
            if after is not None:
                values |= {"after_rank": after.rank, "after_id": after.stream_id}
            query = _by_rank(wanted, order, viewer, ranking, going_on=after is not None)
            positions = self._positions(query, values, slot)
            after = None
        if wanted.live is None and len(positions) < limit:
            ranked = ranking.subquery("ranked_before")
            others = _newest(wanted, viewer, after).where(streams.c.id.not_in(select(ranked.c.stream_id)))
            positions += self._positions(others.limit(limit - len(positions)), {"slot": slot}, slot)
        return positions

    def _found(self, query: Select[Any], limit: int) -> list[StreamPosition]:
        return self._positions(query.limit(limit), {}, None)

    def _positions(self, query: Select[Any], values: dict[str, Any], slot: int | None) -> list[StreamPosition]:
        rows = self._connection.execute(query, values)
        return [StreamPosition(StreamId(row.id), row.rank, slot) for row in rows]

    def _look_up(self, positions: Sequence[StreamPosition]) -> Sequence[Stream]:
        """The streams at `positions`, in their order."""
        ids = [position.stream_id for position in positions]
        if not ids:
            return ()
        rows = self._connection.execute(_streams_by_id(), {"ids": ids})
        found = {row.id: stream_of(row) for row in rows}
        return [found[stream_id] for stream_id in ids if stream_id in found]


@functools.cache  # made once, also for SQLAlchemy
def _streams_by_id() -> Select[Any]:
    return select_streams().where(streams.c.id.in_(bindparam("ids", expanding=True)))


def _newest(wanted: StreamFilter, viewer: UserId | None, after: StreamPosition | None) -> Select[Any]:
    query = select(streams.c.id, literal(None, BigInteger).label("rank")).where(*_conditions(wanted, viewer))
    query = _live_or_not(query, wanted.live)
    if after is not None:
        query = query.where(streams.c.id < after.stream_id)
    return query.order_by(streams.c.id.desc())


def _live_or_not(query: Select[Any], live: bool | None) -> Select[Any]:
    if live is None:
        return query
    query = query.outerjoin(newest_broadcast, newest_broadcast.c.id.is_not(None))
    if not live:
        return query.where(func.coalesce(is_live, False).is_(False))
    # The second says nothing that `is_live` does not, but begins with the few streams on the air.
    return query.where(is_live, streams.c.id.in_(_on_air()))


@functools.lru_cache(maxsize=256)  # the home page's list is asked for more often than all others
def _by_rank(
    wanted: StreamFilter, order: StreamOrder, viewer: UserId | None, ranking: Ranking, *, going_on: bool
) -> Select[Any]:
    rank_name = "viewers" if order is StreamOrder.VIEWERS else "live_since"
    # In order before anything is looked up for it: so the query ends when its page is full.
    ranked = ranking.order_by(text(f"{rank_name} DESC, stream_id DESC")).subquery("ranked_streams")
    rank = ranked.c[rank_name]
    query = select(streams.c.id, rank.label("rank")).join_from(ranked, streams, streams.c.id == ranked.c.stream_id)
    query = query.where(*_conditions(wanted, viewer))
    if wanted.live:  # still: the ranking may be some minutes old
        on_air = (broadcasts.c.stream_id == streams.c.id) & text("broadcasts.state <> 'ended'") & broadcasts.c.public
        query = query.where(exists().where(on_air))
    if going_on:
        last = tuple_(bindparam("after_rank", type_=BigInteger), bindparam("after_id", type_=Text))
        query = query.where(tuple_(rank, ranked.c.stream_id) < last)
    return query.order_by(rank.desc(), ranked.c.stream_id.desc()).limit(bindparam("most", type_=Integer))


def _best(
    wanted: StreamFilter, viewer: UserId | None, search: StreamSearch, after: StreamPosition | None
) -> Select[Any]:
    rank = relevance(search)
    query = (
        select(streams.c.id, rank.label("rank"))
        .join_from(stream_words, streams, streams.c.id == stream_words.c.stream_id)
        .where(*_conditions(wanted, viewer))
    )
    query = _live_or_not(query, wanted.live)
    if after is not None and after.rank is not None:
        query = query.where(tuple_(rank, streams.c.id) < tuple_(literal(after.rank, Integer), after.stream_id))
    return query.order_by(rank.desc(), streams.c.id.desc())


def _scheduled(wanted: StreamFilter, viewer: UserId | None, after: StreamPosition | None) -> Select[Any]:
    rank = cast(func.extract("epoch", streams.c.scheduled_start) * 1_000_000, BigInteger)  # exact, as a cursor must be
    query = select(streams.c.id, rank.label("rank")).where(
        *_conditions(wanted, viewer), streams.c.scheduled_start > func.now()
    )
    # As `Stream.planned_start` has it: what has begun early is no longer to come.
    has_begun = newest_broadcast.c.public & (newest_broadcast.c.live_at >= streams.c.scheduled_start - SCHEDULE_GRACE)
    query = query.outerjoin(newest_broadcast, newest_broadcast.c.id.is_not(None))
    query = query.where(func.coalesce(has_begun, False).is_(False))
    if after is not None and after.rank is not None:
        at = literal(datetime.fromtimestamp(0, UTC) + timedelta(microseconds=after.rank))
        query = query.where(tuple_(streams.c.scheduled_start, streams.c.id) > tuple_(at, after.stream_id))
    return query.order_by(streams.c.scheduled_start, streams.c.id)


def _conditions(wanted: StreamFilter, viewer: UserId | None) -> list[ColumnElement[bool]]:
    listed: ColumnElement[bool] = streams.c.privacy == Privacy.PUBLIC.value
    if wanted.owner is not None and viewer is not None:
        listed = or_(listed, streams.c.owner_id == viewer)
    conditions = [listed, exists().where(users.c.id == streams.c.owner_id, users.c.suspended_at.is_(None))]
    if wanted.owner is not None:
        owner = select(users.c.id).where(func.lower(users.c.username) == wanted.owner.lower())
        conditions.append(streams.c.owner_id == owner.scalar_subquery())
    if wanted.category is not None:
        asked = wanted.category.lower()
        named = select(func.lower(categories.c.name)).where(categories.c.id == asked).scalar_subquery()
        conditions.append(func.lower(streams.c.category) == func.coalesce(named, asked))
    if wanted.tag is not None:
        conditions.append(streams.c.tags.contains([wanted.tag]))
    if wanted.search is None:
        return conditions
    if wanted.live:  # so few that each can be looked at, and none is left out
        found = select(stream_words.c.stream_id.label("id")).where(stream_words.c.stream_id.in_(_on_air()))
        found = found.where(matches(wanted.search))
    else:
        # What may be listed at all, and no more of it: nobody can bury others' streams under hidden ones of their own.
        of_words = stream_words.c.stream_id == streams.c.id
        found = select(streams.c.id).where(*conditions, of_words, matches(wanted.search)).order_by(streams.c.id.desc())
        found = found.limit(ALIKE_AT_MOST if wanted.search.tolerant else SEARCHED_AT_MOST)
    hits = found.cte("hits").prefix_with("MATERIALIZED", dialect="postgresql")  # searched once, not for each row
    return [*conditions, streams.c.id.in_(select(hits.c.id))]


def _on_air() -> Select[Any]:
    """By an index of just those."""
    return select(broadcasts.c.stream_id).where(text("broadcasts.state <> 'ended'"))
