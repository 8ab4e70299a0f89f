"""Stage 7 · cursors of lists of streams. Opaque to clients, checked before they reach a query.

`{id}` where ids order the list, `{rank}.{id}` where something of the row does, and `{slot}.{rank}.{id}` where a ranking
that is kept does; there `-` as the rank says that the list has come to what the ranking does not hold. A `~` before the id
is of a search that forgives typos.
"""

from __future__ import annotations

from dataclasses import replace

from headwater.adapters.stream_lists import StreamOrder, StreamPosition
from headwater.domain.ids import StreamId, is_id
from headwater.errors import FieldError, InvalidInput

_LONGEST_NUMBER = 18  # digits; below 2**63
_LARGEST_TIME = 253_402_300_799_000  # Unix ms: the end of the year 9999
_LARGEST_RANK = {
    StreamOrder.VIEWERS: 2**31 - 1,
    StreamOrder.RELEVANCE: 2**31 - 1,
    StreamOrder.SCHEDULED: _LARGEST_TIME * 1000,  # Unix µs
}
_UNRANKED = "-"
_FORGIVING = "~"


def stream_cursor(position: StreamPosition) -> str:
    parts: list[str] = [f"{_FORGIVING if position.forgiving else ''}{position.stream_id}"]
    if position.slot is not None:
        parts = [str(position.slot), _UNRANKED if position.rank is None else str(position.rank), *parts]
    elif position.rank is not None:
        parts = [str(position.rank), *parts]
    return ".".join(parts)


def position_after(cursor: str | None, order: StreamOrder) -> StreamPosition | None:
    """Raises InvalidInput for a cursor that is not of such a list."""
    if cursor is None:
        return None
    *numbers, last = cursor.split(".")
    stream_id = last.removeprefix(_FORGIVING)
    if not is_id(stream_id):
        raise invalid_cursor()
    position = StreamPosition(StreamId(stream_id), forgiving=stream_id != last)
    match order, numbers:
        case (StreamOrder.VIEWERS | StreamOrder.STARTED, [slot, rank]):
            after = None if rank == _UNRANKED else _number(rank, _LARGEST_RANK.get(order, _LARGEST_TIME))
            return replace(position, rank=after, slot=_number(slot, _LARGEST_TIME))
        case (StreamOrder.RELEVANCE | StreamOrder.SCHEDULED, [rank]):
            return replace(position, rank=_number(rank, _LARGEST_RANK.get(order, _LARGEST_TIME)))
        case (_, []):
            return position
    raise invalid_cursor()


def invalid_cursor() -> InvalidInput:
    return InvalidInput(
        errors=(FieldError("cursor", "Send the `next_cursor` of the page before, with its parameters."),)
    )


def outdated_cursor() -> InvalidInput:
    message = "This list is too old to go on with. Begin it again, without a cursor."
    return InvalidInput(errors=(FieldError("cursor", message),))


def _number(text: str, largest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER and int(text) <= largest):
        raise invalid_cursor()
    return int(text)
