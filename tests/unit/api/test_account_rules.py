"""What usernames, addresses, refresh tokens and signing keys may be and do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import zxcvbn

from headwater.adapters.passwords import NOBODYS_HASH, Passwords
from headwater.domain import usernames
from headwater.domain.accounts import is_email, is_username
from headwater.domain.client_address import client_address_of
from headwater.domain.ids import UserId
from headwater.domain.refresh_tokens import (
    ShownToken,
    Verdict,
    judge,
    new_refresh_token,
    refresh_token_hash,
    seal_successor,
    unseal_successor,
)
from headwater.domain.sign_in import device_name
from headwater.domain.signing_keys import (
    KEPT_AFTER_USE_SECONDS,
    PUBLISHED_BEFORE_USE_SECONDS,
    SigningKey,
    current_key,
    with_next_key,
)

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize("name", ["ana", "Ana_Maria", "x" * 25, "007"])
def test_usernames_are_letters_digits_and_underscores(name: str) -> None:
    assert is_username(name)


@pytest.mark.parametrize("name", ["", "ab", "x" * 26, "ana maria", "ana-maria", "аna", "ana\n", "ana\x00", "١٢٣"])
def test_nothing_else_is_a_username(name: str) -> None:
    assert not is_username(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ab", "3 to 25"),
        ("x" * 26, "3 to 25"),
        ("\uff41na", "Write it plainly: ana"),  # full-width
        ("\u1d00na", "can be mistaken"),  # small capital
        ("\u0430na", "can be mistaken"),  # Cyrillic
        ("an\u200da", "can be mistaken"),  # a joiner
        ("a\u0301na", "can be mistaken"),  # a combining accent
        ("\u05d0\u05e0\u05d0\u05d0", "can be mistaken"),  # right to left
        ("ana🔑", "can be mistaken"),
        ("ana maria", "can be mistaken"),
    ],
)
def test_a_name_that_could_pass_for_another_is_refused_with_the_reason(name: str, reason: str) -> None:
    assert reason in str(usernames.objection(name))


@pytest.mark.parametrize(
    "name", ["admin", "ADMIN", "Adm1n", "_admin_", "ad_min", "AdminIstrator", "supp0rt", "5upport", "rnoderator",
             "M0derat0r", "sys73m", "H3adwater", "headvvater", "r00t"],
)  # fmt: skip
def test_names_of_ours_are_nobodys_in_any_disguise(name: str) -> None:
    assert usernames.is_reserved(name)


@pytest.mark.parametrize("name", ["adminton", "minister", "supporter_9", "ana", "therootcause", "mike", "corn", "com"])
def test_other_names_are_free(name: str) -> None:
    assert not usernames.is_reserved(name)


@pytest.mark.parametrize(
    ("one", "other"), [("Ana", "aNA"), ("bill", "BILL"), ("bill", "bi11"), ("lan", "Ian"), ("b0b", "BOB")]
)
def test_names_that_look_alike_are_one_name(one: str, other: str) -> None:
    assert usernames.look(one) == usernames.look(other)


@pytest.mark.parametrize(("one", "other"), [("ana", "anna"), ("ana_1", "ana1"), ("corn", "com"), ("s5", "ss")])
def test_names_that_differ_are_two(one: str, other: str) -> None:
    assert usernames.look(one) != usernames.look(other)


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
            "Safari/537.36 Edg/142.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile "
            "Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/19.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (compatible)", "Browser"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("obs-studio", "obs-studio"),
        ("", "Unknown device"),
        ("/1.0", "Unknown device"),
    ],
)
def test_a_device_is_called_what_people_call_it(user_agent: str, device: str) -> None:
    assert device_name(user_agent) == device


def test_a_sealed_successor_opens_with_its_token_and_key_only() -> None:
    used, successor, key = new_refresh_token(), new_refresh_token(), "a key of some length"
    sealed = seal_successor(used, key, successor)
    assert unseal_successor(used, key, sealed) == successor
    assert unseal_successor(used, key + "x", sealed) != successor
    assert unseal_successor(new_refresh_token(), key, sealed) != successor
    assert successor.encode() not in sealed


def test_what_nobodys_password_costs_is_what_every_password_costs() -> None:
    passwords = Passwords()
    assert not passwords.needs_rehash(NOBODYS_HASH)
    assert not passwords.matches("", None)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("password1", "used, and tried, most"),
        ("iloveyou", "used, and tried, most"),
        ("ana_maria1", "your own name"),
        ("maria@example.org", "your own name"),
        ("aaaaaaaaaaaaaaaa", "easy to guess"),
        ("headwater1", "your own name"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, reason: str) -> None:
    assert reason in str(Passwords().objection(password, "ana_maria", "maria@example.org"))


@pytest.mark.parametrize("password", ["grenoble-umbrella-47", "correct horse battery staple", "пароль 🔑 и зонтик"])
def test_a_good_password_meets_no_objection(password: str) -> None:
    assert Passwords().objection(password, "ana", "ana@example.org") is None


def test_a_password_that_zxcvbn_would_think_about_for_seconds_is_judged_by_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged: list[str] = []
    original = zxcvbn.zxcvbn

    def noting(password: str, user_inputs: list[str]) -> object:
        judged.append(password)
        return original(password, user_inputs)

    monkeypatch.setattr(zxcvbn, "zxcvbn", noting)
    assert Passwords().objection("4@8({[<3691!|70$5+%2" * 4, "ana") is None
    assert Passwords().objection("1234567890" * 7, "ana") is not None
    assert [len(each) for each in judged] == [24, 24]
    Passwords().objection("a long sentence, with 3 numbers: 1, 2" * 2, "ana")
    assert len(judged[-1]) == 72


@pytest.mark.parametrize("address", ["a@b.example", "ana+tag@mail.example.org", "o'neil@example.org", "ü@exämple.org"])
def test_addresses_are_taken_liberally(address: str) -> None:
    assert is_email(address)


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@b", "@b.example", "a@", "a@b..c", "a b@c.example", "a@b@c.example", "a@b.example\n", "a..b@c.example"],
)
def test_what_no_mail_can_reach_is_no_address(address: str) -> None:
    assert not is_email(address)


@pytest.mark.parametrize(
    "address", ["x<ana@example.org>", "ana,b@example.org", '"ana"@example.org', "ana@[127.0.0.1].org", "a:b@c.example;"]
)
def test_one_mailbox_is_one_address_not_as_many_as_can_be_written(address: str) -> None:
    assert not is_email(address)


@pytest.mark.parametrize("address", ["\uff41na@example.org", "ana@example\uff0eorg", "\ufb01ne@example.org"])
def test_an_address_is_written_the_way_in_which_it_is_signed_in_with(address: str) -> None:
    assert not is_email(address)


def shown(**fields: object) -> ShownToken:
    defaults = {"session_id": "s", "user_id": UserId("u"), "expires_at": NOW + timedelta(days=1), "used_at": None}
    return ShownToken(**{**defaults, "session_ended": False, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("token", "verdict"),
    [
        (shown(), Verdict.ROTATE),
        (shown(used_at=NOW), Verdict.REUSED),
        (shown(used_at=NOW, expires_at=NOW - timedelta(days=1)), Verdict.REUSED),
        (shown(expires_at=NOW), Verdict.REFUSED),
        (shown(session_ended=True), Verdict.REFUSED),
        (shown(session_ended=True, used_at=NOW), Verdict.REFUSED),
        (None, Verdict.REFUSED),
    ],
)
def test_a_refresh_token_works_once_in_its_time(token: ShownToken | None, verdict: Verdict) -> None:
    assert judge(token, NOW) is verdict


def test_refresh_tokens_are_random_and_kept_as_a_hash() -> None:
    token = new_refresh_token()
    assert token != new_refresh_token()
    assert len(refresh_token_hash(token)) == 32


def test_the_first_key_signs_at_once() -> None:
    assert current_key(with_next_key((), "a", "pem", now=1000), 1000) is not None


def test_a_next_key_is_known_before_it_signs_and_the_last_one_after() -> None:
    keys = with_next_key(with_next_key((), "a", "pem", now=1000), "b", "pem", now=10_000)
    begins = 10_000 + PUBLISHED_BEFORE_USE_SECONDS
    assert [key.kid for key in keys] == ["a", "b"]
    assert [getattr(current_key(keys, at), "kid", None) for at in (999, 1000, begins - 1, begins)] == [
        None,
        "a",
        "a",
        "b",
    ]
    soon = with_next_key(keys, "c", "pem", now=begins + KEPT_AFTER_USE_SECONDS - 1)
    assert [key.kid for key in soon] == ["a", "b", "c"]
    late = with_next_key(keys, "c", "pem", now=begins + KEPT_AFTER_USE_SECONDS)
    assert [key.kid for key in late] == ["b", "c"]


def test_rotating_many_times_never_takes_away_the_key_that_signs() -> None:
    keys: tuple[SigningKey, ...] = ()
    for number, now in enumerate((0, 1, 2, 400, 401, 5000, 5001, 100_000)):
        signing = current_key(keys, now)
        keys = with_next_key(keys, str(number), "pem", now)
        assert signing is None or signing in keys
        assert current_key(keys, now) is not None


def test_a_key_does_not_show_its_private_half() -> None:
    assert "secret" not in repr(SigningKey("a", "secret", 0))


@pytest.mark.parametrize(
    ("host", "counted_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("testclient", "testclient"),
    ],
)
def test_limits_count_customers_not_addresses(host: str, counted_as: str) -> None:
    assert client_address_of(host) == counted_as
