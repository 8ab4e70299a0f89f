"""Stages 1 and 2 · the secrets that sign hooks: which one nodes are started with, and which are accepted beside it.

A node has the secret that it was started with for as long as it lives. So when one secret follows another, the former is
accepted for a while; and a new one is accepted before any node can have it, for who checks hooks may have read the secrets a
minute ago.
"""

from __future__ import annotations

from dataclasses import dataclass

# Longer than from one rotation to the next, and than any publisher keeps its node from being replaced.
OVERLAP_SECONDS = 31 * 24 * 3600


@dataclass(frozen=True, slots=True)
class AcceptedSecret:
    secret: str
    until: int  # Unix seconds

    def __repr__(self) -> str:
        return f"AcceptedSecret(until={self.until})"


@dataclass(frozen=True, slots=True)
class HookSecrets:
    """`secret` is what nodes that start now sign with."""

    secret: str
    accepted_too: tuple[AcceptedSecret, ...] = ()

    def accepted(self, now: int) -> tuple[bytes, ...]:
        """Everything that a hook may be signed with at `now` (Unix seconds)."""
        return (self.secret.encode(), *(each.secret.encode() for each in self.accepted_too if now < each.until))

    def __repr__(self) -> str:
        return f"HookSecrets(accepted_too={self.accepted_too!r})"


def announced(secrets: HookSecrets, new: str, now: int) -> HookSecrets:
    """`new` is accepted, and signs nothing yet."""
    return HookSecrets(secrets.secret, (*_not_over(secrets, now), AcceptedSecret(new, now + OVERLAP_SECONDS)))


def in_use(secrets: HookSecrets, new: str, now: int) -> HookSecrets:
    """Nodes are started with `new`; those that were started with the one before are heard until the overlap is over."""
    others = tuple(each for each in _not_over(secrets, now) if each.secret != new)
    return HookSecrets(new, (*others, AcceptedSecret(secrets.secret, now + OVERLAP_SECONDS)))


def _not_over(secrets: HookSecrets, now: int) -> tuple[AcceptedSecret, ...]:
    return tuple(each for each in secrets.accepted_too if now < each.until)
