"""Stage 5 · the queue `purge`: deleted streams and recordings, one a call; what a call cannot finish comes again."""

from __future__ import annotations

from typing import Any

import msgspec

from functions.stream_purge.purge import Unfinished
from functions.stream_purge.wiring import purge
from headwater.adapters.redelivery import deliver_again
from headwater.contracts import decode_stream_news
from headwater.errors import HeadwaterError
from headwater.observability import emits_metrics, logger

LEFT_MS = 20_000  # a batch takes at most this long, its retries included


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failed: list[str] = []
    for record in event["Records"]:
        try:
            purge()(decode_stream_news(record["body"]), lambda: context.get_remaining_time_in_millis() > LEFT_MS)
        except Unfinished:
            failed.append(record["messageId"])
        except (HeadwaterError, msgspec.DecodeError):
            logger().exception("not purged", extra={"message_id": record["messageId"]})
            failed.append(record["messageId"])
    return deliver_again(event, failed)
