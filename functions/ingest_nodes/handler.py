"""Stage 1 · ingest on demand: Lambda on `IngestWanted`, and on a schedule of one minute, which brings what was missed."""

from __future__ import annotations

from typing import Any

from functions.ingest_nodes.wiring import settle_nodes
from headwater.observability import emits_metrics


@emits_metrics
def handler(event: dict[str, Any], context: object) -> None:
    settle_nodes()()
