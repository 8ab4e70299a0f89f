"""Before stage 7 · make the key that signs access tokens: the first one, or the next one beside the one in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from headwater.domain.ids import new_id
from headwater.domain.signing_keys import SigningKey, with_next_key


class KeyRing(Protocol):
    def read(self) -> Sequence[SigningKey]: ...

    def write(self, keys: Sequence[SigningKey]) -> None: ...


def ensure_signing_key(ring: KeyRing, now: int) -> Sequence[SigningKey]:
    """The ring's keys; with a first one when there was none. `now` is Unix seconds."""
    return ring.read() or rotate_signing_key(ring, now)


def rotate_signing_key(ring: KeyRing, now: int) -> Sequence[SigningKey]:
    """Add a key that takes over once every verifier has seen it, and drop those that nobody needs any more."""
    keys = with_next_key(ring.read(), new_id(), _new_private_pem(), now)
    ring.write(keys)
    return keys


def revoke_signing_keys(ring: KeyRing, now: int) -> Sequence[SigningKey]:
    """Drop every key at once, for one that others may know, and sign with a new one. No token from before is good any
    more; whoever is signed in gets the next one by their refresh token."""
    keys = with_next_key((), new_id(), _new_private_pem(), now)
    ring.write(keys)
    return keys


def _new_private_pem() -> str:
    """An ES256 key: P-256 (RFC 7518 §3.4), as unencrypted PKCS #8."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()
