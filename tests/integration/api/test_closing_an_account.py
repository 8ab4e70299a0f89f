"""The end of one's account, and of what is left of sign-ins: through the API and the functions behind it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from functions.account_data.handler import handler as account_data
from headwater.adapters.signed_in_sockets import SignedInSockets
from headwater.adapters.tables import chat_messages, mail_links, metadata, refresh_tokens, sessions, users
from headwater.domain.accounts import Role
from headwater.domain.decision import Outcome
from headwater.domain.ids import id_bound
from headwater.errors import DependencyUnavailable
from tests.account_functions import keys, notify, picture, say, send_file, work_off
from tests.account_mail import letters
from tests.aws import queue_record
from tests.factories import publish, session_ref
from tests.rest_api import MEDIA_BUCKET, PASSWORD, UPLOAD_BUCKET, RestApi


def test_an_account_is_deleted_by_password_and_leaves_only_anonymous_words(behind: RestApi) -> None:
    person, friend, fan = behind.register(), behind.newcomer(), behind.newcomer()
    person.api.put(f"/v1/users/{friend.user['username']}/follow")
    fan.api.put(f"/v1/users/{person.user['username']}/follow")
    stream, elsewhere = person.stream(), friend.stream()
    behind.go_live(stream)
    say(behind, person, elsewhere, "Hello there")
    notify(send_file(person, picture()))

    assert person.api.post("/v1/me/deletion", {"password": "not it at all"}).code == "invalid_input"
    assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204
    # At once: nobody can be them, find them, watch them or publish.
    assert person.api.get("/v1/me").status == 401
    assert behind.anonymous.post("/v1/auth/refresh", {"refresh_token": person.refresh_token}).status == 401
    login = {"login": person.user["username"], "password": PASSWORD}
    assert behind.anonymous.post("/v1/auth/login", login).code == "invalid_credentials"
    assert behind.anonymous.get(f"/v1/users/{person.user['username']}").status == 404
    assert behind.anonymous.get(f"/v1/streams/{stream['id']}").status == 404
    assert behind.happen(stream, publish(session_ref("after"))).outcome is Outcome.REFUSED
    assert fan.api.get("/v1/me/following").json["items"] == []
    # And soon: nothing is left.
    work_off()
    with behind.services.database.begin() as connection:
        assert connection.execute(users.select().where(users.c.id == person.user["id"])).first() is None
        (said,) = connection.execute(chat_messages.select()).all()
    assert (said.user_id, said.username, said.text) == ("", "deleted", "Hello there")
    assert keys(MEDIA_BUCKET, person) == []
    assert behind.anonymous.get(f"/v1/users/{friend.user['username']}").json["follower_count"] == 0
    work_off()
    behind.register(person.user["username"])  # the name is free again


def test_a_picture_that_is_made_after_its_account_was_closed_is_left_nowhere(behind: RestApi) -> None:
    """It was sent a moment before; and what is erased later has looked for files already, when it is stored."""
    person = behind.register()
    key = send_file(person, picture())
    assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204
    notify(key)
    assert keys(MEDIA_BUCKET, person) == []
    assert keys(UPLOAD_BUCKET, person) == []


def test_a_closed_account_keeps_no_address_in_any_table(behind: RestApi) -> None:
    person = behind.register()
    letters()  # a link to confirm the address is written down
    assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204
    with behind.services.database.begin() as connection:
        held = {table.name: str(connection.execute(table.select()).all()) for table in metadata.tables.values()}
    assert [name for name, rows in held.items() if person.user["email"] in rows] == []


def test_an_account_is_deleted_also_while_its_sockets_cannot_be_closed(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks again is nobody any more: the answer must not be that it may be asked for again."""

    def away(*_: object) -> None:
        raise DependencyUnavailable

    person = api.newcomer()
    monkeypatch.setattr(SignedInSockets, "close_all", away)
    assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204


def test_sign_ins_and_links_are_forgotten_when_their_time_is_over(behind: RestApi) -> None:
    """Also those of people who never come back."""
    now = datetime.now(UTC)
    people = {name: behind.register() for name in ("ended", "lapsed", "ended lately", "running")}
    letters()
    for name, changed in {
        "ended": {"ended_at": now - timedelta(days=31)},
        "lapsed": {"refreshed_at": now - timedelta(days=61)},
        "ended lately": {"ended_at": now - timedelta(days=29)},
    }.items():
        with behind.services.database.begin() as connection:
            own = sessions.update().where(sessions.c.user_id == people[name].user["id"])
            connection.execute(own.values(**changed))
    with behind.services.database.begin() as connection:
        long_ago = id_bound(int((now - timedelta(days=70)).timestamp() * 1000))
        connection.execute(refresh_tokens.delete())
        connection.execute(sessions.update().values(id=func.concat(long_ago, func.substr(sessions.c.id, 10))))
        connection.execute(mail_links.update().values(expires_at=now))
    assert account_data({"action": "forget_old"}, None) == {"sessions": 2}
    with behind.services.database.begin() as connection:
        left = set(connection.execute(select(sessions.c.user_id)).scalars())
        assert connection.execute(mail_links.select()).all() == []
    assert left == {people[name].user["id"] for name in ("ended lately", "running")}
    assert account_data({"action": "forget_old"}, None) == {"sessions": 0}


def test_words_that_reach_the_archive_after_their_author_has_gone_are_nobodys(behind: RestApi) -> None:
    person, friend = behind.register(), behind.newcomer()
    stream = friend.stream()
    assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204
    say(behind, person, stream, "Late words")
    with behind.services.database.begin() as connection:
        (said,) = connection.execute(chat_messages.select()).all()
    assert (said.user_id, said.username) == ("", "deleted")


def test_without_a_password_only_a_fresh_sign_in_deletes_an_account(api: RestApi) -> None:
    stale, fresh, known = api.newcomer(), api.newcomer(), api.newcomer()
    with api.services.database.begin() as connection:
        of_known = users.c.id == known.user["id"]
        connection.execute(users.update().where(~of_known).values(password_hash=None))
        long_ago = datetime.now(UTC) - timedelta(minutes=11)
        of_stale = sessions.update().where(sessions.c.user_id == stale.user["id"])
        connection.execute(of_stale.values(created_at=long_ago))
    assert stale.api.post("/v1/me/deletion", {}).code == "reauthentication_required"
    assert fresh.api.post("/v1/me/deletion", {}).status == 204
    assert known.api.post("/v1/me/deletion", {}).code == "reauthentication_required", "who has a password sends it"


def test_the_only_admin_cannot_leave_the_site_to_nobody(api: RestApi) -> None:
    admin = api.newcomer(Role.ADMIN)
    assert admin.api.post("/v1/me/deletion", {"password": PASSWORD}).code == "last_admin"


def test_a_request_to_erase_an_account_that_was_not_closed_is_void(behind: RestApi) -> None:
    person = behind.newcomer()
    task = json.dumps({"kind": "erase", "user_id": person.user["id"]})
    assert account_data({"Records": [queue_record("m", task)]}, None)["batchItemFailures"] == []
    assert person.api.get("/v1/me").status == 200
