"""Stage 3 · Lambda on a schedule of one minute: revives what was lost."""

from __future__ import annotations

from typing import Any

from functions.broadcast_sweep.wiring import nudge_pool, stop_orphans, sweep_broadcasts
from headwater.observability import emits_metrics


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> None:
    sweep_broadcasts()()
    stop_orphans()()
    nudge_pool()()
