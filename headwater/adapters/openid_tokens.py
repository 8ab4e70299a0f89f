"""Stage 7 · ID tokens: what makes a provider's word worth believing (OpenID Connect Core §3.1.3.7, RFC 8725).

Keys come from the provider's key set, which was fetched from where its own discovery document says; what `jku`, `x5u`, `jwk`
or `x5c` a token's header names is never looked at. Only signatures with a public key count: a client secret signs nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jwt

from headwater.domain.sign_in_providers import MAX_SUBJECT_LENGTH
from headwater.errors import SignInFailed

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
CLOCK_LEEWAY_SECONDS = 30
MAX_TOKEN_LENGTH = 16 * 1024

Jwk = Mapping[str, Any]


class UnknownKey(SignInFailed):
    """Signed with a key that is not in the set: the provider may have begun to use a new one."""


def verified_claims(
    id_token: str, keys: Sequence[Jwk], *, issuer: str, client_id: str, nonce: str, algorithms: Collection[str]
) -> dict[str, Any]:
    """The claims of a token that this issuer signed, for this client, in answer to this sign-in, and still valid.

    Raises UnknownKey; SignInFailed for every other token.
    """
    if len(id_token) > MAX_TOKEN_LENGTH:
        raise SignInFailed
    try:
        header = jwt.get_unverified_header(id_token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS or algorithm not in algorithms:
            raise SignInFailed
        key = jwt.PyJWK(dict(_signing_key(keys, header.get("kid"), algorithm)), algorithm)
        claims: dict[str, Any] = jwt.decode(
            id_token,
            key.key,
            algorithms=[algorithm],
            audience=client_id,
            issuer=issuer,
            leeway=CLOCK_LEEWAY_SECONDS,
            options={"require": ["iss", "aud", "sub", "iat", "exp"], "enforce_minimum_key_length": True},
        )
    except (jwt.PyJWTError, TypeError, ValueError):
        raise SignInFailed from None  # the cause may quote the token
    _check_party(claims, client_id)
    if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise SignInFailed
    if not 1 <= len(claims["sub"]) <= MAX_SUBJECT_LENGTH:
        raise SignInFailed
    return claims


def _signing_key(keys: Sequence[Jwk], kid: object, algorithm: str) -> Jwk:
    """The one key that the token can have been signed with; without a `kid`, only if there is no choice."""
    usable = [
        key
        for key in keys
        if key.get("kty") == _key_type(algorithm)
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    ]
    if not usable:
        raise UnknownKey
    if len(usable) > 1:
        raise SignInFailed
    return usable[0]


def _key_type(algorithm: str) -> str:
    if algorithm.startswith("ES"):
        return "EC"
    return "OKP" if algorithm == "EdDSA" else "RSA"


def _check_party(claims: Mapping[str, Any], client_id: str) -> None:
    """A token for several audiences says which of them it was made for; it must be us."""
    party = claims.get("azp")
    if party is None and claims["aud"] not in (client_id, [client_id]):
        raise SignInFailed
    if party is not None and party != client_id:
        raise SignInFailed
