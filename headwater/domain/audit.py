"""Stage 7 · the audit log: who did what to whom, why and when. Entries hold ids, so that people can be forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

OPERATOR = "operator"  # the actor of what was done by a command of whoever runs the deployment
MAX_REASON_LENGTH = 500


class Action(StrEnum):
    """What is written down. The name says whose right or whose secret is touched."""

    USERS_SEARCHED = "users.searched"
    AUDIT_LOG_READ = "audit_log.read"
    ROLE_GRANTED = "user.role_granted"
    ROLE_REVOKED = "user.role_revoked"
    SUSPENDED = "user.suspended"
    UNSUSPENDED = "user.unsuspended"
    VERIFIED = "user.verified"
    UNVERIFIED = "user.unverified"
    TOKEN_CREATED = "personal_token.created"  # noqa: S105 - the name of an action
    TOKEN_REVOKED = "personal_token.revoked"  # noqa: S105 - the name of an action
    MODERATOR_NAMED = "stream.moderator_named"
    MODERATOR_DISMISSED = "stream.moderator_dismissed"
    EXPORT_REQUESTED = "account.export_requested"
    DELETED = "account.deleted"


class SubjectKind(StrEnum):
    USER = "user"
    STREAM = "stream"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class Subject:
    kind: SubjectKind
    subject_id: str


THE_SITE = Subject(SubjectKind.SITE, "")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    entry_id: str
    actor_id: str
    actor_name: str | None  # None for the operator, and for an account that is gone
    action: str
    subject: Subject
    subject_name: str | None  # the username, when the subject is a user who is still there
    reason: str | None
    details: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime = field(kw_only=True)
