"""Stage 7 · the audit log in PostgreSQL. Entries are written in the transaction of what they tell of, and only added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from headwater.adapters.tables import audit_log, users
from headwater.domain.audit import Action, AuditEntry, Subject, SubjectKind
from headwater.domain.ids import new_id

_actors = users.alias("actors")
_subjects = users.alias("subjects")


class AuditLog:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(
        self,
        actor_id: str,
        action: Action,
        subject: Subject,
        reason: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """`actor_id` is a user's id or OPERATOR; `details` is JSON, without secrets and without names or addresses."""
        self._connection.execute(
            insert(audit_log).values(
                id=new_id(),
                actor_id=actor_id,
                action=action.value,
                subject_kind=subject.kind.value,
                subject_id=subject.subject_id,
                reason=reason,
                details=dict(details or {}),
            )
        )

    def page(
        self,
        *,
        actor_id: str | None,
        subject_id: str | None,
        action: Action | None,
        before: str | None,
        limit: int,
    ) -> Sequence[AuditEntry]:
        """Newest first, with the names that people bear now."""
        query = (
            select(audit_log, _actors.c.username.label("actor_name"), _subjects.c.username.label("subject_name"))
            .outerjoin(_actors, _actors.c.id == audit_log.c.actor_id)
            .outerjoin(_subjects, _subjects.c.id == audit_log.c.subject_id)
        )
        if actor_id is not None:
            query = query.where(audit_log.c.actor_id == actor_id)
        if subject_id is not None:
            query = query.where(audit_log.c.subject_id == subject_id)
        if action is not None:
            query = query.where(audit_log.c.action == action.value)
        if before is not None:
            query = query.where(audit_log.c.id < before)
        return [
            AuditEntry(
                entry_id=row.id,
                actor_id=row.actor_id,
                actor_name=row.actor_name,
                action=row.action,
                subject=Subject(SubjectKind(row.subject_kind), row.subject_id),
                subject_name=row.subject_name,
                reason=row.reason,
                details=row.details,
                created_at=row.created_at,
            )
            for row in self._connection.execute(query.order_by(audit_log.c.id.desc()).limit(limit))
        ]
