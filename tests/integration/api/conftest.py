from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.adapters.cache import cache_client
from tests.postgres_server import PostgresServer, postgres_server
from tests.redis_server import RedisServer, redis_server
from tests.rest_api import RestApi, rest_api


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer, redis: RedisServer) -> Iterator[RestApi]:
    with rest_api(monkeypatch, postgres.url, redis.url) as made:
        yield made
    postgres.empty()
    cache_client(redis.url).flushall()
