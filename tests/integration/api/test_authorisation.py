"""Who may do what: every route for everybody. A route that is not in the table fails the test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from functions.api import handler as api_handler
from tests.api_gateway import ApiClient
from tests.rest_api import PASSWORD, RestApi

PEOPLE = ("anonymous", "other", "owner")


@dataclass(frozen=True)
class Expected:
    """Status codes for an anonymous caller, another user and the owner; of a public stream, and of a private one."""

    public: tuple[int, int, int]
    private: tuple[int, int, int] | None = None
    body: dict[str, Any] | None = None


OPEN = Expected((200, 200, 200))
MEMBERS = Expected((401, 200, 200))
VISIBLE = Expected((200, 200, 200), (404, 404, 200))
OWNER_ONLY = Expected((401, 403, 200), (401, 404, 200))

MATRIX = {
    "POST /v1/auth/register": Expected((422, 422, 422), body={}),
    "POST /v1/auth/login": Expected((401, 401, 401), body={"login": "nobody", "password": PASSWORD}),
    "POST /v1/auth/refresh": Expected((401, 401, 401), body={"refresh_token": "nothing"}),
    "POST /v1/auth/logout": Expected((401, 204, 204)),
    "GET /v1/me": MEMBERS,
    "PATCH /v1/me": Expected((401, 200, 200), body={"bio": "Hello"}),
    "GET /v1/users/{username}": OPEN,
    "POST /v1/streams": Expected((401, 201, 201), body={"title": "Another"}),
    "GET /v1/streams": OPEN,
    "GET /v1/streams/{stream_id}": VISIBLE,
    "PATCH /v1/streams/{stream_id}": Expected((401, 403, 200), (401, 404, 200), body={"title": "Changed"}),
    "DELETE /v1/streams/{stream_id}": Expected((401, 403, 204), (401, 404, 204)),
    "GET /v1/streams/{stream_id}/ingest": OWNER_ONLY,
    "POST /v1/streams/{stream_id}/ingest/rotate": OWNER_ONLY,
    "POST /v1/streams/{stream_id}/start": OWNER_ONLY,
    "POST /v1/streams/{stream_id}/stop": OWNER_ONLY,
    "GET /v1/streams/{stream_id}/broadcasts": VISIBLE,
    "GET /v1/broadcasts": OPEN,
    "GET /v1/broadcasts/{broadcast_id}": VISIBLE,
    "POST /v1/streams/{stream_id}/playback-session": VISIBLE,
    "POST /v1/playback-sessions/{session_id}/heartbeat": OPEN,  # the id is the permission
    "POST /v1/chat/tickets": MEMBERS,
    "GET /v1/streams/{stream_id}/chat/messages": VISIBLE,
    "GET /v1/health": OPEN,
    "GET /v1/openapi.json": OPEN,
    "GET /v1/docs": OPEN,
    "GET /.well-known/jwks.json": OPEN,
}


def test_every_route_is_in_the_table(api: RestApi) -> None:
    app: Any = api_handler.gateway().app
    served = {f"{method} {route.path}" for route in iter_route_contexts(app.routes) for method in route.methods or ()}
    assert served == set(MATRIX)


def expectations() -> list[Any]:
    return [
        pytest.param(call, privacy, expected.body, dict(zip(PEOPLE, statuses, strict=True)), id=f"{call} {privacy}")
        for call, expected in MATRIX.items()
        for privacy, statuses in (("public", expected.public), ("private", expected.private))
        if statuses is not None
    ]


@pytest.mark.parametrize(("call", "privacy", "body", "statuses"), expectations())
def test_everybody_gets_what_the_table_says(
    api: RestApi, call: str, privacy: str, body: dict[str, Any] | None, statuses: dict[str, int]
) -> None:
    owner, other = api.register(), api.register()
    stream = owner.stream(privacy=privacy)
    broadcast_id = api.go_live(stream)
    api.tell_history()
    session = owner.api.post(f"/v1/streams/{stream['id']}/playback-session").json
    method, _, template = call.partition(" ")
    path = template.format(
        stream_id=stream["id"],
        broadcast_id=broadcast_id,
        username=owner.user["username"],
        session_id=session["session_id"],
    )
    clients: dict[str, ApiClient] = {"anonymous": api.anonymous, "other": other.api, "owner": owner.api}
    answers = {person: clients[person].call(method, path, body) for person in PEOPLE}
    assert {person: answer.status for person, answer in answers.items()} == statuses
    for answer in answers.values():
        assert (answer.code is not None) == (answer.status >= 400)
        assert answer.status == 204 or "no-store" in answer.headers["cache-control"] or template in (
            "/v1/openapi.json", "/v1/docs", "/.well-known/jwks.json",
        )  # fmt: skip


def test_an_unlisted_stream_is_seen_by_whoever_has_its_address_but_listed_nowhere(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream(privacy="unlisted")
    assert api.anonymous.get(f"/v1/streams/{stream['id']}").status == 200
    for client, found in ((api.anonymous, []), (api.register().api, []), (owner.api, [stream["id"]])):
        listed = client.get("/v1/streams", owner=owner.user["username"]).json["items"]
        assert [item["id"] for item in listed] == found


def test_a_token_is_no_longer_worth_anything_when_its_account_is_gone(api: RestApi) -> None:
    person = api.register()
    with api.services.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM users")
    assert person.api.get("/v1/me").status == 401
    assert person.api.post("/v1/chat/tickets").status == 401
    assert person.api.post("/v1/streams", {"title": "Of nobody"}).status == 401
