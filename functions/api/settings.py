"""Stage 7 · what the REST API reads from its environment. Docs: docs/architecture.md."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings, comma_separated


class ApiSettings(EnvironmentSettings, frozen=True, kw_only=True):
    database_secret: str
    stream_key_secret: str
    token_keys_secret: str
    token_issuer: str
    stream_table: str
    event_bus: str
    pulse_queue_url: str
    cache_url: str
    cdn_url: str
    ws_url: str
    rtmp_urls: str
    registrations_per_minute: int = 5  # of one address
    logins_per_minute: int = 10  # of one address, and on one account

    @property
    def rtmp_servers(self) -> list[str]:
        return list(comma_separated(self.rtmp_urls))
