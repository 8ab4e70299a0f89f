"""Stage 7 · routes of chat: tickets for the socket, and history."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from functions.api.dependencies import (
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
from functions.api.pages import message_before, page_of
from functions.api.representations import ChatMessageOut, Page, TicketOut
from functions.api.use_cases.chat import read_chat
from functions.api.use_cases.streams import visible_stream
from headwater.adapters.chat_tickets import TICKET_SECONDS
from headwater.errors import Unauthenticated

router = APIRouter(route_class=InlineRoute, tags=["chat"])

CHAT_PAGE_LIMIT = 50


@router.post("/chat/tickets")
def ticket(user: CurrentUser, services: ServicesDep, unit: Unit) -> TicketOut:
    """A ticket to open a chat socket with, as `?ticket=`. It works once."""
    found = unit.accounts.by_id(user.user_id)
    if found is None:
        raise Unauthenticated
    issued = services.tickets.issue(found.user_id, found.username, found.roles, user.session_id)
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
