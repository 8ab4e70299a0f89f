"""Stage 2 · what the hook function is told by its deployment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class Settings(EnvironmentSettings, frozen=True, kw_only=True):
    stream_table: str
    event_bus: str
    pulse_queue_url: str
    stream_key_secret: str  # ARN or name in Secrets Manager
    hook_secret: str  # ARN or name in Secrets Manager
    broadcasts_per_user: int = 10  # on the air at once
    longest_broadcast_seconds: int = 48 * 3600  # and never more than that
