"""Stage 7 · avatars in PostgreSQL: the address that is shown, and how far the last upload has come."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from headwater.adapters.tables import avatar_uploads, users
from headwater.domain.avatars import AvatarUpload, UploadState
from headwater.domain.ids import UserId


class Avatars:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, user_id: UserId, upload_id: str) -> None:
        """From now on, only this upload counts."""
        values = {"upload_id": upload_id, "state": UploadState.PENDING.value, "problem": None}
        begun = upsert(avatar_uploads).values(user_id=user_id, **values)
        self._connection.execute(
            begun.on_conflict_do_update(
                index_elements=[avatar_uploads.c.user_id], set_={**values, "created_at": func.now()}
            )
        )

    def last(self, user_id: UserId) -> AvatarUpload | None:
        row = self._connection.execute(select(avatar_uploads).where(avatar_uploads.c.user_id == user_id)).one_or_none()
        return AvatarUpload(row.upload_id, UploadState(row.state), row.problem) if row else None

    def avatar_url(self, user_id: UserId) -> str | None:
        found: str | None = self._connection.execute(select(users.c.avatar_url).where(users.c.id == user_id)).scalar()
        return found

    def hold(self, user_id: UserId, upload_id: str) -> bool:
        """Whether this upload still counts; nobody begins another until the end of the transaction."""
        wanted = (avatar_uploads.c.user_id == user_id) & (avatar_uploads.c.upload_id == upload_id)
        row = self._connection.execute(select(avatar_uploads.c.upload_id).where(wanted).with_for_update()).first()
        return row is not None

    def show(self, user_id: UserId, url: str) -> None:
        """The upload became this picture."""
        self._settle(user_id, UploadState.READY, None)
        self._connection.execute(update(users).where(users.c.id == user_id).values(avatar_url=url))

    def fail(self, user_id: UserId, upload_id: str, problem: str) -> None:
        """Nothing came of the upload; the picture stays what it was."""
        if self.hold(user_id, upload_id):
            self._settle(user_id, UploadState.FAILED, problem)

    def remove(self, user_id: UserId) -> None:
        """No picture from now on, whatever is still being uploaded."""
        self._connection.execute(delete(avatar_uploads).where(avatar_uploads.c.user_id == user_id))
        self._connection.execute(update(users).where(users.c.id == user_id).values(avatar_url=None))

    def _settle(self, user_id: UserId, state: UploadState, problem: str | None) -> None:
        settled = update(avatar_uploads).where(avatar_uploads.c.user_id == user_id)
        self._connection.execute(settled.values(state=state.value, problem=problem))
