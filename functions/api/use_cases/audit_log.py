"""Stage 7 · the audit log as use cases write it: in the transaction of what it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from headwater.domain.audit import Action, Subject


class AuditLog(Protocol):
    def write(
        self,
        actor_id: str,
        action: Action,
        subject: Subject,
        reason: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None: ...
