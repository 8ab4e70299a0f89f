"""Stage 6 · what edge_access reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class EdgeAccessSettings(EnvironmentSettings, frozen=True, kw_only=True):
    stream_table: str
    edge_store_arn: str
