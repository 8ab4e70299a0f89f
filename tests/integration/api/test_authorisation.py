"""Who may do what: every route for everybody. A route that is not in the table fails the test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from functions.api import handler as api_handler
from tests.api_world import World, looks_at_tokens
from tests.rest_api import PASSWORD, RestApi

# The owner comes last: what they may do changes what the others would see.
PEOPLE = ("anonymous", "suspended", "other", "moderator", "admin", "owner")


@dataclass(frozen=True)
class Expected:
    """Status codes for an anonymous caller, another user and the owner; of a public stream, and of a private one.

    `moderator` is the stream's, and `admin` the site's: unless it is said, they are refused what another user is refused.
    Somebody suspended is nobody: each of their tokens is refused, wherever one is looked at.
    """

    public: tuple[int, int, int]
    private: tuple[int, int, int] | None = None
    body: dict[str, Any] | None = None
    moderator: int | None = None
    admin: int | None = None

    def statuses(self, privacy: str, suspended: int) -> dict[str, int]:
        shown = self.public if privacy == "public" else self.private
        assert shown is not None
        anonymous, other, owner = shown
        return {
            "anonymous": anonymous,
            "suspended": suspended or anonymous,
            "other": other,
            "moderator": other if self.moderator is None or privacy == "private" else self.moderator,
            "admin": other if self.admin is None or privacy == "private" else self.admin,
            "owner": owner,
        }


OPEN = Expected((200, 200, 200))
MEMBERS = Expected((401, 200, 200))
VISIBLE = Expected((200, 200, 200), (404, 404, 200))
OWNER_ONLY = Expected((401, 403, 200), (401, 404, 200))
ADMINS = Expected((401, 403, 403), admin=200)


def moderators_get(status: int, body: dict[str, Any] | None = None) -> Expected:
    """The owner, the stream's moderators and the site's; of a private stream, where moderators may not even look, the owner."""
    return Expected((401, 403, status), (401, 404, status), body, moderator=status, admin=status)


MODERATORS = moderators_get(200)

MATRIX = {
    "POST /v1/auth/register": Expected((422, 422, 422), body={}),
    "POST /v1/auth/login": Expected((401, 401, 401), body={"login": "nobody", "password": PASSWORD}),
    "POST /v1/auth/refresh": Expected((401, 401, 401), body={"refresh_token": "nothing"}),
    "POST /v1/auth/logout": Expected((401, 204, 204)),
    "POST /v1/auth/password": Expected(
        (401, 422, 422), admin=422, body={"current_password": "wrong", "new_password": PASSWORD}
    ),
    "POST /v1/auth/password/forgot": Expected((204, 204, 204), body={"email": "nobody@example.org"}),
    "POST /v1/auth/password/reset": Expected((410, 410, 410), body={"token": "nothing", "password": PASSWORD}),
    "POST /v1/auth/email": Expected((401, 204, 204), body={"email": "new@example.org", "password": PASSWORD}),
    "POST /v1/auth/email/verification": Expected((401, 204, 204)),
    "POST /v1/auth/email/verify": Expected((410, 410, 410), body={"token": "nothing"}),
    "GET /v1/auth/sessions": MEMBERS,
    "DELETE /v1/auth/sessions": Expected((401, 204, 204)),
    "DELETE /v1/auth/sessions/{session_id}": Expected((401, 404, 204)),  # of the owner's
    "GET /v1/auth/oauth/providers": OPEN,
    "GET /v1/auth/oauth/{provider}/start": Expected((404, 404, 404)),  # none is configured here
    "GET /v1/auth/oauth/{provider}/callback": Expected((404, 404, 404)),
    "POST /v1/auth/oauth/exchange": Expected((400, 400, 400), body={"code": "nothing", "verifier": "v" * 43}),
    "PUT /v1/me/username": Expected((401, 409, 409), body={"username": "chosen_already"}),
    "GET /v1/me/identities": MEMBERS,
    "POST /v1/me/identities": Expected((401, 400, 400), body={"code": "nothing", "verifier": "v" * 43}),
    "POST /v1/me/identities/{provider}/start": Expected((401, 404, 404), body={"challenge": "c" * 43}),
    "DELETE /v1/me/identities/{identity_id}": Expected((401, 404, 204)),  # the owner's
    "GET /v1/me": MEMBERS,
    "PATCH /v1/me": Expected((401, 200, 200), body={"bio": "Hello"}),
    "GET /v1/users/{username}": OPEN,
    "POST /v1/streams": Expected((401, 201, 201), body={"title": "Another"}),
    "GET /v1/streams": OPEN,
    "GET /v1/categories": OPEN,
    "GET /v1/streams/{stream_id}": VISIBLE,
    "PATCH /v1/streams/{stream_id}": Expected((401, 403, 200), (401, 404, 200), body={"title": "Changed"}),
    "DELETE /v1/streams/{stream_id}": Expected((401, 403, 204), (401, 404, 204)),
    "GET /v1/streams/{stream_id}/ingest": OWNER_ONLY,
    "POST /v1/streams/{stream_id}/ingest/open": Expected((401, 403, 202), (401, 404, 202)),
    "POST /v1/streams/{stream_id}/ingest/rotate": OWNER_ONLY,
    "POST /v1/streams/{stream_id}/start": OWNER_ONLY,
    "POST /v1/streams/{stream_id}/stop": OWNER_ONLY,
    "GET /v1/streams/{stream_id}/broadcasts": VISIBLE,
    "GET /v1/broadcasts": OPEN,
    "GET /v1/broadcasts/{broadcast_id}": VISIBLE,
    "PATCH /v1/broadcasts/{broadcast_id}": Expected((401, 403, 200), (401, 404, 200), body={"title": "Changed"}),
    "DELETE /v1/broadcasts/{broadcast_id}": Expected((401, 403, 409), (401, 404, 409)),  # it is on the air
    "POST /v1/streams/{stream_id}/clips": Expected(
        (401, 422, 422), (401, 404, 422), body={"title": "A clip", "start": 0}
    ),
    "GET /v1/streams/{stream_id}/clips": VISIBLE,
    "GET /v1/clips/{clip_id}": VISIBLE,
    # Of the owner's; the first who may delete it does, and for the others it is gone.
    "DELETE /v1/clips/{clip_id}": Expected((401, 403, 404), (401, 404, 204), moderator=204, admin=404),
    "POST /v1/streams/{stream_id}/playback-session": VISIBLE,
    # The id is the permission to be counted; what it opens is asked for anew.
    "POST /v1/playback-sessions/{session_id}/heartbeat": Expected((200, 200, 200), (200, 404, 200)),
    "POST /v1/chat/tickets": MEMBERS,
    "GET /v1/streams/{stream_id}/chat/messages": VISIBLE,
    "GET /v1/broadcasts/{broadcast_id}/chat": VISIBLE,
    "GET /v1/streams/{stream_id}/emotes": VISIBLE,
    "POST /v1/streams/{stream_id}/emotes": Expected(
        (401, 403, 201), (401, 404, 201), moderator=201, admin=201, body={"name": "Otter", "content_type": "image/png"}
    ),
    # The first who may take it away does, and for the others it is gone.
    "DELETE /v1/streams/{stream_id}/emotes/{name}": Expected(
        (401, 403, 404), (401, 404, 204), moderator=204, admin=404
    ),
    "GET /v1/streams/{stream_id}/moderators": Expected((401, 403, 200), (401, 404, 200), moderator=200),
    "PUT /v1/streams/{stream_id}/moderators/{username}": Expected((401, 403, 204), (401, 404, 204)),
    "DELETE /v1/streams/{stream_id}/moderators/{username}": Expected((401, 403, 204), (401, 404, 204)),
    "GET /v1/streams/{stream_id}/vips": OWNER_ONLY,
    "PUT /v1/streams/{stream_id}/vips/{username}": Expected((401, 403, 204), (401, 404, 204)),
    "DELETE /v1/streams/{stream_id}/vips/{username}": Expected((401, 403, 204), (401, 404, 204)),
    "GET /v1/streams/{stream_id}/chat/settings": MODERATORS,
    "PATCH /v1/streams/{stream_id}/chat/settings": moderators_get(200, {"slow_seconds": 5}),
    "GET /v1/streams/{stream_id}/chat/bans": MODERATORS,
    "GET /v1/streams/{stream_id}/chat/bans/{username}": moderators_get(404),  # nobody is
    "PUT /v1/streams/{stream_id}/chat/bans/{username}": moderators_get(204, {"seconds": 60, "reason": "Spam"}),
    "DELETE /v1/streams/{stream_id}/chat/bans/{username}": moderators_get(204),
    "DELETE /v1/streams/{stream_id}/chat/messages/{message_id}": moderators_get(204),
    "POST /v1/streams/{stream_id}/chat/messages/{message_id}/restore": moderators_get(204),
    "GET /v1/streams/{stream_id}/chat/held": MODERATORS,
    "POST /v1/streams/{stream_id}/chat/held/{message_id}/approve": moderators_get(204),
    "POST /v1/streams/{stream_id}/chat/held/{message_id}/reject": moderators_get(204),
    "GET /v1/streams/{stream_id}/moderation-log": MODERATORS,
    "GET /v1/streams/{stream_id}/moderation-log.csv": MODERATORS,
    "GET /v1/streams/{stream_id}/viewers": OWNER_ONLY,
    "PUT /v1/streams/{stream_id}/viewers/{username}": Expected((401, 403, 204), (401, 404, 204)),
    "DELETE /v1/streams/{stream_id}/viewers/{username}": Expected((401, 403, 204), (401, 404, 204)),
    "PUT /v1/users/{username}/follow": Expected((401, 204, 204)),
    "DELETE /v1/users/{username}/follow": Expected((401, 204, 204)),
    "GET /v1/users/{username}/followers": OPEN,
    "GET /v1/me/avatar": MEMBERS,
    "POST /v1/me/avatar": Expected((401, 201, 201), body={"content_type": "image/png"}),
    "DELETE /v1/me/avatar": Expected((401, 204, 204)),
    "GET /v1/me/exports": MEMBERS,
    "POST /v1/me/exports": Expected((401, 202, 202)),
    "POST /v1/me/deletion": Expected((401, 204, 204), admin=409, body={"password": PASSWORD}),  # the only administrator
    "GET /v1/me/following": MEMBERS,
    "GET /v1/me/following/{username}": MEMBERS,
    "POST /v1/me/tokens": Expected((401, 201, 201), body={"name": "A bot", "scopes": ["read:account"]}),
    "GET /v1/me/tokens": MEMBERS,
    "DELETE /v1/me/tokens/{token_id}": Expected((401, 404, 204)),  # of the owner's
    "GET /v1/admin/users": ADMINS,
    "GET /v1/admin/users/{username}": ADMINS,
    "PUT /v1/admin/users/{username}/roles/{role}": ADMINS,
    "DELETE /v1/admin/users/{username}/roles/{role}": ADMINS,
    "POST /v1/admin/users/{username}/suspend": Expected((401, 403, 403), admin=200, body={"reason": "Spam"}),
    "POST /v1/admin/users/{username}/unsuspend": Expected((401, 403, 403), admin=200, body={"reason": "A mistake"}),
    "PUT /v1/admin/users/{username}/verification": ADMINS,
    "DELETE /v1/admin/users/{username}/verification": ADMINS,
    "GET /v1/admin/audit-log": ADMINS,
    "GET /v1/health": OPEN,
    "GET /v1/openapi.json": OPEN,
    "GET /v1/asyncapi.json": OPEN,
    "GET /v1/docs": OPEN,
    "GET /.well-known/jwks.json": OPEN,
}


def test_every_route_is_in_the_table(api: RestApi) -> None:
    app: Any = api_handler.gateway().app
    served = {f"{method} {route.path}" for route in iter_route_contexts(app.routes) for method in route.methods or ()}
    assert served == set(MATRIX)


def check(api: RestApi, world: World, call: str, expected: Expected, privacy: str) -> dict[str, str]:
    """Who was answered something else than the table says; each with what."""
    method, _, template = call.partition(" ")
    clients = {"anonymous": api.anonymous, **{who: person.api for who, person in world.people.items()}}
    answers = {who: clients[who].call(method, world.path(template), expected.body) for who in PEOPLE}
    for answer in answers.values():
        assert (answer.code is not None) == (answer.status >= 400)
        assert answer.status == 204 or "no-store" in answer.headers["cache-control"] or template in (
            "/v1/openapi.json", "/v1/asyncapi.json", "/v1/docs", "/.well-known/jwks.json",
        )  # fmt: skip
    app: Any = api_handler.gateway().app
    route = next(
        each for each in iter_route_contexts(app.routes) if each.path == template and method in (each.methods or ())
    )
    wanted = expected.statuses(privacy, 401 if looks_at_tokens(route.dependant) else 0)
    return {
        f"{call} by {who}": f"{answer.status}, not {wanted[who]}"
        for who, answer in answers.items()
        if answer.status != wanted[who]
    }


@pytest.mark.parametrize("privacy", ["public", "private"])
def test_everybody_sees_what_the_table_says(api: RestApi, privacy: str) -> None:
    world = World.of(api, privacy)  # one for all: who looks changes nothing
    wrong: dict[str, str] = {}
    for call, expected in MATRIX.items():
        if call.startswith("GET ") and (privacy == "public" or expected.private is not None):
            wrong |= check(api, world, call, expected, privacy)
    assert wrong == {}


@pytest.mark.parametrize(
    ("call", "privacy"),
    [
        pytest.param(call, privacy, id=f"{call} {privacy}")
        for call, expected in MATRIX.items()
        for privacy in (("public",) if expected.private is None else ("public", "private"))
        if not call.startswith("GET ")
    ],
)
def test_everybody_may_do_what_the_table_says(api: RestApi, call: str, privacy: str) -> None:
    assert check(api, World.of(api, privacy), call, MATRIX[call], privacy) == {}


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
