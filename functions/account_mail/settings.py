"""Stage 7 · what account_mail reads from its environment."""

from __future__ import annotations

from headwater.settings import DatabaseSettings


class AccountMailSettings(DatabaseSettings, frozen=True, kw_only=True):
    mail_sender: str  # `Name <address>`
    web_url: str
