"""Stage 7 · chat messages and what moderators did, in PostgreSQL: written behind a queue, at least once, kept once.

The queue has no order: a deletion may come before its message. So whoever writes either of them settles what is hidden by
all that is known then, and a lock on the room makes two who do so at once follow each other. chat_history.py reads messages,
moderation_log.py what moderators did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from headwater.adapters.account_records import NOBODY, NOBODYS_NAME
from headwater.adapters.moderation_log import ModerationLog
from headwater.adapters.tables import chat_messages, users
from headwater.contracts import ChatMessageArchived, ChatModerated
from headwater.domain.ids import MessageId
from headwater.domain.moderation import ModerationAction

_OF_ONE_MESSAGE = (ModerationAction.DELETE, ModerationAction.RESTORE)
_OF_ONE_USER = (ModerationAction.TIMEOUT, ModerationAction.BAN)

# Of all that hides a message or shows it again, the last counts, by the numbers of the room's log; none is older than the
# message. What one clears, or somebody is banned for, is what the room's log still held then.
_SETTLE = text("""
    UPDATE chat_messages AS message SET deleted_at = settled.hidden_at
    FROM (
        SELECT said.message_id, (
            SELECT CASE WHEN log.action <> 'restore' THEN log.created_at END
            FROM moderation_log AS log
            WHERE log.stream_id = said.stream_id AND log.seq > said.seq
                AND log.action IN ('delete', 'restore', 'timeout', 'ban', 'clear')
                AND CASE
                    WHEN log.action IN ('delete', 'restore') THEN log.message_id = said.message_id
                    ELSE log.first_seq <= said.seq AND (log.action = 'clear' OR log.user_id = said.user_id)
                END
            ORDER BY log.seq DESC LIMIT 1
        ) AS hidden_at
        FROM chat_messages AS said WHERE said.message_id = ANY(:message_ids)
    ) AS settled
    WHERE message.message_id = settled.message_id AND message.deleted_at IS DISTINCT FROM settled.hidden_at
""")


class ChatArchive:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, entries: Sequence[ChatMessageArchived | ChatModerated]) -> None:
        """Write what is not there yet; an entry that comes again changes nothing."""
        for stream_id in sorted({each.stream_id for each in entries}):
            self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(stream_id, 0))))
        self._write_messages([each for each in entries if isinstance(each, ChatMessageArchived)])
        for entry in entries:
            if isinstance(entry, ChatModerated):
                ModerationLog(self._connection).write(entry)
                self._settle(self._touched_by(entry))

    def _write_messages(self, messages: Sequence[ChatMessageArchived]) -> None:
        """The archive may be late, and the author gone meanwhile: then nobody said it (see `account_records`)."""
        if not messages:
            return
        message_ids = [message.message_id for message in messages]
        rows = [_row(message) for message in messages]
        self._connection.execute(insert(chat_messages).on_conflict_do_nothing(), rows)
        self._settle(message_ids)
        there = select(users.c.id).where(users.c.id == chat_messages.c.user_id, users.c.deleted_at.is_(None))
        written = chat_messages.c.message_id.in_(message_ids)
        self._connection.execute(
            update(chat_messages)
            .where(written, ~there.exists(), chat_messages.c.user_id != NOBODY)
            .values(user_id=NOBODY, username=NOBODYS_NAME)
        )

    def _settle(self, message_ids: Sequence[MessageId]) -> None:
        if message_ids:
            self._connection.execute(_SETTLE, {"message_ids": list(message_ids)})

    def _touched_by(self, entry: ChatModerated) -> Sequence[MessageId]:
        """The messages that `entry` may hide or show; not more than a room's log holds."""
        said = chat_messages.c
        if entry.action in _OF_ONE_MESSAGE:
            return [] if entry.message_id is None else [entry.message_id]
        if entry.seq is None or entry.action not in (*_OF_ONE_USER, ModerationAction.CLEAR):
            return []
        query = select(said.message_id).where(
            said.stream_id == entry.stream_id, said.seq.between(entry.first_seq, entry.seq)
        )
        if entry.action in _OF_ONE_USER:
            query = query.where(said.user_id == entry.user_id)
        return [MessageId(row.message_id) for row in self._connection.execute(query)]


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
