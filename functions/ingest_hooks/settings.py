"""Stage 2 · what the hook function is told by its deployment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class Settings(EnvironmentSettings, frozen=True, kw_only=True):
    stream_table: str
    event_bus: str
    pulse_queue_url: str
    stream_key_secret: str  # ARN or name in Secrets Manager
    hook_secret: str  # ARN or name in Secrets Manager
