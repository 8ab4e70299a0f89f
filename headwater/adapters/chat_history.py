"""Stage 7 · what was said in a room, as PostgreSQL remembers it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from headwater.adapters.tables import chat_messages
from headwater.contracts import ChatMessageArchived
from headwater.domain.emotes import EmoteRange
from headwater.domain.ids import MessageId, StreamId, UserId


class ChatHistory:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def before(self, stream_id: StreamId, seq: int | None, limit: int) -> Sequence[ChatMessageArchived]:
        """Up to `limit` messages with a number below `seq`, newest first."""
        query = select(chat_messages).where(chat_messages.c.stream_id == stream_id)
        if seq is not None:
            query = query.where(chat_messages.c.seq < seq)
        rows = self._connection.execute(query.order_by(chat_messages.c.seq.desc()).limit(limit))
        return [
            ChatMessageArchived(
                stream_id=stream_id,
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
            for row in rows
        ]
