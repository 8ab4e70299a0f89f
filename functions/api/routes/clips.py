"""Stage 7 · routes of clips."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from functions.api.dependencies import (
    PAGE_LIMIT,
    CurrentCaller,
    CurrentUser,
    Cursor,
    Limit,
    MaybeUser,
    ServicesDep,
    StreamIdParam,
    Unit,
    user_id_of,
)
from functions.api.inline_routes import InlineRoute
from functions.api.pages import clip_before, page_of
from functions.api.representations import ClipOut, Page
from functions.api.stream_bodies import NewClip
from functions.api.use_cases.clips import Wish, delete_clip, make_clip, visible_clip
from functions.api.use_cases.streams import visible_stream
from headwater.domain.clips import ClipId
from headwater.domain.ids import BroadcastId, is_id
from headwater.errors import FieldError, InvalidInput, NotFound

router = APIRouter(route_class=InlineRoute, tags=["clips"])


async def _clip_id(clip_id: Annotated[str, Path()]) -> ClipId:
    if not is_id(clip_id):
        raise NotFound
    return ClipId(clip_id)


ClipIdParam = Annotated[ClipId, Depends(_clip_id)]


@router.post("/streams/{stream_id}/clips", status_code=201)
def make(body: NewClip, stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> ClipOut:
    """Make a clip of a broadcast, the newest unless it is said, while it is live or afterwards.

    `start` is in seconds from the beginning of the recording, or a moment (RFC 3339) as `EXT-X-PROGRAM-DATE-TIME` tells it.
    A clip consists of whole segments: it begins and ends up to two seconds off, outwards. It is deleted with its recording.
    """
    services.limits.spend("clip", user.user_id, services.settings.clips_per_minute)
    if body.broadcast_id is not None and not is_id(body.broadcast_id):
        raise InvalidInput(errors=(FieldError("broadcast_id", "This is no id of a broadcast."),))
    wish = Wish(
        broadcast_id=None if body.broadcast_id is None else BroadcastId(body.broadcast_id),
        start=body.start,
        duration_seconds=body.duration,
        title=body.title,
    )
    clip = make_clip(unit, services.timelines, services.media_store, stream_id, user.user_id, wish)
    return services.representations.clip(clip, visible_stream(unit.streams, stream_id, user.user_id), user.user_id)


@router.get("/streams/{stream_id}/clips")
def clips_of_stream(
    stream_id: StreamIdParam,
    user: MaybeUser,
    services: ServicesDep,
    unit: Unit,
    limit: Limit = PAGE_LIMIT,
    cursor: Cursor = None,
) -> Page[ClipOut]:
    """A stream's clips, newest first."""
    viewer = user_id_of(user)
    stream = visible_stream(unit.streams, stream_id, viewer)
    owned = stream.is_owned_by(viewer)
    found = unit.clips.of_stream(stream_id, for_owner=owned, before=clip_before(cursor), limit=limit + 1)
    return page_of(
        found, limit, lambda each: services.representations.clip(each, stream, viewer), lambda each: each.clip_id
    )


@router.get("/clips/{clip_id}")
def clip(clip_id: ClipIdParam, user: MaybeUser, services: ServicesDep, unit: Unit) -> ClipOut:
    """One clip."""
    viewer = user_id_of(user)
    found = visible_clip(unit, clip_id, viewer)
    return services.representations.clip(found, visible_stream(unit.streams, found.stream_id, viewer), viewer)


@router.delete("/clips/{clip_id}", status_code=204)
def remove_clip(clip_id: ClipIdParam, caller: CurrentCaller, services: ServicesDep, unit: Unit) -> None:
    """Delete a clip: who made it, the stream's owner and moderators, and the site's moderators may."""
    delete_clip(unit, services.media_store, clip_id, caller.identity.user_id, caller.standing.roles)
