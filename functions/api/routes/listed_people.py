"""Stage 7 · routes of the lists of people that a stream's owner keeps: moderators, VIPs, and who may watch it while private."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends

from functions.api.dependencies import CurrentUser, ServicesDep, StreamIdParam, Unit, UsernameParam
from functions.api.inline_routes import InlineRoute
from functions.api.people import ListedPersonOut
from functions.api.representations import Page
from functions.api.use_cases.listed_people import MODERATORS, VIEWERS, VIPS, PeopleList, people_on, put_on, take_off
from functions.api.wiring import Services, UnitOfWork
from headwater.adapters.listed_people import ListedPerson
from headwater.domain.ids import StreamId, UserId

router = APIRouter(route_class=InlineRoute, prefix="/streams/{stream_id}")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A name that the stream's owner, and nobody else, may put on a list or take off it."""

    stream_id: StreamId
    username: str
    caller: UserId
    services: Services
    unit: UnitOfWork

    def put_on(self, kept: PeopleList) -> None:
        put_on(self.unit, self.services.hot_state, kept, self.stream_id, self.caller, self.username)

    def take_off(self, kept: PeopleList) -> None:
        take_off(self.unit, self.services.hot_state, kept, self.stream_id, self.caller, self.username)


async def _entry(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> _Entry:
    return _Entry(stream_id, username, user.user_id, services, unit)


Entry = Annotated[_Entry, Depends(_entry, scope="function")]


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
def name_moderator(entry: Entry) -> None:
    """Let somebody moderate the stream's chat. It takes effect in the room within two seconds."""
    entry.put_on(MODERATORS)


@router.delete("/moderators/{username}", tags=["moderation"], status_code=204)
def dismiss_moderator(entry: Entry) -> None:
    """Let them no longer moderate the stream's chat, whether they did or not."""
    entry.take_off(MODERATORS)


@router.get("/vips", tags=["moderation"])
def vips(stream_id: StreamIdParam, user: CurrentUser, unit: Unit) -> Page[ListedPersonOut]:
    """Whom slow mode, followers-only mode, account age and held links do not bind in the stream's chat; all of them, at most
    100. For its owner and for themselves."""
    return _whole(people_on(unit, VIPS, stream_id, user.user_id))


@router.put("/vips/{username}", tags=["moderation"], status_code=204)
def name_vip(entry: Entry) -> None:
    """Make somebody a VIP of the stream's chat. It takes effect in the room within two seconds."""
    entry.put_on(VIPS)


@router.delete("/vips/{username}", tags=["moderation"], status_code=204)
def dismiss_vip(entry: Entry) -> None:
    """Let them be none any more, whether they were or not."""
    entry.take_off(VIPS)


@router.get("/viewers", tags=["privacy"])
def allowed_viewers(stream_id: StreamIdParam, user: CurrentUser, unit: Unit) -> Page[ListedPersonOut]:
    """Who may watch the stream while it is private, beside its owner; all of them, at most 250. For its owner."""
    return _whole(people_on(unit, VIEWERS, stream_id, user.user_id))


@router.put("/viewers/{username}", tags=["privacy"], status_code=204)
def allow_viewer(entry: Entry) -> None:
    """Let somebody watch the stream, and be in its chat room, while it is private."""
    entry.put_on(VIEWERS)


@router.delete("/viewers/{username}", tags=["privacy"], status_code=204)
def disallow_viewer(entry: Entry) -> None:
    """Take somebody off the list. They watch for less than a minute more, and chat for seconds."""
    entry.take_off(VIEWERS)
