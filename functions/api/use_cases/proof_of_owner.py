"""Stage 7 · what cannot be taken back is asked for twice: by the password, or by having signed in a moment ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from headwater.adapters.access_tokens import Identity
from headwater.domain.ids import UserId
from headwater.errors import FieldError, InvalidInput, ReauthenticationRequired

FRESH = timedelta(minutes=10)  # a sign-in that stands in for a password, where there is none


class AccountStore(Protocol):
    def password_hash(self, user_id: UserId) -> str | None: ...
    def hold_password(self, user_id: UserId, stored: str) -> bool: ...


class SessionStore(Protocol):
    def began_at(self, session_id: str) -> datetime | None: ...


class Work(Protocol):
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def sessions(self) -> SessionStore: ...


class Passwords(Protocol):
    def matches(self, password: str, stored: str | None) -> bool: ...


def prove_owner(work: Work, passwords: Passwords, who: Identity, password: str | None) -> None:
    """That it is the owner who asks. Raises InvalidInput (the password is wrong), ReauthenticationRequired."""
    stored = work.accounts.password_hash(who.user_id)
    if stored is None:
        began_at = work.sessions.began_at(who.session_id)
        if began_at is None or datetime.now(UTC) - began_at > FRESH:
            raise ReauthenticationRequired
    elif password is None:
        raise ReauthenticationRequired("Send your password once more.")
    elif not passwords.matches(password, stored) or not work.accounts.hold_password(who.user_id, stored):
        raise InvalidInput(errors=(FieldError("password", "This is not your password."),))
