"""Stage 7 · routes of moderation: how a room is set, bans, messages that wait or are deleted, the log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from functions.api.dependencies import (
    PAGE_LIMIT,
    CurrentUser,
    Cursor,
    Limit,
    ServicesDep,
    StreamIdParam,
    Unit,
    UsernameParam,
)
from functions.api.inline_routes import InlineRoute
from functions.api.moderation_bodies import (
    BanOut,
    HeldMessageOut,
    ModerationEntryOut,
    ModerationPersonOut,
    NewBan,
    RoomSettingsOut,
    RoomSettingsPatch,
    ban_out,
    entry_out,
    room_settings_out,
)
from functions.api.pages import id_before, page_of
from functions.api.people import MaybeBecause
from functions.api.representations import Page
from functions.api.use_cases.moderation import ban, ban_of, begin, exported, unban, waiting
from functions.api.use_cases.moderation import bans as bans_of
from headwater.domain.ids import MessageId, UserId, is_id
from headwater.domain.moderation import ModerationAction
from headwater.errors import NotFound

router = APIRouter(route_class=InlineRoute, prefix="/streams/{stream_id}", tags=["moderation"])


async def _message_id(message_id: Annotated[str, Path()]) -> MessageId:
    if not is_id(message_id):
        raise NotFound
    return MessageId(message_id)


MessageIdParam = Annotated[MessageId, Depends(_message_id)]
Name = Annotated[str | None, Query(min_length=1, max_length=64, description="A username.")]


@router.get("/chat/settings")
def room_settings(stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> RoomSettingsOut:
    """How the stream's chat is set, with its blocked terms. For its owner and moderators, and the site's."""
    act = begin(unit, services.moderation, stream_id, user.user_id)
    return room_settings_out(act.room.rules)


@router.patch("/chat/settings")
def change_room_settings(
    body: RoomSettingsPatch, stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> RoomSettingsOut:
    """Change the fields that are sent. It takes effect in the room within two seconds."""
    act = begin(unit, services.moderation, stream_id, user.user_id)
    return room_settings_out(services.moderation.set(act, body.applied_to)[1])


@router.get("/chat/bans")
def bans(
    stream_id: StreamIdParam,
    user: CurrentUser,
    services: ServicesDep,
    unit: Unit,
    limit: Limit = PAGE_LIMIT,
    cursor: Cursor = None,
) -> Page[BanOut]:
    """Who is banned from the stream's chat, or timed out."""
    begin(unit, services.moderation, stream_id, user.user_id)
    after = id_before(cursor)
    found = bans_of(services.chat_standings, stream_id, None if after is None else UserId(after), limit + 1)
    names = unit.accounts.usernames({person for each in found for person in (each.user_id, each.by)})
    return page_of(found, limit, lambda each: ban_out(each, names), lambda each: each.user_id)


