"""Stage 7 · a batch of the FIFO queue `chat-delivery` as the rooms that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headwater.contracts import ChatDelivery, decode
from headwater.domain.ids import StreamId
from headwater.observability import logger


def rooms_of(event: Mapping[str, Any]) -> tuple[dict[StreamId, list[str]], list[str]]:
    """The ids of each room's messages, and those of messages that nobody can read: they end in the dead-letter queue."""
    rooms: dict[StreamId, list[str]] = {}
    unreadable: list[str] = []
    for record in event["Records"]:
        try:
            room = decode(record["body"], ChatDelivery).stream_id
        except msgspec.DecodeError:
            logger().exception("not a chat delivery", extra={"message_id": record["messageId"]})
            unreadable.append(record["messageId"])
        else:
            rooms.setdefault(room, []).append(record["messageId"])
    return rooms, unreadable
