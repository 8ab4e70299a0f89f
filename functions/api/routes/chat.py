"""Stage 7 · routes of chat: tickets for the socket, what was said lately, and what was said over a recording."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from functions.api.dependencies import (
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
from functions.api.pages import message_before, page_of, said_after, said_cursor
from functions.api.representations import ChatMessageOut, Page, ReplayedMessageOut, TicketOut
from functions.api.use_cases.chat import read_chat
from functions.api.use_cases.chat_replay import replay_chat
from functions.api.use_cases.streams import visible_stream
from headwater.adapters.chat_tickets import TICKET_SECONDS
from headwater.domain.chat import Chatter
from headwater.errors import FieldError, InvalidInput, Unauthenticated

router = APIRouter(route_class=InlineRoute, tags=["chat"])

CHAT_PAGE_LIMIT = 50
_LONGEST_SECONDS = 1_000_000.0  # far above what a broadcast may last

Offset = Annotated[float, Field(ge=0, le=_LONGEST_SECONDS, allow_inf_nan=False)]


@router.post("/chat/tickets")
def ticket(user: CurrentUser, services: ServicesDep, unit: Unit) -> TicketOut:
    """A ticket to open a chat socket with, as `?ticket=`. It works once."""
    found = unit.accounts.by_id(user.user_id)
    if found is None:
        raise Unauthenticated
    registered_at = round(found.created_at.timestamp() * 1000)
    chatter = Chatter(found.user_id, found.username, found.roles, found.is_verified, registered_at)
    issued = services.tickets.issue(chatter, user.session_id)
    return TicketOut(ticket=issued, expires_in=TICKET_SECONDS)


@router.get("/streams/{stream_id}/chat/messages")
def messages(
    stream_id: StreamIdParam,
    user: MaybeUser,
    services: ServicesDep,
    unit: Unit,
    before: Annotated[str | None, Query(max_length=64, description="The `seq` of the oldest message known.")] = None,
    limit: Limit = CHAT_PAGE_LIMIT,
    cursor: Cursor = None,
) -> Page[ChatMessageOut]:
    """What was said, newest first."""
    stream = visible_stream(unit.streams, stream_id, user_id_of(user))
    position = message_before(before, "before") if cursor is None else message_before(cursor, "cursor")
    found = read_chat(services.rooms, unit.chat, stream_id, stream.owner.user_id, position, limit + 1)
    return page_of(found, limit, lambda each: each, lambda each: str(each.seq))


@router.get("/broadcasts/{broadcast_id}/chat")
def replay(
    broadcast_id: BroadcastIdParam,
    user: MaybeUser,
    services: ServicesDep,
    unit: Unit,
    begins: Annotated[Offset, Query(alias="from", description="Seconds from the beginning of the recording.")] = 0.0,
    ends: Annotated[
        Offset | None, Query(alias="to", description="Likewise; what is said from then on is left out.")
    ] = None,
    limit: Limit = CHAT_PAGE_LIMIT,
    cursor: Cursor = None,
) -> Page[ReplayedMessageOut]:
    """What was said during a broadcast, as its recording goes on. Who may watch that may read this."""
    if ends is not None and ends < begins:
        raise InvalidInput(errors=(FieldError("to", "This is before `from`."),))
    found = replay_chat(
        unit,
        services.rooms,
        services.timelines,
        broadcast_id,
        user_id_of(user),
        begins,
        ends,
        said_after(cursor),
        limit + 1,
    )
    return page_of(found, limit, lambda each: each, said_cursor)
