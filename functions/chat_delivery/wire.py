"""Stage 7 · a batch of the FIFO queue `chat-delivery` as the shards of rooms that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headwater.contracts import ChatDelivery, decode
from headwater.domain.chat_rounds import Shard
from headwater.observability import logger


def shards_of(event: Mapping[str, Any]) -> tuple[dict[Shard, list[str]], list[str]]:
    """The ids of each shard's messages, and those of messages that nobody can read: they end in the dead-letter queue."""
    shards: dict[Shard, list[str]] = {}
    unreadable: list[str] = []
    for record in event["Records"]:
        try:
            hint = decode(record["body"], ChatDelivery)
        except msgspec.DecodeError:
            logger().exception("not a chat delivery", extra={"message_id": record["messageId"]})
            unreadable.append(record["messageId"])
        else:
            shards.setdefault(Shard(hint.stream_id, hint.shard), []).append(record["messageId"])
    return shards, unreadable
