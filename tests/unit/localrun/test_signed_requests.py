"""CloudFront's signatures, made by botocore and by our own signer, as the local edge judges them."""

from __future__ import annotations

import json
import time
from urllib.parse import parse_qsl, urlencode

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from headwater.adapters.media_signer import MediaSigner
from headwater.domain.ids import StreamId
from headwater.domain.media_access import SIGNED_SECONDS, Audience
from headwater.domain.media_signature import encode_for_cloudfront
from headwater.domain.signing_keys import SigningKey
from localrun.media_gate.signed_requests import is_signed
from tests.media_gate import KEYS, PRIVATE_KEYS, signed_cookies, signed_query

CDN = "https://cdn.example.org"
STREAM = StreamId("0123456789abcdefghjkmn")
PREFIX = f"{CDN}/private/{STREAM}/"
URL = f"{PREFIX}live.m3u8"


def now() -> int:
    return int(time.time())


def as_header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


@pytest.mark.parametrize("key_id", ["KRSA", "KOLD", "KEC"])
def test_what_any_key_of_the_group_signed_opens_all_that_it_names(key_id: str) -> None:
    cookies = as_header({"theme": "dark", **signed_cookies(f"{PREFIX}*", key_id=key_id)})
    for url in (URL, f"{PREFIX}1123456789abcdefghjkmn/720p/1-0.m4s"):
        assert is_signed(url, "", cookies, KEYS, now())
    for url in (f"{CDN}/private/{STREAM}", f"{CDN}/owner/{STREAM}/live.m3u8", f"{CDN}/private/other/live.m3u8"):
        assert not is_signed(url, "", cookies, KEYS, now())


def test_a_canned_policy_opens_the_one_url_that_was_signed() -> None:
    query = signed_query(URL, canned=True)
    assert is_signed(URL, query, "", KEYS, now())
    assert not is_signed(f"{PREFIX}live.mpd", query, "", KEYS, now())


def test_a_question_mark_stands_for_one_character() -> None:
    query = signed_query(f"{PREFIX}live.m3u?")
    assert is_signed(URL, query, "", KEYS, now())
    assert not is_signed(f"{PREFIX}live.m3u", query, "", KEYS, now())
    assert not is_signed(f"{PREFIX}live.m3u8x", query, "", KEYS, now())


def test_a_signature_that_ran_out_opens_nothing() -> None:
    cookies = as_header(signed_cookies(f"{PREFIX}*", seconds=30))
    assert is_signed(URL, "", cookies, KEYS, now())
    assert not is_signed(URL, "", cookies, KEYS, now() + 31)


def test_a_query_counts_alone_where_there_is_one() -> None:
    cookies = as_header(signed_cookies(f"{PREFIX}*"))
    assert not is_signed(URL, signed_query(f"{CDN}/private/other/*"), cookies, KEYS, now())
    assert is_signed(URL, "_HLS_msn=3", cookies, KEYS, now())


def test_nothing_that_was_changed_after_signing_is_believed() -> None:
    claims = dict(parse_qsl(signed_query(f"{PREFIX}*", seconds=30)))
    wider = {"Statement": [{"Resource": "*", "Condition": {"DateLessThan": {"AWS:EpochTime": 2**31}}}]}
    forged = encode_for_cloudfront(json.dumps(wider).encode())
    for changed in (
        {"Policy": forged},
        {"Key-Pair-Id": "KOLD"},
        {"Key-Pair-Id": "KEC"},
        {"Key-Pair-Id": "nobody"},
        {"Signature": claims["Signature"][:-4] + "AAAA"},
        {"Signature": ""},
        {"Signature": "%"},
        {"Hash-Algorithm": "SHA256"},
        {"Hash-Algorithm": "MD5"},
        {"Policy": "not base 64"},
        {"Policy": encode_for_cloudfront(b"{}")},
        {"Policy": encode_for_cloudfront(b'{"Statement":[]}')},
    ):
        assert not is_signed(URL, urlencode({**claims, **changed}), "", KEYS, now()), changed
    for missing in claims:
        assert not is_signed(URL, urlencode({k: v for k, v in claims.items() if k != missing}), "", KEYS, now())
    assert not is_signed(URL, "", "CloudFront-Policy=\x00; ;;=", KEYS, now())


def test_our_own_signer_opens_an_entrance_for_less_than_a_minute_with_cookies_or_query() -> None:
    pem = PRIVATE_KEYS["KRSA"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    begins = now()
    keys = [SigningKey("KRSA", pem, begins - 10), SigningKey("KOLD", "not begun yet", begins + 300)]
    signed = MediaSigner(lambda: keys, f"{CDN}/", lambda: begins).sign(STREAM, Audience.VIEWERS)
    assert signed.path == f"/private/{STREAM}/"
    assert 0 < signed.expires_at - begins == SIGNED_SECONDS < 60
    for query, header in ((signed.query, ""), ("", as_header(dict(signed.cookies)))):
        assert is_signed(URL, query, header, KEYS, begins)
        assert not is_signed(URL, query, header, KEYS, begins + SIGNED_SECONDS)
        assert not is_signed(URL.replace("private", "owner"), query, header, KEYS, begins)
    assert "Signature" not in repr(signed)
