"""What the API answers to requests of every wrong form, before it looks at any store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from functions.api import handler as api_handler
from functions.api.wiring import UnitOfWork
from headwater.adapters.access_tokens import Identity
from headwater.domain.ids import UserId, new_id
from headwater.observability import logger
from tests.api_gateway import Answer, ApiClient, decoded

EVENTS = Path(__file__).parents[2] / "events"
REGISTRATION = {"username": "ana", "email": "ana@example.org", "password": "grenoble-umbrella-47"}


@pytest.fixture
def member(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    """Somebody whose token is taken for valid, so that bodies are looked at."""
    app: Any = api_handler.gateway().app
    identity = Identity(UserId(new_id()), new_id())
    monkeypatch.setattr(app.state.services.tokens, "verify", lambda token: identity)
    monkeypatch.setattr("functions.api.dependencies.check_standing", lambda sessions, caller: None)
    monkeypatch.setattr(UnitOfWork, "sessions", None)
    return client.signed_in("any")


def fields(answer: Answer) -> set[str]:
    return {error["field"] for error in answer.json["errors"]}


def test_a_recorded_event_of_api_gateway_is_understood(client: ApiClient) -> None:
    event = json.loads((EVENTS / "api_gateway_http_create_stream.json").read_text())
    answer = decoded(api_handler.handler(event, None))
    assert (answer.status, answer.code) == (401, "unauthenticated")


def test_problems_are_text_on_the_way_through_the_gateway(client: ApiClient) -> None:
    event = json.loads((EVENTS / "api_gateway_http_create_stream.json").read_text())
    assert api_handler.handler(event, None)["isBase64Encoded"] is False


@pytest.mark.parametrize(
    "body",
    [b"{", b"[1,", b'{"a": \xff}', b"nonsense", b"[" * 60_000, b"9" * 6000, b"\x00", b"\x1f\x8b\x08\x00"],
    ids=["cut short", "cut in a list", "not UTF-8", "word", "nested without end", "huge number", "NUL", "gzip"],
)
def test_a_body_that_is_no_json_is_refused(client: ApiClient, body: bytes) -> None:
    answer = client.call("POST", "/v1/auth/login", raw=body, headers={"content-type": "application/json"})
    assert (answer.status, answer.code) == (400, "malformed_body")


def test_a_missing_body_is_named(client: ApiClient) -> None:
    answer = client.post("/v1/auth/login")
    assert (answer.status, answer.code, fields(answer)) == (422, "invalid_input", {"body"})


@pytest.mark.parametrize("body", ["text", 3, [], None, True])
def test_a_body_that_is_no_object_is_refused(client: ApiClient, body: object) -> None:
    answer = client.call(
        "POST", "/v1/auth/login", raw=json.dumps(body).encode(), headers={"content-type": "application/json"}
    )
    assert (answer.status, answer.code) == (422, "invalid_input")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"])
def test_a_body_of_another_type_is_refused(client: ApiClient, media_type: str) -> None:
    raw = json.dumps(REGISTRATION).encode()
    answer = client.call("POST", "/v1/auth/register", raw=raw, headers={"content-type": media_type})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


def test_a_body_above_64_kilobytes_is_refused(client: ApiClient) -> None:
    answer = client.post("/v1/auth/register", {**REGISTRATION, "password": "x" * 70_000})
    assert (answer.status, answer.code) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "ab"}, "username"),
        ({"username": "a" * 26}, "username"),
        ({"username": "ana bell"}, "username"),
        ({"username": "ana\n"}, "username"),
        ({"username": "аna"}, "username"),  # a Cyrillic а
        ({"username": ["ana"]}, "username"),
        ({"email": "ana"}, "email"),
        ({"email": "ana@example"}, "email"),
        ({"email": "a na@example.org"}, "email"),
        ({"email": "ana@example.org\x00"}, "email"),
        ({"email": f"{'a' * 250}@example.org"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": "grenoble\x00umbrella"}, "password"),
        ({"password": "grenoble\ud800umbrella"}, "password"),
        ({"password": 12345678}, "password"),
        ({"roles": ["admin"]}, "roles"),
    ],
)
def test_a_registration_with_a_bad_field_names_it(client: ApiClient, change: dict[str, Any], field: str) -> None:
    answer = client.post("/v1/auth/register", {**REGISTRATION, **change})
    assert (answer.status, answer.code, fields(answer)) == (422, "invalid_input", {field})


def test_a_refused_password_is_not_repeated(client: ApiClient) -> None:
    assert "s3cret" not in client.post("/v1/auth/register", {**REGISTRATION, "password": "s3cret"}).text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "   "}, "title"),
        ({"title": "x" * 141}, "title"),
        ({"title": "two\nlines"}, "title"),
        ({"title": "bell\x07"}, "title"),
        ({"title": "nul\x00"}, "title"),
        ({"title": "\ud83d"}, "title"),
        ({"title": "user\u202etxt.exe"}, "title"),
        ({"title": None}, "title"),
        ({"description": "x" * 5001}, "description"),
        ({"description": "nul\x00"}, "description"),
        ({"tags": ["x"] * 11}, "tags"),
        ({"tags": ["x" * 31]}, "tags.0"),
        ({"tags": [1]}, "tags.0"),
        ({"tags": "music"}, "tags"),
        ({"privacy": "secret"}, "privacy"),
        ({"record": "yes"}, "record"),
        ({"record": 1}, "record"),
        ({"latency": None}, "latency"),
        ({"reconnect_window": -1}, "reconnect_window"),
        ({"reconnect_window": 1801}, "reconnect_window"),
        ({"reconnect_window": "60"}, "reconnect_window"),
        ({"reconnect_window": 1.5}, "reconnect_window"),
        ({"reconnect_window": 10**40}, "reconnect_window"),
        ({"owner_id": "somebody"}, "owner_id"),
        ({"is_live": True}, "is_live"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_stream_with_a_bad_field_names_it(member: ApiClient, method: str, change: dict[str, Any], field: str) -> None:
    path = "/v1/streams" if method == "POST" else f"/v1/streams/{new_id()}"
    answer = member.call(method, path, {"title": "A stream", **change})
    assert (answer.status, answer.code, fields(answer)) == (422, "invalid_input", {field})


@pytest.mark.parametrize(
    "path",
    [
        "/v1/streams/nonsense",
        "/v1/streams/..%2f..%2fetc",
        "/v1/streams/{longest}",
        "/v1/streams/0000000000000000000000/../x",
        "/v1/users/a%20b",
        "/v1/users/%ff%fe",
        "/v1/users/é€🔑",
        "/v1/broadcasts/$(id)",
        "/v1/nothing",
        "/",
        "/v1",
        "/v1/streams/",
    ],
)
def test_what_cannot_be_there_is_not_found(client: ApiClient, path: str) -> None:
    answer = client.get(path.format(longest="0" * 5000))
    assert (answer.status, answer.code) == (404, "not_found")


def test_a_method_that_a_path_does_not_take_is_refused(client: ApiClient) -> None:
    answer = client.call("PUT", "/v1/auth/login")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("query", ["q=%00", "owner=a%00b", "cursor=%00"])
def test_nul_in_a_query_is_refused(client: ApiClient, query: str) -> None:
    event = json.loads((EVENTS / "api_gateway_http_create_stream.json").read_text())
    event["rawQueryString"] = query
    event["requestContext"]["http"]["method"] = "GET"
    event["body"] = None
    answer = decoded(api_handler.handler(event, None))
    assert (answer.status, answer.code) == (422, "invalid_input")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"live": "perhaps"}, "live"),
        ({"sort": "random"}, "sort"),
        ({"q": "x" * 141}, "q"),
        ({"cursor": "x" * 65}, "cursor"),
    ],
)
def test_a_bad_query_parameter_is_named(client: ApiClient, parameters: dict[str, Any], field: str) -> None:
    answer = client.get("/v1/streams", **parameters)
    assert (answer.status, answer.code, fields(answer)) == (422, "invalid_input", {field})


@pytest.mark.parametrize(
    "header", ["Bearer", "Basic YTpi", "Bearer  ", "nonsense", "bearer x y", "Bearer é€🔑", "Bearer a.b.c", ""]
)
def test_a_malformed_authorization_is_refused_also_where_none_is_needed(client: ApiClient, header: str) -> None:
    answer = client.call("GET", "/v1/streams", headers={"authorization": header})
    assert (answer.status, answer.code) == (401, "unauthenticated")


def test_an_unexpected_error_says_nothing_but_is_logged(
    client: ApiClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "test_unexpected_error")  # a logger of its own, which writes to us
    logger.cache_clear()
    app: Any = api_handler.gateway().app

    def broken() -> None:
        raise ZeroDivisionError("the inner secret")

    monkeypatch.setattr(app.state.services.tokens, "published", broken)
    answer = client.call("GET", "/.well-known/jwks.json", headers={"origin": "https://app.example.org"})
    assert (answer.status, answer.code) == (500, "internal_error")
    assert "secret" not in answer.text
    told = capsys.readouterr().out
    logger.cache_clear()
    assert "ZeroDivisionError" in told
    assert "UnhandledError" in told


def test_every_answer_carries_the_security_headers(client: ApiClient) -> None:
    for answer in (client.get("/v1/me"), client.get("/v1/openapi.json"), client.get("/v1/docs")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "cache-control" in answer.headers
