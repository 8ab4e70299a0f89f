from __future__ import annotations

from collections.abc import Iterator

import pytest

from functions.account_data import wiring as account_data_wiring
from functions.picture_maker import wiring as avatar_wiring
from headwater.adapters.cache import cache_client
from tests.aws import received
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


@pytest.fixture(scope="module")
def deployed(postgres: PostgresServer, redis: RedisServer) -> Iterator[RestApi]:
    with pytest.MonkeyPatch.context() as patch, rest_api(patch, postgres.url, redis.url) as made:
        yield made
    postgres.empty()
    cache_client(redis.url).flushall()


@pytest.fixture
def api(deployed: RestApi, postgres: PostgresServer, redis: RedisServer) -> RestApi:
    """An API with empty stores; what earlier tests left in the hot state belongs to streams that nobody knows."""
    received(deployed.news_queue)
    postgres.empty()
    cache_client(redis.url).flushall()
    return deployed


@pytest.fixture
def behind(api: RestApi) -> Iterator[RestApi]:
    """The functions behind the queues, which keep a connection each."""
    yield api
    for wiring in (account_data_wiring, avatar_wiring):
        wiring.database().close()
        wiring.database.cache_clear()
    avatar_wiring.make_avatar.cache_clear()
