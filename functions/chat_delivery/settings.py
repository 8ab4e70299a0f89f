"""Stage 7 · what chat_delivery reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class ChatDeliverySettings(EnvironmentSettings, frozen=True, kw_only=True):
    connection_table: str
    cache_url: str
    chat_delivery_queue_url: str
    chat_callback_url: str
