"""Stage 7 · what chat_archive reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class ChatArchiveSettings(EnvironmentSettings, frozen=True, kw_only=True):
    database_secret: str
    database_address: str = ""  # `host:port/name`, where the secret does not say it
