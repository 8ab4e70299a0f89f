"""Stage 7 · the queue `chat-delivery` (FIFO, a group per shard of a room): shards that have something to deliver."""

from __future__ import annotations

from typing import Any

from functions.chat_delivery.wire import shards_of
from functions.chat_delivery.wiring import wiring
from headwater.adapters.redelivery import deliver_again
from headwater.observability import count, emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    shards, failed = shards_of(event)
    for shard, reason in wiring().deliver(shards).items():
        place = {"stream_id": shard.stream_id, "shard": shard.number}
        logger().error("room not delivered", extra=place, exc_info=reason)
        count("RoomsNotDelivered")
        failed += shards[shard]
    return deliver_again(event, failed)
