"""Stage 7 · routes of broadcasts: what is on the air and what was."""

from __future__ import annotations

from fastapi import APIRouter

from functions.api.dependencies import (
    PAGE_LIMIT,
    BroadcastIdParam,
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
from functions.api.pages import broadcast_before, page_of
from functions.api.representations import BroadcastOut, Page
from functions.api.stream_bodies import BroadcastPatch
from functions.api.use_cases.recordings import change_broadcast, delete_recording
from functions.api.use_cases.streams import visible_stream
from headwater.domain.streams import Privacy
from headwater.errors import NotFound

router = APIRouter(route_class=InlineRoute, tags=["broadcasts"])


@router.get("/streams/{stream_id}/broadcasts")
def broadcasts_of_stream(
    stream_id: StreamIdParam,
    user: MaybeUser,
    services: ServicesDep,
    unit: Unit,
    limit: Limit = PAGE_LIMIT,
    cursor: Cursor = None,
) -> Page[BroadcastOut]:
    """A stream's broadcasts, newest first. Previews and failures are for its owner only."""
    viewer = user_id_of(user)
    stream = visible_stream(unit.streams, stream_id, viewer)
    owned, private = stream.is_owned_by(viewer), stream.profile.privacy is Privacy.PRIVATE
    found = unit.broadcasts.of_stream(stream_id, for_owner=owned, before=broadcast_before(cursor), limit=limit + 1)
    return page_of(
        found,
        limit,
        lambda each: services.representations.broadcast(each, for_owner=owned, private=private),
        lambda each: each.broadcast_id,
    )


@router.get("/broadcasts")
def recordings(
    services: ServicesDep, unit: Unit, limit: Limit = PAGE_LIMIT, cursor: Cursor = None
) -> Page[BroadcastOut]:
    """What can be watched again: the recordings of public streams, newest first."""
    found = unit.broadcasts.recordings(broadcast_before(cursor), limit + 1)
    return page_of(
        found,
        limit,
        lambda each: services.representations.broadcast(each, for_owner=False, private=False),
        lambda each: each.broadcast_id,
    )


@router.get("/broadcasts/{broadcast_id}")
def broadcast(broadcast_id: BroadcastIdParam, user: MaybeUser, services: ServicesDep, unit: Unit) -> BroadcastOut:
    """One broadcast; with the recording's addresses once it is ready."""
    viewer = user_id_of(user)
    found = unit.broadcasts.visible(broadcast_id, viewer)
    if found is None:
        raise NotFound
    stream = visible_stream(unit.streams, found.stream_id, viewer)
    owned, private = stream.is_owned_by(viewer), stream.profile.privacy is Privacy.PRIVATE
    return services.representations.broadcast(found, for_owner=owned, private=private)


@router.patch("/broadcasts/{broadcast_id}", response_model=BroadcastOut)
def change_recording(
    body: BroadcastPatch, broadcast_id: BroadcastIdParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> BroadcastOut:
    """Change the fields that are sent. `privacy: private` keeps a recording for the stream's owner alone."""
    sent = body.model_dump(exclude_unset=True)
    changed = change_broadcast(
        unit,
        services.hot_state,
        broadcast_id,
        user.user_id,
        title=sent.get("title"),
        withheld=sent["privacy"] == "private" if "privacy" in sent else None,
    )
    private = visible_stream(unit.streams, changed.stream_id, user.user_id).profile.privacy is Privacy.PRIVATE
    return services.representations.broadcast(changed, for_owner=True, private=private)


@router.delete("/broadcasts/{broadcast_id}", status_code=204)
def remove_recording(broadcast_id: BroadcastIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> None:
    """Delete a broadcast that is over, with its recording and its clips. Playback ends within a minute."""
    delete_recording(unit, services.hot_state, broadcast_id, user.user_id)
