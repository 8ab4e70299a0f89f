"""Stage 7 · the account's e-mail address: shown to be one's own by a link that was sent to it, and replaced by another.

A new address counts from the moment in which its link is followed. Nothing is looked up when it is asked for: whether
somebody else has it is nobody's business but the mailbox's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from functions.api.use_cases import proof_of_owner
from functions.api.use_cases.passwords import MailRequests, tell_owner
from headwater.adapters.access_tokens import Identity
from headwater.contracts import AccountMailKind, AccountMailRequested
from headwater.domain.accounts import User
from headwater.domain.ids import UserId
from headwater.domain.mail_links import LinkPurpose, MailLink
from headwater.errors import Conflict, LinkInvalid, NameTaken


class AccountStore(proof_of_owner.AccountStore, Protocol):
    def by_id(self, user_id: UserId) -> User | None: ...
    def set_email_verified(self, user_id: UserId, now: datetime) -> None: ...
    def set_email(self, user_id: UserId, email: str, now: datetime) -> bool: ...


class LinkStore(Protocol):
    def redeem(self, token: str, purpose: LinkPurpose, now: datetime) -> MailLink | None: ...
    def void(self, user_id: UserId, *purposes: LinkPurpose) -> None: ...


class Work(Protocol):
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def sessions(self) -> proof_of_owner.SessionStore: ...
    @property
    def mail_links(self) -> LinkStore: ...
    def commit(self) -> None: ...


def request_change(
    work: Work,
    passwords: proof_of_owner.Passwords,
    mail: MailRequests,
    who: Identity,
    email: str,
    password: str | None,
) -> None:
    """A link goes to the new address, and word of it to the old one. Raises InvalidInput, ReauthenticationRequired,
    Conflict (it is their address already), DependencyUnavailable."""
    proof_of_owner.prove_owner(work, passwords, who, password)
    user = work.accounts.by_id(who.user_id)
    if user is not None and user.email == email:
        raise Conflict("This is the address of your account already.")
    asked = AccountMailRequested(
        kind=AccountMailKind.CHANGE_EMAIL, user_id=who.user_id, email=email, session_id=who.session_id
    )
    mail.send(asked)


def confirm_address(work: Work, mail: MailRequests, token: str) -> None:
    """Follow a link that shows an address to be one's own: the account's, or the one that it is to have from now on.

    Raises LinkInvalid, also when the account has another address by now; NameTaken when the new one is somebody's by now.
    """
    now = datetime.now(UTC)
    link = work.mail_links.redeem(token, LinkPurpose.VERIFY_EMAIL, now)
    if link is None:
        _change(work, mail, token, now)
        return
    user = work.accounts.by_id(link.user_id)
    if user is None or user.email != link.email:
        raise LinkInvalid
    work.accounts.set_email_verified(user.user_id, now)


def _change(work: Work, mail: MailRequests, token: str, now: datetime) -> None:
    link = work.mail_links.redeem(token, LinkPurpose.CHANGE_EMAIL, now)
    user = work.accounts.by_id(link.user_id) if link else None
    if link is None or user is None:
        raise LinkInvalid
    if not work.accounts.set_email(user.user_id, link.email, now):
        raise NameTaken
    work.mail_links.void(user.user_id, *LinkPurpose)  # what lies in the old mailbox opens nothing here any more
    work.commit()
    if user.email is not None:
        tell_owner(mail, AccountMailKind.EMAIL_CHANGED, user.user_id, user.email)
