"""A hook is believed when one of our nodes signed exactly it, just now; nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import HookRejected
from headwater.hook_signature import (
    MAX_CLOCK_DIFFERENCE_MS,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    HookOrigin,
    sign,
    verify,
)

NOW = 1_800_000_000_000
SECRET = b"a secret of at least 32 characters"
ORIGIN = HookOrigin("node-1", "http://10.0.3.7:1936/sources", NOW - 5)
BODY = b"app=live&clientid=5&call=publish&name=key"


def signed(body: bytes = BODY, *, secret: bytes = SECRET, now: int = NOW) -> dict[str, str]:
    return {name.lower(): value for name, value in sign(secret, ORIGIN, body, now=now).items()}


@given(body=st.binary(max_size=300), secret=st.binary(min_size=1, max_size=64))
def test_what_a_node_signs_is_accepted_and_says_who_and_when(body: bytes, secret: bytes) -> None:
    assert verify([secret], signed(body, secret=secret), body, now=NOW) == ORIGIN


@given(body=st.binary(max_size=60), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_flipped_bit_of_the_body_is_refused(body: bytes, at: int, bit: int) -> None:
    headers = signed(body)
    forged = bytearray(body or b"\0")
    forged[at % len(forged)] ^= 1 << bit
    with pytest.raises(HookRejected):
        verify([SECRET], headers, bytes(forged), now=NOW)


@pytest.mark.parametrize("name", sorted(signed()))
@given(value=st.text(max_size=60))
def test_a_changed_header_is_refused(name: str, value: str) -> None:
    headers = signed()
    if headers[name] == value:
        return
    with pytest.raises(HookRejected):
        verify([SECRET], {**headers, name: value}, BODY, now=NOW)


@pytest.mark.parametrize("name", sorted(signed()))
def test_a_missing_or_repeated_header_is_refused(name: str) -> None:
    headers = signed()
    without = {other: value for other, value in headers.items() if other != name}
    twice = {**headers, name: f"{headers[name]},{headers[name]}"}  # API Gateway joins repeated headers with a comma
    for changed in (without, twice):
        with pytest.raises(HookRejected):
            verify([SECRET], changed, BODY, now=NOW)


@given(offset=st.integers(-200_000, 200_000))
def test_a_hook_is_good_for_one_minute_around_its_signing(offset: int) -> None:
    headers = signed(now=NOW + offset)
    if abs(offset) <= MAX_CLOCK_DIFFERENCE_MS:
        assert verify([SECRET], headers, BODY, now=NOW) == ORIGIN
    else:
        with pytest.raises(HookRejected):
            verify([SECRET], headers, BODY, now=NOW)


def test_another_secret_is_refused() -> None:
    with pytest.raises(HookRejected):
        verify([b"another secret of 32 characters !"], signed(), BODY, now=NOW)


def test_a_lone_surrogate_in_a_header_is_refused_like_any_other_forgery() -> None:
    for name in (TIMESTAMP_HEADER, SIGNATURE_HEADER):
        with pytest.raises(HookRejected):
            verify([SECRET], {**signed(), name.lower(): "\ud800"}, BODY, now=NOW)


def test_no_two_signatures_share_a_nonce() -> None:
    assert len({sign(SECRET, ORIGIN, BODY, now=NOW)[NONCE_HEADER] for _ in range(200)}) == 200


@pytest.mark.parametrize(
    "origin",
    [
        HookOrigin("node 1", ORIGIN.pull_base, NOW),
        HookOrigin("node\n1", ORIGIN.pull_base, NOW),
        HookOrigin("node-1", "rtmp://10.0.3.7:1935/live", NOW),
        HookOrigin("node-1", "http://10.0.3.7/sources/../other", NOW),
        HookOrigin("node-1", "http://user@10.0.3.7/sources", NOW),
        HookOrigin("node-1", ORIGIN.pull_base, -1),
    ],
)
def test_even_a_signed_origin_must_have_the_form_of_one(origin: HookOrigin) -> None:
    headers = {name.lower(): value for name, value in sign(SECRET, origin, BODY, now=NOW).items()}
    with pytest.raises(HookRejected):
        verify([SECRET], headers, BODY, now=NOW)
