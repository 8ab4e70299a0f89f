"""Signed-in sessions: seen, ended here and elsewhere, refreshed again after a lost answer; and the end of their sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import functions.ws_chat.wiring as chat_wiring
from functions.ws_chat.handler import handler as chat_handler
from headwater.adapters.chat_tickets import ChatTickets
from headwater.domain.ids import ConnectionId, new_id
from headwater.errors import DependencyUnavailable
from tests.account_mail import letters
from tests.api_gateway import Answer
from tests.chat_backend import ORIGIN, socket_event
from tests.connections_endpoint import ConnectionsEndpoint
from tests.rest_api import PASSWORD, Person, RestApi

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
RETRY_KEY = "5f3b1c9e-8e1f-4c57-9b70-000000000001"


@pytest.fixture
def endpoint(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConnectionsEndpoint]:
    """API Gateway's side of the sockets; ws_chat is wired to the same stores as the API."""
    served = ConnectionsEndpoint()
    served.start()
    settings = {"CHAT_DELIVERY_QUEUE_URL": "none", "CHAT_ARCHIVE_QUEUE_URL": "none", "CORS_ORIGINS": ORIGIN}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(api.services, "settings", _with(api, chat_callback_url=served.url))
    vars(api.services).pop("sockets", None)
    chat_wiring.wiring.cache_clear()
    yield served
    vars(api.services).pop("sockets", None)
    chat_wiring.wiring.cache_clear()
    served.stop()


def _with(api: RestApi, **changes: object) -> object:
    import msgspec

    return msgspec.structs.replace(api.services.settings, **changes)


def open_socket(person: Person, ticket: str | None = None) -> tuple[int, ConnectionId]:
    ticket = ticket or person.api.post("/v1/chat/tickets").json["ticket"]
    connection_id = ConnectionId(f"{new_id()}=")
    event = socket_event("connect", connection_id)
    event["queryStringParameters"] = {"ticket": ticket}
    event["headers"]["Origin"] = ORIGIN
    return chat_handler(event, None)["statusCode"], connection_id


def socket_of(person: Person) -> ConnectionId:
    status, connection_id = open_socket(person)
    assert status == 200
    return connection_id


def log_in(api: RestApi, username: str, user_agent: str = FIREFOX) -> Person:
    body = {"login": username, "password": PASSWORD}
    return api.signed_in(api.anonymous.call("POST", "/v1/auth/login", body, headers={"user-agent": user_agent}))


def refresh(api: RestApi, token: str, key: str | None = None) -> Answer:
    headers = {"idempotency-key": key} if key else None
    return api.anonymous.call("POST", "/v1/auth/refresh", {"refresh_token": token}, headers=headers)


def ids(person: Person) -> list[str]:
    return [item["id"] for item in person.api.get("/v1/auth/sessions").json["items"]]


def test_one_sees_where_one_is_signed_in_newest_first(api: RestApi) -> None:
    api.register("ana")
    here = log_in(api, "ana")
    api.register("somebody_else")
    first, second = here.api.get("/v1/auth/sessions").json["items"]
    assert (first["device"], first["address"], first["current"]) == ("Firefox on Linux", "203.0.113.7", True)
    assert (second["device"], second["current"]) == ("Unknown device", False)
    assert first["created_at"] <= first["last_used_at"] < first["expires_at"]


def test_a_refresh_shows_where_it_came_from(api: RestApi) -> None:
    person = api.register()
    body = {"refresh_token": person.refresh_token}
    assert api.anonymous.call("POST", "/v1/auth/refresh", body, headers={"user-agent": FIREFOX}).status == 200
    [session] = person.api.get("/v1/auth/sessions").json["items"]
    assert session["device"] == "Firefox on Linux"
    assert session["last_used_at"] > session["created_at"]


