"""Before stage 7 · what the key maker reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class SigningKeysSettings(EnvironmentSettings, frozen=True, kw_only=True):
    token_keys_secret: str
