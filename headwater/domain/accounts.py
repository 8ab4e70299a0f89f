"""Stage 7 · accounts: what a username, an e-mail address and a password may be, and what a user is."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from headwater.domain import usernames
from headwater.domain.ids import UserId

MIN_PASSWORD_LENGTH = 8  # NIST SP 800-63B §5.1.1.2
MAX_PASSWORD_LENGTH = 128
MAX_EMAIL_LENGTH = 254  # RFC 5321 §4.5.3.1.3, less the brackets

# One @, something before it, a dotted name after it. Whether anybody reads mail there, only a message can tell. None of the
# characters that mean something in a header (RFC 5322 §3.2.3): `x<ana@example.org>` is Ana's address, a hundred times over.
_PART = r"[^@\s.()<>\[\]:;,\\\"]+"
_EMAIL = re.compile(rf"(?=[^@]{{1,64}}@){_PART}(\.{_PART})*@{_PART}(\.{_PART})+")


class Role(StrEnum):
    """Site-wide roles. Every account is a viewer; the first stream makes it a streamer."""

    VIEWER = "viewer"
    STREAMER = "streamer"
    MODERATOR = "moderator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    user_id: UserId
    username: str
    email: str | None  # none for who came from a provider that vouched for no address
    roles: tuple[str, ...]
    is_verified: bool
    bio: str
    avatar_url: str | None
    created_at: datetime
    email_verified: bool = False
    has_password: bool = False  # who came from a provider has none until they set one
    is_suspended: bool = False
    follower_count: int = 0

    @property
    def is_streamer(self) -> bool:
        return Role.STREAMER in self.roles


def is_username(text: str) -> bool:
    return usernames.objection(text) is None


def is_email(text: str) -> bool:
    """Written plainly, too: what `login_form` would write in another way could not be signed in with."""
    plain = text.isprintable() and unicodedata.is_normalized("NFKC", text)
    return len(text) <= MAX_EMAIL_LENGTH and plain and _EMAIL.fullmatch(text) is not None


def login_form(login: str) -> str:
    """What two spellings of one username or e-mail address have in common; logins are compared in this form."""
    return unicodedata.normalize("NFKC", login).strip().lower()
