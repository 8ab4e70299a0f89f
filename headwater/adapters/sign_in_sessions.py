"""Stage 7 · signed-in sessions in PostgreSQL: families of refresh tokens, of which only the hashes are kept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from headwater.adapters.tables import refresh_tokens, sessions
from headwater.domain.ids import UserId, new_id
from headwater.domain.refresh_tokens import REFRESH_TOKEN_LIFE, SESSION_LIFE, ShownToken, refresh_token_hash


class SignInSessions:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(self, user_id: UserId, refresh_token: str, now: datetime) -> str:
        """A new session whose first refresh token is `refresh_token`; answers with the session's id."""
        session_id = new_id()
        self._connection.execute(
            insert(sessions).values(
                id=session_id, user_id=user_id, created_at=now, refreshed_at=now, expires_at=now + SESSION_LIFE
            )
        )
        self._add_token(session_id, refresh_token, now, now + REFRESH_TOKEN_LIFE)
        return session_id

    def show(self, refresh_token: str) -> ShownToken | None:
        """What is known of the token. Its session stays locked until the end of the unit of work, so of two requests
        that show one token at the same moment the second sees that the first has used it."""
        row = self._connection.execute(
            select(
                sessions.c.id,
                sessions.c.user_id,
                sessions.c.ended_at,
                refresh_tokens.c.used_at,
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
            used=row.used_at is not None,
            session_ended=row.ended_at is not None,
        )

    def rotate(self, session_id: str, used: str, next_token: str, now: datetime) -> None:
        hashed = refresh_token_hash(used)
        self._connection.execute(
            update(refresh_tokens).where(refresh_tokens.c.token_hash == hashed).values(used_at=now)
        )
        # A used token is remembered for as long as it would have been valid, to recognise whoever copied it.
        forgettable = (refresh_tokens.c.session_id == session_id) & (refresh_tokens.c.expires_at < now)
        self._connection.execute(delete(refresh_tokens).where(forgettable))
        self._connection.execute(update(sessions).where(sessions.c.id == session_id).values(refreshed_at=now))
        self._add_token(session_id, next_token, now, now + REFRESH_TOKEN_LIFE)

    def end(self, session_id: str, reason: str, now: datetime) -> None:
        running = (sessions.c.id == session_id) & sessions.c.ended_at.is_(None)
        self._connection.execute(update(sessions).where(running).values(ended_at=now, end_reason=reason))

    def _add_token(self, session_id: str, token: str, now: datetime, expires_at: datetime) -> None:
        self._connection.execute(
            insert(refresh_tokens).values(
                token_hash=refresh_token_hash(token), session_id=session_id, created_at=now, expires_at=expires_at
            )
        )
