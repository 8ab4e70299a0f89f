"""Stage 6 · the queue `edge-access`: streams of which the CDN's edges have to know something else from now on. And, as a
resource of a stack, the store that was just made, which has to know of every stream before viewers come."""

from __future__ import annotations

from typing import Any

import msgspec

from functions.edge_access.wiring import tell_edges
from headwater.adapters import deployment_requests
from headwater.adapters.redelivery import deliver_again
from headwater.contracts import decode_stream_news
from headwater.errors import HeadwaterError
from headwater.observability import emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if deployment_requests.is_request(event):
        return deployment_requests.answer(event, lambda: _fill(event["RequestType"]))
    failed: list[str] = []
    for record in event["Records"]:
        try:
            tell_edges()(decode_stream_news(record["body"]).stream_id)
        except (HeadwaterError, msgspec.DecodeError):
            logger().exception("edges not told", extra={"message_id": record["messageId"]})
            failed.append(record["messageId"])
    return deliver_again(event, failed)


def _fill(request: str) -> deployment_requests.Made:
    if request != "Delete":
        logger().info("edges told of every stream", extra={"streams": tell_edges().tell_all()})
    return deployment_requests.Made("filled")
