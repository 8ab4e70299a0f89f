"""Before stage 7 · what the migration reads from its environment."""

from __future__ import annotations

from headwater.settings import DatabaseSettings


class SchemaMigrationSettings(DatabaseSettings, frozen=True, kw_only=True):
    """Nothing but where its database is."""
