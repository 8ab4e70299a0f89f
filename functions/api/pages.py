"""Stage 7 · cursors: where the next page of a list begins. Opaque to clients, checked before they reach a query."""

from __future__ import annotations

from headwater.adapters.stream_catalogue import StreamPosition
from headwater.domain.ids import BroadcastId, StreamId, is_id
from headwater.domain.streams import Stream
from headwater.errors import FieldError, InvalidInput

_MOST_VIEWERS = 2**31 - 1
_LONGEST_NUMBER = 18  # digits; below 2**63


def stream_cursor(last: Stream) -> str:
    return f"{last.stream_id}.{last.sampled_viewers}"


def position_after(cursor: str | None) -> StreamPosition | None:
    """Raises InvalidInput for a cursor that is not ours."""
    if cursor is None:
        return None
    stream_id, _, viewers = cursor.partition(".")
    if not is_id(stream_id) or (number := _number(viewers)) is None or number > _MOST_VIEWERS:
        raise _invalid("cursor")
    return StreamPosition(StreamId(stream_id), number)


def broadcast_before(cursor: str | None) -> BroadcastId | None:
    if cursor is not None and not is_id(cursor):
        raise _invalid("cursor")
    return None if cursor is None else BroadcastId(cursor)


def message_before(before: str | None, field: str) -> int | None:
    if before is None:
        return None
    number = _number(before)
    if number is None:
        raise _invalid(field)
    return number


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else None


def _invalid(field: str) -> InvalidInput:
    return InvalidInput(errors=(FieldError(field, "Send the `next_cursor` of the page before."),))
