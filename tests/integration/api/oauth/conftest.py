"""An API with providers to sign in with, and a browser that goes there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.oauth_api import api_with_providers
from tests.oauth_browser import Browser
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer
from tests.rest_api import RestApi


@pytest.fixture(scope="module")
def deployed(postgres: PostgresServer, redis: RedisServer) -> Iterator[RestApi]:
    with api_with_providers(postgres, redis) as made:
        yield made


@pytest.fixture
def browser(api: RestApi) -> Browser:
    return Browser(api.anonymous)
