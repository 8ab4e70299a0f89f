"""Accounts: signing up and in, staying signed in, and what happens to tokens that were copied."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine, update

from functions.api.use_cases.sessions import refresh_session
from functions.api.wiring import UnitOfWork
from headwater.adapters.accounts import Accounts
from headwater.adapters.passwords import Passwords
from headwater.adapters.tables import metadata, users
from headwater.domain.ids import UserId, new_id
from headwater.domain.sign_in import Device
from headwater.errors import HeadwaterError
from tests.api_gateway import Answer
from tests.rest_api import PASSWORD, RestApi


def refresh(api: RestApi, token: str) -> Answer:
    return api.anonymous.post("/v1/auth/refresh", {"refresh_token": token})


def test_a_new_account_is_a_signed_in_viewer(api: RestApi) -> None:
    answer = api.anonymous.post(
        "/v1/auth/register", {"username": "Ana", "email": "Ana@Example.org", "password": PASSWORD}
    )
    assert answer.status == 201
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 600)
    user = answer.json["user"]
    assert (user["username"], user["email"], user["roles"]) == ("Ana", "Ana@Example.org", ["viewer"])
    assert (user["is_streamer"], user["is_verified"], user["bio"], user["avatar_url"]) == (False, False, "", None)
    assert api.signed_in(answer).api.get("/v1/me").json == user


def test_the_first_stream_makes_a_streamer(api: RestApi) -> None:
    person = api.register()
    person.stream()
    person.stream()
    me = person.api.get("/v1/me").json
    assert (me["roles"], me["is_streamer"]) == (["viewer", "streamer"], True)


def test_others_do_not_see_ones_address(api: RestApi) -> None:
    api.register("Ana")
    seen = api.anonymous.get("/v1/users/ana").json
    assert seen["username"] == "Ana"
    assert "email" not in seen


def test_an_unknown_user_is_not_found(api: RestApi) -> None:
    assert api.anonymous.get("/v1/users/nobody_here").status == 404


@pytest.mark.parametrize(
    "registration",
    [
        {"username": "ANA", "email": "other@example.org"},
        {"username": "other", "email": "ANA@example.org"},
        {"username": "admin", "email": "other@example.org"},
        {"username": "_Adm1n_", "email": "other@example.org"},
    ],
)
def test_a_name_or_address_is_given_once_whatever_its_case(api: RestApi, registration: dict[str, str]) -> None:
    api.register("ana")
    answer = api.anonymous.post("/v1/auth/register", {**registration, "password": PASSWORD})
    assert (answer.status, answer.code) == (409, "name_taken")


def test_a_name_that_looks_like_anothers_is_taken(api: RestApi) -> None:
    api.register("Bill_0")
    for name in ("BiIl_0", "bi1l_o", "b1ll_O"):
        registration = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        answer = api.anonymous.post("/v1/auth/register", registration)
        assert (answer.status, answer.code) == (409, "name_taken")
    assert api.anonymous.get("/v1/users/bill_0").json["username"] == "Bill_0"


def test_of_four_who_want_one_name_at_the_same_moment_one_gets_it(api: RestApi) -> None:
    engine = create_engine(api.services.database.engine.url, pool_size=4)

    def attempt(number: int) -> bool:
        with engine.connect() as connection:
            name = ("Twin", "tw1n", "TWIN", "twln")[number]
            added = Accounts(connection).add(UserId(new_id()), name, f"{number}@example.org", "hash")
            connection.commit()
            return added is not None

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == [False, False, False, True]
    engine.dispose()


@pytest.mark.parametrize("password", ["password1", "qwertyuiop", "ana_maria_1", "aaaaaaaaaaaaaaaaaaaaaaaa"])
def test_a_password_that_is_guessed_first_is_refused(api: RestApi, password: str) -> None:
    registration = {"username": "ana_maria", "email": "ana_maria@example.org", "password": password}
    answer = api.anonymous.post("/v1/auth/register", registration)
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "password")


def test_a_long_password_with_everything_in_it_works(api: RestApi) -> None:
    password = "пароль 🔑 with spaces\tand tabs, " + "x" * 90
    registration = {"username": "ana", "email": "ana@example.org", "password": password}
    assert api.anonymous.post("/v1/auth/register", registration).status == 201
    assert api.anonymous.post("/v1/auth/login", {"login": "ana", "password": password}).status == 200


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(api: RestApi) -> None:
    api.register("ana")
    answers = [
        api.anonymous.post("/v1/auth/login", {"login": login, "password": password})
        for login, password in (("ana", "wrong"), ("nobody", PASSWORD), ("", ""), ("ana", "x" * 1024), ("%", PASSWORD))
    ]
    assert {(answer.status, answer.text) for answer in answers} == {(401, answers[0].text)}
    assert answers[0].code == "invalid_credentials"


def test_an_unknown_user_costs_as_much_work_as_a_wrong_password(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str | None] = []
    matches = Passwords.matches

    def counting(self: Passwords, password: str, stored: str | None) -> bool:
        verified.append(stored)
        return matches(self, password, stored)

    monkeypatch.setattr(Passwords, "matches", counting)
    api.anonymous.post("/v1/auth/login", {"login": "nobody", "password": PASSWORD})
    assert verified == [None]


def test_a_password_rests_as_argon2id_with_owasps_costs(api: RestApi) -> None:
    api.register()
    with api.services.database.begin() as connection:
        stored = connection.exec_driver_sql("SELECT password_hash FROM users").scalar_one()
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_hash_of_older_costs_is_renewed_at_the_next_login(api: RestApi) -> None:
    api.register("ana")
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with api.services.database.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET password_hash = %s", (cheap,))
    assert api.anonymous.post("/v1/auth/login", {"login": "ana", "password": PASSWORD}).status == 200
    with api.services.database.begin() as connection:
        assert "m=19456" in connection.exec_driver_sql("SELECT password_hash FROM users").scalar_one()


def test_refreshing_gives_a_new_pair_each_time(api: RestApi) -> None:
    person = api.register()
    token = person.refresh_token
    for _ in range(3):
        answer = refresh(api, token)
        assert answer.status == 200
        assert answer.json["refresh_token"] != token
        assert api.signed_in(answer).api.get("/v1/me").json == person.user
        token = answer.json["refresh_token"]


def test_a_refresh_token_that_is_used_twice_ends_its_session_and_no_other(api: RestApi) -> None:
    person = api.register("ana")
    elsewhere = api.anonymous.post("/v1/auth/login", {"login": "ana", "password": PASSWORD}).json["refresh_token"]
    newer = refresh(api, person.refresh_token).json["refresh_token"]
    again = refresh(api, person.refresh_token)
    assert (again.status, again.code) == (401, "token_reused")
    after = refresh(api, newer)
    assert (after.status, after.code) == (401, "unauthenticated")
    assert refresh(api, elsewhere).status == 200


def test_of_two_who_refresh_at_the_same_moment_only_one_succeeds(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over two connections of their own: a second process would have its own, too."""
    token = api.register().refresh_token
    engine = create_engine(api.services.database.engine.url, pool_size=4)

    def attempt(_: int) -> str:
        with engine.connect() as connection:
            try:
                work, device = UnitOfWork(lambda: connection), Device("tests", "203.0.113.7")
                refresh_session(work, api.services.sockets, api.services.tokens, token, None, device)
            except HeadwaterError as error:
                return error.code
            connection.commit()
            return "ok"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(attempt, range(4)))
    engine.dispose()
    assert outcomes.count("ok") == 1
    assert "token_reused" in outcomes


