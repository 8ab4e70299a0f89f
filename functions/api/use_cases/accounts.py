"""Stage 7 · accounts: sign up, sign in, stay signed in, sign out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from headwater.adapters.access_tokens import Identity
from headwater.domain.accounts import RESERVED_USERNAMES, User, login_form
from headwater.domain.ids import UserId, new_id
from headwater.domain.refresh_tokens import ShownToken, Verdict, judge, new_refresh_token
from headwater.errors import FieldError, InvalidCredentials, InvalidInput, NameTaken, TokenReused, Unauthenticated


class AccountStore(Protocol):
    def add(self, user_id: UserId, username: str, email: str, password_hash: str) -> User | None: ...
    def by_id(self, user_id: UserId) -> User | None: ...
    def credentials(self, login: str) -> tuple[User, str | None] | None: ...
    def set_password_hash(self, user_id: UserId, password_hash: str) -> None: ...


class SessionStore(Protocol):
    def open(self, user_id: UserId, refresh_token: str, now: datetime) -> str: ...
    def show(self, refresh_token: str) -> ShownToken | None: ...
    def rotate(self, session_id: str, used: str, next_token: str, now: datetime) -> None: ...
    def end(self, session_id: str, reason: str, now: datetime) -> None: ...


class Work(Protocol):
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    def commit(self) -> None: ...


class PasswordRules(Protocol):
    def hash(self, password: str) -> str: ...
    def matches(self, password: str, stored: str | None) -> bool: ...
    def needs_rehash(self, stored: str) -> bool: ...
    def is_easily_guessed(self, password: str, *about_the_user: str) -> bool: ...


class TokenIssuer(Protocol):
    def issue(self, identity: Identity) -> str: ...


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    access_token: str
    refresh_token: str


def register_account(
    work: Work, passwords: PasswordRules, tokens: TokenIssuer, username: str, email: str, password: str
) -> SignedIn:
    """A new account, signed in. Raises InvalidInput for a password that others guess first, NameTaken."""
    if passwords.is_easily_guessed(password, username, email):
        raise InvalidInput(errors=(FieldError("password", "This password is easy to guess. Choose a longer one."),))
    if username.lower() in RESERVED_USERNAMES:
        raise NameTaken
    user = work.accounts.add(UserId(new_id()), username, email, passwords.hash(password))
    if user is None:
        raise NameTaken
    return _sign_in(work, tokens, user)


def log_in(work: Work, passwords: PasswordRules, tokens: TokenIssuer, login: str, password: str) -> SignedIn:
    """Raises InvalidCredentials, the same and after the same time whether there is such an account or not."""
    found = work.accounts.credentials(login_form(login))
    user, stored = found if found else (None, None)
    if not passwords.matches(password, stored) or user is None or stored is None:
        raise InvalidCredentials
    if passwords.needs_rehash(stored):
        work.accounts.set_password_hash(user.user_id, passwords.hash(password))
    return _sign_in(work, tokens, user)


def refresh_session(work: Work, tokens: TokenIssuer, refresh_token: str) -> SignedIn:
    """The next pair of tokens. Raises TokenReused, and then the session is over for everybody; Unauthenticated."""
    now = datetime.now(UTC)
    shown = work.sessions.show(refresh_token)
    verdict = judge(shown, now)
    if shown is None or verdict is Verdict.REFUSED:
        raise Unauthenticated("This refresh token is not valid any more. Sign in again.")
    if verdict is Verdict.REUSED:
        work.sessions.end(shown.session_id, "token_reused", now)
        work.commit()  # the refusal must not undo it
        raise TokenReused
    user = work.accounts.by_id(shown.user_id)
    if user is None:
        raise Unauthenticated
    next_token = new_refresh_token()
    work.sessions.rotate(shown.session_id, refresh_token, next_token, now)
    return SignedIn(user, tokens.issue(Identity(user.user_id, shown.session_id)), next_token)


def log_out(sessions: SessionStore, who: Identity) -> None:
    """End the session that `who` came with; its refresh tokens are worthless, its access token runs out by itself."""
    sessions.end(who.session_id, "logged_out", datetime.now(UTC))


def _sign_in(work: Work, tokens: TokenIssuer, user: User) -> SignedIn:
    refresh_token = new_refresh_token()
    session_id = work.sessions.open(user.user_id, refresh_token, datetime.now(UTC))
    return SignedIn(user, tokens.issue(Identity(user.user_id, session_id)), refresh_token)
