"""Stage 7 · routes of the list of those who may watch a private stream."""

from __future__ import annotations

from fastapi import APIRouter

from functions.api.dependencies import CurrentUser, ServicesDep, StreamIdParam, Unit, UsernameParam
from functions.api.inline_routes import InlineRoute
from functions.api.representations import AllowedViewerOut, Page
from functions.api.use_cases import viewers as use_case

router = APIRouter(route_class=InlineRoute, prefix="/streams/{stream_id}/viewers", tags=["privacy"])


@router.get("")
def allowed_viewers(stream_id: StreamIdParam, user: CurrentUser, unit: Unit) -> Page[AllowedViewerOut]:
    """Who may watch the stream while it is private, beside its owner; all of them, at most 250. For its owner."""
    found = use_case.list_viewers(unit, stream_id, user.user_id)
    return Page(
        items=[
            AllowedViewerOut(id=each.user_id, username=each.username, avatar_url=each.avatar_url, since=each.since)
            for each in found
        ],
        next_cursor=None,
    )


@router.put("/{username}", status_code=204)
def allow_viewer(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Let somebody watch the stream, and be in its chat room, while it is private."""
    use_case.allow_viewer(unit, services.hot_state, stream_id, user.user_id, username)


@router.delete("/{username}", status_code=204)
def disallow_viewer(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Take somebody off the list. They watch for less than a minute more, and chat for seconds."""
    use_case.disallow_viewer(unit, services.hot_state, stream_id, user.user_id, username)
