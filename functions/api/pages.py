"""Stage 7 · cursors: where the next page of a list begins. Opaque to clients, checked before they reach a query."""

from __future__ import annotations

import re

from headwater.domain.clips import ClipId
from headwater.domain.ids import BroadcastId, is_id
from headwater.errors import FieldError, InvalidInput

_CATEGORY = re.compile(r"[a-z0-9-]{1,64}")
_LONGEST_NUMBER = 18  # digits; below 2**63


def broadcast_before(cursor: str | None) -> BroadcastId | None:
    if cursor is not None and not is_id(cursor):
        raise _invalid("cursor")
    return None if cursor is None else BroadcastId(cursor)


def id_before(cursor: str | None) -> str | None:
    """Of lists that are ordered by an id of their entries, the latest first."""
    if cursor is not None and not is_id(cursor):
        raise _invalid("cursor")
    return cursor


def session_before(cursor: str | None) -> str | None:
    if cursor is not None and not is_id(cursor):
        raise _invalid("cursor")
    return cursor


def category_after(cursor: str | None) -> str | None:
    if cursor is not None and _CATEGORY.fullmatch(cursor) is None:
        raise _invalid("cursor")
    return cursor


def clip_before(cursor: str | None) -> ClipId | None:
    if cursor is not None and not is_id(cursor):
        raise _invalid("cursor")
    return None if cursor is None else ClipId(cursor)


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
