"""Stage 7 · the queue `chat-status`: every change of a broadcast, for the stream's room."""

from __future__ import annotations

from typing import Any

import msgspec

from functions.chat_status.wiring import tell_status
from headwater.adapters.redelivery import deliver_again
from headwater.contracts import decode_news
from headwater.errors import HeadwaterError
from headwater.observability import emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failed: list[str] = []
    for record in event["Records"]:
        try:
            tell_status()(decode_news(record["body"]))
        except (HeadwaterError, msgspec.DecodeError):
            logger().exception("status not told", extra={"message_id": record["messageId"]})
            failed.append(record["messageId"])
    return deliver_again(event, failed)
