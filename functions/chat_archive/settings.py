"""Stage 7 · what chat_archive reads from its environment."""

from __future__ import annotations

from headwater.settings import DatabaseSettings


class ChatArchiveSettings(DatabaseSettings, frozen=True, kw_only=True):
    """Nothing but where its database is."""
