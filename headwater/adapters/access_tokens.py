"""Stage 7 · access tokens: JWTs signed with ES256, after RFC 8725 and RFC 9068. PyJWT loads at first use.

One algorithm, checked type, issuer, audience and expiry; keys come from our own list only, so whatever `jku`, `x5u` or `jwk`
a token's header names is never looked at.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headwater.domain.ids import UserId, new_id
from headwater.domain.refresh_tokens import ACCESS_TOKEN_SECONDS
from headwater.domain.signing_keys import SigningKey, current_key
from headwater.errors import DependencyUnavailable, Unauthenticated

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ALGORITHM = "ES256"
TYPE = "at+jwt"
AUDIENCE = "headwater-api"
MAX_TOKEN_LENGTH = 4096
CLOCK_LEEWAY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an access token speaks for."""

    user_id: UserId
    session_id: str


class AccessTokens:
    """Signs and verifies with the keys that `keys` answers with at that moment."""

    def __init__(self, keys: Callable[[], Sequence[SigningKey]], issuer: str, clock: Callable[[], float]) -> None:
        self._keys = keys
        self._issuer = issuer
        self._clock = clock

    def issue(self, identity: Identity) -> str:
        import jwt

        now = int(self._clock())
        key = current_key(self._keys(), now)
        if key is None:
            raise DependencyUnavailable("There is no key to sign tokens with. Deployment is not complete.")
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": identity.user_id,
            "sid": identity.session_id,
            "jti": new_id(),
            "iat": now,
            "exp": now + ACCESS_TOKEN_SECONDS,
        }
        headers = {"kid": key.kid, "typ": TYPE}
        return jwt.encode(claims, _private_key(key.private_pem), algorithm=ALGORITHM, headers=headers)

    def verify(self, token: str) -> Identity:
        """Raises Unauthenticated for every token that is not ours, not of this type, or not valid now."""
        import jwt

        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated
        try:
            header = jwt.get_unverified_header(token)
            key = next((key for key in self._keys() if key.kid == header.get("kid")), None)
            if key is None or header.get("typ") != TYPE:
                raise Unauthenticated
            claims = jwt.decode(
                token,
                _private_key(key.private_pem).public_key(),
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=CLOCK_LEEWAY_SECONDS,
                options={"require": ["iss", "aud", "sub", "sid", "jti", "iat", "exp"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated from error
        user_id, session_id = claims["sub"], claims["sid"]
        if not (user_id and isinstance(session_id, str) and session_id):
            raise Unauthenticated
        return Identity(user_id=UserId(user_id), session_id=session_id)

    def published(self) -> list[dict[str, Any]]:
        """The public halves as JSON Web Keys (RFC 7517), also of the key that is to sign next."""
        from jwt.algorithms import ECAlgorithm

        return [
            {
                **ECAlgorithm.to_jwk(_private_key(key.private_pem).public_key(), as_dict=True),
                "kid": key.kid,
                "alg": ALGORITHM,
                "use": "sig",
            }
            for key in self._keys()
        ]


@functools.lru_cache(maxsize=8)
def _private_key(pem: str) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey), "the token keys are P-256"  # noqa: S101 - for the type checker
    return key
