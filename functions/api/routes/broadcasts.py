"""Stage 7 · routes of broadcasts: what is on the air and what was."""

from __future__ import annotations

from fastapi import APIRouter

from functions.api.dependencies import (
    PAGE_LIMIT,
    BroadcastIdParam,
    Cursor,
    Limit,
    MaybeUser,
    ServicesDep,
    StreamIdParam,
    Unit,
    user_id_of,
)
from functions.api.pages import broadcast_before
from functions.api.representations import BroadcastOut, Page
from functions.api.use_cases.streams import visible_stream
from headwater.domain.streams import Privacy
from headwater.errors import NotFound

router = APIRouter(tags=["broadcasts"])


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
    shown = found[:limit]
    return Page(
        items=[services.representations.broadcast(item, for_owner=owned, private=private) for item in shown],
        next_cursor=shown[-1].broadcast_id if len(found) > limit else None,
    )


@router.get("/broadcasts")
def recordings(
    services: ServicesDep, unit: Unit, limit: Limit = PAGE_LIMIT, cursor: Cursor = None
) -> Page[BroadcastOut]:
    """What can be watched again: the recordings of public streams, newest first."""
    found = unit.broadcasts.recordings(broadcast_before(cursor), limit + 1)
    shown = found[:limit]
    return Page(
        items=[services.representations.broadcast(item, for_owner=False, private=False) for item in shown],
        next_cursor=shown[-1].broadcast_id if len(found) > limit else None,
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
