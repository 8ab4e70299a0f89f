"""Stage 7 · chat messages in PostgreSQL: written behind a queue, at least once, kept once. chat_history.py reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from headwater.adapters.account_records import NOBODY, NOBODYS_NAME
from headwater.adapters.tables import chat_messages, users
from headwater.contracts import ChatMessageArchived


class ChatArchive:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, messages: Sequence[ChatMessageArchived]) -> None:
        """Write what is not there yet; a message that comes again changes nothing.

        The archive may be late, and the author gone meanwhile: then nobody said it (see `account_records`).
        """
        if messages:
            rows = [_row(message) for message in messages]
            self._connection.execute(insert(chat_messages).on_conflict_do_nothing(), rows)
            there = select(users.c.id).where(users.c.id == chat_messages.c.user_id, users.c.deleted_at.is_(None))
            written = chat_messages.c.message_id.in_([message.message_id for message in messages])
            self._connection.execute(
                update(chat_messages)
                .where(written, ~there.exists(), chat_messages.c.user_id != NOBODY)
                .values(user_id=NOBODY, username=NOBODYS_NAME)
            )


def _row(message: ChatMessageArchived) -> dict[str, object]:
    return {
        "message_id": message.message_id,
        "stream_id": message.stream_id,
        "seq": message.seq,
        "user_id": message.user_id,
        "username": message.username,
        "text": message.text,
        "reply_to": message.reply_to,
        "badges": None if message.badges is None else list(message.badges),
        "emotes": [asdict(each) for each in message.emotes] or None,
        "created_at": datetime.fromtimestamp(message.created_at / 1000, UTC),
    }
