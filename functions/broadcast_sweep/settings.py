"""Stage 3 · what the sweep reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class Settings(EnvironmentSettings, frozen=True, kw_only=True):
    stream_table: str
    event_bus: str
    pulse_queue_url: str
    ecs_cluster: str
    longest_broadcast_seconds: int
    warm_workers: int
