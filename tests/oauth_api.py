"""The API with providers to sign in with, and somebody's whole way through one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headwater.adapters import aws
from headwater.adapters.cache import cache_client
from tests.api_gateway import Answer
from tests.oauth_browser import Browser, location, told_page
from tests.openid_provider import Client, approve, openid_provider
from tests.ports import free_port
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer
from tests.rest_api import Person, RestApi, rest_api

API = "https://api.example.org"
ACME = Client("headwater", f"{API}/v1/auth/oauth/acme/callback", "a secret of the client's: 100% +&=")
OTHER = Client("headwater-elsewhere", f"{API}/v1/auth/oauth/other/callback")


@contextmanager
def api_with_providers(postgres: PostgresServer, redis: RedisServer) -> Iterator[RestApi]:
    """With two honest providers: one knows us by a secret, the other as a public client. A third is never there."""
    with openid_provider([ACME]) as acme, openid_provider([OTHER]) as other, pytest.MonkeyPatch.context() as patch:
        providers = [
            {"name": "acme", "client_id": ACME.client_id, "issuer": acme, "label": "Acme"},
            {"name": "other", "client_id": OTHER.client_id, "issuer": other},
            {"name": "away", "client_id": "headwater", "issuer": f"http://127.0.0.1:{free_port()}"},
        ]
        settings = {"OAUTH_PROVIDERS": json.dumps(providers), "OAUTH_CLIENTS_SECRET": "oauth-clients"}
        with rest_api(patch, postgres.url, redis.url, **settings) as made:
            held = json.dumps({"acme": ACME.client_secret})
            aws.client("secretsmanager").create_secret(Name="oauth-clients", SecretString=held)
            yield made
    postgres.empty()
    cache_client(redis.url).flushall()


def sign_in(browser: Browser, login: str, provider: str = "acme") -> Answer:
    """Until the page has the tokens, or the refusal."""
    back = approve(browser.start(provider), login)
    return browser.exchange(told_page(browser.visit(back))["code"])


def link(person: Person, browser: Browser, login: str, provider: str = "acme") -> Answer:
    url = person.api.post(f"/v1/me/identities/{provider}/start", {"challenge": browser.page.challenge}).json["url"]
    back = approve(location(browser.visit(url)), login)
    code = told_page(browser.visit(back))["code"]
    return person.api.post("/v1/me/identities", {"code": code, "verifier": browser.page.verifier})
