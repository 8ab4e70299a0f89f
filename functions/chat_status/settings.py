"""Stage 7 · what chat_status reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class ChatStatusSettings(EnvironmentSettings, frozen=True, kw_only=True):
    cache_url: str
    chat_delivery_queue_url: str
    chat_status_queue_url: str
