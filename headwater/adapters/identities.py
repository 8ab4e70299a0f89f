"""Stage 7 · identities at sign-in providers in PostgreSQL: who may open which account, by (issuer, subject) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from headwater.adapters.tables import identities, users
from headwater.domain.ids import UserId
from headwater.domain.sign_in_providers import ProvenIdentity


@dataclass(frozen=True, slots=True)
class LinkedIdentity:
    identity_id: str
    provider: str
    label: str | None
    linked_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class WaysIn:
    """What an account can be opened with."""

    has_password: bool
    identities: int


class Identities:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def account_of(self, proven: ProvenIdentity) -> UserId | None:
        found = self._connection.execute(select(identities.c.user_id).where(_is(proven))).scalar_one_or_none()
        return None if found is None else UserId(found)

    def note_use(self, proven: ProvenIdentity, now: datetime) -> None:
        """It was signed in with; what it goes by may have changed since the last time."""
        self._connection.execute(update(identities).where(_is(proven)).values(label=proven.label, last_used_at=now))

    def add_account(self, user_id: UserId, username: str, email: str | None, now: datetime) -> bool:
        """An account without a password, whose name may be chosen anew; False when its name or address is taken.

        An address given here is verified.
        """
        verified_at = None if email is None else now
        added = self._connection.execute(
            upsert(users)
            .values(
                id=user_id, username=username, username_provisional=True, email=email, email_verified_at=verified_at
            )
            .on_conflict_do_nothing()
            .returning(users.c.id)
        )
        return added.one_or_none() is not None

    def chosen_name(self, user_id: UserId) -> str | None:
        """None while it is one that we made up. Locks the account until the end of the unit of work: a name is chosen once."""
        account = select(users.c.username, users.c.username_provisional).where(users.c.id == user_id)
        found = self._connection.execute(account.with_for_update(key_share=True)).one_or_none()
        return None if found is None or found.username_provisional else str(found.username)

    def rename(self, user_id: UserId, username: str) -> bool:
        """For good; False when the name is taken. Then nothing more can be done in this unit of work."""
        chosen = update(users).where(users.c.id == user_id)
        try:
            self._connection.execute(chosen.values(username=username, username_provisional=False))
        except IntegrityError:
            return False
        return True

    def remove_account(self, user_id: UserId) -> None:
        """Undo `add_account` in the same unit of work."""
        self._connection.execute(delete(users).where(users.c.id == user_id))

    def is_email_in_use(self, email: str) -> bool:
        return bool(
            self._connection.execute(select(exists().where(func.lower(users.c.email) == email.lower()))).scalar_one()
        )

    def link(self, identity_id: str, user_id: UserId, proven: ProvenIdentity, now: datetime) -> LinkedIdentity | None:
        """None when it belongs to an account already, or this account has one of that provider; of two at once, one."""
        row = self._connection.execute(
            upsert(identities)
            .values(
                id=identity_id,
                user_id=user_id,
                provider=proven.provider,
                issuer=proven.issuer,
                subject=proven.subject,
                label=proven.label,
                created_at=now,
            )
            .on_conflict_do_nothing()
            .returning(identities.c.id)
        ).one_or_none()
        return LinkedIdentity(identity_id, proven.provider, proven.label, now, None) if row else None

    def of_user(self, user_id: UserId) -> Sequence[LinkedIdentity]:
        """In the order in which they were linked. One per provider at most, so the list is short."""
        rows = self._connection.execute(
            select(identities).where(identities.c.user_id == user_id).order_by(identities.c.id)
        )
        return [LinkedIdentity(row.id, row.provider, row.label, row.created_at, row.last_used_at) for row in rows]

    def ways_in(self, user_id: UserId) -> WaysIn:
        """Locks the account until the end of the unit of work, so that two removals cannot both leave the other's."""
        password_hash = self._connection.execute(
            select(users.c.password_hash).where(users.c.id == user_id).with_for_update()
        ).scalar_one_or_none()
        count = self._connection.execute(
            select(func.count()).select_from(identities).where(identities.c.user_id == user_id)
        ).scalar_one()
        return WaysIn(password_hash is not None, count)

    def unlink(self, user_id: UserId, identity_id: str) -> bool:
        """False when this account has no such identity."""
        own = (identities.c.id == identity_id) & (identities.c.user_id == user_id)
        return self._connection.execute(delete(identities).where(own)).rowcount == 1

    def unlink_all(self, user_id: UserId) -> None:
        self._connection.execute(delete(identities).where(identities.c.user_id == user_id))


def _is(proven: ProvenIdentity) -> ColumnElement[bool]:
    return (identities.c.issuer == proven.issuer) & (identities.c.subject == proven.subject)
