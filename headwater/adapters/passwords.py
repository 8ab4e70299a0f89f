"""Stage 7 · passwords: Argon2id at rest, and the common ones refused. Both libraries load at first use."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from headwater.domain.accounts import MAX_PASSWORD_LENGTH

if TYPE_CHECKING:
    from argon2 import PasswordHasher

# OWASP Password Storage Cheat Sheet, second Argon2id configuration: 19 MiB, two passes, one lane; 22 ms here.
MEMORY_KIB = 19_456
PASSES = 2
LANES = 1

LEAST_STRENGTH = 2  # of zxcvbn's 0–4: more than 10⁶ guesses
_ZXCVBN_MAX_LENGTH = 72  # it refuses more, and its work grows with the square


@functools.cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


@functools.cache
def _nobodys_hash() -> str:
    return _hasher().hash("the password of nobody")


class Passwords:
    def hash(self, password: str) -> str:
        return _hasher().hash(password)

    def matches(self, password: str, stored: str | None) -> bool:
        """Whether `password` is the one behind `stored`. Takes as long when there is no such account (None)."""
        from argon2.exceptions import InvalidHashError, VerificationError

        candidate = password if len(password) <= MAX_PASSWORD_LENGTH else ""
        try:
            return _hasher().verify(stored or _nobodys_hash(), candidate) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` was made with other costs than today's."""
        return _hasher().check_needs_rehash(stored)

    def is_easily_guessed(self, password: str, *about_the_user: str) -> bool:
        from zxcvbn import zxcvbn

        strength = zxcvbn(password[:_ZXCVBN_MAX_LENGTH], user_inputs=list(about_the_user))["score"]
        return bool(strength < LEAST_STRENGTH)
