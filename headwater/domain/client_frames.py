"""Stage 7 · the chat protocol, one half: every frame that a client may send, as JSON. The other is server_frames.py.

Client frames carry `action`; the answer to one that carries `nonce` repeats it. An unknown field is ignored, so that a
newer client can talk to an older server. A frame is described by its struct and by its place in `AnyClientFrame`, and by
nothing else: what is read, what counts as an action, and the published protocol follow from the two.
"""

from __future__ import annotations

from typing import Annotated, Any, get_args

import msgspec

from headwater.domain.chat import FRAME_LIMIT_BYTES
from headwater.domain.ids import ID_LENGTH, ID_PATTERN, MessageId, StreamId, UserId
from headwater.domain.moderation import REASON_LIMIT, TIMEOUT_LIMIT_SECONDS
from headwater.domain.room_settings import SlowSeconds
from headwater.errors import BadFrame, UnknownAction

NONCE_LIMIT = 64
Nonce = Annotated[str, msgspec.Meta(min_length=1, max_length=NONCE_LIMIT)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]  # exact in JavaScript too

# Ids as they come from outside. The length rules out a line break at the end, which a pattern lets pass.
_ID = msgspec.Meta(pattern=ID_PATTERN.pattern, min_length=ID_LENGTH, max_length=ID_LENGTH)
SentStreamId = Annotated[StreamId, _ID]
SentMessageId = Annotated[MessageId, _ID]
SentUserId = Annotated[UserId, msgspec.Meta(min_length=1, max_length=64)]
SentUsername = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Reason = Annotated[str, msgspec.Meta(max_length=REASON_LIMIT)]


class ClientFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="action"):
    nonce: Nonce | None = None


class RoomFrame(ClientFrame, frozen=True, kw_only=True):
    """A frame about one room."""

    stream_id: SentStreamId


class Join(RoomFrame, frozen=True, kw_only=True, tag="join"):
    """Be sent a room's events from now on; with `after_seq`, also those that were missed since then."""

    after_seq: Seq | None = None


class Send(RoomFrame, frozen=True, kw_only=True, tag="send"):
    """Say something. `nonce` makes the message one: sent again with the same nonce, it is accepted only once."""

    text: str
    reply_to: SentMessageId | None = None


class React(RoomFrame, frozen=True, kw_only=True, tag="react"):
    """Give one of the reactions, or an emote of the room by its name."""

    emoji: Annotated[str, msgspec.Meta(min_length=1, max_length=24)]


class Leave(RoomFrame, frozen=True, kw_only=True, tag="leave"):
    """Be sent no more of a room's events."""


class Ping(ClientFrame, frozen=True, kw_only=True, tag="ping"):
    """Keep a quiet socket open: API Gateway closes one after ten minutes without a frame."""


class Delete(RoomFrame, frozen=True, kw_only=True, tag="delete"):
    """Moderators: let a message not be shown any more."""

    message_id: SentMessageId
    reason: Reason | None = None


class Restore(RoomFrame, frozen=True, kw_only=True, tag="restore"):
    """Moderators: show a message again that was deleted."""

    message_id: SentMessageId


class AboutUser(RoomFrame, frozen=True, kw_only=True):
    """A frame about somebody else. `user_id` wins over `username`, which may have changed hands."""

    username: SentUsername
    user_id: SentUserId | None = None


class Timeout(AboutUser, frozen=True, kw_only=True, tag="timeout"):
    """Moderators: let somebody not chat for so long, and hide what they said."""

    seconds: Annotated[int, msgspec.Meta(ge=1, le=TIMEOUT_LIMIT_SECONDS)]
    reason: Reason | None = None


class Ban(AboutUser, frozen=True, kw_only=True, tag="ban"):
    """Moderators: let somebody not chat any more, and hide what they said."""

    reason: Reason | None = None


class Unban(AboutUser, frozen=True, kw_only=True, tag="unban"):
    """Moderators: lift a ban or a timeout."""


class Clear(RoomFrame, frozen=True, kw_only=True, tag="clear"):
    """Moderators: let nothing that was said until now be shown any more."""


class Slow(RoomFrame, frozen=True, kw_only=True, tag="slow"):
    """Moderators: so many seconds between two messages of one user; 0 for none."""

    seconds: SlowSeconds


class Approve(RoomFrame, frozen=True, kw_only=True, tag="approve"):
    """Moderators: let a message that was held be said."""

    message_id: SentMessageId


class Reject(RoomFrame, frozen=True, kw_only=True, tag="reject"):
    """Moderators: let a message that was held not be said."""

    message_id: SentMessageId


AnyModeration = Delete | Restore | Timeout | Ban | Unban | Clear | Slow | Approve | Reject
AnyClientFrame = Join | Send | React | Leave | Ping | AnyModeration
CLIENT_FRAMES: tuple[type[ClientFrame], ...] = get_args(AnyClientFrame)

_ACTIONS = [str(frame.__struct_config__.tag) for frame in CLIENT_FRAMES]
_NO_SUCH_ACTION = f"There is no such `action`. There are: {', '.join(_ACTIONS)}."
_frames: msgspec.json.Decoder[AnyClientFrame] = msgspec.json.Decoder(AnyClientFrame)
_objects = msgspec.json.Decoder(dict[str, Any])
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)  # the last: nested deeper than anybody has reason to


def read_frame(body: str) -> AnyClientFrame:
    """The frame in `body`. Raises BadFrame (too large, no JSON object, a field missing or wrong) or UnknownAction."""
    if len(body.encode(errors="surrogatepass")) > FRAME_LIMIT_BYTES:
        raise BadFrame(f"A frame holds at most {FRAME_LIMIT_BYTES} bytes.")
    try:
        return _frames.decode(body)
    except _UNREADABLE as error:
        if isinstance(error, msgspec.ValidationError) and _names_unknown_action(body):
            raise UnknownAction(_NO_SUCH_ACTION) from None
        # msgspec names the field and what it should be, and never repeats a value that was sent.
        raise BadFrame(str(error) if isinstance(error, msgspec.ValidationError) else None) from None


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
