"""Stage 7 · access and refresh tokens: how long they live, and what becomes of a session when one is shown.

A session is a family of refresh tokens: each may be used once and is then replaced by the next. A token shown twice was
copied by somebody, and nobody can tell who is who, so the whole family ends (RFC 9700 §4.14.2).

One who shows a used token again is not a thief but a client that never got the answer, when it proves that it is the same
one: by the same `Idempotency-Key`, a random value that it made for that call and never sent elsewhere. While the successor
is unused, and for RETRY_LIFE only, such a retry is given the same successor. For that the successor rests beside the used
token, sealed with the two things that the database does not have: the token itself, and the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from headwater.domain.ids import UserId

ACCESS_TOKEN_SECONDS = 600
REFRESH_TOKEN_LIFE = timedelta(days=30)  # of one token: a session that is used at least monthly goes on
SESSION_LIFE = timedelta(days=365)  # of the family, however often it is refreshed
RETRY_LIFE = timedelta(minutes=1)  # clients that get no answer try again within seconds
MAX_REFRESH_TOKEN_LENGTH = 128
MIN_RETRY_KEY_LENGTH = 16  # a shorter one could be guessed, and proves nothing

_PREFIX = "hwr_"  # what scanners for leaked secrets, and our own logger, know it by
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class ShownToken:
    """What is known of a refresh token that somebody shows, read under a lock on its session.

    `used_at` is None for one that is not used yet; `sealed_successor` is None when no retry can be served any more.
    """

    session_id: str
    user_id: UserId
    expires_at: datetime
    used_at: datetime | None
    session_ended: bool
    sealed_successor: bytes | None = None


class Verdict(StrEnum):
    ROTATE = "rotate"
    RETRY = "retry"  # perhaps: the retry key has to unseal the successor
    REUSED = "reused"  # end the session
    REFUSED = "refused"


def judge(shown: ShownToken | None, now: datetime) -> Verdict:
    """What to do with a refresh token. Use after the session's end is refused, but is no news any more."""
    if shown is None or shown.session_ended:
        return Verdict.REFUSED
    if shown.used_at is not None:
        may_be_retry = shown.sealed_successor is not None and now - shown.used_at < RETRY_LIFE
        return Verdict.RETRY if may_be_retry else Verdict.REUSED
    return Verdict.ROTATE if now < shown.expires_at else Verdict.REFUSED


def new_refresh_token() -> str:
    """256 random bits: too many to guess, so that a fast hash is enough to keep them by."""
    return _text(secrets.token_bytes(_TOKEN_BYTES))


def refresh_token_hash(token: str) -> bytes:
    """The form in which a refresh token rests in the database."""
    return hashlib.sha256(token.encode()).digest()


def proves_a_retry(retry_key: str | None) -> bool:
    return retry_key is not None and len(retry_key) >= MIN_RETRY_KEY_LENGTH


def seal_successor(used: str, retry_key: str, successor: str) -> bytes:
    """`successor` as it rests beside `used`: a one-time pad, since a token is used, and so seals, once."""
    return _xor(_bytes(successor), _pad(used, retry_key))


def unseal_successor(used: str, retry_key: str, sealed: bytes) -> str:
    """What was sealed; with another token or key, some token that there never was."""
    return _text(_xor(sealed, _pad(used, retry_key)))


def _pad(used: str, retry_key: str) -> bytes:
    return hmac.digest(used.encode(), b"successor\0" + retry_key.encode(), "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _text(random: bytes) -> str:
    return _PREFIX + base64.urlsafe_b64encode(random).decode().rstrip("=")


def _bytes(token: str) -> bytes:
    return base64.urlsafe_b64decode(token.removeprefix(_PREFIX) + "=")
