"""Stage 7 · what was said in a room, as PostgreSQL remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, select, tuple_

from headwater.adapters.tables import chat_messages
from headwater.contracts import ChatMessageArchived
from headwater.domain.emotes import EmoteRange
from headwater.domain.ids import MessageId, StreamId, UserId


class ChatHistory:
    """Without what moderators have hidden."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def before(self, stream_id: StreamId, seq: int | None, limit: int) -> Sequence[ChatMessageArchived]:
        """Up to `limit` messages with a number below `seq`, newest first."""
        query = select(chat_messages).where(chat_messages.c.stream_id == stream_id)
        if seq is not None:
            query = query.where(chat_messages.c.seq < seq)
        return self._read(query.order_by(chat_messages.c.seq.desc()).limit(limit))

    def between(
        self, stream_id: StreamId, first_ms: int, until_ms: int | None, after: tuple[int, int] | None, limit: int
    ) -> Sequence[ChatMessageArchived]:
        """Up to `limit` messages said from then until before then (Unix ms), oldest first, `after` one said at (ms, seq)."""
        said_at = chat_messages.c.created_at
        query = select(chat_messages).where(chat_messages.c.stream_id == stream_id, said_at >= _time(first_ms))
        if until_ms is not None:
            query = query.where(said_at < _time(until_ms))
        if after is not None:
            query = query.where(tuple_(said_at, chat_messages.c.seq) > (_time(after[0]), after[1]))
        return self._read(query.order_by(said_at, chat_messages.c.seq).limit(limit))

    def _read(self, query: Select[*tuple[Any, ...]]) -> Sequence[ChatMessageArchived]:
        return [
            ChatMessageArchived(
                stream_id=StreamId(row.stream_id),
                seq=row.seq,
                message_id=MessageId(row.message_id),
                user_id=UserId(row.user_id),
                username=row.username,
                text=row.text,
                reply_to=MessageId(row.reply_to) if row.reply_to else None,
                created_at=round(row.created_at.timestamp() * 1000),
                badges=None if row.badges is None else tuple(row.badges),
                emotes=tuple(EmoteRange(**each) for each in row.emotes or ()),
            )
            for row in self._connection.execute(query.where(chat_messages.c.deleted_at.is_(None)))
        ]


def _time(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