@router.get("/chat/bans/{username}")
def one_ban(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> BanOut:
    """Whether somebody is banned or timed out; 404 when not."""
    begin(unit, services.moderation, stream_id, user.user_id)
    found = ban_of(unit, services.chat_standings, stream_id, username)
    return ban_out(found, unit.accounts.usernames((found.user_id, found.by)))


@router.put("/chat/bans/{username}", status_code=204)
def ban_user(
    body: NewBan,
    stream_id: StreamIdParam,
    username: UsernameParam,
    user: CurrentUser,
    services: ServicesDep,
    unit: Unit,
) -> None:
    """Ban somebody from the stream's chat, or with `seconds` time them out. What they said lately is hidden.

    It holds from now on, on every device. No timeout takes the place of a ban.
    """
    act = begin(unit, services.moderation, stream_id, user.user_id)
    ban(unit, services.moderation, act, username, body.seconds, body.reason)


@router.delete("/chat/bans/{username}", status_code=204)
def unban_user(
    stream_id: StreamIdParam, username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Lift a ban or a timeout, whether there was one or not."""
    act = begin(unit, services.moderation, stream_id, user.user_id)
    unban(unit, services.moderation, act, username)


@router.delete("/chat/messages/{message_id}", status_code=204)
def delete_message(
    stream_id: StreamIdParam,
    message_id: MessageIdParam,
    user: CurrentUser,
    services: ServicesDep,
    unit: Unit,
    body: MaybeBecause | None = None,
) -> None:
    """Let a message not be shown any more, in the room, in its history and over recordings."""
    act = begin(unit, services.moderation, stream_id, user.user_id)
    services.moderation.delete(act, message_id, None if body is None else body.reason)


@router.post("/chat/messages/{message_id}/restore", status_code=204)
def restore_message(
    stream_id: StreamIdParam, message_id: MessageIdParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Show a message again that was deleted. Possible while the room remembers it: 1,000 events, six hours."""
    act = begin(unit, services.moderation, stream_id, user.user_id)
    services.moderation.restore(act, message_id)


@router.get("/chat/held")
def held_messages(
    stream_id: StreamIdParam,
    user: CurrentUser,
    services: ServicesDep,
    unit: Unit,
    limit: Limit = PAGE_LIMIT,
    cursor: Cursor = None,
) -> Page[HeldMessageOut]:
    """Messages that wait for a moderator, the oldest first; each for a day."""
    begin(unit, services.moderation, stream_id, user.user_id)
    after = id_before(cursor)
    found = waiting(services.held_messages, stream_id, None if after is None else MessageId(after), limit + 1)
    return page_of(
        found,
        limit,
        lambda each: HeldMessageOut(
            id=each.message.id,
            user=ModerationPersonOut(id=each.message.user.id, username=each.message.user.username),
            text=each.message.text,
            created_at=datetime.fromisoformat(each.message.created_at),
        ),
        lambda each: each.message.id,
    )


@router.post("/chat/held/{message_id}/approve", status_code=204)
def approve_message(
    stream_id: StreamIdParam, message_id: MessageIdParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Let it be said, now; also one that was rejected."""
    act = begin(unit, services.moderation, stream_id, user.user_id)
    services.moderation.approve(act, message_id)


@router.post("/chat/held/{message_id}/reject", status_code=204)
def reject_message(
    stream_id: StreamIdParam, message_id: MessageIdParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """Let it not be said."""
    act = begin(unit, services.moderation, stream_id, user.user_id)
    services.moderation.reject(act, message_id)


@router.get("/moderation-log")
def moderation_log(
    stream_id: StreamIdParam,
    user: CurrentUser,
    services: ServicesDep,
    unit: Unit,
    action: ModerationAction | None = None,
    actor: Name = None,
    username: Name = None,
    limit: Limit = PAGE_LIMIT,
    cursor: Cursor = None,
) -> Page[ModerationEntryOut]:
    """Who did what to whom and why, newest first; seconds behind. `actor` and `username` (to whom) narrow it."""
    begin(unit, services.moderation, stream_id, user.user_id)
    before = id_before(cursor)
    people = {name: unit.accounts.by_username(name) for name in (actor, username) if name is not None}
    if None in people.values():
        return Page(items=[], next_cursor=None)
    ids = {name: found.user_id for name, found in people.items() if found is not None}
    found = unit.moderation_log.page(
        stream_id,
        action=action,
        actor_id=None if actor is None else ids[actor],
        user_id=None if username is None else ids[username],
        before=before,
        limit=limit + 1,
    )
    return page_of(found, limit, entry_out, lambda each: each.entry_id)


@router.get(
    "/moderation-log.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def export_moderation_log(stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> Response:
    """The log as a file for spreadsheets: its newest 10,000 entries."""
    begin(unit, services.moderation, stream_id, user.user_id)
    headers = {"Content-Disposition": f'attachment; filename="moderation-{stream_id}.csv"'}
    return Response(exported(unit.moderation_log, stream_id), media_type="text/csv", headers=headers)
