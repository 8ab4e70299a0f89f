"""Stage 7 · what moderators did, in PostgreSQL: entries are only added. The archive writes them, people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from headwater.adapters.tables import chat_messages, moderation_log, users
from headwater.contracts import ChatModerated
from headwater.domain.ids import MessageId, StreamId, UserId
from headwater.domain.moderation import ModerationAction

_actors = users.alias("actors")
_targets = users.alias("targets")
_undoings = moderation_log.alias("undoings")


@dataclass(frozen=True, slots=True)
class ModerationEntry:
    """With the names that people bear now, None where their account is gone. `undone_by`: another entry."""

    entry_id: str
    action: ModerationAction
    actor_id: UserId
    actor_name: str | None
    user_id: UserId | None
    user_name: str | None
    message_id: MessageId | None
    message_text: str | None
    reason: str | None
    details: Mapping[str, Any]
    undoes: str | None
    undone_by: str | None
    created_at: datetime


class ModerationLog:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, entry: ChatModerated) -> None:
        """Once, however often it comes."""
        row = {
            "id": entry.entry_id,
            "stream_id": entry.stream_id,
            "action": entry.action.value,
            "actor_id": entry.actor_id,
            "user_id": entry.user_id,
            "message_id": entry.message_id,
            "reason": entry.reason,
            "details": entry.details,
            "undoes": entry.undoes,
            "seq": entry.seq,
            "first_seq": entry.first_seq,
            "created_at": datetime.fromtimestamp(entry.created_at / 1000, UTC),
        }
        self._connection.execute(insert(moderation_log).on_conflict_do_nothing(), row)

    def page(
        self,
        stream_id: StreamId,
        *,
        action: ModerationAction | None = None,
        actor_id: UserId | None = None,
        user_id: UserId | None = None,
        before: str | None = None,
        limit: int,
    ) -> Sequence[ModerationEntry]:
        """Newest first; `before` is an entry's id."""
        log = moderation_log.c
        undone_by = select(_undoings.c.id).where(_undoings.c.undoes == log.id, _undoings.c.stream_id == log.stream_id)
        query = (
            select(
                moderation_log,
                _actors.c.username.label("actor_name"),
                _targets.c.username.label("user_name"),
                chat_messages.c.text.label("message_text"),
                undone_by.order_by(_undoings.c.id).limit(1).scalar_subquery().label("undone_by"),
            )
            .outerjoin(_actors, (_actors.c.id == log.actor_id) & _actors.c.deleted_at.is_(None))
            .outerjoin(_targets, (_targets.c.id == log.user_id) & _targets.c.deleted_at.is_(None))
            .outerjoin(chat_messages, chat_messages.c.message_id == log.message_id)
            .where(log.stream_id == stream_id)
        )
        if action is not None:
            query = query.where(log.action == action.value)
        if actor_id is not None:
            query = query.where(log.actor_id == actor_id)
        if user_id is not None:
            query = query.where(log.user_id == user_id)
        if before is not None:
            query = query.where(log.id < before)
        return [
            ModerationEntry(
                entry_id=row.id,
                action=ModerationAction(row.action),
                actor_id=UserId(row.actor_id),
                actor_name=row.actor_name,
                user_id=None if row.user_id is None else UserId(row.user_id),
                user_name=row.user_name,
                message_id=None if row.message_id is None else MessageId(row.message_id),
                message_text=row.message_text,
                reason=row.reason,
                details=row.details,
                undoes=row.undoes,
                undone_by=row.undone_by,
                created_at=row.created_at,
            )
            for row in self._connection.execute(query.order_by(log.id.desc()).limit(limit))
        ]
