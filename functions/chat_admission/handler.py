"""Stage 7 · the queue `chat-admission`: streams whose rooms perhaps hold somebody who may not be in them any more."""

from __future__ import annotations

from typing import Any

import msgspec

from functions.chat_admission.wiring import wiring
from headwater.adapters.redelivery import deliver_again
from headwater.contracts import decode_stream_news
from headwater.errors import HeadwaterError
from headwater.observability import count, emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failed: list[str] = []
    for record in event["Records"]:
        try:
            count("ChatPutOut", wiring().clear(decode_stream_news(record["body"]).stream_id))
        except (HeadwaterError, msgspec.DecodeError):
            logger().exception("room not cleared", extra={"message_id": record["messageId"]})
            failed.append(record["messageId"])
    return deliver_again(event, failed)
