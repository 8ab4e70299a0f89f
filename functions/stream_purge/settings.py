"""Stage 5 · what stream_purge reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class StreamPurgeSettings(EnvironmentSettings, frozen=True, kw_only=True):
    stream_table: str
    lease_table: str
    segment_table: str
    room_table: str
    media_bucket: str
