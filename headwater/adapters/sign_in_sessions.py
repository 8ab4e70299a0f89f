"""Stage 7 · signed-in sessions in PostgreSQL: families of refresh tokens, of which only the hashes are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from headwater.adapters.tables import refresh_tokens, sessions, users
from headwater.domain.ids import UserId, id_bound, new_id
from headwater.domain.refresh_tokens import REFRESH_TOKEN_LIFE, SESSION_LIFE, ShownToken, refresh_token_hash
from headwater.domain.sign_in import Device, SignInSession, Standing

# So long, who ends a session again means its sockets: the first time they may not all have been closed.
ENDED_LATELY = timedelta(minutes=10)
KEPT_AFTER_END = timedelta(days=30)  # an ended session, so that its tokens are known for what they are
_TIME = DateTime(timezone=True)
_BATCH = 1000


class SignInSessions:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(self, user_id: UserId, refresh_token: str, device: Device, now: datetime) -> str:
        """A new session whose first refresh token is `refresh_token`; answers with the session's id."""
        session_id = new_id()
        self._connection.execute(
            insert(sessions).values(
                id=session_id,
                user_id=user_id,
                created_at=now,
                refreshed_at=now,
                expires_at=now + SESSION_LIFE,
                user_agent=device.user_agent,
                address=device.address,
            )
        )
        self._add_token(session_id, refresh_token, now)
        return session_id

    def forget_ended(self, after: str, now: datetime, limit: int = _BATCH) -> Sequence[str]:
        """Remove some sessions that have been over for KEPT_AFTER_END, the oldest first, of those behind the id `after`;
        answers with their ids, in order."""
        before = now - KEPT_AFTER_END
        over = func.least(sessions.c.ended_at, sessions.c.expires_at, sessions.c.refreshed_at + REFRESH_TOKEN_LIFE)
        old = (  # by their ids, which the table is indexed by: whoever signs in meanwhile is not looked at
            select(sessions.c.id)
            .where(sessions.c.id > after, sessions.c.id < id_bound(int(before.timestamp() * 1000)), over < before)
            .order_by(sessions.c.id)
            .limit(limit)
        )
        gone = delete(sessions).where(sessions.c.id.in_(old)).returning(sessions.c.id)
        return sorted(row.id for row in self._connection.execute(gone))

    def standing(self, user_id: UserId, session_id: str, now: datetime) -> Standing | None:
        """What is true of the caller's account now; None when the session has ended or there is no such account any more.

        The one place that says whether a token which was signed a moment ago is still worth something.
        """
        asked = {"session": session_id, "user": user_id, "now": now, "oldest": now - REFRESH_TOKEN_LIFE}
        row = self._connection.execute(_STANDING, asked).one_or_none()
        return Standing(tuple(row.roles), row.suspended_at is not None) if row else None

    def began_at(self, session_id: str) -> datetime | None:
        """When its owner signed in."""
        query = select(sessions.c.created_at).where(sessions.c.id == session_id)
        began: datetime | None = self._connection.execute(query).scalar()
        return began

    def show(self, refresh_token: str) -> ShownToken | None:
        """What is known of the token. Its session stays locked until the end of the unit of work, so of two requests
        that show one token at the same moment the second sees that the first has used it."""
        row = self._connection.execute(
            select(
                sessions.c.id,
                sessions.c.user_id,
                sessions.c.ended_at,
                refresh_tokens.c.used_at,
                refresh_tokens.c.sealed_successor,
                func.least(refresh_tokens.c.expires_at, sessions.c.expires_at).label("expires_at"),
            )
            .join_from(refresh_tokens, sessions)
            .where(refresh_tokens.c.token_hash == refresh_token_hash(refresh_token))
            .with_for_update()  # of both rows: a row that is not locked would be read as it was before the wait
        ).one_or_none()
        if row is None:
            return None
        return ShownToken(
            session_id=row.id,
            user_id=UserId(row.user_id),
            expires_at=row.expires_at,
            used_at=row.used_at,
            session_ended=row.ended_at is not None,
            sealed_successor=row.sealed_successor,
        )

    def awaits_use(self, session_id: str, refresh_token: str) -> bool:
        """Whether this is a token of that session which nobody has used."""
        row = self._connection.execute(
            select(refresh_tokens.c.session_id).where(
                refresh_tokens.c.token_hash == refresh_token_hash(refresh_token),
                refresh_tokens.c.session_id == session_id,
                refresh_tokens.c.used_at.is_(None),
            )
        ).one_or_none()
        return row is not None

    def rotate(
        self, session_id: str, used: str, next_token: str, sealed_next: bytes | None, device: Device, now: datetime
    ) -> None:
        """`used` is used up, `next_token` is next. `sealed_next` is kept until that is used."""
        family = refresh_tokens.c.session_id == session_id
        # A used token is remembered for as long as it would have been valid, to recognise whoever copied it.
        self._connection.execute(delete(refresh_tokens).where(family, refresh_tokens.c.expires_at < now))
        unseal = update(refresh_tokens).where(family, refresh_tokens.c.sealed_successor.is_not(None))
        self._connection.execute(unseal.values(sealed_successor=None))
        self._connection.execute(
            update(refresh_tokens)
            .where(refresh_tokens.c.token_hash == refresh_token_hash(used))
            .values(used_at=now, sealed_successor=sealed_next)
        )
        self._connection.execute(
            update(sessions)
            .where(sessions.c.id == session_id)
            .values(refreshed_at=now, user_agent=device.user_agent, address=device.address)
        )
        self._add_token(session_id, next_token, now)

    def end(self, session_id: str, reason: str, now: datetime) -> None:
        running = (sessions.c.id == session_id) & sessions.c.ended_at.is_(None)
        self._connection.execute(update(sessions).where(running).values(ended_at=now, end_reason=reason))

    def end_own(self, user_id: UserId, session_id: str, reason: str, now: datetime) -> bool:
        """End one of this user's sessions; False when it is none of these, or has been over for a while."""
        return self._end((sessions.c.user_id == user_id) & (sessions.c.id == session_id), reason, now) != []

    def end_all(self, user_id: UserId, reason: str, now: datetime, *, but: str | None = None) -> Sequence[str]:
        """End every running session of this user, but for one; answers with the ids of all that ended now or lately."""
        return self._end((sessions.c.user_id == user_id) & (sessions.c.id != (but or "")), reason, now)

    def end_surplus(self, user_id: UserId, most: int, reason: str, now: datetime) -> Sequence[str]:
        """Of this user's running sessions leave the `most` that were used last; answers with the ids of those that ended."""
        surplus = select(sessions.c.id).where(sessions.c.user_id == user_id, _running(now))
        surplus = surplus.order_by(sessions.c.refreshed_at.desc(), sessions.c.id.desc()).offset(most)
        ended = update(sessions).where(sessions.c.id.in_(surplus)).values(ended_at=now, end_reason=reason)
        return [row.id for row in self._connection.execute(ended.returning(sessions.c.id))]

    def running(self, user_id: UserId, before: str | None, limit: int, now: datetime) -> Sequence[SignInSession]:
        """This user's sessions, newest sign-in first; those older than the session `before`."""
        wanted = select(sessions).where(sessions.c.user_id == user_id, _running(now))
        if before is not None:
            wanted = wanted.where(sessions.c.id < before)
        rows = self._connection.execute(wanted.order_by(sessions.c.id.desc()).limit(limit))
        return [
            SignInSession(
                session_id=row.id,
                device=Device(row.user_agent, row.address),
                created_at=row.created_at,
                last_used_at=row.refreshed_at,
                expires_at=min(row.expires_at, row.refreshed_at + REFRESH_TOKEN_LIFE),
            )
            for row in rows
        ]

    def _end(self, meant: ColumnElement[bool], reason: str, now: datetime) -> list[str]:
        """End those of the sessions that run, and answer with them and those that ended lately."""
        self._connection.execute(update(sessions).where(meant, _running(now)).values(ended_at=now, end_reason=reason))
        ended = select(sessions.c.id).where(meant, sessions.c.ended_at > now - ENDED_LATELY)
        return [row.id for row in self._connection.execute(ended)]

    def _add_token(self, session_id: str, token: str, now: datetime) -> None:
        self._connection.execute(
            insert(refresh_tokens).values(
                token_hash=refresh_token_hash(token),
                session_id=session_id,
                created_at=now,
                expires_at=now + REFRESH_TOKEN_LIFE,
            )
        )


def _running(now: datetime) -> ColumnElement[bool]:
    """Not ended, and refreshed lately enough for its last token to be good."""
    return _is_running(literal(now), literal(now - REFRESH_TOKEN_LIFE))


def _is_running(now: ColumnElement[Any], oldest: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(sessions.c.ended_at.is_(None), sessions.c.expires_at > now, sessions.c.refreshed_at > oldest)


# The statement of nearly every request with a token: made once, also for SQLAlchemy, which then need not look it up.
_STANDING = (
    select(users.c.roles, users.c.suspended_at)
    .join_from(sessions, users)
    .where(
        sessions.c.id == bindparam("session", type_=Text),
        sessions.c.user_id == bindparam("user", type_=Text),
        _is_running(bindparam("now", type_=_TIME), bindparam("oldest", type_=_TIME)),
        users.c.deleted_at.is_(None),
    )
)