def test_a_refresh_token_is_not_stored(api: RestApi) -> None:
    token = api.register().refresh_token
    with api.services.database.begin() as connection:
        rows = connection.exec_driver_sql("SELECT refresh_tokens::text, sessions::text FROM refresh_tokens, sessions")
        assert token not in str(rows.all())


@pytest.mark.parametrize("table", ["refresh_tokens", "sessions"])
def test_a_refresh_token_runs_out(api: RestApi, table: str) -> None:
    token = api.register().refresh_token
    past = datetime.now(UTC) - timedelta(seconds=1)
    with api.services.database.begin() as connection:
        connection.execute(update(metadata.tables[table]).values(expires_at=past))
    answer = refresh(api, token)
    assert (answer.status, answer.code) == (401, "unauthenticated")


@pytest.mark.parametrize("token", ["", "nothing", "x" * 128, "\ud7ff"])
def test_an_unknown_refresh_token_is_refused(api: RestApi, token: str) -> None:
    answer = refresh(api, token)
    assert (answer.status, answer.code) == (401, "unauthenticated")


def test_signing_out_ends_the_session(api: RestApi) -> None:
    person = api.register()
    assert person.api.post("/v1/auth/logout").status == 204
    assert refresh(api, person.refresh_token).status == 401


def test_a_profile_changes_only_where_it_is_asked_to(api: RestApi) -> None:
    person = api.register()
    assert person.api.patch("/v1/me", {"bio": "Sings.\nAlso at sea 🌊"}).json["bio"] == "Sings.\nAlso at sea 🌊"
    assert person.api.patch("/v1/me", {}).json["bio"] == "Sings.\nAlso at sea 🌊"
    for body in ({"bio": None}, {"is_verified": True}, {"roles": ["admin"]}, {"bio": "x" * 501}):
        assert person.api.patch("/v1/me", body).status == 422
    assert person.api.get("/v1/me").json["roles"] == ["viewer"]


