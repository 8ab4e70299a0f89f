"""Stage 7 · what the history writer reads from its environment."""

from __future__ import annotations

from headwater.settings import DatabaseSettings


class BroadcastHistorySettings(DatabaseSettings, frozen=True, kw_only=True):
    """Nothing but where its database is."""
