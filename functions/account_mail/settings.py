"""Stage 7 · what account_mail reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class AccountMailSettings(EnvironmentSettings, frozen=True, kw_only=True):
    database_secret: str
    database_address: str = ""  # `host:port/name`, where the secret does not say it
    mail_sender: str  # `Name <address>`
    web_url: str
