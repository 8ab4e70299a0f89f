"""Stage 6 · the queue `edge-access`: streams of which the CDN's edges have to know something else from now on."""

from __future__ import annotations

from typing import Any

import msgspec

from functions.edge_access.wiring import tell_edges
from headwater.adapters.redelivery import deliver_again
from headwater.contracts import decode_stream_news
from headwater.errors import HeadwaterError
from headwater.observability import emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failed: list[str] = []
    for record in event["Records"]:
        try:
            tell_edges()(decode_stream_news(record["body"]).stream_id)
        except (HeadwaterError, msgspec.DecodeError):
            logger().exception("edges not told", extra={"message_id": record["messageId"]})
            failed.append(record["messageId"])
    return deliver_again(event, failed)
