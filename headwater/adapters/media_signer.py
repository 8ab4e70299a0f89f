"""Stage 6 · signs access to the media that are not for everybody, with the key that CloudFront's key group knows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from headwater.domain.ids import StreamId
from headwater.domain.media_access import ENTRANCES, SIGNED_SECONDS, Audience
from headwater.domain.media_signature import (
    KEY_COOKIE,
    POLICY_COOKIE,
    SIGNATURE_COOKIE,
    SignedAccess,
    custom_policy,
    encode_for_cloudfront,
)
from headwater.domain.signing_keys import SigningKey, current_key
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


class MediaSigner:
    """`keys` are read at every signature, so that a new one is in use as soon as it has begun."""

    def __init__(self, keys: Callable[[], Sequence[SigningKey]], cdn_url: str, clock: Callable[[], float]) -> None:
        self._keys = keys
        self._cdn_url = cdn_url.rstrip("/")
        self._clock = clock

    def sign(self, stream_id: StreamId, entrance: Audience) -> SignedAccess:
        """Access to all of a stream that this entrance leads to. Raises DependencyUnavailable when there is no key."""
        now = int(self._clock())
        key = current_key(self._keys(), now)
        if key is None:
            raise DependencyUnavailable
        path = f"/{ENTRANCES[entrance]}{stream_id}/"
        expires_at = now + SIGNED_SECONDS
        policy = custom_policy(f"{self._cdn_url}{path}*", expires_at)
        cookies = {
            POLICY_COOKIE: encode_for_cloudfront(policy),
            SIGNATURE_COOKIE: encode_for_cloudfront(_signature(key.private_pem, policy)),
            KEY_COOKIE: key.kid,
        }
        return SignedAccess(path, cookies, expires_at)


def _signature(private_pem: str, policy: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    # SHA-1 is CloudFront's choice; nobody but us decides what is signed, so its collisions are no help to anybody.
    return _private_key(private_pem).sign(policy, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303  # nosec B303


@functools.lru_cache(maxsize=4)
def _private_key(pem: str) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # Our own key: testing its primes anew in every process would take longer than all its signatures.
    key = load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        raise DependencyUnavailable
    return key
