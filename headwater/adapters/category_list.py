"""Stage 7 · the list of categories in PostgreSQL, each with how many of its streams are live."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, func, literal, or_, select

from headwater.adapters.live_rankings import live_now
from headwater.adapters.stream_words import forgive_typos
from headwater.adapters.tables import categories, streams
from headwater.domain.stream_search import searchable, with_letters_swapped
from headwater.domain.streams import Category, Privacy


class CategoryList:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(self, q: str | None, after: str | None, limit: int) -> Sequence[Category]:
        """By id. `q` narrows the list to names that hold its words, also when they are not typed to their end or misspelt."""
        live = live_now().subquery("live")
        counts = (
            select(func.lower(streams.c.category).label("name"), func.count().label("streams"))
            .select_from(live.join(streams, streams.c.id == live.c.stream_id))
            .where(streams.c.privacy == Privacy.PUBLIC.value, streams.c.category.is_not(None))
            .group_by(func.lower(streams.c.category))
            .subquery("live_by_category")
        )
        query = select(
            categories.c.id, categories.c.name, func.coalesce(counts.c.streams, 0).label("live_streams")
        ).outerjoin(counts, counts.c.name == func.lower(categories.c.name))
        if q is not None:
            forgive_typos(self._connection)
            words = searchable(q).split()
            if not words:
                return ()
            query = query.where(*map(_resembles, words))
        if after is not None:
            query = query.where(categories.c.id > after)
        rows = self._connection.execute(query.order_by(categories.c.id).limit(limit))
        return [Category(row.id, row.name, row.live_streams) for row in rows]


def _resembles(word: str) -> ColumnElement[bool]:
    swapped = (categories.c.words.contains(each) for each in with_letters_swapped(word))  # letters and nothing else
    return or_(categories.c.words.bool_op("%>")(literal(word)), *swapped)
