"""Stage 7 · routes of a stream's moderators."""

from __future__ import annotations

from fastapi import APIRouter

from functions.api.dependencies import CurrentUser, ServicesDep, StreamIdParam, Unit, UsernameParam
from functions.api.inline_routes import InlineRoute
from functions.api.people import ModeratorOut
from functions.api.representations import Page
from functions.api.use_cases import moderators as use_case

router = APIRouter(route_class=InlineRoute, prefix="/streams/{stream_id}/moderators", tags=["moderation"])


@router.get("")
def moderators(stream_id: StreamIdParam, user: CurrentUser, unit: Unit) -> Page[ModeratorOut]:
    """Who moderates the stream's chat; all of them, at most 50. For its owner and its moderators."""
    found = use_case.list_moderators(unit, stream_id, user.user_id)
    return Page(
        items=[
            ModeratorOut(id=each.user_id, username=each.username, avatar_url=each.avatar_url, since=each.since)
            for each in found
        ],
        next_cursor=None,
    )


@router.put("/{username}", status_code=204)
def name_moderator(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Let somebody moderate the stream's chat. It takes effect in the room within five seconds."""
    use_case.name_moderator(unit, services.hot_state, stream_id, user.user_id, username)


@router.delete("/{username}", status_code=204)
def dismiss_moderator(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Let them no longer moderate the stream's chat, whether they did or not."""
    use_case.dismiss_moderator(unit, services.hot_state, stream_id, user.user_id, username)
