"""Stage 7 · what account_data reads from its environment."""

from __future__ import annotations

from headwater.settings import DatabaseSettings


class AccountDataSettings(DatabaseSettings, frozen=True, kw_only=True):
    upload_bucket: str
    media_bucket: str
    room_table: str
