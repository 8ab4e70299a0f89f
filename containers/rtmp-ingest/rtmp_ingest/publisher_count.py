"""Stage 1 · how many publish to this node, as a metric: one line of the log a minute (CloudWatch's embedded metric format).

The service is scaled by its average over the nodes (infra/constructs/ingest_nodes.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

PERIOD_SECONDS = 60.0


class PublisherCount:
    def __init__(self, namespace: str | None, write: Callable[[str], object], clock: Callable[[], float] = time.time):
        """Without a `namespace` nothing is written."""
        self._namespace = namespace
        self._write = write
        self._clock = clock
        self._next_at = 0.0

    def tell(self, publishers: int) -> None:
        """To be called often."""
        now = self._clock()
        if self._namespace is None or now < self._next_at:
            return
        self._next_at = now + PERIOD_SECONDS
        metric = {
            "Namespace": self._namespace,
            "Dimensions": [["service"]],
            "Metrics": [{"Name": "Publishers", "Unit": "Count"}],
        }
        line = {
            "_aws": {"Timestamp": round(now * 1000), "CloudWatchMetrics": [metric]},
            "service": "rtmp-ingest",
            "Publishers": publishers,
        }
        self._write(json.dumps(line) + "\n")
