"""Stage 5 · Lambda on a schedule: deletes recordings that are older than the deployment keeps them."""

from __future__ import annotations

from typing import Any

from functions.recording_expiry.wiring import expire
from headwater.observability import emits_metrics, logger

LEFT_MS = 15_000  # one recording takes at most so long, retries included


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> None:
    expired = expire(lambda: context.get_remaining_time_in_millis() > LEFT_MS)
    logger().info("recordings expired", extra={"expired": expired})
