"""Stage 7 · SQS `picture-uploads` (S3's notifications of uploads) → avatars and emotes, with partial batch answers."""

from __future__ import annotations

from typing import Any

from functions.picture_maker.wire import uploaded_keys
from functions.picture_maker.wiring import make_picture
from headwater.adapters.redelivery import deliver_again
from headwater.observability import count, emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failed: list[str] = []
    for record in event["Records"]:
        try:
            for key in uploaded_keys(record):
                make_picture(key)
        except Exception:
            logger().exception("picture not made", extra={"message_id": record["messageId"]})
            count("PicturesNotMade")
            failed.append(record["messageId"])
    return deliver_again(event, failed)