def test_sessions_are_listed_in_pages(api: RestApi) -> None:
    person = api.register("ana")
    for _ in range(2):
        log_in(api, "ana")
    page = person.api.get("/v1/auth/sessions", limit=2).json
    rest = person.api.get("/v1/auth/sessions", limit=2, cursor=page["next_cursor"]).json
    assert [item["id"] for item in (*page["items"], *rest["items"])] == ids(person)
    assert rest["next_cursor"] is None
    assert person.api.get("/v1/auth/sessions", cursor="nonsense").code == "invalid_input"


@pytest.mark.parametrize("user_agent", ["", "\x07\x1b[31m", "x" * 5000, "é€🔑" * 200, "<script>alert(1)</script>"])
def test_any_user_agent_can_sign_in_and_be_listed(api: RestApi, user_agent: str) -> None:
    api.register("ana")
    person = log_in(api, "ana", user_agent)
    [session, _] = person.api.get("/v1/auth/sessions").json["items"]
    assert 0 < len(session["device"]) <= 60
    assert session["device"].isprintable()


def test_who_signs_out_elsewhere_ends_that_session_at_once_and_no_other(api: RestApi) -> None:
    here, there = api.register("ana"), log_in(api, "ana")
    elsewhere = ids(there)[0]
    assert here.api.delete(f"/v1/auth/sessions/{elsewhere}").status == 204
    assert there.api.get("/v1/me").code == "unauthenticated"
    assert refresh(api, there.refresh_token).code == "unauthenticated"
    assert here.api.get("/v1/me").status == 200
    assert len(ids(here)) == 1
    assert here.api.delete(f"/v1/auth/sessions/{elsewhere}").status == 204, "to end it again is no mistake"


def test_nobody_ends_the_sessions_of_others(api: RestApi) -> None:
    person, thief = api.register(), api.register()
    for session_id in (ids(person)[0], new_id(), "nonsense"):
        assert thief.api.delete(f"/v1/auth/sessions/{session_id}").code == "not_found"
    assert person.api.get("/v1/me").status == 200


def test_one_can_sign_out_everywhere_else(api: RestApi) -> None:
    here = api.register("ana")
    others = [log_in(api, "ana") for _ in range(2)]
    assert here.api.delete("/v1/auth/sessions").status == 204
    assert [other.api.get("/v1/me").status for other in others] == [401, 401]
    assert len(ids(here)) == 1


