"""Stage 7 · passwords: Argon2id at rest, and the common ones refused. Both libraries load at first use.

Which are common is known from the lists in the package zxcvbn: passwords from leaks by how often they were seen, names,
words of English and of Wikipedia and television. docs/accounts.md says where these come from.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import TYPE_CHECKING, Any

from headwater.domain.accounts import MAX_PASSWORD_LENGTH

if TYPE_CHECKING:
    from argon2 import PasswordHasher

# OWASP Password Storage Cheat Sheet, second Argon2id configuration: 19 MiB, two passes, one lane; 22 ms here.
MEMORY_KIB = 19_456
PASSES = 2
LANES = 1

# What is verified when there is no such account: it costs what every other verification costs, from a process's first
# request on. Of a random password that nobody kept. A test holds its costs to those above.
NOBODYS_HASH = "$argon2id$v=19$m=19456,t=2,p=1$aqsJGDGRQ/I27wgEojOpSw$03ZL6gqvlkyCfKodY+gIAI59LD8LuOKKjIw7nqGvZn8"

LEAST_STRENGTH = 2  # of zxcvbn's 0–4: more than 10⁶ guesses
_ZXCVBN_MAX_LENGTH = 72  # it refuses more, and its work grows with the square
# What may stand for a letter. zxcvbn tries all combinations of what each may stand for: 3 s for 72 characters of these.
_LOOKALIKES = frozenset("4@8({[<369|1!705$+%2")
_MANY_LOOKALIKES = 8
_ENOUGH_OF_THOSE = 24  # characters; what begins like that is seldom weak


@functools.cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


class Passwords:
    def hash(self, password: str) -> str:
        return _hasher().hash(_normal(password))

    def matches(self, password: str, stored: str | None) -> bool:
        """Whether `password` is the one behind `stored`. Takes as long when there is no such account (None)."""
        from argon2.exceptions import InvalidHashError, VerificationError

        candidate = _normal(password) if len(password) <= MAX_PASSWORD_LENGTH else ""
        try:
            return _hasher().verify(stored or NOBODYS_HASH, candidate) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` was made with other costs than today's."""
        return _hasher().check_needs_rehash(stored)

    def objection(self, password: str, *about_the_user: str) -> str | None:
        """Why this password is refused, for the one who chose it; None when it is not."""
        from zxcvbn import zxcvbn

        known = [part for text in about_the_user for part in (text, text.partition("@")[0])]
        judged = _normal(password)[:_ZXCVBN_MAX_LENGTH]
        if len(_LOOKALIKES.intersection(judged)) > _MANY_LOOKALIKES:
            judged = judged[:_ENOUGH_OF_THOSE]
        found = zxcvbn(judged, user_inputs=["headwater", *known])
        return None if found["score"] >= LEAST_STRENGTH else _reason(found["sequence"])


def _reason(sequence: list[dict[str, Any]]) -> str:
    """What the weakest reading of a password, as zxcvbn takes it to pieces, consists of."""
    lists = {match.get("dictionary_name") for match in sequence}
    if "user_inputs" in lists:
        return "This password is too close to your own name or address. Choose another one."
    if len(sequence) == 1 and "passwords" in lists:
        return "This is one of the passwords that are used, and tried, most. Choose another one."
    return "This password is easy to guess. Choose a longer one, for example of several words."


def _normal(password: str) -> str:
    """One form for what keyboards write in several (NIST SP 800-63B § 5.1.1.2): é may be one character or two."""
    return unicodedata.normalize("NFKC", password)
