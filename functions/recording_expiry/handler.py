"""Stage 7 · Lambda on a schedule: deletes recordings that are older than the deployment keeps them."""

from __future__ import annotations

from typing import Any

from functions.recording_expiry.wiring import expire
from headwater.observability import emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> None:
    logger().info("recordings expired", extra={"expired": expire()})
