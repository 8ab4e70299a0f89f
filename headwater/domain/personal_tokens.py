"""Stage 7 · personal access tokens: what bots and integrations speak with, each allowed what its scopes say and no more.

A token is `hwp_`, 32 random characters of base 62 (190 bits), and a checksum of six: CRC-32 in base 62. The prefix and the
checksum let scanners of published code tell a leaked token from a random string without asking us
(github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats).
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from headwater.domain.ids import UserId

PREFIX = "hwp_"
LONGEST_LIFE_DAYS = 366
MOST_TOKENS = 50  # of one account, that have not expired
LAST_USE_SECONDS = 60  # how exactly the last use is known

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARACTERS = 32
_CHECKSUM_CHARACTERS = 6
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_CHARACTERS + _CHECKSUM_CHARACTERS}}}", re.ASCII)


class Scope(StrEnum):
    """`read:` sees what its owner sees, `write:` changes it; neither implies the other."""

    READ_ACCOUNT = "read:account"
    WRITE_ACCOUNT = "write:account"
    READ_STREAMS = "read:streams"
    WRITE_STREAMS = "write:streams"
    READ_STREAM_KEYS = "read:stream_keys"
    WRITE_STREAM_KEYS = "write:stream_keys"
    READ_CHAT = "read:chat"
    WRITE_CHAT = "write:chat"
    READ_MODERATION = "read:moderation"
    WRITE_MODERATION = "write:moderation"


@dataclass(frozen=True, slots=True)
class PersonalToken:
    token_id: str
    user_id: UserId
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


def new_personal_token() -> str:
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    return f"{PREFIX}{body}{_checksum(body)}"


def is_personal_token(text: str) -> bool:
    """Whether `text` claims to be a personal token, rather than an access token; it need not be one that we issued."""
    return text.startswith(PREFIX)


def is_well_formed(token: str) -> bool:
    """Whether its checksum holds: a mistyped token is refused without a look at the database."""
    if _FORM.fullmatch(token) is None:
        return False
    body, checksum = token[len(PREFIX) : -_CHECKSUM_CHARACTERS], token[-_CHECKSUM_CHARACTERS:]
    return _checksum(body) == checksum


def personal_token_hash(token: str) -> bytes:
    """The form in which a token rests in the database: too many bits to guess, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def _checksum(body: str) -> str:
    value = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECKSUM_CHARACTERS):  # 62⁶ > 2³²
        value, digit = divmod(value, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
