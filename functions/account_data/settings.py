"""Stage 7 · what account_data reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class AccountDataSettings(EnvironmentSettings, frozen=True, kw_only=True):
    database_secret: str
    database_address: str = ""  # `host:port/name`, where the secret does not say it
    upload_bucket: str
    media_bucket: str
    room_table: str
