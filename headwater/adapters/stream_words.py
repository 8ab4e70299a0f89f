"""Stage 7 · searching streams in PostgreSQL: by words, and by what resembles them (full text and trigrams)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Integer, Text, and_, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, REAL

from headwater.adapters.tables import stream_words
from headwater.domain.stream_search import StreamSearch, with_letters_swapped

# How alike a word must be to some stretch of a stream's names, counted in trigrams. A wrong, missing or doubled letter costs
# up to three of them: at 0.4, words of six letters are still found. Two letters that changed places cost four, see `matches`.
SIMILARITY = 0.4
# Of a word in the description, –, the labels, the title.
_WEIGHTS = [0.1, 0.1, 0.5, 1.0]
_PARTS_OF_ONE = 10_000


def forgive_typos(connection: Connection) -> None:
    """For the rest of the transaction: the operator that the index knows has its threshold from a setting."""
    connection.execute(select(func.set_config("pg_trgm.word_similarity_threshold", str(SIMILARITY), True)))


def matches(search: StreamSearch) -> ColumnElement[bool]:
    exact = stream_words.c.document.bool_op("@@")(_query(search.exact))
    if not search.tolerant:
        return exact
    alike = [_resembles(word) for word in search.tolerant]
    if search.required:
        alike.append(stream_words.c.document.bool_op("@@")(_query(search.required)))
    return or_(exact, and_(*alike))


def _resembles(word: str) -> ColumnElement[bool]:
    alike = stream_words.c.names.bool_op("%>")(word)
    swapped = with_letters_swapped(word)
    if not swapped:
        return alike
    return or_(alike, stream_words.c.document.bool_op("@@")(_query(" or ".join(swapped))))


def relevance(search: StreamSearch) -> ColumnElement[int]:
    """How well a stream fits, as a whole number, so that a cursor can carry it exactly."""
    by_words = func.ts_rank(
        cast(literal(_WEIGHTS, ARRAY(REAL)), ARRAY(REAL)), stream_words.c.document, _query(search.exact)
    )
    if not search.tolerant:
        return cast(by_words * _PARTS_OF_ONE, Integer)
    by_likeness = func.word_similarity(" ".join(search.tolerant), stream_words.c.names)
    return cast((by_words + by_likeness) * _PARTS_OF_ONE, Integer)


def _query(websearch: str) -> ColumnElement[str]:
    return func.websearch_to_tsquery("simple", literal(websearch, Text), type_=Text)
