"""Stage 7 · the keys that sign access tokens and access to media: which one signs now, and how one follows another in time.

A new key is published before it signs, for verifiers keep the old list for a while; an old key stays published until every
token that it signed has run out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PUBLISHED_BEFORE_USE_SECONDS = 300
KEPT_AFTER_USE_SECONDS = 3600  # longer than an access token lives and its verifiers' clocks differ


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`not_before` (Unix seconds) is when the key begins to sign. `private_pem` is PKCS #8, P-256."""

    kid: str
    private_pem: str
    not_before: int

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r}, not_before={self.not_before})"


def current_key(keys: Sequence[SigningKey], now: int) -> SigningKey | None:
    """The key that signs at `now`: the youngest that has begun."""
    begun = [key for key in keys if key.not_before <= now]
    return max(begun, key=lambda key: key.not_before, default=None)


def with_next_key(keys: Sequence[SigningKey], kid: str, private_pem: str, now: int) -> tuple[SigningKey, ...]:
    """`keys` and a new one, less those that signed nothing that could still be valid. The first key signs at once."""
    begins = now + PUBLISHED_BEFORE_USE_SECONDS if current_key(keys, now) else now
    return (*_still_needed(keys, now), SigningKey(kid, private_pem, begins))


def _still_needed(keys: Sequence[SigningKey], now: int) -> tuple[SigningKey, ...]:
    ordered = sorted(keys, key=lambda key: key.not_before)
    successors = [key.not_before for key in ordered[1:]]
    kept = [
        key
        for key, replaced_at in zip(ordered, [*successors, None], strict=False)
        if replaced_at is None or now - replaced_at < KEPT_AFTER_USE_SECONDS
    ]
    return tuple(kept)
