"""ID tokens: one right one, and every wrong one (OpenID Connect Core §3.1.3.7, RFC 8725)."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from headwater.adapters.openid_tokens import ALGORITHMS, UnknownKey, verified_claims
from headwater.errors import SignInFailed

ISSUER = "https://accounts.example"
CLIENT = "headwater"
NONCE = "a nonce of this sign-in"


@functools.cache
def rsa_key(bits: int = 2048, _which: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, **more: Any) -> dict[str, Any]:
    kinds: list[tuple[type, Any]] = [
        (rsa.RSAPrivateKey, RSAAlgorithm), (ec.EllipticCurvePrivateKey, ECAlgorithm), (ed25519.Ed25519PrivateKey, OKPAlgorithm),
    ]  # fmt: skip
    [algorithm] = [found for kind, found in kinds if isinstance(key, kind)]
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": "1", **more}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": CLIENT, "sub": "4711", "iat": now, "exp": now + 300, "nonce": NONCE, **changes}
    return {name: value for name, value in whole.items() if value is not None}


def signed(body: Mapping[str, Any], key: Any = None, algorithm: str = "RS256", **header: Any) -> str:
    return jwt.encode(dict(body), key or rsa_key(), algorithm=algorithm, headers={"kid": "1", **header})


def check(token: str, *keys: Mapping[str, Any], algorithms: tuple[str, ...] = tuple(ALGORITHMS)) -> dict[str, Any]:
    return verified_claims(
        token, keys or (jwk(rsa_key()),), issuer=ISSUER, client_id=CLIENT, nonce=NONCE, algorithms=algorithms
    )


def by_hand(header: Mapping[str, Any], body: Mapping[str, Any], secret: bytes = b"") -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (header, body)]
    signature = hmac.new(secret, b".".join(parts), hashlib.sha256).digest() if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


@pytest.mark.parametrize(
    ("key", "algorithm"), [(rsa_key, "RS256"), (rsa_key, "PS256"), (ec_key, "ES256"), (ed_key, "EdDSA")]
)
def test_a_right_token_says_who_it_is(key: Any, algorithm: str) -> None:
    assert check(signed(claims(), key(), algorithm), jwk(key(), use="sig"))["sub"] == "4711"


def test_without_a_kid_the_only_key_is_meant_and_a_choice_is_none() -> None:
    token = jwt.encode(claims(), rsa_key(), algorithm="RS256")
    other = jwk(rsa_key(2048, 1), kid="2")
    assert check(token, jwk(rsa_key()), jwk(ec_key(), kid="3"))["sub"] == "4711"
    with pytest.raises(SignInFailed):
        check(token, jwk(rsa_key()), other)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://attacker.example"},
        {"iss": ISSUER + "/"},
        {"iss": None},
        {"aud": "somebody-else"},
        {"aud": None},
        {"aud": []},
        {"aud": [CLIENT, "somebody-else"]},
        {"aud": [CLIENT, "somebody-else"], "azp": "somebody-else"},
        {"azp": "somebody-else"},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"nonce": ""},
        {"nonce": ["a nonce of this sign-in"]},
        pytest.param({"exp": int(time.time()) - 60}, id="expired"),
        {"exp": None},
        {"exp": "soon"},
        pytest.param({"iat": int(time.time()) + 600}, id="issued in the future"),
        {"iat": None},
        pytest.param({"nbf": int(time.time()) + 600}, id="not valid yet"),
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": 4711},
    ],
    ids=str,
)
def test_a_token_that_says_something_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SignInFailed):
        check(signed(claims(**changes)))


def test_several_audiences_are_fine_when_we_are_the_party_it_was_made_for() -> None:
    assert check(signed(claims(aud=[CLIENT, "an-api"], azp=CLIENT)))["sub"] == "4711"


def test_a_token_that_is_not_signed_is_refused() -> None:
    for algorithm in ("none", "None", "", None, 5, ["RS256"]):
        with pytest.raises(SignInFailed):
            check(by_hand({"alg": algorithm, "kid": "1"}, claims()))


def test_a_public_key_is_no_secret_to_sign_with() -> None:
    """Algorithm confusion (CVE-2016-10555): HS256 over the PEM that everybody can fetch."""
    pem = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(jwk(rsa_key())).encode(), CLIENT.encode()):
        with pytest.raises(SignInFailed):
            check(by_hand({"alg": "HS256", "kid": "1"}, claims(), secret))


def test_a_symmetric_key_in_the_set_signs_nothing() -> None:
    octets = {"kty": "oct", "kid": "1", "k": base64.urlsafe_b64encode(b"k" * 32).decode()}
    with pytest.raises(SignInFailed):
        check(by_hand({"alg": "HS256", "kid": "1"}, claims(), b"k" * 32), octets, algorithms=("HS256",))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": jwk(rsa_key(2048, 1))},
        {"jku": "https://attacker.example/keys", "kid": "2"},
        {"x5u": "https://attacker.example/certificate", "kid": "../../keys"},
        {"kid": "' OR 1=1 --"},
    ],
    ids=lambda header: next(iter(header)),
)
def test_a_key_that_the_token_brings_along_is_not_looked_at(header: dict[str, Any]) -> None:
    with pytest.raises(SignInFailed):
        check(signed(claims(), rsa_key(2048, 1), **header))


def test_a_key_that_is_not_in_the_set_is_told_from_a_wrong_signature() -> None:
    with pytest.raises(UnknownKey):
        check(signed(claims(), kid="2"))
    with pytest.raises(SignInFailed) as refused:
        check(signed(claims(), rsa_key(2048, 1)))
    assert refused.type is SignInFailed


@pytest.mark.parametrize("purpose", [{"use": "enc"}, {"alg": "RS512"}])
def test_a_key_is_used_for_what_it_is_published_for(purpose: dict[str, str]) -> None:
    with pytest.raises(SignInFailed):
        check(signed(claims()), jwk(rsa_key(), **purpose))


def test_an_algorithm_that_the_provider_does_not_announce_is_refused() -> None:
    with pytest.raises(SignInFailed):
        check(signed(claims()), algorithms=("ES256",))


def test_a_short_key_is_refused() -> None:
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = signed(claims(), rsa_key(1024))
    with pytest.raises(SignInFailed):
        check(token, jwk(rsa_key(1024)))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 20_000, "é.é.é", "\x00"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(SignInFailed):
        check(token)


@pytest.mark.parametrize("key", [{}, {"kty": "RSA"}, {"kty": "RSA", "kid": "1", "n": 5, "e": None}, {"kty": []}])
def test_a_set_of_nonsense_proves_nothing(key: dict[str, Any]) -> None:
    with pytest.raises(SignInFailed):
        check(signed(claims()), key)


def test_a_refusal_does_not_repeat_the_token() -> None:
    token = signed(claims(aud="somebody-else"))
    with pytest.raises(SignInFailed) as refused:
        check(token)
    assert refused.value.__cause__ is None
    assert token not in repr(refused.value)
