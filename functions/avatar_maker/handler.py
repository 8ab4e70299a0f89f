"""Stage 7 · SQS `avatar-uploads` (S3's notifications of what was uploaded) → avatars, with partial batch answers."""

from __future__ import annotations

from typing import Any

from functions.avatar_maker.wire import uploaded_keys
from functions.avatar_maker.wiring import make_avatar
from headwater.adapters.redelivery import deliver_again
from headwater.observability import count, emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failed: list[str] = []
    for record in event["Records"]:
        try:
            for key in uploaded_keys(record):
                make_avatar()(key)
        except Exception:
            logger().exception("avatar not made", extra={"message_id": record["messageId"]})
            count("AvatarsNotMade")
            failed.append(record["messageId"])
    return deliver_again(event, failed)
