"""Before stage 6 · make the key pair that signs access to private media: the first one, or the next beside the one in use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from headwater.domain.ids import new_id
from headwater.domain.signing_keys import SigningKey, with_next_key

RSA_BITS = 2048  # the only size that CloudFront takes


class KeyRing(Protocol):
    def read(self) -> Sequence[SigningKey]: ...

    def write(self, keys: Sequence[SigningKey]) -> None: ...


def own_key_id(public_pem: str) -> str:  # noqa: ARG001 - a CDN names keys when it is given them
    return f"K{new_id()}"


def ensure_playback_key(ring: KeyRing, now: int, key_id: Callable[[str], str]) -> Sequence[SigningKey]:
    """The ring's keys; with a first one when there was none. `now` is Unix seconds; `key_id` names a public PEM."""
    return ring.read() or rotate_playback_key(ring, now, key_id)


def rotate_playback_key(ring: KeyRing, now: int, key_id: Callable[[str], str]) -> Sequence[SigningKey]:
    """Add a key that takes over once every edge knows it, and drop those whose signatures have all run out."""
    private_pem = _new_private_pem()
    keys = with_next_key(ring.read(), key_id(_public_half(private_pem)), private_pem, now)
    ring.write(keys)
    return keys


def revoke_playback_keys(ring: KeyRing, now: int, key_id: Callable[[str], str]) -> Sequence[SigningKey]:
    """Drop every key at once, for one that others may know, and sign with a new one. Who watches something private is let
    in again when their player next renews, and the edges know the new key by then."""
    private_pem = _new_private_pem()
    keys = with_next_key((), key_id(_public_half(private_pem)), private_pem, now)
    ring.write(keys)
    return keys


def public_pem(key: SigningKey) -> str:
    """The half that the key group is given."""
    return _public_half(key.private_pem)


def _public_half(private_pem: str) -> str:
    from cryptography.hazmat.primitives import serialization

    private = serialization.load_pem_private_key(private_pem.encode(), password=None)
    encoded = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded.decode()


def _new_private_pem() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()