def test_registrations_from_one_address_are_limited(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        api.services, "settings", msgspec.structs.replace(api.services.settings, registrations_per_minute=2)
    )
    api.register(), api.register()
    refused = api.anonymous.post(
        "/v1/auth/register", {"username": "late", "email": "late@example.org", "password": PASSWORD}
    )
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_logins_are_limited_by_address_and_by_account(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.services, "settings", msgspec.structs.replace(api.services.settings, logins_per_minute=3))

    def log_in(address: str, login: str) -> int:
        client = replace(api.anonymous, address=address)
        return client.post("/v1/auth/login", {"login": login, "password": "wrong"}).status

    assert [log_in("198.51.100.1", f"user{n}") for n in range(4)] == [401, 401, 401, 429]
    assert [log_in(f"198.51.100.{n}", "Victim") for n in range(10, 14)] == [401, 401, 401, 429]
    # One IPv6 customer has a whole /64.
    assert [log_in(f"2001:db8::{n}", f"other{n}") for n in range(4)] == [401, 401, 401, 429]
    assert log_in("2001:db8:0:1::1", "other9") == 401


def test_what_a_request_says_of_its_own_address_is_not_believed(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.services, "settings", msgspec.structs.replace(api.services.settings, logins_per_minute=2))
    wish = {"login": "nobody", "password": "wrong"}
    names = ("x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip", "true-client-ip", "x-client-ip")
    answers = []
    for number in range(3):
        claimed = dict.fromkeys(names, f"198.51.100.{number}")
        answers.append(
            api.anonymous.call("POST", "/v1/auth/login", {**wish, "login": f"n{number}"}, headers=claimed).status
        )
    assert answers == [401, 401, 429]


LIMITED = {
    "/v1/auth/password": {"current_password": "wrong", "new_password": PASSWORD},
    "/v1/auth/password/forgot": {"email": "ana@example.org"},
    "/v1/auth/password/reset": {"token": "nothing", "password": PASSWORD},
    "/v1/auth/email": {"email": "new@example.org", "password": "wrong"},
    "/v1/auth/email/verify": {"token": "nothing"},
    "/v1/auth/email/verification": None,
    "/v1/auth/oauth/exchange": {"code": "nothing", "verifier": "v" * 43},
    "/v1/me/deletion": {"password": "wrong"},
}


@pytest.mark.parametrize("path", LIMITED)
def test_whatever_checks_a_secret_or_sends_mail_is_limited(
    api: RestApi, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    few = msgspec.structs.replace(api.services.settings, logins_per_minute=1, mails_per_hour=1)
    monkeypatch.setattr(api.services, "settings", few)
    person = api.newcomer()
    answers = [person.api.post(path, LIMITED[path]) for _ in range(2)]
    assert answers[0].status != 429
    assert answers[1].status == 429
    assert int(answers[1].headers["retry-after"]) >= 1


def test_the_database_quotes_nobody_in_errors(api: RestApi) -> None:
    with pytest.raises(Exception, match="duplicate") as caught, api.services.database.begin() as connection:
        for _ in range(2):
            connection.execute(users.insert().values(id=UserId("x"), username="u", email="private@example.org"))
    assert "private@" not in str(caught.value).partition("DETAIL")[0]
