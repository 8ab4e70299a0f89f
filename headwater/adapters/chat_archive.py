"""Stage 7 · chat messages in PostgreSQL: written behind a queue, read when a room's log no longer reaches back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from headwater.adapters.tables import chat_messages
from headwater.contracts import ChatMessageArchived
from headwater.domain.ids import MessageId, StreamId, UserId


class ChatArchive:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, messages: Sequence[ChatMessageArchived]) -> None:
        """Write what is not there yet; a message that comes again changes nothing."""
        if messages:
            rows = [_row(message) for message in messages]
            self._connection.execute(insert(chat_messages).on_conflict_do_nothing(), rows)

    def page(self, stream_id: StreamId, before: int | None, limit: int) -> list[ChatMessageArchived]:
        """Up to `limit` messages with a `seq` below `before`, newest first."""
        query = select(chat_messages).where(chat_messages.c.stream_id == stream_id)
        if before is not None:
            query = query.where(chat_messages.c.seq < before)
        return [
            _message(row) for row in self._connection.execute(query.order_by(chat_messages.c.seq.desc()).limit(limit))
        ]


def _row(message: ChatMessageArchived) -> dict[str, object]:
    return {
        "message_id": message.message_id,
        "stream_id": message.stream_id,
        "seq": message.seq,
        "user_id": message.user_id,
        "username": message.username,
        "text": message.text,
        "reply_to": message.reply_to,
        "created_at": datetime.fromtimestamp(message.created_at / 1000, UTC),
    }


def _message(row: Row[tuple[object, ...]]) -> ChatMessageArchived:
    return ChatMessageArchived(
        message_id=MessageId(row.message_id),
        stream_id=StreamId(row.stream_id),
        seq=row.seq,
        user_id=UserId(row.user_id),
        username=row.username,
        text=row.text,
        reply_to=MessageId(row.reply_to) if row.reply_to is not None else None,
        created_at=round(row.created_at.timestamp() * 1000),
    )
