"""Stage 1 · what the starter of ingest nodes reads from its environment."""

from __future__ import annotations

from headwater.domain.ingest_fleet import FleetLimits
from headwater.settings import EnvironmentSettings


class Settings(EnvironmentSettings, frozen=True, kw_only=True):
    stream_table: str
    ingest_cluster: str
    ingest_task_definition: str
    ingest_subnets: str  # comma-separated
    ingest_security_groups: str
    ingest_nodes_at_most: int
    ingest_publishers_per_node: int
    ingest_wish_seconds: int
    broadcasts_per_user: int

    @property
    def limits(self) -> FleetLimits:
        return FleetLimits(
            nodes=self.ingest_nodes_at_most,
            publishers_per_node=self.ingest_publishers_per_node,
            wishes_per_owner=self.broadcasts_per_user,
            wish_ms=self.ingest_wish_seconds * 1000,
        )
