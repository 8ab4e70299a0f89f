"""Administration: roles, suspension and what it reaches, verification, and the log of it all."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from functions.grant_admin.handler import handler as grant_admin
from headwater.adapters.connection_posts import signed_posts
from headwater.adapters.signed_in_sockets import SignedInSockets
from headwater.domain.accounts import Role
from headwater.domain.broadcast import EndReason
from headwater.domain.broadcast_events import Event
from headwater.domain.chat import Chatter
from headwater.domain.decision import Decision, Outcome
from headwater.domain.ids import ConnectionId, StreamId, UserId
from headwater.errors import DependencyUnavailable
from tests.connections_endpoint import connections_endpoint
from tests.factories import publish, session_ref
from tests.rest_api import PASSWORD, Person, RestApi


def about(person: Person, what: str = "") -> str:
    return f"/v1/admin/users/{person.user['username']}{what}"


def logged(admin: Person, **parameters: Any) -> list[tuple[str, str | None, str | None]]:
    found = admin.api.get("/v1/admin/audit-log", **parameters).json["items"]
    return [(each["action"], each["subject_username"], each["reason"]) for each in found]


def test_an_admin_grants_and_revokes_roles_and_the_log_says_so(api: RestApi) -> None:
    admin, person = api.newcomer(Role.ADMIN), api.newcomer()
    name = person.user["username"]
    for _ in range(2):  # the second time changes nothing
        answer = admin.api.put(about(person, "/roles/moderator"), {"reason": "Helps out"})
        assert answer.json["roles"] == ["viewer", "moderator"]
    assert person.api.get("/v1/me").json["roles"] == ["viewer", "moderator"]
    answer = admin.api.call("DELETE", about(person, "/roles/moderator"), parameters={"reason": "Left"})
    assert answer.json["roles"] == ["viewer"]
    assert logged(admin, subject=name) == [
        ("user.role_revoked", name, "Left"),
        ("user.role_granted", name, "Helps out"),
    ]
    assert admin.api.put(about(person, "/roles/viewer")).code == "invalid_input", "everybody is a viewer"


def test_the_only_admin_can_neither_resign_nor_be_suspended(api: RestApi) -> None:
    admin = api.newcomer(Role.ADMIN)
    assert admin.api.delete(about(admin, "/roles/admin")).code == "last_admin"
    assert admin.api.post(about(admin, "/suspend"), {"reason": "Tired"}).code == "last_admin"
    second = api.newcomer(Role.ADMIN)
    assert second.api.post(about(second, "/suspend"), {"reason": "Tired"}).code == "conflict", (
        "nobody suspends themselves"
    )
    assert second.api.delete(about(admin, "/roles/admin")).status == 200
    assert admin.api.get("/v1/admin/users").code == "forbidden", "at once, with the same access token"


def test_a_suspension_ends_sessions_broadcasts_and_sockets_and_refuses_every_credential(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, person = api.newcomer(Role.ADMIN), api.register()
    stream = person.stream()
    api.go_live(stream)
    bot = person.api.post("/v1/me/tokens", {"name": "Bot", "scopes": ["write:streams"]}).json["token"]
    ticket = person.api.post("/v1/chat/tickets").json["ticket"]
    chatter = Chatter(UserId(person.user["id"]), person.user["username"])
    with connections_endpoint() as endpoint:
        connections = api.connections
        connections.open(ConnectionId("theirs"), chatter, "a session")
        connections.open(ConnectionId("another's"), Chatter(UserId("another"), "another"), "a session")
        posts = lambda: signed_posts(endpoint.url)  # noqa: E731
        monkeypatch.setattr(api.services, "sockets", SignedInSockets(api.services.tickets, connections, posts))
        answer = admin.api.post(about(person, "/suspend"), {"reason": "Sells sunglasses"})
        assert endpoint.closed == ["theirs"]
    assert (answer.status, answer.json["suspension_reason"]) == (200, "Sells sunglasses")

    assert person.api.get("/v1/me").status == 401
    assert api.anonymous.post("/v1/auth/refresh", {"refresh_token": person.refresh_token}).status == 401
    login = {"login": person.user["username"], "password": PASSWORD}
    assert api.anonymous.post("/v1/auth/login", login).code == "account_suspended"
    assert api.anonymous.signed_in(bot).post("/v1/streams", {"title": "More"}).code == "account_suspended"
    admission = api.services.tickets.redeem(ticket)
    assert api.services.tickets.is_barred(admission), "a ticket from before opens no socket"
    control = api.hot_state.read(StreamId(stream["id"]))
    assert control is not None
    assert control.broadcast is not None
    assert control.broadcast.end_reason is EndReason.SUSPENDED
    assert api.happen(stream, publish(session_ref("again"))).outcome is Outcome.REFUSED

    assert admin.api.post(about(person, "/unsuspend"), {"reason": "A brother did it"}).json["suspended_at"] is None
    assert api.anonymous.post("/v1/auth/login", login).status == 200
    assert person.api.get("/v1/me").status == 401, "what was ended stays ended"
    assert api.happen(stream, publish(session_ref("later"))).outcome is Outcome.ACCEPTED
    actions = [action for action, _, _ in logged(admin, subject=person.user["username"])]
    assert actions == ["user.unsuspended", "user.suspended", "personal_token.created"]


def test_a_suspension_that_could_not_close_the_sockets_is_completed_by_sending_it_again(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unreachable:
        def close_all(self, user_id: UserId) -> None:
            raise DependencyUnavailable

    admin, person = api.newcomer(Role.ADMIN), api.newcomer()
    with monkeypatch.context() as patch:
        patch.setattr(api.services, "sockets", Unreachable())
        assert admin.api.post(about(person, "/suspend"), {"reason": "Spam"}).status == 503
    assert person.api.get("/v1/me").status == 401, "the account is closed, whatever becomes of the sockets"
    assert admin.api.post(about(person, "/suspend"), {"reason": "Spam"}).status == 200
    assert len(logged(admin, action="user.suspended")) == 1


def test_nothing_is_suspended_when_the_streams_cannot_be_told(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise DependencyUnavailable

    admin, person = api.newcomer(Role.ADMIN), api.newcomer()
    person.stream()
    with monkeypatch.context() as patch:
        patch.setattr(api.hot_state, "apply", away)
        assert admin.api.post(about(person, "/suspend"), {"reason": "Spam"}).status == 503
    assert person.api.get("/v1/me").status == 200
    assert logged(admin, action="user.suspended") == []


def test_no_key_publishes_for_an_account_whose_suspension_could_not_be_lifted_whole(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, person = api.newcomer(Role.ADMIN), api.newcomer()
    streams = [person.stream() for _ in range(2)]
    assert admin.api.post(about(person, "/suspend"), {"reason": "Spam"}).status == 200
    apply, told = api.hot_state.apply, []

    def once(stream_id: StreamId, event: Event) -> Decision:
        told.append(stream_id)
        if len(told) > 1:
            raise DependencyUnavailable
        return apply(stream_id, event)

    lift = {"reason": "A mistake"}
    with monkeypatch.context() as patch:
        patch.setattr(api.hot_state, "apply", once)
        assert admin.api.post(about(person, "/unsuspend"), lift).status == 503
    accepted = [api.happen(stream, publish(session_ref(stream["id"]))).outcome for stream in streams]
    assert sorted(accepted) == [Outcome.ACCEPTED, Outcome.REFUSED]
    assert admin.api.get(about(person)).json["suspended_at"] is None, "or the accepted one is a suspended account's"
    assert admin.api.post(about(person, "/unsuspend"), lift).status == 200
    again = [api.happen(stream, publish(session_ref("again"))).outcome for stream in streams]
    assert sorted(again) == [Outcome.ACCEPTED, Outcome.BUSY], "whoever was refused before"
    assert len(logged(admin, action="user.unsuspended")) == 1


def test_people_are_found_by_how_their_name_or_address_begins(api: RestApi) -> None:
    admin, ana = api.newcomer(Role.ADMIN), api.register("Ana_of_Avila")
    api.register("banana")
    for q in ("ana_", "ANA_OF_AVILA@ex", ana.user["id"]):
        assert [each["username"] for each in admin.api.get("/v1/admin/users", q=q).json["items"]] == ["Ana_of_Avila"]
    assert admin.api.get("/v1/admin/users", q="%").json["items"] == []
    by_role = admin.api.get("/v1/admin/users", role="admin").json["items"]
    assert [each["id"] for each in by_role] == [admin.user["id"]]
    first = admin.api.get("/v1/admin/users", limit=2).json
    rest = admin.api.get("/v1/admin/users", limit=2, cursor=first["next_cursor"]).json
    assert [each["username"] for each in first["items"] + rest["items"]] == [
        "banana", "Ana_of_Avila", admin.user["username"],
    ]  # fmt: skip
    assert rest["next_cursor"] is None
    assert "avila" not in admin.api.get("/v1/admin/audit-log").text.lower(), "what was looked for is not written down"


def test_verification_shows_on_the_profile(api: RestApi) -> None:
    admin, person = api.newcomer(Role.ADMIN), api.newcomer()
    profile = f"/v1/users/{person.user['username']}"
    assert admin.api.put(about(person, "/verification"), {"reason": "Passport seen"}).status == 200
    assert api.anonymous.get(profile).json["is_verified"] is True
    assert admin.api.delete(about(person, "/verification")).status == 200
    assert api.anonymous.get(profile).json["is_verified"] is False


def test_the_log_can_be_added_to_and_nothing_else(api: RestApi) -> None:
    admin = api.newcomer(Role.ADMIN)
    admin.api.get("/v1/admin/users")
    for statement in ("UPDATE audit_log SET reason = 'None'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
        with pytest.raises(DBAPIError, match="only appended"), api.services.database.begin() as connection:
            connection.exec_driver_sql(statement)
    assert admin.api.get("/v1/admin/audit-log", action="users.searched").json["items"][0]["actor"] == admin.user["id"]


def test_an_operator_makes_the_first_admin_by_name(api: RestApi) -> None:
    person = api.newcomer()
    name = person.user["username"]
    for _ in range(2):
        assert grant_admin({"username": name}, None) == {"username": name, "roles": ["viewer", "admin"]}
    assert logged(person, subject=name) == [("user.role_granted", name, "grant_admin")]
    assert person.api.get("/v1/admin/audit-log", actor="operator").json["items"][0]["actor"] == "operator"
    with pytest.raises(LookupError, match="no account"):
        grant_admin({"username": "nobody_here"}, None)
