"""Stage 7 · the queue `chat-status`: every change of a broadcast, and looks at who is watching, for the stream's room."""

from __future__ import annotations

from typing import Any

import msgspec

from functions.chat_status.wiring import wiring
from headwater.adapters.redelivery import deliver_again
from headwater.contracts import AudienceLook, decode_status
from headwater.errors import HeadwaterError
from headwater.observability import emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failed: list[str] = []
    for record in event["Records"]:
        try:
            match decode_status(record["body"]):
                case AudienceLook() as look:
                    wiring().look_at_audience(look)
                case changed:
                    wiring().tell_status(changed)
        except (HeadwaterError, msgspec.DecodeError):
            logger().exception("status not told", extra={"message_id": record["messageId"]})
            failed.append(record["messageId"])
    return deliver_again(event, failed)
