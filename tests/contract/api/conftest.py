from __future__ import annotations

from collections.abc import Iterator

import pytest

from functions.api import handler as api_handler
from tests.api_gateway import ApiClient

# Nothing of this is ever reached: what these tests are about is decided before, or fails here on purpose.
ENVIRONMENT = {
    "DATABASE_SECRET": "database",
    "STREAM_KEY_SECRET": "stream-key",
    "TOKEN_KEYS_SECRET": "token-keys",
    "PLAYBACK_KEYS_SECRET": "playback-keys",
    "TOKEN_ISSUER": "https://api.example.org",
    "STREAM_TABLE": "streams",
    "LEASE_TABLE": "leases",
    "SEGMENT_TABLE": "timeline",
    "MEDIA_BUCKET": "media",
    "IDEMPOTENCY_TABLE": "answered",
    "EVENT_BUS": "headwater",
    "PULSE_QUEUE_URL": "http://127.0.0.1:9/pulse",
    "CONNECTION_TABLE": "connections",
    "ROOM_TABLE": "rooms",
    "CHAT_ARCHIVE_QUEUE_URL": "http://127.0.0.1:9/chat-archive",
    "CHAT_STATUS_QUEUE_URL": "http://127.0.0.1:9/chat-status",
    "CHAT_DELIVERY_QUEUE_URL": "http://127.0.0.1:9/chat-delivery.fifo",
    "ACCOUNT_MAIL_QUEUE_URL": "http://127.0.0.1:9/account-mail",
    "CHAT_CALLBACK_URL": "http://127.0.0.1:9/chat",
    "UPLOAD_BUCKET": "uploads",
    "ACCOUNT_DATA_QUEUE_URL": "http://127.0.0.1:9/account-data",
    "CACHE_URL": "redis://127.0.0.1:9",
    "CDN_URL": "https://cdn.example.org",
    "API_URL": "https://api.example.org",
    "WEB_URL": "https://www.example.org",
    "WS_URL": "wss://chat.example.org",
    "RTMP_URLS": "rtmp://ingest.example.org:1935/live",
}


@pytest.fixture(scope="module")
def client() -> Iterator[ApiClient]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        api_handler.gateway.cache_clear()
        yield ApiClient(api_handler.handler)
        api_handler.gateway.cache_clear()
