"""Stage 7 · what picture_maker reads from its environment."""

from __future__ import annotations

from headwater.settings import DatabaseSettings


class PictureMakerSettings(DatabaseSettings, frozen=True, kw_only=True):
    upload_bucket: str
    media_bucket: str
    room_table: str
    cdn_url: str
