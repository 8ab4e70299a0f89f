"""Stage 7 · exports of one's own data in PostgreSQL: asked for, made, and gone again after a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select, update

from headwater.adapters.tables import account_exports, users
from headwater.domain.ids import UserId, new_id

KEPT = timedelta(days=1)  # a file, after which its bucket deletes it
PAUSE = timedelta(hours=1)  # between one and the next


class ExportState(StrEnum):
    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AccountExport:
    export_id: str
    state: ExportState
    created_at: datetime
    expires_at: datetime | None


class AccountExports:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, user_id: UserId, now: datetime) -> AccountExport | None:
        """A new one, to be made; None when one was asked for less than PAUSE ago."""
        self._connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))
        of_user = account_exports.c.user_id == user_id
        late = of_user & (account_exports.c.created_at > now - PAUSE)
        if self._connection.execute(select(account_exports.c.id).where(late)).first() is not None:
            return None
        export_id = new_id()
        values = {"id": export_id, "user_id": user_id, "state": ExportState.PENDING.value, "created_at": now}
        self._connection.execute(insert(account_exports).values(**values))
        return AccountExport(export_id, ExportState.PENDING, now, None)

    def of_user(self, user_id: UserId, now: datetime) -> Sequence[AccountExport]:
        """Those whose files are not gone yet, the latest first. One that is still not made when the next may be asked for
        counts as failed, until it is made after all."""
        wanted = (account_exports.c.user_id == user_id) & (account_exports.c.created_at > now - KEPT)
        rows = self._connection.execute(select(account_exports).where(wanted).order_by(account_exports.c.id.desc()))
        return [
            AccountExport(
                row.id,
                _state(row.state, row.created_at, now),
                row.created_at,
                row.finished_at + KEPT if row.state == ExportState.READY.value else None,
            )
            for row in rows
        ]

    def forget_gone(self, now: datetime) -> None:
        """Those whose files their bucket has deleted."""
        self._connection.execute(delete(account_exports).where(account_exports.c.created_at < now - KEPT))

    def settle(self, export_id: str, state: ExportState, now: datetime) -> None:
        wanted = update(account_exports).where(account_exports.c.id == export_id)
        self._connection.execute(wanted.values(state=state.value, finished_at=now))


def _state(noted: str, created_at: datetime, now: datetime) -> ExportState:
    state = ExportState(noted)
    return ExportState.FAILED if state is ExportState.PENDING and created_at < now - PAUSE else state
