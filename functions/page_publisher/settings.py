"""Stage 6 · what page_publisher reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class PagePublisherSettings(EnvironmentSettings, frozen=True, kw_only=True):
    pages_bucket: str
