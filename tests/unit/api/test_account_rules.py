"""What usernames, addresses, refresh tokens and signing keys may be and do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from functions.api.dependencies import client_address_of
from headwater.domain.accounts import is_email, is_username
from headwater.domain.ids import UserId
from headwater.domain.refresh_tokens import ShownToken, Verdict, judge, new_refresh_token, refresh_token_hash
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


@pytest.mark.parametrize("address", ["a@b.example", "ana+tag@mail.example.org", "o'neil@example.org", "ü@exämple.org"])
def test_addresses_are_taken_liberally(address: str) -> None:
    assert is_email(address)


@pytest.mark.parametrize(
    "address", ["", "a", "a@b", "@b.example", "a@", "a@b..c", "a b@c.example", "a@b@c.example", "a@b.example\n"]
)
def test_what_no_mail_can_reach_is_no_address(address: str) -> None:
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
