"""The ECS service of the ingest nodes, behind a network load balancer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class IngestService:
    """`min_tasks` to `max_tasks` nodes."""

    min_tasks: int = 1
    max_tasks: int = 4
