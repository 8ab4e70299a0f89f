"""Stage 7 · what ws_chat reads from its environment."""

from __future__ import annotations

from headwater.domain.chat import MESSAGE_BURST, MESSAGES_PER_MINUTE, ROOM_MESSAGE_BURST, ROOM_MESSAGES_PER_SECOND
from headwater.settings import EnvironmentSettings, comma_separated


class WsChatSettings(EnvironmentSettings, frozen=True, kw_only=True):
    connection_table: str
    room_table: str
    stream_table: str
    cache_url: str
    chat_delivery_queue_url: str
    chat_archive_queue_url: str
    chat_callback_url: str
    cors_origins: str  # comma-separated, exact
    chat_message_burst: int = MESSAGE_BURST
    chat_messages_per_minute: int = MESSAGES_PER_MINUTE
    chat_room_message_burst: int = ROOM_MESSAGE_BURST
    chat_room_messages_per_second: int = ROOM_MESSAGES_PER_SECOND
    chat_connections_per_minute: int = 120  # of one address; many viewers may be behind it
    chat_joins_per_minute: int = 60  # of one user

    @property
    def allowed_origins(self) -> frozenset[str]:
        return frozenset(comma_separated(self.cors_origins))
