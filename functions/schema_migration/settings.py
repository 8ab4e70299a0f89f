"""Before stage 7 · what the migration reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class SchemaMigrationSettings(EnvironmentSettings, frozen=True, kw_only=True):
    database_secret: str
    database_address: str = ""  # `host:port/name`, where the secret does not say it
