"""Stage 7 · what chat_admission reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class ChatAdmissionSettings(EnvironmentSettings, frozen=True, kw_only=True):
    stream_table: str
    connection_table: str
    cache_url: str
    chat_callback_url: str
