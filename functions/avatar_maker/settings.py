"""Stage 7 · what avatar_maker reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class AvatarMakerSettings(EnvironmentSettings, frozen=True, kw_only=True):
    database_secret: str
    upload_bucket: str
    media_bucket: str
    cdn_url: str
