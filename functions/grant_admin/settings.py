"""Before stage 7 · what grant_admin reads from its environment."""

from __future__ import annotations

from headwater.settings import DatabaseSettings


class GrantAdminSettings(DatabaseSettings, frozen=True, kw_only=True):
    """Nothing but where its database is."""
