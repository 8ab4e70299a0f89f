"""Stage 7 · write to the owner of an account. Here, out of everybody's sight, it shows whether there is such an account:
the API has answered long ago, and the same to all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Protocol

from functions.account_mail import letters
from functions.account_mail.letters import Letter
from headwater.contracts import AccountMailKind, AccountMailRequested
from headwater.domain.accounts import User
from headwater.domain.ids import UserId
from headwater.domain.mail_links import LINK_LIFE, LinkPurpose, new_link_token
from headwater.domain.sign_in import Standing
from headwater.errors import MailRefused
from headwater.observability import count, logger


class Accounts(Protocol):
    def by_id(self, user_id: UserId) -> User | None: ...
    def by_email(self, email: str) -> User | None: ...


class Links(Protocol):
    def add(self, user_id: UserId, purpose: LinkPurpose, email: str, token: str, now: datetime) -> None: ...


class Sessions(Protocol):
    def standing(self, user_id: UserId, session_id: str, now: datetime) -> Standing | None: ...


class Work(Protocol):
    @property
    def accounts(self) -> Accounts: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def links(self) -> Links: ...


class Mail(Protocol):
    def send(self, to: str, subject: str, text: str, html: str) -> None: ...


class SendAccountMail:
    def __init__(self, unit_of_work: Callable[[], AbstractContextManager[Work]], mail: Mail, web_url: str) -> None:
        """`web_url`: where our pages are, without a slash at its end."""
        self._unit_of_work = unit_of_work
        self._mail = mail
        self._web_url = web_url

    def __call__(self, asked: AccountMailRequested) -> None:
        """Raises DependencyUnavailable. Delivered twice, it writes twice, and both links are good until one is used."""
        with self._unit_of_work() as work:
            posts = list(self._posts(work, asked))
        if not posts:
            count("AccountMailToNobody")
        for to, letter in posts:
            try:
                self._mail.send(to, letter.subject, letter.text, letter.html)
            except MailRefused as refusal:  # trying again would change nothing
                logger().warning("account mail refused", extra={"reason": refusal.detail, "user_id": asked.user_id})
                count("AccountMailRefused")
            else:
                count("AccountMailSent")

    def _posts(self, work: Work, asked: AccountMailRequested) -> Iterator[tuple[str, Letter]]:
        """What goes where."""
        user = self._addressee(work.accounts, asked)
        if user is None:
            return
        if asked.kind is AccountMailKind.CHANGE_EMAIL:
            yield from self._about_change(work, user, asked)
        elif asked.kind is AccountMailKind.EMAIL_CHANGED:
            if asked.email is not None:
                yield asked.email, letters.email_changed(user.username, f"{self._web_url}/account")
        elif user.email is not None:
            # Always to the address that we know, never to the one that was typed: two that a database takes for the same
            # may be two people's (Django's CVE-2019-19844).
            yield user.email, self._letter(work.links, asked.kind, user, user.email)

    def _about_change(self, work: Work, user: User, asked: AccountMailRequested) -> Iterator[tuple[str, Letter]]:
        email, now = asked.email, datetime.now(UTC)
        if email is None or email == user.email:
            return  # delivered again, when the link has been followed already
        # Whoever was shown out since is not helped to another mailbox: the owner may have chosen a new password meanwhile.
        if asked.session_id is None or work.sessions.standing(user.user_id, asked.session_id, now) is None:
            return
        holder = work.accounts.by_email(email)
        if holder is None or holder.user_id == user.user_id:
            link = self._link(work.links, user.user_id, LinkPurpose.CHANGE_EMAIL, email, "verify")
            yield email, letters.change_email(user.username, link, LINK_LIFE[LinkPurpose.CHANGE_EMAIL])
        elif holder.email is not None:
            yield holder.email, letters.address_in_use(holder.username, f"{self._web_url}/account")
        if user.email is not None:  # in either case: who asked must not learn from their own mailbox which it was
            yield user.email, letters.email_changing(user.username, f"{self._web_url}/account/forgot")

    def _addressee(self, accounts: Accounts, asked: AccountMailRequested) -> User | None:
        if asked.user_id is not None:
            return accounts.by_id(asked.user_id)
        return accounts.by_email(asked.email) if asked.email is not None else None

    def _letter(self, links: Links, kind: AccountMailKind, user: User, email: str) -> Letter:
        match kind:
            case AccountMailKind.RESET_PASSWORD:
                link = self._link(links, user.user_id, LinkPurpose.RESET_PASSWORD, email, "reset")
                return letters.reset_password(user.username, link, LINK_LIFE[LinkPurpose.RESET_PASSWORD])
            case AccountMailKind.VERIFY_EMAIL:
                link = self._link(links, user.user_id, LinkPurpose.VERIFY_EMAIL, email, "verify")
                return letters.verify_email(user.username, link, LINK_LIFE[LinkPurpose.VERIFY_EMAIL])
            case AccountMailKind.PASSWORD_CHANGED:
                return letters.password_changed(user.username, f"{self._web_url}/account/forgot")
            case AccountMailKind.IDENTITY_LINKED:
                return letters.identity_linked(user.username, f"{self._web_url}/account")
            case AccountMailKind.IDENTITY_UNLINKED:
                return letters.identity_unlinked(user.username, f"{self._web_url}/account")
            case AccountMailKind.CHANGE_EMAIL | AccountMailKind.EMAIL_CHANGED:
                raise ValueError(f"{kind} is not for one reader alone")

    def _link(self, links: Links, user_id: UserId, purpose: LinkPurpose, email: str, page: str) -> str:
        token = new_link_token()
        links.add(user_id, purpose, email, token, datetime.now(UTC))
        return f"{self._web_url}/account/{page}#{token}"
