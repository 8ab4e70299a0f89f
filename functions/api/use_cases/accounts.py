"""Stage 7 · accounts: sign up, and sign in with a password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from functions.api.use_cases.sessions import SessionStore, SignedIn, Sockets, TokenIssuer, open_session, sign_in
from headwater.domain.accounts import User, login_form
from headwater.domain.ids import UserId, new_id
from headwater.domain.sign_in import Device
from headwater.domain.usernames import is_reserved
from headwater.errors import FieldError, InvalidCredentials, InvalidInput, NameTaken


class AccountStore(Protocol):
    def add(self, user_id: UserId, username: str, email: str, password_hash: str) -> User | None: ...
    def credentials(self, login: str) -> tuple[User, str | None] | None: ...
    def hold_password(self, user_id: UserId, stored: str) -> bool: ...
    def set_password_hash(self, user_id: UserId, password_hash: str) -> None: ...


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
    def objection(self, password: str, *about_the_user: str) -> str | None:
        """Why the password is refused; None when it is not."""


def register_account(
    work: Work,
    passwords: PasswordRules,
    tokens: TokenIssuer,
    device: Device,
    username: str,
    email: str,
    password: str,
) -> SignedIn:
    """A new account, signed in. Raises InvalidInput for a password that others guess first, NameTaken."""
    check_new_password(passwords, "password", password, username, email)
    if is_reserved(username):
        raise NameTaken
    user = work.accounts.add(UserId(new_id()), username, email, passwords.hash(password))
    if user is None:
        raise NameTaken
    return open_session(work.sessions, tokens, user, device)


def log_in(
    work: Work,
    sockets: Callable[[], Sockets],
    passwords: PasswordRules,
    tokens: TokenIssuer,
    device: Device,
    login: str,
    password: str,
) -> SignedIn:
    """Raises InvalidCredentials, the same and after the same time whether there is such an account or not; and
    AccountSuspended, to nobody who does not know the password."""
    found = work.accounts.credentials(login_form(login))
    user, stored = found if found else (None, None)
    if not passwords.matches(password, stored) or user is None or stored is None:
        raise InvalidCredentials
    if not work.accounts.hold_password(user.user_id, stored):
        raise InvalidCredentials  # it was replaced while we compared; who replaces it ends only the sessions that there are
    if passwords.needs_rehash(stored):
        work.accounts.set_password_hash(user.user_id, passwords.hash(password))
    return sign_in(work, sockets, tokens, user, device)


def check_new_password(passwords: PasswordRules, field: str, password: str, *about_the_user: str) -> None:
    """Raises InvalidInput that names `field` and says why."""
    objection = passwords.objection(password, *about_the_user)
    if objection is not None:
        raise InvalidInput(errors=(FieldError(field, objection),))
