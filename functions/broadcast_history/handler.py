"""Stage 7 · SQS `history` (every `BroadcastChanged` of the bus) → PostgreSQL, with partial batch answers."""

from __future__ import annotations

from typing import Any

from functions.broadcast_history.record_broadcasts import record_broadcasts
from functions.broadcast_history.wiring import unit_of_work
from headwater.adapters.redelivery import deliver_again
from headwater.observability import emits_metrics


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return deliver_again(event, record_broadcasts(event["Records"], unit_of_work))
