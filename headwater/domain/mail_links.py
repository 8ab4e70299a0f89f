"""Stage 7 · links sent by e-mail: what they permit, for how long, and the secret in them. Pure.

The secret stands behind the `#` of the link, which browsers send to nobody: no server's log and no Referer ever has it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from headwater.domain.ids import UserId

MAX_LINK_TOKEN_LENGTH = 64
_PREFIX = "hwm_"  # what scanners for leaked secrets, and our own logger, know it by


class LinkPurpose(StrEnum):
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a purpose, no password
    VERIFY_EMAIL = "verify_email"
    CHANGE_EMAIL = "change_email"


LINK_LIFE = {
    LinkPurpose.RESET_PASSWORD: timedelta(minutes=30),
    LinkPurpose.VERIFY_EMAIL: timedelta(days=2),
    LinkPurpose.CHANGE_EMAIL: timedelta(hours=2),
}


@dataclass(frozen=True, slots=True)
class MailLink:
    """Whose link it was, and where it was sent."""

    user_id: UserId
    email: str


def new_link_token() -> str:
    """256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def link_token_hash(token: str) -> bytes:
    """The form in which the secret rests in the database."""
    return hashlib.sha256(token.encode()).digest()
