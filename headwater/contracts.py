"""Every message that crosses from one stage to another, and nothing else.

Receivers must expect each message late, twice, or out of order: a `BroadcastChanged` carries a whole snapshot and a
`sequence`, the others only say where to look. Times are Unix milliseconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, TypeVar

import msgspec

from headwater.domain.broadcast import (
    BroadcastEventName,
    BroadcastState,
    EndReason,
    RecordingState,
    StreamEventName,
)
from headwater.domain.emotes import EmoteRange
from headwater.domain.ids import BroadcastId, MessageId, StreamId, UserId
from headwater.domain.moderation import ModerationAction

EVENT_SOURCE = "headwater.broadcasts"
STREAM_EVENT_SOURCE = "headwater.streams"
INGEST_EVENT_SOURCE = "headwater.ingest"
INGEST_WANTED = "IngestWanted"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every message. Unknown fields are ignored, so that a newer sender can talk to an older receiver."""


class BroadcastChanged(Message, frozen=True, kw_only=True):
    """EventBridge, source `headwater.broadcasts`, detail-type = `name`: stage 2 → history, chat, everyone who cares.

    The snapshot is the broadcast from then on; drop it when a higher `sequence` of the same broadcast was seen.
    """

    name: BroadcastEventName
    stream_id: StreamId
    owner_id: UserId
    broadcast_id: BroadcastId
    sequence: int
    occurred_at: int
    state: BroadcastState
    public: bool
    record: bool
    started_at: int
    live_at: int | None = None
    ended_at: int | None = None
    end_reason: EndReason | None = None
    end_detail: str | None = None
    recording: RecordingState = RecordingState.PENDING
    duration_seconds: float | None = None
    renditions: tuple[str, ...] = ()


class StreamChanged(Message, frozen=True, kw_only=True):
    """EventBridge, source `headwater.streams`, detail-type = `name`: what happened to a stream itself, or to a recording.

    Says where to look; what is true by now is in the hot state.
    """

    name: StreamEventName
    stream_id: StreamId
    occurred_at: int
    broadcast_id: BroadcastId | None = None


class IngestWanted(Message, frozen=True, kw_only=True):
    """EventBridge, source `headwater.ingest`: somebody wants to publish and waits for an ingest node. Which, and for whom, is
    in the hot state."""


class BroadcastPulse(Message, frozen=True, kw_only=True):
    """SQS `pulse`: look at this broadcast now (stage 3). Says nothing about why, so it can be repeated or lost.

    `due` marks the chain of pulses that the broadcast keeps alive; a pulse from anywhere else has none.
    """

    stream_id: StreamId
    broadcast_id: BroadcastId
    due: int | None = None


class WarmPoolPulse(Message, frozen=True, kw_only=True):
    """SQS `pulse`: look at the workers that wait for a broadcast (stage 3). Once a minute, and when one was taken."""

    warm_pool: Literal["look"] = "look"


class TranscodeJob(Message, frozen=True, kw_only=True):
    """ECS RunTask, environment `TRANSCODE_JOB`: stage 3 → stage 4. What to pull is read from the hot state."""

    stream_id: StreamId
    broadcast_id: BroadcastId
    generation: int


class FinaliseRecording(Message, frozen=True, kw_only=True):
    """SQS `finalise`: the broadcast is over and its worker gone; write the recording's manifests."""

    stream_id: StreamId
    broadcast_id: BroadcastId


class ChatDelivery(Message, frozen=True, kw_only=True):
    """SQS FIFO `chat-delivery`, group = shard of a room: there is something that its connections have not been sent."""

    stream_id: StreamId
    shard: int = 0


class AudienceLook(Message, frozen=True, kw_only=True):
    """SQS `chat-status`: look whether anybody is watching any more. `token`: for one stream, one message counts."""

    stream_id: StreamId
    token: str


class ChatMessageArchived(Message, frozen=True, kw_only=True):
    """SQS `chat-archive`: one accepted chat message, on its way to PostgreSQL."""

    stream_id: StreamId
    seq: int
    message_id: MessageId
    user_id: UserId
    username: str
    text: str
    reply_to: MessageId | None
    created_at: int
    badges: tuple[str, ...] | None = None  # None: not known
    emotes: tuple[EmoteRange, ...] = ()


class ChatModerated(Message, frozen=True, kw_only=True):
    """SQS `chat-archive`: what a moderator did, on its way to the log in PostgreSQL. Unlike messages, it has an `action`.

    `seq` is that of the event that told of it; `first_seq`, of the oldest that the room still showed then. What is hidden
    by it, and whether an earlier or later one counts, follows from the two.
    """

    entry_id: str
    stream_id: StreamId
    action: ModerationAction
    actor_id: UserId
    user_id: UserId | None = None
    message_id: MessageId | None = None
    reason: str | None = None
    details: dict[str, Any] = {}
    undoes: str | None = None
    seq: int | None = None
    first_seq: int | None = None
    created_at: int


class AccountMailKind(StrEnum):
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a kind of letter, no password
    VERIFY_EMAIL = "verify_email"
    CHANGE_EMAIL = "change_email"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"


class AccountMailRequested(Message, frozen=True, kw_only=True):
    """SQS `account-mail`: write to the owner of an account, if there is one. It is named by `user_id`, or by `email` as
    somebody typed it who may be anybody. Where the address changes, both are set: `email` is the one that the account is
    to have (CHANGE_EMAIL), or had (EMAIL_CHANGED); `session_id` is the sign-in by which it is to change. Carries no secret:
    links are made where the letter is written.
    """

    kind: AccountMailKind
    user_id: UserId | None = None
    email: str | None = None
    session_id: str | None = None


class AccountTaskKind(StrEnum):
    EXPORT = "export"
    ERASE = "erase"
    REMOVE_AVATAR = "remove_avatar"
    MIRROR_FOLLOWING = "mirror_following"


class AccountTask(Message, frozen=True, kw_only=True):
    """SQS `account-data`: what takes longer than a request may with all that we have of one person, and what has to become
    true elsewhere of one who follows another (`followee_id`).
    """

    kind: AccountTaskKind
    user_id: UserId
    export_id: str | None = None
    followee_id: UserId | None = None


M = TypeVar("M", bound=Message)


def encode(message: Message) -> str:
    return msgspec.json.encode(message).decode()


def decode(body: str | bytes, shape: type[M]) -> M:
    """`body` as `shape`. Raises msgspec.ValidationError or DecodeError, both permanent: redelivery cannot help."""
    return msgspec.json.decode(body, type=shape)


class _BusEvent(msgspec.Struct, frozen=True):
    """An EventBridge event as a rule hands it to a queue; the rest of it says nothing that anybody needs."""

    detail: BroadcastChanged


class _StatusBody(msgspec.Struct, frozen=True):
    detail: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _StreamBusEvent(msgspec.Struct, frozen=True):
    detail: StreamChanged


def decode_stream_news(body: str | bytes) -> StreamChanged:
    """As `decode_news`, for events of the source `headwater.streams`."""
    return msgspec.json.decode(body, type=_StreamBusEvent).detail


def decode_status(body: str | bytes) -> BroadcastChanged | AudienceLook:
    """What a message of the queue `chat-status` holds. Raises as `decode` does."""
    found = msgspec.json.decode(body, type=_StatusBody)
    return decode(body, AudienceLook) if isinstance(found.detail, msgspec.UnsetType) else decode_news(body)


def decode_news(body: str | bytes) -> BroadcastChanged:
    """What an EventBridge event in a queue's message tells. Raises as `decode` does."""
    return msgspec.json.decode(body, type=_BusEvent).detail
