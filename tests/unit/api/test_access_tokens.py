"""Access tokens: what is in them, and every way to forge one that RFC 8725 and the CVEs of other libraries teach."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from functions.signing_keys.make_signing_key import revoke_signing_keys, rotate_signing_key
from headwater.adapters.access_tokens import AUDIENCE, MAX_TOKEN_LENGTH, AccessTokens, Identity
from headwater.domain.ids import UserId
from headwater.domain.signing_keys import PUBLISHED_BEFORE_USE_SECONDS, SigningKey
from headwater.errors import DependencyUnavailable, Unauthenticated

ISSUER = "https://api.example.org"
NOW = 1_800_000_000
ANA = Identity(UserId("ana"), "session-of-ana")
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


class Ring:
    """A key ring in memory."""

    def __init__(self) -> None:
        self.keys: tuple[SigningKey, ...] = ()

    def read(self) -> tuple[SigningKey, ...]:
        return self.keys

    def write(self, keys: Any) -> None:
        self.keys = tuple(keys)


class Issuer:
    """Our tokens, with a clock and keys that tests may move; and the means of somebody who forges them."""

    def __init__(self) -> None:
        self.clock, self.ring = Clock(), Ring()
        rotate_signing_key(self.ring, NOW - 1000)
        self.tokens = AccessTokens(self.ring.read, ISSUER, self.clock)

    @property
    def key(self) -> SigningKey:
        return self.ring.keys[0]

    @property
    def private_key(self) -> ec.EllipticCurvePrivateKey:
        loaded = serialization.load_pem_private_key(self.key.private_pem.encode(), password=None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return loaded

    @property
    def public_pem(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private_key.public_key().public_bytes(serialization.Encoding.PEM, form)

    def claims(self, **changes: Any) -> dict[str, Any]:
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "sid": "session-of-ana", "jti": "1", "iat": NOW, "exp": NOW + 600,
        }  # fmt: skip
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def signed(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """By our own key, with whatever header and claims."""
        headers = {"kid": self.key.kid, "typ": "at+jwt", **(header or {})}
        return jwt.encode(self.claims(**claims), self.key.private_pem, algorithm="ES256", headers=headers)

    def assembled(self, header: Any, claims: Any, sign: Callable[[bytes], bytes]) -> str:
        """From parts that no library would put together."""
        signed = b".".join(encoded(part) for part in (header, claims))
        return (signed + b"." + encoded(sign(signed))).decode()

    def signature(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self.private_key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    @property
    def header(self) -> dict[str, Any]:
        return {"alg": "ES256", "kid": self.key.kid, "typ": "at+jwt"}


def encoded(part: Any) -> bytes:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    made = Issuer()

    class Frozen(jwt.api_jwt.datetime):  # type: ignore[misc,name-defined]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(made.clock.now, tz)

    monkeypatch.setattr(jwt.api_jwt, "datetime", Frozen)
    yield made


def refused(issuer: Issuer, token: str) -> bool:
    try:
        issuer.tokens.verify(token)
    except Unauthenticated:
        return True
    return False


def test_a_token_says_who_for_whom_by_whom_and_until_when(issuer: Issuer) -> None:
    token = issuer.tokens.issue(ANA)
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": issuer.key.kid}
    assert claims.pop("jti") != jwt.decode(issuer.tokens.issue(ANA), options={"verify_signature": False})["jti"]
    assert claims == {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "sid": "session-of-ana", "iat": NOW, "exp": NOW + 600,
    }  # fmt: skip
    assert issuer.tokens.verify(token) == ANA
    assert issuer.tokens.verify(issuer.signed()) == ANA, "what the forgeries below are made from is good"
    assert issuer.tokens.verify(issuer.assembled(issuer.header, issuer.claims(), issuer.signature)) == ANA


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_a_token_without_a_signature(issuer: Issuer, algorithm: str) -> None:
    """RFC 8725 § 3.1; CVE-2015-9235, and CVE-2018-1000531 for the spelling."""
    header = {**issuer.header, "alg": algorithm}
    assert refused(issuer, issuer.assembled(header, issuer.claims(), lambda _: b""))
    assert refused(issuer, issuer.assembled(header, issuer.claims(), issuer.signature))


@pytest.mark.parametrize("form", ["pem", "der", "point", "jwk"])
def test_our_public_key_as_the_secret_of_an_hmac(issuer: Issuer, form: str) -> None:
    """RFC 8725 § 2.1; CVE-2016-10555, CVE-2022-29217 (PyJWT), CVE-2024-33663 (python-jose)."""
    public = issuer.private_key.public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    secret = {
        "pem": issuer.public_pem, "der": der, "point": point, "jwk": json.dumps(issuer.tokens.published()[0]).encode(),
    }[form]  # fmt: skip
    for algorithm, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
        header = {**issuer.header, "alg": algorithm}
        forged = issuer.assembled(header, issuer.claims(), lambda m, d=digest: hmac.new(secret, m, d).digest())  # type: ignore[misc]
        assert refused(issuer, forged)


def test_a_key_of_the_forgers_own(issuer: Issuer) -> None:
    """RFC 8725 § 3.10: what a header brings, and where it points, is not looked at (CVE-2018-0114)."""
    own = ec.generate_private_key(ec.SECP256R1())
    pem = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(own.public_key(), as_dict=True)
    for header in (
        {},
        {"jwk": jwk},
        {"jku": "https://forger.example/jwks.json"},
        {"x5u": "https://forger.example/chain.pem"},
        {"x5c": [base64.b64encode(b"a certificate").decode()]},
        {"jwk": jwk, "kid": "of the forger"},
    ):
        headers = {"kid": issuer.key.kid, "typ": "at+jwt", **header}
        assert refused(issuer, jwt.encode(issuer.claims(), pem, algorithm="ES256", headers=headers))


def test_headers_that_point_elsewhere_are_ignored_when_the_signature_is_ours(issuer: Issuer) -> None:
    assert issuer.tokens.verify(issuer.signed({"jku": "http://127.0.0.1:9/keys", "x5u": "file:///etc/passwd"})) == ANA


@pytest.mark.parametrize(
    "kid",
    [
        None, "", "../../../../dev/null", "/dev/null", "' OR '1'='1", "'; DROP TABLE users; --", "\x00", "| id",
        "http://forger.example/key", ["first"], {"$ne": ""}, 1, True, "x" * 2000,
    ],
)  # fmt: skip
def test_a_key_id_is_compared_and_nothing_else(issuer: Issuer, kid: Any) -> None:
    """RFC 8725 § 3.10: it is no path, no query and no address. And without one there is no key to try."""
    header = {name: value for name, value in {**issuer.header, "kid": kid}.items() if value is not None}
    assert refused(issuer, issuer.assembled(header, issuer.claims(), issuer.signature))
    assert refused(issuer, issuer.assembled(header, issuer.claims(), lambda m: hmac.new(b"", m, "sha256").digest()))


@pytest.mark.parametrize("type_", ["JWT", "jwt", "playback+jwt", "application/at+jwt", "", None, 1, ["at+jwt"]])
def test_a_token_of_ours_for_something_else(issuer: Issuer, type_: Any) -> None:
    """RFC 8725 § 3.11 and 3.12: types keep kinds of tokens apart."""
    header = {name: value for name, value in {**issuer.header, "typ": type_}.items() if value is not None}
    assert refused(issuer, issuer.assembled(header, issuer.claims(), issuer.signature))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-api"}, {"aud": None}, {"aud": []}, {"aud": ""}, {"aud": [1]}, {"aud": {"headwater-api": 1}},
        {"iss": "https://forger.example"}, {"iss": None}, {"iss": f"{ISSUER}/"}, {"iss": [ISSUER]}, {"iss": ""},
        {"exp": NOW - 6}, {"exp": None}, {"exp": "never"}, {"exp": -1}, {"exp": [NOW + 600]}, {"exp": {}},
        {"iat": NOW + 60}, {"iat": None}, {"iat": "today"}, {"nbf": NOW + 60}, {"nbf": "tomorrow"},
        {"sub": None}, {"sub": 1}, {"sub": ["ana"]}, {"sub": ""}, {"sid": None}, {"sid": 1}, {"sid": ""}, {"sid": ["x"]},
        {"jti": None},
    ],
    ids=str,
)  # fmt: skip
def test_claims_that_are_missing_wrong_or_over(issuer: Issuer, claims: dict[str, Any]) -> None:
    """RFC 8725 § 3.8 and 3.9; CVE-2024-53861 (PyJWT) took a part of the issuer for the issuer."""
    kept = {**issuer.claims(), **claims}
    forged = {name: value for name, value in kept.items() if value is not None}
    assert refused(issuer, issuer.assembled(issuer.header, forged, issuer.signature))


def test_a_part_of_the_issuers_name_is_not_the_issuer(issuer: Issuer) -> None:
    for part in ("https://api.example.or", "api.example.org", "h", ISSUER + "."):
        assert refused(issuer, issuer.signed(iss=part))


def test_a_token_ends_with_its_time(issuer: Issuer) -> None:
    token = issuer.tokens.issue(ANA)
    issuer.clock.now = NOW + 600
    assert issuer.tokens.verify(token) == ANA, "clocks differ a little"
    issuer.clock.now = NOW + 606
    assert refused(issuer, token)


@pytest.mark.parametrize(
    "signature", [bytes(64), b"", bytes(63), bytes(65), ORDER.to_bytes(32, "big") * 2, b"\xff" * 64]
)
def test_signatures_that_are_none(issuer: Issuer, signature: bytes) -> None:
    """r = s = 0 (CVE-2022-21449, "psychic signatures"), the order itself, and wrong lengths."""
    assert refused(issuer, issuer.assembled(issuer.header, issuer.claims(), lambda _: signature))


def test_a_signature_in_another_encoding(issuer: Issuer) -> None:
    """RFC 7518 § 3.4: R and S, 32 octets each. DER is for others."""

    def der(message: bytes) -> bytes:
        r, s = decode_dss_signature(issuer.private_key.sign(message, ec.ECDSA(hashes.SHA256())))
        return encode_dss_signature(r, s)

    assert refused(issuer, issuer.assembled(issuer.header, issuer.claims(), der))


def test_any_other_algorithm_also_with_its_own_right_key(issuer: Issuer) -> None:
    """RFC 8725 § 3.1 and 3.2: one algorithm, whatever the library knows."""
    other = rsa.generate_private_key(65537, 2048)
    for algorithm, key in (("RS256", other), ("PS256", other), ("ES384", ec.generate_private_key(ec.SECP384R1()))):
        headers = {"kid": issuer.key.kid, "typ": "at+jwt"}
        assert refused(issuer, jwt.encode(issuer.claims(), key, algorithm=algorithm, headers=headers))


def test_extensions_that_nobody_understands(issuer: Issuer) -> None:
    """RFC 7515 § 4.1.11: `crit` has to be understood or the token refused (CVE-2026-32597, PyJWT). RFC 7797: `b64`."""
    extensions: tuple[dict[str, Any], ...] = (
        {"crit": ["exp"]},
        {"crit": ["unknown"], "unknown": 1},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
    )
    for extension in extensions:
        assert refused(issuer, issuer.assembled({**issuer.header, **extension}, issuer.claims(), issuer.signature))


def test_a_tampered_token(issuer: Issuer) -> None:
    header, claims, signature = issuer.tokens.issue(ANA).split(".")
    other = encoded(issuer.claims(sub="somebody else")).decode()
    for forged in (
        f"{header}.{other}.{signature}", f"{header}.{claims}.{signature[:-2]}", f"{header}.{claims}.", f"{header}.{claims}",
        f"{header}..{signature}", f".{claims}.{signature}", f"{header}.{claims}.{signature}.{signature}", "..", "",
        f" {header}.{claims}.{signature}", f"{header}.{claims}.{signature}=\n",
    ):  # fmt: skip
        assert refused(issuer, forged), forged


@pytest.mark.parametrize(
    "header",
    [b"{", b"[]", b"null", b'"ES256"', b"\xff\xfe", b"[" * 2400, b'{"alg":' * 300, b"{}", b"1" * 2400, b"\x78\x9c" * 9],
    ids=[
        "cut short",
        "list",
        "null",
        "string",
        "no text",
        "deep list",
        "deep object",
        "empty",
        "huge number",
        "deflated",
    ],
)
def test_a_header_that_is_no_header(issuer: Issuer, header: bytes) -> None:
    assert refused(issuer, issuer.assembled(header, issuer.claims(), issuer.signature))
    assert refused(issuer, issuer.assembled(issuer.header, header, issuer.signature)), "nor are these claims"


def test_a_huge_token_is_refused_unread(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt, "get_unverified_header", lambda _: pytest.fail("it was looked at"))
    assert refused(issuer, issuer.tokens.issue(ANA) + "A" * MAX_TOKEN_LENGTH)


def test_an_encrypted_token_is_none_of_ours(issuer: Issuer) -> None:
    """RFC 8725 § 2.3: five parts are a JWE, whatever it would expand to."""
    header = encoded({"alg": "dir", "enc": "A256GCM", "zip": "DEF", "kid": issuer.key.kid, "typ": "at+jwt"}).decode()
    assert refused(issuer, f"{header}..{'A' * 16}.{'A' * 40}.{'A' * 22}")


def test_the_public_list_shows_no_private_key(issuer: Issuer) -> None:
    [shown] = issuer.tokens.published()
    assert set(shown) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (shown["kty"], shown["crv"], shown["alg"], shown["use"]) == ("EC", "P-256", "ES256", "sig")


def test_others_can_verify_by_the_public_list(issuer: Issuer) -> None:
    token = issuer.tokens.issue(ANA)
    keys = jwt.PyJWKSet.from_dict({"keys": issuer.tokens.published()})
    claims = jwt.decode(token, keys[jwt.get_unverified_header(token)["kid"]], audience=AUDIENCE, issuer=ISSUER)
    assert claims["sub"] == "ana"


def test_a_rotation_is_noticed_by_nobody(issuer: Issuer) -> None:
    """Old and new overlap: published before it signs, and after it has signed for as long as its tokens live."""
    before = issuer.tokens.issue(ANA)
    old = issuer.key.kid
    rotate_signing_key(issuer.ring, NOW)
    assert [shown["kid"] for shown in issuer.tokens.published()] == [old, issuer.ring.keys[1].kid]
    issuer.clock.now = NOW + PUBLISHED_BEFORE_USE_SECONDS - 1
    assert jwt.get_unverified_header(issuer.tokens.issue(ANA))["kid"] == old
    issuer.clock.now = NOW + PUBLISHED_BEFORE_USE_SECONDS
    after = issuer.tokens.issue(ANA)
    assert jwt.get_unverified_header(after)["kid"] == issuer.ring.keys[1].kid
    assert issuer.tokens.verify(before) == issuer.tokens.verify(after) == ANA
    issuer.clock.now = NOW + 606
    assert refused(issuer, before)
    assert issuer.tokens.verify(after) == ANA


def test_a_key_that_others_know_is_gone_at_once_and_with_it_its_tokens(issuer: Issuer) -> None:
    before = issuer.tokens.issue(ANA)
    rotate_signing_key(issuer.ring, NOW)
    revoke_signing_keys(issuer.ring, NOW)
    assert refused(issuer, before)
    assert len(issuer.tokens.published()) == 1
    assert issuer.tokens.verify(issuer.tokens.issue(ANA)) == ANA


def test_without_a_key_nobody_is_signed_in_and_nothing_is_signed(issuer: Issuer) -> None:
    token = issuer.tokens.issue(ANA)
    issuer.ring.keys = ()
    assert refused(issuer, token)
    with pytest.raises(DependencyUnavailable):
        issuer.tokens.issue(ANA)
