"""Identifiers: opaque, URL-safe, and ordered by creation where that helps a database index."""

from __future__ import annotations

import re
import secrets
import time
from typing import NewType

UserId = NewType("UserId", str)
StreamId = NewType("StreamId", str)
BroadcastId = NewType("BroadcastId", str)
MessageId = NewType("MessageId", str)
WorkerId = NewType("WorkerId", str)
ConnectionId = NewType("ConnectionId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_TIME_CHARACTERS = 9  # 45 bits of milliseconds: good until the year 3084
_RANDOM_CHARACTERS = 13  # 65 random bits: ids cannot be guessed from one another
ID_LENGTH = _TIME_CHARACTERS + _RANDOM_CHARACTERS
ID_PATTERN = re.compile(rf"^[{_ALPHABET}]{{{ID_LENGTH}}}$")


def _base32(value: int, characters: int) -> str:
    return "".join(_ALPHABET[(value >> (5 * place)) & 31] for place in reversed(range(characters)))


def new_id() -> str:
    """A fresh 22-character id: creation time in milliseconds, then 65 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    return _base32(milliseconds, _TIME_CHARACTERS) + _base32(secrets.randbits(65), _RANDOM_CHARACTERS)


def id_bound(milliseconds: int) -> str:
    """What sorts after every id that was made before that moment (Unix), and before every later one."""
    return _base32(milliseconds, _TIME_CHARACTERS)


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id; check this before an id from outside reaches a path, a key or a query."""
    return ID_PATTERN.fullmatch(text) is not None
