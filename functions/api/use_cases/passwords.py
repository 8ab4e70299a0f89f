"""Stage 7 · choose another password: signed in, by the old one; or by a link that was sent to one's address.

Who chooses one by a link takes the account back: from whoever is signed in, from every personal token, and, if nobody had
shown yet that the address is theirs, from identities at providers. For somebody may have opened an account with another's
address and a way in of their own, and waited for the owner (Sudhodanan and Paverd, "Pre-hijacked accounts", USENIX 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from functions.api.use_cases.accounts import PasswordRules, check_new_password
from functions.api.use_cases.audit_log import AuditLog
from functions.api.use_cases.personal_tokens import note_revoked
from functions.api.use_cases.sessions import SessionStore, Sockets, end_sessions
from headwater.adapters.access_tokens import Identity
from headwater.contracts import AccountMailKind, AccountMailRequested
from headwater.domain.accounts import User
from headwater.domain.ids import UserId
from headwater.domain.mail_links import LinkPurpose, MailLink
from headwater.errors import Conflict, DependencyUnavailable, FieldError, InvalidInput, LinkInvalid, Unauthenticated
from headwater.observability import count, logger


class AccountStore(Protocol):
    def by_id(self, user_id: UserId) -> User | None: ...
    def password_hash(self, user_id: UserId) -> str | None: ...
    def hold_password(self, user_id: UserId, stored: str) -> bool: ...
    def set_password_hash(self, user_id: UserId, password_hash: str) -> None: ...
    def set_email_verified(self, user_id: UserId, now: datetime) -> None: ...


class LinkStore(Protocol):
    def redeem(self, token: str, purpose: LinkPurpose, now: datetime) -> MailLink | None: ...
    def void(self, user_id: UserId, *purposes: LinkPurpose) -> None: ...


class TokenStore(Protocol):
    def remove_all(self, user_id: UserId) -> Sequence[str]: ...


class IdentityStore(Protocol):
    def unlink_all(self, user_id: UserId) -> None: ...


class ChangeWork(Protocol):
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def mail_links(self) -> LinkStore: ...
    def commit(self) -> None: ...


class ResetWork(ChangeWork, Protocol):
    @property
    def personal_tokens(self) -> TokenStore: ...
    @property
    def identities(self) -> IdentityStore: ...
    @property
    def audit(self) -> AuditLog: ...


class MailRequests(Protocol):
    def send(self, message: AccountMailRequested) -> None: ...


def change_password(
    work: ChangeWork,
    passwords: PasswordRules,
    sockets: Sockets,
    mail: MailRequests,
    who: Identity,
    current: str,
    new: str,
) -> None:
    """Every other session of theirs ends. Raises InvalidInput, Conflict (there is no password to change)."""
    user, stored = work.accounts.by_id(who.user_id), work.accounts.password_hash(who.user_id)
    if user is None:
        raise Unauthenticated
    if stored is None:
        raise Conflict("This account has no password yet. Set one through `POST /v1/auth/password/forgot`.")
    if not passwords.matches(current, stored) or not work.accounts.hold_password(who.user_id, stored):
        raise InvalidInput(errors=(FieldError("current_password", "This is not your password."),))
    _set(work, passwords, user, "new_password", new)
    end_sessions(work, sockets, who.user_id, "password_changed", but=who.session_id)
    tell_owner(mail, AccountMailKind.PASSWORD_CHANGED, user.user_id)


def reset_password(
    work: ResetWork, passwords: PasswordRules, sockets: Sockets, mail: MailRequests, token: str, password: str
) -> None:
    """Every session and personal token ends. The link is used up only if the password is taken. Raises LinkInvalid,
    InvalidInput."""
    now = datetime.now(UTC)
    link = work.mail_links.redeem(token, LinkPurpose.RESET_PASSWORD, now)
    user = work.accounts.by_id(link.user_id) if link else None
    if link is None or user is None or user.email != link.email:
        raise LinkInvalid
    _set(work, passwords, user, "password", password)
    if not user.email_verified:
        work.identities.unlink_all(user.user_id)
    work.accounts.set_email_verified(user.user_id, now)  # whoever has the link reads the mail
    tokens = work.personal_tokens.remove_all(user.user_id)
    for token_id in tokens:
        note_revoked(work.audit, user.user_id, token_id)
    end_sessions(work, sockets, user.user_id, "password_reset", tokens=tokens)
    tell_owner(mail, AccountMailKind.PASSWORD_CHANGED, user.user_id)


def tell_owner(mail: MailRequests, kind: AccountMailKind, user_id: UserId, email: str | None = None) -> None:
    """Ask for a letter that is good to have: without it, what was done is done all the same. Never raises."""
    try:
        mail.send(AccountMailRequested(kind=kind, user_id=user_id, email=email))
    except DependencyUnavailable:
        logger().exception("account mail not asked for", extra={"kind": kind.value})
        count("AccountMailNotAsked")


def _set(work: ChangeWork, passwords: PasswordRules, user: User, field: str, password: str) -> None:
    check_new_password(passwords, field, password, user.username, user.email or "")
    work.accounts.set_password_hash(user.user_id, passwords.hash(password))
    # What somebody else may have asked for before.
    work.mail_links.void(user.user_id, LinkPurpose.RESET_PASSWORD, LinkPurpose.CHANGE_EMAIL)
