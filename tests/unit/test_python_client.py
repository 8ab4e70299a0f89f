"""The Python client keeps its session, repeats what may be repeated, and tells what went wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from headwater_client import ApiProblem, Headwater, answers, connection

Respond = Callable[[httpx.Request], httpx.Response]

USER = {
    "id": "1",
    "username": "ana",
    "avatar_url": None,
    "bio": "",
    "roles": ["viewer"],
    "is_streamer": False,
    "is_verified": False,
    "follower_count": 0,
    "created_at": "2026-11-22T15:00:00Z",
    "email": "ana@example.org",
    "email_verified": True,
    "has_password": True,
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater_client.connection.time.sleep", lambda seconds: None)


def tokens(number: int, expires_in: int = 600) -> dict[str, Any]:
    return {
        "user": USER,
        "access_token": f"access-{number}",
        "refresh_token": f"refresh-{number}",
        "token_type": "Bearer",
        "expires_in": expires_in,
    }


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    body = {"type": f"urn:headwater:problem:{code}", "title": "", "status": status, "detail": "No.", "code": code}
    return httpx.Response(status, json=body | more, headers={"content-type": "application/problem+json"})


class Api:
    """Answers from a script, one entry for each request; an exception in it is a lost answer."""

    def __init__(self, *script: httpx.Response | Exception) -> None:
        self.script = iter(script)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = next(self.script)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sent(self, header: str) -> list[str | None]:
        return [request.headers.get(header) for request in self.requests]


def client_of(respond: Respond, token: str | None = None) -> Headwater:
    return Headwater(
        http=httpx.Client(base_url="https://api.example.org", transport=httpx.MockTransport(respond)), token=token
    )


def ok(body: Any) -> httpx.Response:
    return httpx.Response(200, json=body)


LOST = httpx.ReadTimeout("the answer was lost")


def test_a_list_is_read_page_by_page_and_only_as_far_as_it_is_needed() -> None:
    category = {"id": "music", "name": "Music", "live_streams": 2}
    api = Api(ok({"items": [category], "next_cursor": "c&d"}), ok({"items": [category], "next_cursor": None}))
    found = client_of(api).service.categories(q="mus", limit=1)
    next(found)
    assert len(api.requests) == 1
    assert len(list(found)) == 1
    assert [dict(request.url.params) for request in api.requests] == [
        {"q": "mus", "limit": "1"},
        {"q": "mus", "limit": "1", "cursor": "c&d"},
    ]


def test_a_refused_access_token_is_renewed_once_and_the_call_repeated_under_its_key() -> None:
    api = Api(
        ok(tokens(1)),
        problem(401, "unauthenticated"),
        ok(tokens(2)),
        ok({"ticket": "once", "expires_in": 60}),
    )
    client = client_of(api)
    client.auth.login("ana", "a password")
    assert client.service.chat_ticket().ticket == "once"
    assert api.sent("authorization") == [None, "Bearer access-1", None, "Bearer access-2"]
    keys = api.sent("idempotency-key")
    assert keys[1] == keys[3] != keys[2]
    assert client.tokens is not None
    assert client.tokens.refresh_token == "refresh-2"


def test_an_access_token_that_is_about_to_expire_is_renewed_before_it_is_sent() -> None:
    api = Api(ok(tokens(1, expires_in=5)), ok(tokens(2)), ok(USER))
    client = client_of(api)
    client.auth.login("ana", "a password")
    assert client.me.get().username == "ana"
    assert api.sent("authorization")[-1] == "Bearer access-2"


def test_a_refresh_whose_answer_was_lost_is_repeated_with_its_key() -> None:
    api = Api(LOST, ok(tokens(2)))
    client_of(api).auth.refresh("refresh-1")
    first, second = api.sent("idempotency-key")
    assert first == second
    assert len(first or "") >= 16
    assert api.requests[0].content == api.requests[1].content


def test_a_session_that_has_ended_is_over() -> None:
    api = Api(
        ok(tokens(1)), problem(401, "unauthenticated"), problem(401, "token_reused"), problem(401, "unauthenticated")
    )
    client = client_of(api)
    client.auth.login("ana", "a password")
    with pytest.raises(ApiProblem) as refused:
        client.me.get()
    assert refused.value.code == "token_reused"
    assert client.tokens is None
    with pytest.raises(ApiProblem):
        client.me.get()
    assert len(api.requests) == 4, "nothing is tried with a dead refresh token"


def test_a_wrong_password_ends_no_session() -> None:
    api = Api(ok(tokens(1)), problem(401, "invalid_credentials"), ok(USER))
    client = client_of(api)
    client.auth.login("ana", "a password")
    with pytest.raises(ApiProblem, match="invalid_credentials"):
        client.auth.login("ben", "not his password")
    client.me.get()
    assert api.sent("authorization") == [None, None, "Bearer access-1"]


def test_a_token_of_ones_own_is_not_renewed() -> None:
    api = Api(problem(401, "unauthenticated"))
    with pytest.raises(ApiProblem):
        client_of(api, token="hwp_mine").me.get()
    assert len(api.requests) == 1


def test_threads_spend_a_refresh_token_once() -> None:
    refreshes, both = [], threading.Barrier(2, timeout=20)

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/auth/login":
            return ok(tokens(1))
        if request.url.path == "/v1/auth/refresh":
            refreshes.append(request)
            return ok(tokens(2))
        if request.headers["authorization"] == "Bearer access-1":
            both.wait()  # both are refused before either renews
            return problem(401, "unauthenticated")
        return ok(USER)

    client = client_of(respond)
    client.auth.login("ana", "a password")
    threads = [threading.Thread(target=client.me.get) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refreshes) == 1


def test_a_lost_answer_is_asked_for_again_where_that_changes_nothing_twice() -> None:
    api = Api(LOST, problem(409, "request_in_progress"), ok({"ticket": "once", "expires_in": 60}))
    client_of(api, token="access").service.chat_ticket()
    assert len(set(api.sent("idempotency-key"))) == 1

    lost = Api(LOST, LOST, LOST)
    with pytest.raises(httpx.ReadTimeout):
        client_of(lost).service.health()
    assert len(lost.requests) == connection.ATTEMPTS


def test_registering_is_never_repeated() -> None:
    api = Api(LOST)
    with pytest.raises(httpx.ReadTimeout):
        client_of(api).auth.register("ana", "ana@example.org", "a password")
    assert len(api.requests) == 1


def test_a_problem_says_what_the_api_said() -> None:
    api = Api(problem(422, "invalid_input", errors=[{"field": "title", "message": "Too long."}]))
    with pytest.raises(ApiProblem, match=r"^422 invalid_input: No\.; title: Too long\.$") as refused:
        client_of(api, token="access").streams.create("x" * 200)
    assert [error.field for error in refused.value.errors] == ["title"]

    limited = problem(429, "rate_limited")
    limited.headers["retry-after"] = "7"
    with pytest.raises(ApiProblem) as refused:
        client_of(Api(limited)).auth.login("ana", "a password")
    assert refused.value.retry_after == 7


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(403, json={"message": "Forbidden"}),
        httpx.Response(500, content=b"{", headers={"content-type": "application/problem+json"}),
        httpx.Response(200, text="<html>A captive portal</html>"),
        httpx.Response(200, json={"id": 7}),
        httpx.Response(204),
    ],
    ids=["gateway's page", "gateway's JSON", "broken problem", "page", "another shape", "nothing"],
)
def test_what_is_no_answer_of_the_api_is_a_problem_too(answer: httpx.Response) -> None:
    with pytest.raises(ApiProblem) as refused:
        client_of(Api(answer)).users.get("ana")
    assert refused.value.code == "unexpected_answer"


def test_a_degraded_service_still_tells_its_health() -> None:
    degraded = httpx.Response(503, json={"status": "degraded", "checks": {"cache": "failing"}})
    assert client_of(Api(degraded)).service.health().checks == {"cache": "failing"}


def test_a_name_stays_one_segment_of_the_address() -> None:
    api = Api(httpx.Response(204))
    client_of(api, token="access").users.follow("a/../b?c#d")
    assert api.requests[0].url.raw_path == b"/v1/users/a%2F..%2Fb%3Fc%23d/follow"
    for nothing in ("", "..", "."):
        with pytest.raises(ValueError, match="empty"):
            client_of(api).users.get(nothing)


def test_what_is_ones_own_is_told_from_what_is_not() -> None:
    seen = dict.fromkeys(answers.Stream.__struct_fields__) | {
        "id": "s",
        "owner": {"id": "1", "username": "ana", "avatar_url": None},
        "title": "T",
        "description": "",
        "tags": [],
        "privacy": "public",
        "mature": False,
        "created_at": "2026-11-22T15:00:00Z",
        "is_live": False,
        "status": "offline",
        "viewer_count": 0,
        "total_views": 0,
        "playback": {"hls": "h", "dash": "d"},
        "chat": {"ws": "w", "room": "s"},
    }
    own = {**seen, "record": True, "latency": "low", "reconnect_window": 60, "auto_start": True, "added_later": 1}
    found = list(client_of(Api(ok({"items": [seen, own], "next_cursor": None}))).streams.list())
    assert [type(stream) for stream in found] == [answers.Stream, answers.OwnStream]


def test_a_server_from_before_ingest_on_demand_has_an_address_that_is_open() -> None:
    health = {"connected": False, "receiving": False, "since": None, "notice": None}
    before = {"rtmp_url": "rtmp://i/live", "stream_key": "live_s", "servers": ["rtmp://i/live"], "health": health}
    assert client_of(Api(ok(before))).streams.ingest("s").state == "open"


def test_no_secret_is_in_what_is_logged_of_an_answer() -> None:
    client = client_of(Api(ok(tokens(1))))
    shown = repr(client.auth.login("ana", "a password"))
    assert "ana" in shown
    assert "access-1" not in shown
    assert "refresh-1" not in shown


def test_a_picture_is_sent_to_the_storage_without_our_token(monkeypatch: pytest.MonkeyPatch) -> None:
    form = {
        "url": "https://uploads.example.org/",
        "fields": {"key": "avatars/1", "policy": "p"},
        "expires_in": 300,
        "max_bytes": 5_000_000,
        "content_types": ["image/png"],
    }
    storage = Api(httpx.Response(204))
    http = httpx.Client(transport=httpx.MockTransport(storage))
    monkeypatch.setattr("headwater_client.accounts.httpx.post", http.post)
    client_of(Api(ok(form)), token="access").me.send_avatar(b"\x89PNG", "image/png")
    (request,) = storage.requests
    body = request.read()
    assert "authorization" not in request.headers
    assert body.index(b'name="policy"') < body.index(b'name="file"'), "S3 ignores what comes behind the file"
