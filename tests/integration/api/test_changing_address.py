"""Another e-mail address: it counts when its mailbox says so, its owner is asked twice, and nobody learns whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from functions.account_mail.handler import handler as account_mail_handler
from headwater.adapters.tables import sessions, users
from headwater.domain.mail_links import LinkPurpose
from tests.account_mail import Delivered, asked_for, letters
from tests.api_gateway import Answer
from tests.aws import queue_record
from tests.rest_api import PASSWORD, Person, RestApi

NEW = "ana@elsewhere.example"


@pytest.fixture(autouse=True)
def _no_mail_from_before(api: RestApi) -> Iterator[None]:
    asked_for()
    yield
    asked_for()


@pytest.fixture
def ana(api: RestApi) -> Person:
    person = api.register("ana")
    letters()
    return person


def ask(person: Person, email: str = NEW, password: str | None = PASSWORD) -> Answer:
    return person.api.post("/v1/auth/email", {"email": email, "password": password})


def follow(api: RestApi, letter: Delivered) -> Answer:
    return api.anonymous.post("/v1/auth/email/verify", {"token": letter.token})


def address_of(person: Person) -> tuple[str | None, bool]:
    me = person.api.get("/v1/me").json
    return me["email"], me["email_verified"]


def without_password(api: RestApi, person: Person) -> None:
    with api.services.database.begin() as connection:
        connection.execute(users.update().where(users.c.id == person.user["id"]).values(password_hash=None))


def test_a_new_address_counts_when_its_link_is_followed_and_the_old_one_hears_of_it(api: RestApi, ana: Person) -> None:
    assert ask(ana).status == 204
    to_new, to_old = letters()
    assert (to_new.to, to_old.to) == ([NEW], ["ana@example.org"])
    assert "about to" in to_old.subject
    assert address_of(ana) == ("ana@example.org", False)
    assert follow(api, to_new).status == 204
    assert address_of(ana) == (NEW, True)
    [told] = letters()
    assert told.to == ["ana@example.org"]
    assert NEW not in told.html, "whoever reads the old mailbox need not know the new one"
    login = {"login": NEW, "password": PASSWORD}
    assert api.anonymous.post("/v1/auth/login", login).status == 200
    assert follow(api, to_new).code == "link_invalid"


@pytest.mark.parametrize(
    ("password", "code"), [("not it at all", "invalid_input"), (None, "reauthentication_required")]
)
def test_the_password_is_asked_for_once_more(ana: Person, password: str | None, code: str) -> None:
    assert ask(ana, password=password).code == code
    assert letters() == []


def test_who_has_no_password_has_to_have_signed_in_a_moment_ago(api: RestApi, ana: Person) -> None:
    without_password(api, ana)
    assert ask(ana, password=None).status == 204
    with api.services.database.begin() as connection:
        connection.execute(sessions.update().values(created_at=datetime.now(UTC) - timedelta(minutes=11)))
    assert ask(ana, password=None).code == "reauthentication_required"


def test_who_came_without_an_address_gives_the_account_one_and_then_a_password(api: RestApi, ana: Person) -> None:
    without_password(api, ana)
    with api.services.database.begin() as connection:
        connection.execute(users.update().values(email=None))
    assert ana.api.get("/v1/me").json["has_password"] is False
    assert ask(ana, password=None).status == 204
    [letter] = letters()
    assert follow(api, letter).status == 204
    assert letters() == [], "there is no old address to tell"
    api.anonymous.post("/v1/auth/password/forgot", {"email": NEW})
    body = {"token": letters()[0].token, "password": PASSWORD}
    assert api.anonymous.post("/v1/auth/password/reset", body).status == 204
    again = api.signed_in(api.anonymous.post("/v1/auth/login", {"login": NEW, "password": PASSWORD}))
    assert again.user["has_password"] is True


def test_whether_somebody_has_an_address_is_told_to_its_mailbox_and_to_nobody_else(api: RestApi, ana: Person) -> None:
    api.register("bob")
    letters()
    free, taken = ask(ana), ask(ana, "BOB@example.org")
    assert (free.status, free.text, free.headers) == (taken.status, taken.text, taken.headers)
    about_free, about_taken = letters()[1], letters_about(ana, "bob@example.org")
    assert (about_free.to, about_free.html) == (about_taken[1].to, about_taken[1].html)
    assert about_taken[0].to == ["bob@example.org"]
    assert "already" in about_taken[0].subject
    assert "ana" not in about_taken[0].html.replace("another", "")


def letters_about(person: Person, email: str) -> list[Delivered]:
    assert ask(person, email).status == 204
    return letters()


def test_an_address_that_somebody_took_meanwhile_is_refused(api: RestApi, ana: Person) -> None:
    ask(ana)
    to_new, _ = letters()
    body = {"username": "someone", "email": NEW.upper(), "password": PASSWORD}
    assert api.anonymous.post("/v1/auth/register", body).status == 201
    answer = follow(api, to_new)
    assert (answer.status, answer.code) == (409, "name_taken")
    assert address_of(ana) == ("ana@example.org", False)


def test_ones_own_address_cannot_be_asked_for_but_in_another_case(api: RestApi, ana: Person) -> None:
    assert ask(ana, "ana@example.org").code == "conflict"
    assert ask(ana, "Ana@example.org").status == 204
    assert follow(api, letters()[0]).status == 204
    assert address_of(ana) == ("Ana@example.org", True)


@pytest.mark.parametrize("how", ["change", "reset"])
def test_a_new_password_stops_a_change_that_was_asked_for_before(api: RestApi, ana: Person, how: str) -> None:
    """Also one of which the letter is written only afterwards: whoever asked for it has been shown out."""
    thief = api.signed_in(api.anonymous.post("/v1/auth/login", {"login": "ana", "password": PASSWORD}))
    ask(thief)
    to_new, _ = letters()
    ask(thief, "thief@elsewhere.example")
    [late] = asked_for()
    if how == "change":
        body = {"current_password": PASSWORD, "new_password": "another-umbrella-58"}
        assert ana.api.post("/v1/auth/password", body).status == 204
    else:
        api.anonymous.post("/v1/auth/password/forgot", {"email": "ana@example.org"})
        body = {"token": letters()[0].token, "password": "another-umbrella-58"}
        assert api.anonymous.post("/v1/auth/password/reset", body).status == 204
    letters()
    assert follow(api, to_new).code == "link_invalid"
    assert account_mail_handler({"Records": [queue_record("m", late)]}, None) == {"batchItemFailures": []}
    with api.services.database.begin() as connection:
        left = connection.exec_driver_sql("SELECT purpose FROM mail_links").scalars().all()
    assert LinkPurpose.CHANGE_EMAIL not in left


def test_what_lies_in_the_old_mailbox_opens_nothing_any_more(api: RestApi, ana: Person) -> None:
    api.anonymous.post("/v1/auth/password/forgot", {"email": "ana@example.org"})
    [old] = letters()
    ask(ana)
    assert follow(api, letters()[0]).status == 204
    body = {"token": old.token, "password": "another-umbrella-58"}
    assert api.anonymous.post("/v1/auth/password/reset", body).code == "link_invalid"


def test_mail_to_an_address_is_limited_whoever_asks(api: RestApi, ana: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.services, "settings", msgspec.structs.replace(api.services.settings, mails_per_hour=2))
    bob = api.newcomer()
    assert [ask(each).status for each in (ana, bob, bob)] == [204, 204, 429]


def test_a_change_needs_its_letter(api: RestApi, ana: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other letters are good to have; without this one nothing comes of it, and who asked should know."""
    settings = msgspec.structs.replace(api.services.settings, account_mail_queue_url="http://127.0.0.1:9/none")
    monkeypatch.setattr(api.services, "settings", settings)
    vars(api.services).pop("account_mail", None)
    try:
        assert ask(ana).code == "dependency_unavailable"
    finally:
        vars(api.services).pop("account_mail", None)
