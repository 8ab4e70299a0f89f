"""Stage 7 · access and refresh tokens: how long they live, and what becomes of a session when one is shown.

A session is a family of refresh tokens: each may be used once and is then replaced by the next. A token shown twice was
copied by somebody, and nobody can tell who is who, so the whole family ends (RFC 9700 §4.14.2).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from headwater.domain.ids import UserId

ACCESS_TOKEN_SECONDS = 600
REFRESH_TOKEN_LIFE = timedelta(days=30)  # of one token: a session that is used at least monthly goes on
SESSION_LIFE = timedelta(days=365)  # of the family, however often it is refreshed
MAX_REFRESH_TOKEN_LENGTH = 128


@dataclass(frozen=True, slots=True)
class ShownToken:
    """What is known of a refresh token that somebody shows, read under a lock on its session."""

    session_id: str
    user_id: UserId
    expires_at: datetime
    used: bool
    session_ended: bool


class Verdict(StrEnum):
    ROTATE = "rotate"
    REUSED = "reused"  # end the session
    REFUSED = "refused"


def judge(shown: ShownToken | None, now: datetime) -> Verdict:
    """What to do with a refresh token. Use after the session's end is refused, but is no news any more."""
    if shown is None or shown.session_ended:
        return Verdict.REFUSED
    if shown.used:
        return Verdict.REUSED
    return Verdict.ROTATE if now < shown.expires_at else Verdict.REFUSED


def new_refresh_token() -> str:
    """256 random bits: too many to guess, so that a fast hash is enough to keep them by."""
    return secrets.token_urlsafe(32)


def refresh_token_hash(token: str) -> bytes:
    """The form in which a refresh token rests in the database."""
    return hashlib.sha256(token.encode()).digest()
