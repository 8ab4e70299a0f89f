"""Stage 7 · routes of one's avatar. The picture itself goes to S3, from the browser, and comes back re-encoded."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from functions.api.dependencies import CurrentUser, ServicesDep, Unit
from functions.api.inline_routes import InlineRoute
from functions.api.people import AvatarOut, AvatarUploadOut
from functions.api.request_bodies import Body
from functions.api.use_cases.avatars import permit_upload
from headwater.contracts import AccountTask, AccountTaskKind
from headwater.domain.avatars import CONTENT_TYPES, MAX_BYTES, UPLOAD_SECONDS
from headwater.errors import Unauthenticated

router = APIRouter(route_class=InlineRoute, prefix="/me/avatar", tags=["users"])

UPLOADS_PER_MINUTE = 10


class NewAvatar(Body):
    content_type: Literal["image/jpeg", "image/png", "image/webp", "image/gif"]


@router.post("", status_code=201)
def upload_avatar(body: NewAvatar, user: CurrentUser, services: ServicesDep, unit: Unit) -> AvatarUploadOut:
    """A form to send a picture with: `multipart/form-data` to `url`, all `fields`, and the picture as `file` behind them.

    `GET` says what became of it. Of an animation the first frame is kept, and nothing of what the file says about itself.
    """
    services.limits.spend("avatar", user.user_id, UPLOADS_PER_MINUTE)
    form = permit_upload(unit.avatars, services.upload_forms, user.user_id, body.content_type)
    return AvatarUploadOut(
        url=form.url,
        fields=form.fields,
        expires_in=UPLOAD_SECONDS,
        max_bytes=MAX_BYTES,
        content_types=list(CONTENT_TYPES),
    )


@router.get("")
def avatar(user: CurrentUser, unit: Unit) -> AvatarOut:
    """One's avatar, and what became of the last upload; `problem` says in words why it `failed`."""
    found = unit.accounts.by_id(user.user_id)
    if found is None:
        raise Unauthenticated
    last = unit.avatars.last(user.user_id)
    return AvatarOut(
        status="none" if last is None else last.state.value,
        avatar_url=found.avatar_url,
        problem=None if last is None else last.problem,
    )


@router.delete("", status_code=204)
def remove_avatar(user: CurrentUser, services: ServicesDep, unit: Unit) -> None:
    """No avatar any more. Its files are deleted; caches may keep them for up to a day."""
    unit.avatars.remove(user.user_id)
    services.account_data.send(AccountTask(kind=AccountTaskKind.REMOVE_AVATAR, user_id=user.user_id))
