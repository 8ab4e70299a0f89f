"""Stage 7 · avatars: what may be uploaded, what becomes of it, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from headwater.domain.ids import UserId, is_id

MAX_BYTES = 5 * 1024 * 1024
MAX_PIXELS = 40_000_000  # a phone's largest photograph is 50 million, and its usual one 12
CONTENT_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif")
SIZES = (512, 256, 64)  # pixels, each way
SHOWN_SIZE = 256  # of `avatar_url`
UPLOAD_SECONDS = 300  # for which a form is good


class UploadState(StrEnum):
    PENDING = "pending"  # the form was handed out; perhaps nobody will use it
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AvatarUpload:
    """The last upload that the user asked for. `problem` is for them to read."""

    upload_id: str
    state: UploadState
    problem: str | None


def upload_of(object_key: str) -> tuple[UserId, str] | None:
    """Whose and which upload lies under this key; None for a key that is none of an upload's."""
    folder, _, rest = object_key.partition("/")
    user_id, _, upload_id = rest.partition("/")
    return (UserId(user_id), upload_id) if folder == "avatars" and is_id(user_id) and is_id(upload_id) else None
