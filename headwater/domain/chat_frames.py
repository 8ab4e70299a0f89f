"""Stage 7 · the chat protocol: every frame that a client may send and every frame that it gets, as JSON.

Client frames carry `action`; the answer to one that carries `nonce` repeats it. An unknown field is ignored, so that a
newer client can talk to an older server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from headwater.domain.chat import (
    FRAME_LIMIT_BYTES,
    TEXT_LIMIT,
    Chatter,
    RoomEvent,
    RoomRole,
    RoomView,
    badges,
    in_frames,
)
from headwater.domain.ids import MessageId, StreamId, is_id
from headwater.errors import BadFrame, HeadwaterError, UnknownAction

NONCE_LIMIT = 64
Nonce = Annotated[str, msgspec.Meta(min_length=1, max_length=NONCE_LIMIT)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]  # exact in JavaScript too

_ENVELOPE_BYTES = 512  # the most that a frame has around its events


class ClientFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="action"):
    nonce: Nonce | None = None


class Join(ClientFrame, frozen=True, kw_only=True, tag="join"):
    stream_id: StreamId
    after_seq: Seq | None = None


class Send(ClientFrame, frozen=True, kw_only=True, tag="send"):
    """`nonce` makes the message one: sent again with the same nonce, it is accepted only once."""

    stream_id: StreamId
    text: str
    reply_to: MessageId | None = None


class Leave(ClientFrame, frozen=True, kw_only=True, tag="leave"):
    stream_id: StreamId


class Ping(ClientFrame, frozen=True, kw_only=True, tag="ping"):
    pass


_ACTIONS = {"join", "send", "leave", "ping"}
_frames = msgspec.json.Decoder(Join | Send | Leave | Ping)
_objects = msgspec.json.Decoder(dict[str, Any])
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)  # the last: nested deeper than anybody has reason to
_encoder = msgspec.json.Encoder()


def read_frame(body: str) -> Join | Send | Leave | Ping:
    """The frame in `body`. Raises BadFrame (too large, no JSON object, a field missing or wrong) or UnknownAction."""
    if len(body.encode(errors="surrogatepass")) > FRAME_LIMIT_BYTES:
        raise BadFrame(f"A frame holds at most {FRAME_LIMIT_BYTES} bytes.")
    try:
        frame: Join | Send | Leave | Ping = _frames.decode(body)
    except _UNREADABLE as error:
        if isinstance(error, msgspec.ValidationError) and _names_unknown_action(body):
            raise UnknownAction from None
        # msgspec names the field and what it should be, and never repeats a value that was sent.
        raise BadFrame(str(error) if isinstance(error, msgspec.ValidationError) else None) from None
    for name in ("stream_id", "reply_to"):
        value = getattr(frame, name, None)
        if value is not None and not is_id(value):
            raise BadFrame(f"`{name}` is not an id.")
    return frame


def nonce_of(body: str) -> str | None:
    """The nonce of a frame that may be wrong in any other way, so that its error can be told from another's."""
    nonce = _fields_of(body).get("nonce")
    return nonce if isinstance(nonce, str) and 1 <= len(nonce) <= NONCE_LIMIT else None


def _names_unknown_action(body: str) -> bool:
    action = _fields_of(body).get("action")
    return isinstance(action, str) and action not in _ACTIONS


def _fields_of(body: str) -> dict[str, Any]:
    """Whatever the object in `body` holds; nothing when it cannot be read."""
    try:
        return _objects.decode(body)
    except _UNREADABLE:
        return {}


class You(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    username: str
    role: RoomRole


class RoomSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the room is set, so that a client can say so before a message is refused."""

    max_length: int = TEXT_LIMIT
    slow_seconds: int = 0
    followers_only: bool = False
    emote_only: bool = False


class Joined(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="joined", omit_defaults=True):
    """`messages` are events in `seq` order that end at `seq`: all that were missed, or with `gap` the latest ones."""

    stream_id: StreamId
    seq: int
    you: You | None
    settings: RoomSettings
    messages: list[msgspec.Raw]
    gap: bool = False
    nonce: str | None = None


class Ack(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ack", omit_defaults=True):
    nonce: str | None = None
    id: MessageId | None = None
    seq: int | None = None


class Pong(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="pong", omit_defaults=True):
    nonce: str | None = None


class ErrorFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="error", omit_defaults=True):
    code: str
    detail: str
    nonce: str | None = None
    retry_after: int | None = None  # seconds


class Author(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    username: str
    role: RoomRole
    badges: tuple[str, ...]


class MessageEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A chat message as everybody gets it. In the room's log it has a `seq`, which the log gives it."""

    id: MessageId
    user: Author
    text: str
    emotes: tuple[str, ...] = ()
    reply_to: MessageId | None = None
    created_at: str
    seq: int | msgspec.UnsetType = msgspec.UNSET


def message_event(
    message_id: MessageId, chatter: Chatter, role: RoomRole, text: str, reply_to: MessageId | None, created_at_ms: int
) -> MessageEvent:
    author = Author(id=chatter.user_id, username=chatter.username, role=role, badges=badges(role))
    return MessageEvent(id=message_id, user=author, text=text, reply_to=reply_to, created_at=rfc3339(created_at_ms))


def rfc3339(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(frame: msgspec.Struct) -> str:
    return _encoder.encode(frame).decode()


def error_frame(error: HeadwaterError, nonce: str | None) -> ErrorFrame:
    return ErrorFrame(code=error.code, detail=error.detail, nonce=nonce, retry_after=error.retry_after_seconds)


def joined_frames(
    view: RoomView, *, stream_id: StreamId, chatter: Chatter | None, role: RoomRole, nonce: str | None, resumed: bool
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
        settings=RoomSettings(),
        messages=[msgspec.Raw(event.body.encode()) for event in runs[0]],
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
    return f'{{"type":"events","stream_id":"{stream_id}","events":[{",".join(event.body for event in events)}]}}'
