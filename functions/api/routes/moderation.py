"""Stage 7 · routes of moderation: how a room is set, bans, messages that wait or are deleted, the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

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
from functions.api.wiring import Services, UnitOfWork
from headwater.domain.ids import MessageId, StreamId, UserId, is_id
from headwater.domain.moderation import ModerationAction
from headwater.errors import NotFound

if TYPE_CHECKING:  # dear to import
    from headwater.chat_moderation import Act, ChatModeration

router = APIRouter(route_class=InlineRoute, prefix="/streams/{stream_id}", tags=["moderation"])


@dataclass(frozen=True, slots=True)
class _Room:
    """A stream's room, and who would moderate it."""

    stream_id: StreamId
    caller: UserId
    services: Services
    unit: UnitOfWork

    @property
    def moderation(self) -> ChatModeration:
        return self.services.moderation

    def begin(self) -> Act:
        """Raises NotFound, Forbidden."""
        return begin(self.unit, self.moderation, self.stream_id, self.caller)


async def _room(stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> _Room:
    return _Room(stream_id, user.user_id, services, unit)


Room = Annotated[_Room, Depends(_room, scope="function")]


async def _message_id(message_id: Annotated[str, Path()]) -> MessageId:
    if not is_id(message_id):
        raise NotFound
    return MessageId(message_id)


MessageIdParam = Annotated[MessageId, Depends(_message_id)]
Name = Annotated[str | None, Query(min_length=1, max_length=64, description="A username.")]


@router.get("/chat/settings")
def room_settings(room: Room) -> RoomSettingsOut:
    """How the stream's chat is set, with its blocked terms. For its owner and moderators, and the site's."""
    return room_settings_out(room.begin().room.rules)


@router.patch("/chat/settings")
def change_room_settings(body: RoomSettingsPatch, room: Room) -> RoomSettingsOut:
    """Change the fields that are sent. It takes effect in the room within two seconds."""
    return room_settings_out(room.moderation.set(room.begin(), body.applied_to)[1])


@router.get("/chat/bans")
def bans(room: Room, limit: Limit = PAGE_LIMIT, cursor: Cursor = None) -> Page[BanOut]:
    """Who is banned from the stream's chat, or timed out."""
    room.begin()
    after = id_before(cursor)
    found = bans_of(room.services.chat_standings, room.stream_id, None if after is None else UserId(after), limit + 1)
    names = room.unit.accounts.usernames({person for each in found for person in (each.user_id, each.by)})
    return page_of(found, limit, lambda each: ban_out(each, names), lambda each: each.user_id)


@router.get("/chat/bans/{username}")
def one_ban(room: Room, username: UsernameParam) -> BanOut:
    """Whether somebody is banned or timed out; 404 when not."""
    room.begin()
    found = ban_of(room.unit, room.services.chat_standings, room.stream_id, username)
    return ban_out(found, room.unit.accounts.usernames((found.user_id, found.by)))


@router.put("/chat/bans/{username}", status_code=204)
def ban_user(body: NewBan, room: Room, username: UsernameParam) -> None:
    """Ban somebody from the stream's chat, or with `seconds` time them out. What they said lately is hidden.

    It holds from now on, on every device. No timeout takes the place of a ban.
    """
    ban(room.unit, room.moderation, room.begin(), username, body.seconds, body.reason)


@router.delete("/chat/bans/{username}", status_code=204)
def unban_user(room: Room, username: UsernameParam) -> None:
    """Lift a ban or a timeout, whether there was one or not."""
    unban(room.unit, room.moderation, room.begin(), username)


@router.delete("/chat/messages/{message_id}", status_code=204)
def delete_message(room: Room, message_id: MessageIdParam, body: MaybeBecause | None = None) -> None:
    """Let a message not be shown any more, in the room, in its history and over recordings."""
    room.moderation.delete(room.begin(), message_id, None if body is None else body.reason)


@router.post("/chat/messages/{message_id}/restore", status_code=204)
def restore_message(room: Room, message_id: MessageIdParam) -> None:
    """Show a message again that was deleted. Possible while the room remembers it: 1,000 events, six hours."""
    room.moderation.restore(room.begin(), message_id)


@router.get("/chat/held")
def held_messages(room: Room, limit: Limit = PAGE_LIMIT, cursor: Cursor = None) -> Page[HeldMessageOut]:
    """Messages that wait for a moderator, the oldest first; each for a day."""
    room.begin()
    after = id_before(cursor)
    found = waiting(room.services.held_messages, room.stream_id, None if after is None else MessageId(after), limit + 1)
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
def approve_message(room: Room, message_id: MessageIdParam) -> None:
    """Let it be said, now; also one that was rejected."""
    room.moderation.approve(room.begin(), message_id)


@router.post("/chat/held/{message_id}/reject", status_code=204)
def reject_message(room: Room, message_id: MessageIdParam) -> None:
    """Let it not be said."""
    room.moderation.reject(room.begin(), message_id)


@router.get("/moderation-log")
def moderation_log(
    room: Room,
    action: ModerationAction | None = None,
    actor: Name = None,
    username: Name = None,
    limit: Limit = PAGE_LIMIT,
    cursor: Cursor = None,
) -> Page[ModerationEntryOut]:
    """Who did what to whom and why, newest first; seconds behind. `actor` and `username` (to whom) narrow it."""
    room.begin()
    before = id_before(cursor)
    people = {name: room.unit.accounts.by_username(name) for name in (actor, username) if name is not None}
    if None in people.values():
        return Page(items=[], next_cursor=None)
    ids = {name: found.user_id for name, found in people.items() if found is not None}
    found = room.unit.moderation_log.page(
        room.stream_id,
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
def export_moderation_log(room: Room) -> Response:
    """The log as a file for spreadsheets: its newest 10,000 entries."""
    room.begin()
    headers = {"Content-Disposition": f'attachment; filename="moderation-{room.stream_id}.csv"'}
    return Response(exported(room.unit.moderation_log, room.stream_id), media_type="text/csv", headers=headers)
