"""Stage 7 · the pages of a list, and cursors: where the next one begins. Opaque to clients, checked before a query."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from functions.api.representations import ChatMessageOut, Page
from headwater.domain.clips import ClipId
from headwater.domain.ids import BroadcastId, is_id
from headwater.errors import FieldError, InvalidInput

Found = TypeVar("Found")
Item = TypeVar("Item")

_CATEGORY = re.compile(r"[a-z0-9-]{1,64}")
_LONGEST_NUMBER = 18  # digits; below 2**63
_LATEST_MS = 253_402_300_799_000  # Unix time of the last second that a date can have


def page_of(
    found: Sequence[Found], limit: int, shown: Callable[[Found], Item], cursor: Callable[[Found], str]
) -> Page[Item]:
    """The first `limit` of `found`. Whoever looks for `limit + 1` of them finds out whether another page follows."""
    page = found[:limit]
    return Page(items=[shown(each) for each in page], next_cursor=cursor(page[-1]) if len(found) > limit else None)


def id_before(cursor: str | None) -> str | None:
    """Of lists that are ordered by an id of their entries, the latest first."""
    if cursor is not None and not is_id(cursor):
        raise _invalid("cursor")
    return cursor


def broadcast_before(cursor: str | None) -> BroadcastId | None:
    before = id_before(cursor)
    return None if before is None else BroadcastId(before)


def clip_before(cursor: str | None) -> ClipId | None:
    before = id_before(cursor)
    return None if before is None else ClipId(before)


def category_after(cursor: str | None) -> str | None:
    if cursor is not None and _CATEGORY.fullmatch(cursor) is None:
        raise _invalid("cursor")
    return cursor


def message_before(before: str | None, field: str) -> int | None:
    if before is None:
        return None
    number = _number(before)
    if number is None:
        raise _invalid(field)
    return number


def said_after(cursor: str | None) -> tuple[int, int] | None:
    """When the last message that was shown was said (Unix ms), and its `seq`."""
    if cursor is None:
        return None
    created_at, seq = (_number(part) for part in cursor.partition("-")[::2])
    if created_at is None or seq is None or created_at > _LATEST_MS:
        raise _invalid("cursor")
    return created_at, seq


def said_cursor(message: ChatMessageOut) -> str:
    return f"{round(message.created_at.timestamp() * 1000)}-{message.seq}"


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else None


def _invalid(field: str) -> InvalidInput:
    return InvalidInput(errors=(FieldError(field, "Send the `next_cursor` of the page before."),))
