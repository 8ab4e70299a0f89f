"""Stage 7 · show that an e-mail address is one's own: by a link that was sent to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from headwater.domain.accounts import User
from headwater.domain.ids import UserId
from headwater.domain.mail_links import LinkPurpose, MailLink
from headwater.errors import LinkInvalid


class AccountStore(Protocol):
    def by_id(self, user_id: UserId) -> User | None: ...
    def set_email_verified(self, user_id: UserId, now: datetime) -> None: ...


class LinkStore(Protocol):
    def redeem(self, token: str, purpose: LinkPurpose, now: datetime) -> MailLink | None: ...


class Work(Protocol):
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def mail_links(self) -> LinkStore: ...


def verify_email(work: Work, token: str) -> None:
    """Raises LinkInvalid, also when the account has another address by now."""
    now = datetime.now(UTC)
    link = work.mail_links.redeem(token, LinkPurpose.VERIFY_EMAIL, now)
    user = work.accounts.by_id(link.user_id) if link else None
    if link is None or user is None or user.email != link.email:
        raise LinkInvalid
    work.accounts.set_email_verified(user.user_id, now)
