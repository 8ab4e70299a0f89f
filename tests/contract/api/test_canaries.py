"""The canaries sing: each kind of secret is noticed where it does not belong, and let pass where it does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.domain.ids import new_id
from headwater.domain.personal_tokens import new_personal_token
from headwater.domain.refresh_tokens import new_refresh_token
from headwater.observability import logger
from tests.api_gateway import Answer, ApiClient
from tests.canaries import Leaked, watched

PASSWORD = "grenoble-umbrella-47"
REGISTRATION = {"username": "ana", "email": "ana@example.org", "password": PASSWORD}
KEY = f"live_{new_id()}_{'a' * 32}"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"


def answering(body: Any, status: int = 200, said: str = "") -> Answer:
    """What a client gets of an API that answers everything so, after Ana has registered."""

    def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:
        if event["rawPath"] == "/v1/auth/register":
            user = {"username": "ana", "email": "ana@example.org"}
            return {"statusCode": 201, "headers": {}, "body": json.dumps({"user": user})}
        if said:
            logger().warning(said)
        return {"statusCode": status, "headers": {}, "body": json.dumps(body)}

    with watched(handler) as api:
        client = ApiClient(api)
        client.post("/v1/auth/register", REGISTRATION)
        return client.post(str(body.get("path", "/v1/streams")))


SECRETS = {
    "refresh token": new_refresh_token(), "personal token": new_personal_token(), "link": "hwm_" + "x" * 32,
    "access token": JWT, "stream key": KEY, "password": PASSWORD, "address": "ana@example.org",
}  # fmt: skip


@pytest.mark.parametrize("what", SECRETS)
@pytest.mark.parametrize("status", [200, 409])
def test_a_secret_in_an_answer_is_noticed(what: str, status: int) -> None:
    with pytest.raises(Leaked) as noticed:
        answering({"title": f"see {SECRETS[what]}!"}, status)
    assert SECRETS[what] not in str(noticed.value)


def test_a_refusal_shows_nothing_even_where_an_answer_might() -> None:
    with pytest.raises(Leaked):
        answering({"path": "/v1/auth/refresh", "detail": SECRETS["refresh token"]}, 401)


def test_what_belongs_there_passes() -> None:
    tokens = {"refresh_token": SECRETS["refresh token"], "access_token": JWT}
    user = {"username": "ana", "email": "ana@example.org"}
    assert answering({"path": "/v1/auth/refresh", "user": user, **tokens}).status == 200
    assert answering({"path": "/v1/me/tokens", "token": SECRETS["personal token"]}).status == 200
    assert answering({"path": f"/v1/streams/{new_id()}/ingest/rotate", "stream_key": KEY}).status == 200
    assert answering({"path": "/v1/admin/users/ana/suspend", **user}).status == 200


@pytest.mark.parametrize("what", ["password", "address"])
def test_a_secret_that_the_logger_cannot_know_by_its_form_is_noticed(what: str) -> None:
    with pytest.raises(Leaked):
        answering({}, said=f"signed in: {SECRETS[what]}")


@pytest.mark.parametrize("what", ["refresh token", "personal token", "link", "access token", "stream key"])
def test_what_the_logger_blots_out_is_not_in_the_log(what: str) -> None:
    assert answering({}, said=f"signed in: {SECRETS[what]}").status == 200