def test_of_too_many_sessions_the_one_that_was_used_least_lately_ends_with_its_sockets(
    api: RestApi, endpoint: ConnectionsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.api.use_cases.sessions.MOST_SESSIONS", 3)
    first, second, other = api.register("ana"), log_in(api, "ana"), api.register()
    third = log_in(api, "ana")
    _, lost = socket_of(first), socket_of(second)
    assert refresh(api, first.refresh_token).status == 200  # so the second was used least lately
    fourth = log_in(api, "ana")
    signed_in = [each.api.get("/v1/me").status == 200 for each in (first, second, third, fourth, other)]
    assert signed_in == [True, False, True, True, True]
    assert endpoint.closed == [lost]


def test_signing_out_closes_the_sockets_of_that_session_and_no_others(
    api: RestApi, endpoint: ConnectionsEndpoint
) -> None:
    """Mastodon's CVE-2025-62175: a socket outlived the session that it was opened by."""
    here = api.register("ana")
    there, stranger = log_in(api, "ana"), api.register()
    sockets = {who: socket_of(person) for who, person in (("here", here), ("there", there), ("stranger", stranger))}
    assert there.api.post("/v1/auth/logout").status == 204
    assert endpoint.closed == [sockets["there"]]
    connections = api.connections
    assert connections.chatter(sockets["there"]) is None
    assert connections.chatter(sockets["here"]) is not None
    assert connections.chatter(sockets["stranger"]) is not None


@pytest.mark.parametrize("how", ["revoke", "others", "reuse", "password"])
def test_however_a_session_ends_its_sockets_close(api: RestApi, endpoint: ConnectionsEndpoint, how: str) -> None:
    here = api.register("ana")
    there = log_in(api, "ana")
    kept, lost = socket_of(here), [socket_of(there), socket_of(there)]
    if how == "revoke":
        here.api.delete(f"/v1/auth/sessions/{ids(there)[0]}")
    elif how == "others":
        here.api.delete("/v1/auth/sessions")
    elif how == "reuse":
        refresh(api, there.refresh_token)
        assert refresh(api, there.refresh_token).code == "token_reused"
    else:
        body = {"current_password": PASSWORD, "new_password": "another-umbrella-58"}
        assert here.api.post("/v1/auth/password", body).status == 204
    assert sorted(endpoint.closed) == sorted(lost)
    assert api.connections.chatter(kept) is not None


def test_a_ticket_is_worth_nothing_once_its_session_has_ended(api: RestApi, endpoint: ConnectionsEndpoint) -> None:
    here = api.register("ana")
    there = log_in(api, "ana")
    mine, theirs = (person.api.post("/v1/chat/tickets").json["ticket"] for person in (here, there))
    here.api.delete(f"/v1/auth/sessions/{ids(there)[0]}")
    status, connection_id = open_socket(there, theirs)
    assert status == 401
    assert api.connections.chatter(connection_id) is None
    assert open_socket(here, mine)[0] == 200


@pytest.mark.parametrize("which", ["one", "all others"])
def test_a_session_ends_also_while_its_sockets_cannot_be_closed(
    api: RestApi, endpoint: ConnectionsEndpoint, which: str
) -> None:
    """Until they are, they are sent nothing and heard as strangers'; and who asked is told to ask again."""
    here = api.register("ana")
    there = log_in(api, "ana")
    connection_id, session_id = socket_of(there), ids(there)[0]
    path = "/v1/auth/sessions" + (f"/{session_id}" if which == "one" else "")
    endpoint.refusing = 403
    answer = here.api.delete(path)
    assert (answer.status, answer.code) == (503, "dependency_unavailable")
    assert there.api.get("/v1/me").status == 401
    assert api.connections.chatter(connection_id) is None
    endpoint.refusing = None
    assert here.api.delete(path).status == 204
    assert endpoint.closed == [connection_id]
    assert here.api.delete(path).status == 204
    assert endpoint.closed == [connection_id], "it is forgotten once it is closed"


@pytest.mark.parametrize("how", ["logout", "password"])
def test_what_cannot_be_asked_for_again_is_done_without_the_sockets(
    api: RestApi, endpoint: ConnectionsEndpoint, how: str
) -> None:
    here = api.register("ana")
    there = log_in(api, "ana")
    connection_id = socket_of(there)
    endpoint.refusing = 403
    if how == "logout":
        assert there.api.post("/v1/auth/logout").status == 204
    else:
        body = {"current_password": PASSWORD, "new_password": "another-umbrella-58"}
        assert here.api.post("/v1/auth/password", body).status == 204
    assert there.api.get("/v1/me").status == 401
    assert api.connections.chatter(connection_id) is None


def test_a_cache_that_is_away_keeps_no_socket_open(
    api: RestApi, endpoint: ConnectionsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes back in a minute, and the socket would be signed in for two hours more."""

    def away(*_: object) -> None:
        raise DependencyUnavailable

    person = api.newcomer()
    connection_id = socket_of(person)
    monkeypatch.setattr(ChatTickets, "bar", away)
    assert person.api.post("/v1/auth/logout").status == 204
    assert endpoint.closed == [connection_id]
    assert api.connections.chatter(connection_id) is None


def bot_of(person: Person) -> tuple[Person, str]:
    made = person.api.post("/v1/me/tokens", {"name": "Bot", "scopes": ["write:chat"]}).json
    return Person(person.api.signed_in(made["token"]), person.user, ""), made["id"]


def test_a_token_ends_also_while_its_sockets_cannot_be_closed(api: RestApi, endpoint: ConnectionsEndpoint) -> None:
    person = api.newcomer()
    bot, token_id = bot_of(person)
    connection_id = socket_of(bot)
    endpoint.refusing = 403
    assert person.api.delete(f"/v1/me/tokens/{token_id}").status == 503
    assert bot.api.post("/v1/chat/tickets").status == 401
    endpoint.refusing = None
    assert person.api.delete(f"/v1/me/tokens/{token_id}").status == 404, "it is gone"
    assert endpoint.closed == [connection_id], "and now its sockets are, too"


def test_a_password_by_mail_closes_the_sockets_of_sessions_and_bots(
    api: RestApi, endpoint: ConnectionsEndpoint
) -> None:
    person = api.register("ana")
    bot, _ = bot_of(person)
    opened = [socket_of(person), socket_of(bot)]
    letters()
    api.anonymous.post("/v1/auth/password/forgot", {"email": "ana@example.org"})
    body = {"token": letters()[0].token, "password": "another-umbrella-58"}
    assert api.anonymous.post("/v1/auth/password/reset", body).status == 204
    assert sorted(endpoint.closed) == sorted(opened)


def test_a_lost_answer_is_given_again_to_who_asks_with_the_same_key(api: RestApi) -> None:
    person = api.register()
    first = refresh(api, person.refresh_token, RETRY_KEY)
    again = refresh(api, person.refresh_token, RETRY_KEY)
    assert (first.status, again.status) == (200, 200)
    assert again.json["refresh_token"] == first.json["refresh_token"]
    assert refresh(api, again.json["refresh_token"]).status == 200


@pytest.mark.parametrize("key", [None, "5f3b1c9e-8e1f-4c57-9b70-000000000002", "short"])
def test_a_used_token_without_its_key_is_a_thiefs(api: RestApi, key: str | None) -> None:
    person = api.register()
    newer = refresh(api, person.refresh_token, RETRY_KEY).json["refresh_token"]
    assert refresh(api, person.refresh_token, key).code == "token_reused"
    assert refresh(api, newer, RETRY_KEY).code == "unauthenticated"


def test_no_answer_is_given_again_once_its_token_was_used(api: RestApi) -> None:
    """Whoever comes with the old token now is not the one that went on with the new one."""
    person = api.register()
    newer = refresh(api, person.refresh_token, RETRY_KEY).json["refresh_token"]
    assert refresh(api, newer, "another key of some length").status == 200
    assert refresh(api, person.refresh_token, RETRY_KEY).code == "token_reused"


def test_no_answer_is_given_again_after_a_while(api: RestApi) -> None:
    person = api.register()
    assert refresh(api, person.refresh_token, RETRY_KEY).status == 200
    with api.services.database.begin() as connection:
        connection.exec_driver_sql("UPDATE refresh_tokens SET used_at = used_at - interval '61 seconds'")
    assert refresh(api, person.refresh_token, RETRY_KEY).code == "token_reused"


def test_a_short_key_proves_nothing(api: RestApi) -> None:
    person = api.register()
    assert refresh(api, person.refresh_token, "1").status == 200
    assert refresh(api, person.refresh_token, "1").code == "token_reused"


def test_what_is_kept_for_a_retry_shows_no_token(api: RestApi) -> None:
    person = api.register()
    newer = refresh(api, person.refresh_token, RETRY_KEY).json["refresh_token"]
    with api.services.database.begin() as connection:
        rows = connection.exec_driver_sql("SELECT encode(sealed_successor, 'escape'), * FROM refresh_tokens").all()
    kept = json.dumps([[str(value) for value in row] for row in rows])
    assert newer not in kept
    assert newer.removeprefix("hwr_") not in kept


def test_a_suspended_account_is_refused_wherever_it_comes_from(api: RestApi) -> None:
    person = api.register("ana")
    with api.services.database.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET suspended_at = now()")
    refused = (
        person.api.get("/v1/me"),
        refresh(api, person.refresh_token),
        api.anonymous.post("/v1/auth/login", {"login": "ana", "password": PASSWORD}),
    )
    assert {(answer.status, answer.code) for answer in refused} == {(403, "account_suspended")}
    guess = api.anonymous.post("/v1/auth/login", {"login": "ana", "password": "wrong"})
    assert guess.code == "invalid_credentials"
