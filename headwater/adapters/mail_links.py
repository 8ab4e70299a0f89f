"""Stage 7 · links sent by e-mail, in PostgreSQL: of their secrets only the hashes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert

from headwater.adapters.tables import mail_links
from headwater.domain.ids import UserId
from headwater.domain.mail_links import LINK_LIFE, LinkPurpose, MailLink, link_token_hash


class MailLinks:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, user_id: UserId, purpose: LinkPurpose, email: str, token: str, now: datetime) -> None:
        """Earlier links of the user stay good: mail may arrive twice, or in another order than it was sent."""
        self._connection.execute(
            insert(mail_links).values(
                token_hash=link_token_hash(token),
                user_id=user_id,
                purpose=purpose.value,
                email=email,
                expires_at=now + LINK_LIFE[purpose],
            )
        )

    def redeem(self, token: str, purpose: LinkPurpose, now: datetime) -> MailLink | None:
        """What the link permits, once: of two who use it at the same moment one gets None. With it go all others of its
        user and purpose."""
        row = self._connection.execute(
            delete(mail_links)
            .where(
                mail_links.c.token_hash == link_token_hash(token),
                mail_links.c.purpose == purpose.value,
                mail_links.c.expires_at > now,
            )
            .returning(mail_links.c.user_id, mail_links.c.email)
        ).one_or_none()
        if row is None:
            return None
        self._connection.execute(
            delete(mail_links).where(mail_links.c.user_id == row.user_id, mail_links.c.purpose == purpose.value)
        )
        return MailLink(UserId(row.user_id), row.email)

    def forget_expired(self, now: datetime) -> None:
        self._connection.execute(delete(mail_links).where(mail_links.c.expires_at <= now))

    def void(self, user_id: UserId, *purposes: LinkPurpose) -> None:
        """No link for these purposes that the user was sent so far is good any more."""
        meant = mail_links.c.purpose.in_([purpose.value for purpose in purposes])
        self._connection.execute(delete(mail_links).where(mail_links.c.user_id == user_id, meant))
