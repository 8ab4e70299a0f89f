"""What the tests of chat run against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chat_backend import ChatBackend, chat_backend
from tests.chat_room import joined
from tests.connections_endpoint import connections_endpoint
from tests.redis_server import RedisServer, redis_server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def chat(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatBackend]:
    with connections_endpoint() as endpoint, chat_backend(redis, endpoint, monkeypatch) as backend:
        yield backend


@pytest.fixture
def owner(chat: ChatBackend) -> str:
    return joined(chat, "olga", chat.owner_id)
