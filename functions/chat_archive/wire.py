"""Stage 7 · a batch of the queue `chat-archive` as what was said, and what moderators did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headwater.contracts import ChatMessageArchived, ChatModerated, decode
from headwater.observability import logger

Entry = ChatMessageArchived | ChatModerated


class _Kind(msgspec.Struct):
    """Only what moderators did has an `action`."""

    action: str | None = None


def entries_of(event: Mapping[str, Any]) -> tuple[dict[str, Entry], list[str]]:
    """Entries by the id of the queue's message, and the ids of those that nobody can read."""
    entries: dict[str, Entry] = {}
    unreadable: list[str] = []
    for record in event["Records"]:
        try:
            entries[record["messageId"]] = _entry(record["body"])
        except msgspec.DecodeError:
            logger().exception("neither said nor done", extra={"message_id": record["messageId"]})
            unreadable.append(record["messageId"])
    return entries, unreadable


def _entry(body: str) -> Entry:
    if msgspec.json.decode(body, type=_Kind).action is None:
        return decode(body, ChatMessageArchived)
    return decode(body, ChatModerated)
