"""Stage 5 · what recording_expiry reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class RecordingExpirySettings(EnvironmentSettings, frozen=True, kw_only=True):
    database_secret: str
    database_address: str = ""  # `host:port/name`, where the secret does not say it
    stream_table: str
    event_bus: str
    pulse_queue_url: str
    recording_retention_days: int = 0  # 0: for ever
