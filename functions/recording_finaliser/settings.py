"""Stage 4b · what the finaliser reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class RecordingFinaliserSettings(EnvironmentSettings, frozen=True, kw_only=True):
    stream_table: str
    lease_table: str
    segment_table: str
    event_bus: str
    pulse_queue_url: str
    media_bucket: str
