"""Stage 7 · the avatar: permission to upload one, how far it has come, and no avatar any more."""

from __future__ import annotations

from typing import Protocol

from headwater.adapters.presigned import UploadForm
from headwater.domain.avatars import MAX_BYTES, UPLOAD_SECONDS, AvatarUpload
from headwater.domain.ids import UserId, new_id
from headwater.media.object_keys import avatar_upload


class AvatarStore(Protocol):
    def begin(self, user_id: UserId, upload_id: str) -> None: ...
    def last(self, user_id: UserId) -> AvatarUpload | None: ...
    def remove(self, user_id: UserId) -> None: ...


class Forms(Protocol):
    def upload(self, key: str, content_type: str, max_bytes: int, seconds: int) -> UploadForm: ...


def permit_upload(avatars: AvatarStore, forms: Forms, user_id: UserId, content_type: str) -> UploadForm:
    """A form to send one picture with. What an earlier form brought is not looked at any more."""
    upload_id = new_id()
    avatars.begin(user_id, upload_id)
    return forms.upload(avatar_upload(user_id, upload_id), content_type, MAX_BYTES, UPLOAD_SECONDS)
