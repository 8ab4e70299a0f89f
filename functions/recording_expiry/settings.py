"""Stage 5 · what recording_expiry reads from its environment."""

from __future__ import annotations

from headwater.settings import DatabaseSettings


class RecordingExpirySettings(DatabaseSettings, frozen=True, kw_only=True):
    stream_table: str
    event_bus: str
    pulse_queue_url: str
    recording_retention_days: int = 0  # 0: for ever
