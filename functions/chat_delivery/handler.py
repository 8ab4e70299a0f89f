"""Stage 7 · the queue `chat-delivery` (FIFO, a group per room): rooms that have something to deliver."""

from __future__ import annotations

from typing import Any

from functions.chat_delivery.wire import rooms_of
from functions.chat_delivery.wiring import wiring
from headwater.adapters.redelivery import deliver_again
from headwater.observability import count, emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    rooms, failed = rooms_of(event)
    for room, reason in wiring().deliver(rooms).items():
        logger().error("room not delivered", extra={"stream_id": room}, exc_info=reason)
        count("RoomsNotDelivered")
        failed += rooms[room]
    return deliver_again(event, failed)
