"""Stage 7 · the chat protocol, the other half: every frame that a client gets, and every event in them, as JSON.

A frame is described by its struct and by its place in `AnyServerFrame`, an event likewise in `AnyEvent`: the published
protocol follows from them. Everything may grow by addition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, get_args

import msgspec

from headwater.domain.chat import (
    FRAME_LIMIT_BYTES,
    Chatter,
    RoomEvent,
    RoomRole,
    RoomView,
    badges,
    in_frames,
)
from headwater.domain.emotes import EmoteRange
from headwater.domain.ids import MessageId, StreamId
from headwater.domain.room_settings import USUAL_SETTINGS, RoomSettings
from headwater.errors import HeadwaterError

EVENT_SCHEMA = "Event"  # what the published protocol calls any of `AnyEvent`

_ENVELOPE_BYTES = 512  # the most that a frame has around its events
_encoder = msgspec.json.Encoder()

# An event as the log has it, ready to be sent.
_LoggedEvent = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"$ref": f"#/components/schemas/{EVENT_SCHEMA}"})]


# --- Events ----------------------------------------------------------------------------------------------------------


class NumberedEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """An entry of the room's log: everybody gets it, in the order of `seq`, which the log gives it."""

    seq: int | msgspec.UnsetType = msgspec.UNSET


