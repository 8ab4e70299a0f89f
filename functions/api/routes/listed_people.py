"""Stage 7 · routes of the lists of people that a stream's owner keeps: moderators, VIPs, and who may watch it while private."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from functions.api.dependencies import CurrentUser, ServicesDep, StreamIdParam, Unit, UsernameParam
from functions.api.inline_routes import InlineRoute
from functions.api.people import ListedPersonOut
from functions.api.representations import Page
from functions.api.use_cases.listed_people import MODERATORS, VIEWERS, VIPS, people_on, put_on, take_off
from headwater.adapters.listed_people import ListedPerson

router = APIRouter(route_class=InlineRoute, prefix="/streams/{stream_id}")


def _whole(people: Sequence[ListedPerson]) -> Page[ListedPersonOut]:
    return Page(
        items=[
            ListedPersonOut(id=each.user_id, username=each.username, avatar_url=each.avatar_url, since=each.since)
            for each in people
        ],
        next_cursor=None,
    )


@router.get("/moderators", tags=["moderation"])
def moderators(stream_id: StreamIdParam, user: CurrentUser, unit: Unit) -> Page[ListedPersonOut]:
    """Who moderates the stream's chat; all of them, at most 50. For its owner and its moderators."""
    return _whole(people_on(unit, MODERATORS, stream_id, user.user_id))


@router.put("/moderators/{username}", tags=["moderation"], status_code=204)
def name_moderator(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Let somebody moderate the stream's chat. It takes effect in the room within two seconds."""
    put_on(unit, services.hot_state, MODERATORS, stream_id, user.user_id, username)


@router.delete("/moderators/{username}", tags=["moderation"], status_code=204)
def dismiss_moderator(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Let them no longer moderate the stream's chat, whether they did or not."""
    take_off(unit, services.hot_state, MODERATORS, stream_id, user.user_id, username)


@router.get("/vips", tags=["moderation"])
def vips(stream_id: StreamIdParam, user: CurrentUser, unit: Unit) -> Page[ListedPersonOut]:
    """Whom slow mode, followers-only mode, account age and held links do not bind in the stream's chat; all of them, at most
    100. For its owner and for themselves."""
    return _whole(people_on(unit, VIPS, stream_id, user.user_id))


@router.put("/vips/{username}", tags=["moderation"], status_code=204)
def name_vip(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Make somebody a VIP of the stream's chat. It takes effect in the room within two seconds."""
    put_on(unit, services.hot_state, VIPS, stream_id, user.user_id, username)


@router.delete("/vips/{username}", tags=["moderation"], status_code=204)
def dismiss_vip(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Let them be none any more, whether they were or not."""
    take_off(unit, services.hot_state, VIPS, stream_id, user.user_id, username)


@router.get("/viewers", tags=["privacy"])
def allowed_viewers(stream_id: StreamIdParam, user: CurrentUser, unit: Unit) -> Page[ListedPersonOut]:
    """Who may watch the stream while it is private, beside its owner; all of them, at most 250. For its owner."""
    return _whole(people_on(unit, VIEWERS, stream_id, user.user_id))


@router.put("/viewers/{username}", tags=["privacy"], status_code=204)
def allow_viewer(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Let somebody watch the stream, and be in its chat room, while it is private."""
    put_on(unit, services.hot_state, VIEWERS, stream_id, user.user_id, username)


@router.delete("/viewers/{username}", tags=["privacy"], status_code=204)
def disallow_viewer(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Take somebody off the list. They watch for less than a minute more, and chat for seconds."""
    take_off(unit, services.hot_state, VIEWERS, stream_id, user.user_id, username)
