"""Personal access tokens: what a bot may do with one, and what becomes of it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from functions.api import handler as api_handler
from functions.api.scopes import SCOPE_OF
from headwater.adapters.tables import personal_tokens
from headwater.domain.accounts import Role
from headwater.domain.ids import new_id
from headwater.domain.personal_tokens import MOST_TOKENS, Scope, new_personal_token
from tests.api_gateway import ApiClient
from tests.api_world import looks_at_tokens
from tests.rest_api import Person, RestApi


def bot_of(person: Person, *scopes: str) -> ApiClient:
    made = person.api.post("/v1/me/tokens", {"name": "Bot", "scopes": scopes})
    assert made.status == 201, made.text
    return person.api.signed_in(made.json["token"])


def test_a_bot_may_do_what_its_scopes_say_and_no_more(api: RestApi) -> None:
    person = api.newcomer()
    stream = person.stream()
    bot = bot_of(person, "write:streams")
    assert bot.patch(f"/v1/streams/{stream['id']}", {"title": "By a bot"}).json["title"] == "By a bot"
    refused = bot.get(f"/v1/streams/{stream['id']}/ingest")
    assert (refused.status, refused.code) == (403, "insufficient_scope")
    assert "read:stream_keys" in refused.json["detail"]
    assert bot_of(person, "read:stream_keys").get(f"/v1/streams/{stream['id']}/ingest").status == 200
    assert bot.get("/v1/me").code == "insufficient_scope", "write does not imply read"


def test_no_token_can_keep_the_account_or_administer_the_site(api: RestApi) -> None:
    bot = bot_of(api.newcomer(), *Scope)
    for method, path, body in (
        ("POST", "/v1/me/tokens", {"name": "Another", "scopes": ["read:account"]}),
        ("GET", "/v1/me/tokens", None),
        ("GET", "/v1/auth/sessions", None),
        ("DELETE", "/v1/auth/sessions", None),
        ("POST", "/v1/auth/logout", None),
        ("GET", "/v1/admin/users", None),
    ):
        assert bot.call(method, path, body).code == "insufficient_scope", path


def test_every_scope_is_of_a_route_that_exists(api: RestApi) -> None:
    assert api.services is not None
    app = api_handler.gateway().app
    assert set(SCOPE_OF) <= {route.name for route in iter_route_contexts(app.routes)}  # type: ignore[attr-defined]


def calls() -> list[tuple[str, str, str]]:
    """Every call that looks at who asks: its route's name, its method, and an address of something that is not there."""
    app: Any = api_handler.gateway().app
    found = []
    for route in iter_route_contexts(app.routes):
        name, path = str(route.name), str(route.path)
        names = dict.fromkeys(re.findall(r"{(\w+)}", path), new_id()) | {"username": "nobody_here", "role": "admin"}
        if looks_at_tokens(route.dependant):
            found += [(name, method, path.format(**names)) for method in route.methods or ()]
    return found


def test_every_call_takes_its_own_scope_and_no_other(api: RestApi) -> None:
    person = api.newcomer(Role.ADMIN)
    lacking = {scope: bot_of(person, *(set(Scope) - {scope})) for scope in Scope}
    having = {scope: bot_of(person, scope) for scope in Scope}
    with_all = bot_of(person, *Scope)
    wrong = []
    for name, method, path in calls():
        needed = SCOPE_OF.get(name)
        refused = with_all if needed is None else lacking[needed]
        body: dict[str, str] | None = None if method in ("GET", "DELETE") else {}
        if refused.call(method, path, body).code != "insufficient_scope":
            wrong.append(f"{method} {path} without {needed}")
        if needed is not None and having[needed].call(method, path, body).code == "insufficient_scope":
            wrong.append(f"{method} {path} with {needed}")
    assert wrong == []
    assert {SCOPE_OF[name] for name, _, _ in calls() if name in SCOPE_OF} == set(Scope)


def test_the_token_is_shown_once_and_kept_as_a_hash(api: RestApi) -> None:
    person = api.newcomer()
    made = person.api.post("/v1/me/tokens", {"name": "Bot", "scopes": ["read:account", "read:account"]}).json
    assert made["scopes"] == ["read:account"]
    listed = person.api.get("/v1/me/tokens")
    assert [each["name"] for each in listed.json["items"]] == ["Bot"]
    assert made["token"] not in listed.text
    with api.services.database.begin() as connection:
        kept = connection.execute(personal_tokens.select()).one()
    assert made["token"].encode() not in bytes(kept.token_hash)
    assert made["token"] not in str(kept)


def test_its_owner_sees_when_it_was_last_used(api: RestApi) -> None:
    person = api.newcomer()
    bot = bot_of(person, "read:account")
    assert person.api.get("/v1/me/tokens").json["items"][0]["last_used_at"] is None
    assert bot.get("/v1/me").status == 200
    assert person.api.get("/v1/me/tokens").json["items"][0]["last_used_at"] is not None


def test_a_revoked_an_expired_and_an_invented_token_are_all_the_same_to_us(api: RestApi) -> None:
    person = api.newcomer()
    bot = bot_of(person, "read:account")
    made = person.api.get("/v1/me/tokens").json["items"][0]
    assert api.newcomer().api.delete(f"/v1/me/tokens/{made['id']}").status == 404
    assert person.api.delete(f"/v1/me/tokens/{made['id']}").status == 204
    assert person.api.delete(f"/v1/me/tokens/{made['id']}").status == 404
    expired = bot_of(person, "read:account")
    with api.services.database.begin() as connection:
        past = personal_tokens.c.created_at - timedelta(days=1)
        connection.execute(personal_tokens.update().values(expires_at=past))
    answers = [client.get("/v1/me") for client in (bot, expired, person.api.signed_in(new_personal_token()))]
    assert {(answer.status, answer.text) for answer in answers} == {(401, answers[0].text)}


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Bot", "scopes": []},
        {"name": "Bot", "scopes": ["write:everything"]},
        {"name": "", "scopes": ["read:account"]},
        {"name": "Bot", "scopes": ["read:account"], "expires_in_days": 0},
        {"name": "Bot", "scopes": ["read:account"], "expires_in_days": 10_000},
        {"name": "Bot", "scopes": "read:account"},
    ],
)
def test_what_makes_no_token_is_refused_with_the_field(api: RestApi, body: dict[str, object]) -> None:
    answer = api.newcomer().api.post("/v1/me/tokens", body)
    assert (answer.status, answer.code) == (422, "invalid_input")
    assert answer.json["errors"][0]["field"].split(".")[0] in body


def test_there_is_a_most_of_tokens_that_expired_ones_do_not_count_towards(api: RestApi) -> None:
    person = api.newcomer()
    for _ in range(MOST_TOKENS):
        bot_of(person, "read:account")
    body = {"name": "One more", "scopes": ["read:account"]}
    assert person.api.post("/v1/me/tokens", body).code == "limit_reached"
    with api.services.database.begin() as connection:
        past = personal_tokens.c.created_at - timedelta(days=1)
        connection.execute(personal_tokens.update().values(expires_at=past))
    assert person.api.post("/v1/me/tokens", body).status == 201