class Figure(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A figure of the moment: without a number, at most once a second, and never told again."""


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Who said something, and what they were in the room when they did."""

    id: str
    username: str
    role: RoomRole
    badges: tuple[str, ...]


class MessageEvent(NumberedEvent, frozen=True, kw_only=True, tag="message"):
    """Somebody said something. `text` is plain: never markup."""

    id: MessageId
    user: Author
    text: str
    emotes: tuple[EmoteRange, ...] = ()
    reply_to: MessageId | None = None
    created_at: str


class StreamStatusEvent(NumberedEvent, frozen=True, kw_only=True, tag="stream_status"):
    """The stream went live, was interrupted, came back, or ended."""

    status: str
    at: str


class MessageDeletedEvent(NumberedEvent, frozen=True, kw_only=True, tag="message_deleted"):
    """A moderator deleted a message; or, in the place of one, that it is not shown any more."""

    message_id: MessageId


class MessageRestoredEvent(NumberedEvent, frozen=True, kw_only=True, tag="message_restored"):
    """A message that was deleted is shown again, under its own `seq`."""

    message: MessageEvent


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Whom an event is about."""

    id: str
    username: str


class UserTimeoutEvent(NumberedEvent, frozen=True, kw_only=True, tag="user_timeout"):
    """Somebody may not chat for so long; what they said up to here is not shown any more."""

    user: Person
    seconds: int


class UserBannedEvent(NumberedEvent, frozen=True, kw_only=True, tag="user_banned"):
    """Somebody may not chat any more; what they said up to here is not shown any more."""

    user: Person


class UserUnbannedEvent(NumberedEvent, frozen=True, kw_only=True, tag="user_unbanned"):
    """A ban or a timeout was lifted."""

    user: Person


class SettingsEvent(NumberedEvent, frozen=True, kw_only=True, tag="settings"):
    """The room is set like this from now on."""

    settings: RoomSettings


class ClearedEvent(NumberedEvent, frozen=True, kw_only=True, tag="cleared"):
    """Nothing that was said up to here is shown any more."""


class ReactionsEvent(Figure, frozen=True, kw_only=True, tag="reactions"):
    """How often each emoji was given since the last of these."""

    counts: dict[str, int]


class ViewerCountEvent(Figure, frozen=True, kw_only=True, tag="viewer_count"):
    """How many are watching."""

    viewers: int


class ReviewEvent(Figure, frozen=True, kw_only=True, tag="review"):
    """How many messages wait for a moderator; only moderators get it."""

    waiting: int


AnyEvent = (
    MessageEvent
    | MessageDeletedEvent
    | MessageRestoredEvent
    | UserTimeoutEvent
    | UserBannedEvent
    | UserUnbannedEvent
    | SettingsEvent
    | ClearedEvent
    | StreamStatusEvent
    | ReactionsEvent
    | ViewerCountEvent
    | ReviewEvent
)
EVENTS: tuple[type[NumberedEvent | Figure], ...] = get_args(AnyEvent)


# --- Frames ----------------------------------------------------------------------------------------------------------


class ServerFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What has no value is left out."""


class You(msgspec.Struct, frozen=True, kw_only=True):
    """Who the ticket says that you are, and what you are in this room."""

    user_id: str
    username: str
    role: RoomRole


class Joined(ServerFrame, frozen=True, kw_only=True, tag="joined"):
    """The answer to `join`. `messages` are events in `seq` order that end at `seq`: all that were missed, or the latest
    ones; with `gap`, some of the missed ones are gone."""

    stream_id: StreamId
    seq: int
    you: You | None
    settings: RoomSettings
    messages: list[_LoggedEvent]
    gap: bool = False
    nonce: str | None = None


class Events(ServerFrame, frozen=True, kw_only=True, tag="events"):
    """What happened in a room, in `seq` order. Events may come again: drop those whose `seq` is not the next one."""

    stream_id: StreamId
    events: list[_LoggedEvent]


class Ack(ServerFrame, frozen=True, kw_only=True, tag="ack"):
    """It is done. `id` and `seq` are those of the message or event that came of it; with `held`, a moderator has to look at
    the message first, and it has no `seq` yet."""

    nonce: str | None = None
    id: MessageId | None = None
    seq: int | None = None
    held: bool = False


class Pong(ServerFrame, frozen=True, kw_only=True, tag="pong"):
    """The answer to `ping`."""

    nonce: str | None = None


class ErrorFrame(ServerFrame, frozen=True, kw_only=True, tag="error"):
    """What was asked is refused. `code` is stable, `detail` is for people, `retry_after` is in seconds."""

    code: str
    detail: str
    nonce: str | None = None
    retry_after: int | None = None


AnyServerFrame = Joined | Events | Ack | Pong | ErrorFrame
SERVER_FRAMES: tuple[type[ServerFrame], ...] = get_args(AnyServerFrame)


def message_event(
    message_id: MessageId,
    chatter: Chatter,
    role: RoomRole,
    text: str,
    emotes: tuple[EmoteRange, ...],
    reply_to: MessageId | None,
    created_at_ms: int,
    *,
    follower: bool = False,
) -> MessageEvent:
    shown = badges(role, verified=chatter.verified, follower=follower)
    author = Author(id=chatter.user_id, username=chatter.username, role=role, badges=shown)
    created_at = rfc3339(created_at_ms)
    return MessageEvent(id=message_id, user=author, text=text, emotes=emotes, reply_to=reply_to, created_at=created_at)


def rfc3339(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(frame: msgspec.Struct) -> str:
    return _encoder.encode(frame).decode()


def error_frame(error: HeadwaterError, nonce: str | None) -> ErrorFrame:
    return ErrorFrame(code=error.code, detail=error.detail, nonce=nonce, retry_after=error.retry_after_seconds)


def joined_frames(
    view: RoomView,
    *,
    stream_id: StreamId,
    chatter: Chatter | None,
    role: RoomRole,
    settings: RoomSettings = USUAL_SETTINGS,
    nonce: str | None,
    resumed: bool,
) -> list[str]:
    """What somebody who joins is sent: `joined`, and when the missed ones do not fit into it, frames of events after it.

    Who joins afresh, or has a gap, is shown as many of the latest events as fit into one frame.
    """
    you = You(user_id=chatter.user_id, username=chatter.username, role=role) if chatter else None
    runs = in_frames(view.events, FRAME_LIMIT_BYTES - _ENVELOPE_BYTES) or [[]]
    if view.gap or not resumed:
        runs = [_latest_that_fit(view.events)]
    joined = Joined(
        stream_id=stream_id,
        seq=runs[0][-1].seq if len(runs) > 1 else view.seq,
        you=you,
        settings=settings,
        messages=_logged(runs[0]),
        gap=view.gap,
        nonce=nonce,
    )
    return [encode(joined), *(_events_frame(stream_id, run) for run in runs[1:])]


def _latest_that_fit(events: Sequence[RoomEvent]) -> list[RoomEvent]:
    runs = in_frames(events[::-1], FRAME_LIMIT_BYTES - _ENVELOPE_BYTES)
    return runs[0][::-1] if runs else []


def events_frames(stream_id: StreamId, events: Iterable[RoomEvent]) -> list[str]:
    """`events`, in order, in as few frames as the limit allows."""
    return [_events_frame(stream_id, run) for run in in_frames(list(events), FRAME_LIMIT_BYTES - _ENVELOPE_BYTES)]


def _events_frame(stream_id: StreamId, events: Sequence[RoomEvent]) -> str:
    return encode(Events(stream_id=stream_id, events=_logged(events)))


def _logged(events: Sequence[RoomEvent]) -> list[msgspec.Raw]:
    return [msgspec.Raw(event.body.encode()) for event in events]
