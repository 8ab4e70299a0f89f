"""Stage 7 · a batch of the queue `chat-archive` as messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headwater.contracts import ChatMessageArchived, decode
from headwater.observability import logger


def messages_of(event: Mapping[str, Any]) -> tuple[dict[str, ChatMessageArchived], list[str]]:
    """Chat messages by the id of the queue's message, and the ids of those that nobody can read."""
    messages: dict[str, ChatMessageArchived] = {}
    unreadable: list[str] = []
    for record in event["Records"]:
        try:
            messages[record["messageId"]] = decode(record["body"], ChatMessageArchived)
        except msgspec.DecodeError:
            logger().exception("not a chat message", extra={"message_id": record["messageId"]})
            unreadable.append(record["messageId"])
    return messages, unreadable
