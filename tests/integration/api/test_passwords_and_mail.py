"""Another password, by the old one or by mail; an address that is shown to be one's own; and who learns what by asking."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec
import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine

from functions.account_mail.handler import handler as account_mail_handler
from functions.api.wiring import UnitOfWork
from headwater.adapters import aws
from headwater.adapters.mail import Mail
from headwater.adapters.mail_links import MailLinks
from headwater.adapters.passwords import Passwords
from headwater.adapters.tables import users
from headwater.domain.mail_links import LinkPurpose
from headwater.errors import DependencyUnavailable
from tests.account_mail import asked_for, letters
from tests.api_gateway import Answer
from tests.api_world import linked_identity
from tests.aws import queue_record
from tests.rest_api import PASSWORD, Person, RestApi

NEW = "another-umbrella-58"


@pytest.fixture(autouse=True)
def _no_mail_from_before(api: RestApi) -> Iterator[None]:
    asked_for()
    yield
    asked_for()


def log_in(api: RestApi, login: str, password: str = PASSWORD) -> Answer:
    return api.anonymous.post("/v1/auth/login", {"login": login, "password": password})


def forgot(api: RestApi, email: str) -> Answer:
    return api.anonymous.post("/v1/auth/password/forgot", {"email": email})


def reset(api: RestApi, token: str, password: str = NEW) -> Answer:
    return api.anonymous.post("/v1/auth/password/reset", {"token": token, "password": password})


def registered(api: RestApi, name: str = "ana") -> Person:
    person = api.register(name)
    letters()
    return person


def test_a_new_account_is_asked_to_confirm_its_address(api: RestApi) -> None:
    person = api.register("ana")
    [letter] = letters()
    assert letter.to == ["ana@example.org"]
    assert "Confirm" in letter.subject
    assert person.api.get("/v1/me").json["email_verified"] is False
    assert api.anonymous.post("/v1/auth/email/verify", {"token": letter.token}).status == 204
    assert person.api.get("/v1/me").json["email_verified"] is True
    assert api.anonymous.post("/v1/auth/email/verify", {"token": letter.token}).code == "link_invalid"


def test_one_can_ask_for_the_link_again(api: RestApi) -> None:
    person = registered(api)
    assert person.api.post("/v1/auth/email/verification").status == 204
    [letter] = letters()
    assert api.anonymous.post("/v1/auth/email/verify", {"token": letter.token}).status == 204


def test_an_account_is_made_also_while_no_mail_can_be_asked_for(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = msgspec.structs.replace(api.services.settings, account_mail_queue_url="http://127.0.0.1:9/none")
    monkeypatch.setattr(api.services, "settings", settings)
    vars(api.services).pop("account_mail", None)
    try:
        assert api.register("ana").api.get("/v1/me").status == 200
    finally:
        vars(api.services).pop("account_mail", None)


def test_a_changed_password_ends_all_sessions_but_this_and_the_owner_is_told(api: RestApi) -> None:
    here = registered(api)
    there = api.signed_in(log_in(api, "ana"))
    assert here.api.post("/v1/auth/password", {"current_password": PASSWORD, "new_password": NEW}).status == 204
    assert (here.api.get("/v1/me").status, there.api.get("/v1/me").status) == (200, 401)
    assert (log_in(api, "ana").status, log_in(api, "ana", NEW).status) == (401, 200)
    [letter] = letters()
    assert "changed" in letter.subject


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("wrong", NEW, "current_password"),
        (PASSWORD, "short", "new_password"),
        (PASSWORD, "password123", "new_password"),
        (PASSWORD, "ana@example.org", "new_password"),
    ],
)
def test_a_password_that_is_wrong_or_weak_changes_nothing(api: RestApi, current: str, new: str, field: str) -> None:
    person = registered(api)
    answer = person.api.post("/v1/auth/password", {"current_password": current, "new_password": new})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, field)
    assert log_in(api, "ana").status == 200


def test_an_account_without_a_password_gets_its_first_by_mail(api: RestApi) -> None:
    person = registered(api)
    with api.services.database.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET password_hash = NULL")
    body = {"current_password": "", "new_password": NEW}
    assert person.api.post("/v1/auth/password", body).code == "conflict"
    assert log_in(api, "ana").code == "invalid_credentials"
    forgot(api, "ana@example.org")
    assert reset(api, letters()[0].token).status == 204
    assert log_in(api, "ana", NEW).status == 200


def test_a_forgotten_password_is_replaced_by_mail_and_every_session_ends(api: RestApi) -> None:
    person = registered(api)
    assert forgot(api, "ANA@example.org").status == 204
    [letter] = letters()
    assert letter.to == ["ana@example.org"]
    assert reset(api, letter.token).status == 204
    assert person.api.get("/v1/me").status == 401
    assert (log_in(api, "ana").status, log_in(api, "ana", NEW).status) == (401, 200)
    assert log_in(api, "ana", NEW).json["user"]["email_verified"] is True
    assert "changed" in letters()[0].subject


def test_a_password_by_mail_takes_the_account_back_from_bots_too(api: RestApi) -> None:
    person = registered(api)
    bot = api.anonymous.signed_in(
        person.api.post("/v1/me/tokens", {"name": "Bot", "scopes": ["read:account"]}).json["token"]
    )
    forgot(api, "ana@example.org")
    assert reset(api, letters()[0].token).status == 204
    assert bot.get("/v1/me").status == 401


@pytest.mark.parametrize("confirmed", [True, False])
def test_who_never_showed_that_the_address_is_theirs_left_no_way_in_for_themselves(
    api: RestApi, confirmed: bool
) -> None:
    """Pre-hijacking: an account with somebody else's address, and an identity of one's own, waits for that somebody."""
    person = api.register("ana")
    [letter] = letters()
    if confirmed:
        api.anonymous.post("/v1/auth/email/verify", {"token": letter.token})
    linked_identity(api, person)
    forgot(api, "ana@example.org")
    assert reset(api, letters()[0].token).status == 204
    owner = api.signed_in(log_in(api, "ana", NEW))
    assert len(owner.api.get("/v1/me/identities").json["items"]) == (1 if confirmed else 0)


@pytest.mark.parametrize("what", ["login", "change"])
def test_a_password_that_is_replaced_while_it_is_compared_opens_nothing(
    api: RestApi, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """To compare takes 20 ms: who began before the owner ended all sessions must not begin one after."""
    person = registered(api)
    matches = Passwords.matches

    def replaced_meanwhile(self: Passwords, password: str, stored: str | None) -> bool:
        other_process = create_engine(api.services.database.engine.url)
        with other_process.begin() as connection:
            connection.execute(users.update().values(password_hash=self.hash(NEW)))
        other_process.dispose()
        return matches(self, password, stored)

    with monkeypatch.context() as patch:
        patch.setattr(Passwords, "matches", replaced_meanwhile)
        if what == "login":
            assert log_in(api, "ana").code == "invalid_credentials"
        else:
            body = {"current_password": PASSWORD, "new_password": "a-third-umbrella-69"}
            assert person.api.post("/v1/auth/password", body).code == "invalid_input"
    assert log_in(api, "ana", NEW).status == 200


def test_a_link_works_once_and_takes_the_others_with_it(api: RestApi) -> None:
    registered(api)
    for _ in range(2):
        forgot(api, "ana@example.org")
    first, second = letters()
    assert reset(api, second.token).status == 204
    for token in (second.token, first.token):
        assert (reset(api, token).status, reset(api, token).code) == (410, "link_invalid")


def test_of_two_who_use_a_link_at_the_same_moment_one_succeeds(api: RestApi) -> None:
    registered(api)
    forgot(api, "ana@example.org")
    token = letters()[0].token
    engine = create_engine(api.services.database.engine.url, pool_size=3)

    def use(_: int) -> bool:
        with engine.connect() as connection:
            link = MailLinks(connection).redeem(token, LinkPurpose.RESET_PASSWORD, datetime.now(UTC))
            connection.commit()
            return link is not None

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(use, range(3))) == [False, False, True]
    engine.dispose()


def test_a_weak_password_does_not_use_the_link_up(api: RestApi) -> None:
    registered(api)
    forgot(api, "ana@example.org")
    token = letters()[0].token
    answer = reset(api, token, "ana@example.org")
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "password")
    assert reset(api, token).status == 204


def test_a_link_is_for_one_purpose_one_address_and_a_while(api: RestApi) -> None:
    person = registered(api)
    person.api.post("/v1/auth/email/verification")
    forgot(api, "ana@example.org")
    forgot(api, "ana@example.org")
    verification, first, second = (letter.token for letter in letters())
    assert reset(api, verification).code == "link_invalid"
    assert api.anonymous.post("/v1/auth/email/verify", {"token": first}).code == "link_invalid"
    with api.services.database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE mail_links SET email = 'former@example.org' WHERE purpose = 'reset_password'"
        )
    assert reset(api, first).code == "link_invalid"
    with api.services.database.begin() as connection:
        connection.exec_driver_sql("UPDATE mail_links SET email = 'ana@example.org', expires_at = now()")
    assert reset(api, second).code == "link_invalid"


@pytest.mark.parametrize("token", ["", "hwm_", "x" * 64, "é🔑"])
def test_an_invented_link_is_refused(api: RestApi, token: str) -> None:
    assert reset(api, token).code == "link_invalid"


def test_the_database_and_the_queue_hold_no_link(api: RestApi) -> None:
    registered(api)
    forgot(api, "ana@example.org")
    [message] = asked_for()
    assert "hwm_" not in message
    api.anonymous.post("/v1/auth/password/forgot", {"email": "ana@example.org"})
    token = letters()[0].token
    with api.services.database.begin() as connection:
        assert token not in str(connection.exec_driver_sql("SELECT * FROM mail_links").all())


def test_mail_goes_to_the_address_that_is_known_not_to_the_one_that_was_typed(api: RestApi) -> None:
    """Django's CVE-2019-19844: Unicode has letters that a database takes for others; here an I with a dot, for an i."""
    registered(api, "mike")
    assert forgot(api, "m\u0130ke@example.org").status == 204
    assert [letter.to for letter in letters()] in ([], [["mike@example.org"]])
    assert forgot(api, "mi\u212ae@example.org").code == "invalid_input", "the Kelvin sign is no k, and no address's"


def test_a_letter_is_asked_for_the_same_way_whoever_is_meant(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer cannot depend on what is not looked at: no database, one message of the same form, for everybody."""
    registered(api)
    touched: list[str] = []
    monkeypatch.setattr(UnitOfWork, "_connection", property(lambda _: touched.append("database")))
    known, unknown = forgot(api, "ana@example.org"), forgot(api, "bob@example.org")
    assert (known.status, known.text) == (unknown.status, unknown.text) == (204, "")
    assert {name: known.headers[name] for name in known.headers} == dict(unknown.headers)
    assert touched == []
    first, second = asked_for()
    assert first.replace("ana@", "bob@") == second


def test_mail_that_ses_never_takes_is_not_tried_again_and_mail_that_it_cannot_take_now_is(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(api)
    ses = aws.client("sesv2")
    ses.delete_email_identity(EmailIdentity="headwater.example")
    forgot(api, "ana@example.org")
    assert letters() == []
    ses.create_email_identity(EmailIdentity="headwater.example")

    def away(*_: object) -> None:
        raise DependencyUnavailable

    forgot(api, "ana@example.org")
    [message] = asked_for()
    with monkeypatch.context() as patch:
        patch.setattr(Mail, "send", away)
        answer = account_mail_handler({"Records": [queue_record("m", message)]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    assert account_mail_handler({"Records": [queue_record("m", message)]}, None) == {"batchItemFailures": []}


def test_mail_to_one_address_is_limited_by_the_hour(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.services, "settings", msgspec.structs.replace(api.services.settings, mails_per_hour=2))
    answers = [forgot(api, email) for email in ("ana@example.org", "Ana@example.org", "ana@example.org")]
    assert [answer.status for answer in answers] == [204, 204, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 1800
    assert forgot(api, "bob@example.org").status == 204


def test_a_wrong_password_and_an_unknown_account_take_the_same_work(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One Argon2 of today's costs each, no more; also for the first request that a process ever serves."""
    registered(api)
    runs: list[str] = []
    verify, hash_ = PasswordHasher.verify, PasswordHasher.hash

    def counting(self: PasswordHasher, stored: str | bytes, password: str | bytes) -> bool:
        runs.append(str(stored).rpartition("$")[0].rpartition("$")[0])
        return bool(verify(self, stored, password))

    def hashing(self: PasswordHasher, password: str | bytes) -> str:
        runs.append("hash")
        return hash_(self, password)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    monkeypatch.setattr(PasswordHasher, "hash", hashing)
    for login in ("ana", "nobody", "nobody@example.org", "", "x" * 254):
        assert log_in(api, login, "wrong").code == "invalid_credentials"
    assert len(runs) == 5
    assert set(runs) == {"$argon2id$v=19$m=19456,t=2,p=1"}


def test_a_name_or_address_that_is_taken_takes_the_work_of_one_that_is_free(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the answer has to differ, at least nothing more can be learned, nor any sooner."""
    registered(api)
    runs: list[str] = []
    hash_ = PasswordHasher.hash

    def hashing(self: PasswordHasher, password: str | bytes) -> str:
        runs.append("hash")
        return hash_(self, password)

    monkeypatch.setattr(PasswordHasher, "hash", hashing)
    details = set()
    for username, email in (("ana", "free@example.org"), ("free", "ana@example.org"), ("free", "free@example.org")):
        answer = api.anonymous.post("/v1/auth/register", {"username": username, "email": email, "password": PASSWORD})
        details.add(answer.json.get("detail", "made"))
    assert runs == ["hash"] * 3
    assert len(details) == 2, "which of the two is taken is not told"


def test_how_long_a_refusal_takes_does_not_tell_whether_there_is_such_an_account(api: RestApi) -> None:
    """Interleaved, in CPU time of this process, and compared by rank: noise meets both alike."""
    registered(api)
    for login in ("ana", "nobody"):  # whatever is made at first use is made
        log_in(api, login, "wrong")
    assert_alike(lambda: log_in(api, "ana", "wrong"), lambda: log_in(api, "nobody", "wrong"))


def test_how_long_asking_for_a_letter_takes_does_not_tell_either(api: RestApi) -> None:
    registered(api)
    assert_alike(lambda: forgot(api, "ana@example.org"), lambda: forgot(api, "bob@example.org"))


def assert_alike(one: Callable[[], object], other: Callable[[], object], pairs: int = 15) -> None:
    """Of pairs of runs, the one is the slower in about half, and the medians are a fraction apart. A difference that an
    attacker could use (a missing Argon2, a missing query) makes it the slower in nearly all, by a multiple."""

    def cost(run: Callable[[], object]) -> float:
        began = time.process_time()
        run()
        return time.process_time() - began

    costs = [(cost(one), cost(other)) if turn % 2 else (cost(other), cost(one))[::-1] for turn in range(pairs)]
    slower = sum(first > second for first, second in costs)
    medians = statistics.median(first for first, _ in costs), statistics.median(second for _, second in costs)
    # Fourteen of fifteen by chance: 1 in 1,000, and then the medians would have to be far apart as well.
    assert not (max(slower, pairs - slower) >= pairs * 0.9 and max(medians) > 1.5 * min(medians)), (slower, medians)


def test_the_comparison_finds_a_difference_that_there_is() -> None:
    passwords = Passwords()
    with pytest.raises(AssertionError):
        assert_alike(lambda: passwords.matches("wrong", None), lambda: None)


def test_a_password_is_the_same_however_its_letters_are_put_together(api: RestApi) -> None:
    composed, decomposed = "caf\u00e9-umbrella-47", "cafe\u0301-umbrella-47"
    registration = {"username": "ana", "email": "ana@example.org", "password": composed}
    assert api.anonymous.post("/v1/auth/register", registration).status == 201
    assert log_in(api, "ana", decomposed).status == 200
