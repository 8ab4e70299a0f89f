"""Client · what answers carry. Fields that a later version of the API adds are ignored; times are aware, in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

Time = Annotated[datetime, msgspec.Meta(tz=True)]

# What opens something for whoever reads it: it does not belong into a log, and so not into a `repr`.
_SECRETS = frozenset(
    {
        "access_token",
        "refresh_token",
        "token",
        "ticket",
        "stream_key",
        "cookies",
        "query",
        "fields",
        "url",
        "session_id",
    }
)


class Answer(msgspec.Struct, frozen=True):
    def __repr__(self) -> str:
        shown = (
            f"{name}={'…' if name in _SECRETS else repr(getattr(self, name))}" for name in type(self).__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"


# --- People ---


class User(Answer, frozen=True):
    id: str
    username: str
    avatar_url: str | None
    bio: str
    roles: list[str]
    is_streamer: bool
    is_verified: bool
    follower_count: int
    created_at: Time


class OwnUser(User, frozen=True):
    email: str | None
    email_verified: bool
    has_password: bool


class Tokens(Answer, frozen=True, kw_only=True):
    """The access token holds for `expires_in` seconds; the refresh token works once."""

    user: OwnUser
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - it is no password
    expires_in: int


class Arrival(Tokens, frozen=True, kw_only=True):
    is_new: bool
    email_in_use: bool


class SignInSession(Answer, frozen=True):
    id: str
    current: bool
    device: str
    address: str
    created_at: Time
    last_used_at: Time
    expires_at: Time


class SignInProvider(Answer, frozen=True):
    provider: str
    label: str


class Identity(Answer, frozen=True):
    id: str
    provider: str
    label: str | None
    linked_at: Time
    last_used_at: Time | None


class LinkStart(Answer, frozen=True):
    url: str


class PersonalToken(Answer, frozen=True):
    id: str
    name: str
    scopes: list[str]
    created_at: Time
    expires_at: Time
    last_used_at: Time | None


class NewPersonalToken(PersonalToken, frozen=True):
    token: str


class AvatarUpload(Answer, frozen=True):
    url: str
    fields: dict[str, str]
    expires_in: int
    max_bytes: int
    content_types: list[str]


class Avatar(Answer, frozen=True):
    status: Literal["none", "pending", "ready", "failed"]
    avatar_url: str | None
    problem: str | None


class EmoteUpload(AvatarUpload, frozen=True):
    """As for an avatar, and what the emote is going to be."""

    id: str
    name: str


class Emote(Answer, frozen=True):
    """`images`: addresses by the size in pixels, of one that is ready."""

    id: str
    name: str
    built_in: bool
    status: Literal["pending", "ready", "failed"]
    images: dict[str, str] | None
    problem: str | None
    created_at: Time | None


class Export(Answer, frozen=True):
    id: str
    status: Literal["pending", "ready", "failed"]
    created_at: Time
    expires_at: Time | None
    url: str | None


class Follow(Answer, frozen=True):
    user: User
    followed_at: Time


class Following(Answer, frozen=True):
    following: bool


class ListedPerson(Answer, frozen=True):
    """Somebody on a stream's list of moderators or of viewers, `since` when."""

    id: str
    username: str
    avatar_url: str | None
    since: Time


class AdministeredUser(Answer, frozen=True):
    id: str
    username: str
    email: str | None
    roles: list[str]
    is_verified: bool
    suspended_at: Time | None
    suspension_reason: str | None
    created_at: Time


class AuditEntry(Answer, frozen=True):
    id: str
    actor: str
    actor_username: str | None
    action: str
    subject_kind: Literal["user", "stream", "site"]
    subject: str
    subject_username: str | None
    reason: str | None
    details: dict[str, Any]
    created_at: Time


# --- Streams ---


class Owner(Answer, frozen=True):
    id: str
    username: str
    avatar_url: str | None


class Playback(Answer, frozen=True):
    hls: str
    dash: str


class Chat(Answer, frozen=True):
    ws: str
    room: str


class Stream(Answer, frozen=True):
    id: str
    owner: Owner
    title: str
    description: str
    category: str | None
    tags: list[str]
    privacy: Literal["public", "unlisted", "private"]
    mature: bool
    created_at: Time
    is_live: bool
    status: Literal["offline", "preview", "live", "interrupted"]
    started_at: Time | None
    scheduled_start: Time | None
    viewer_count: int
    total_views: int
    thumbnail_url: str | None
    playback: Playback
    chat: Chat


class OwnStream(Stream, frozen=True):
    """A stream as its owner sees it. `reconnect_window` is in seconds."""

    record: bool
    latency: Literal["low", "standard"]
    reconnect_window: int
    auto_start: bool


class IngestHealth(Answer, frozen=True):
    connected: bool
    receiving: bool
    since: Time | None
    notice: str | None


class Ingest(Answer, frozen=True):
    """Publish to `rtmp_url`, a slash, and `stream_key`. While `state` is not `open`, there is no address: ask with
    `streams.open_ingest`, and look again until it is."""

    state: Literal["open", "starting", "closed"]
    rtmp_url: str | None
    stream_key: str
    servers: list[str]
    health: IngestHealth


class Category(Answer, frozen=True):
    id: str
    name: str
    live_streams: int


class Broadcast(Answer, frozen=True, kw_only=True):
    """`duration` is in seconds; `playback` is there while it is live, and once the recording is ready."""

    id: str
    stream_id: str
    title: str
    status: Literal["live", "ended", "ready", "failed"]
    recorded: bool
    started_at: Time
    ended_at: Time | None
    duration: float | None
    playback: Playback | None
    thumbnail_url: str | None
    peak_viewers: int
    total_views: int
    renditions: list[str]
    privacy: Literal["public", "private"]
    notice: str | None = None


class Maker(Answer, frozen=True):
    id: str
    username: str


class Clip(Answer, frozen=True):
    """`start` and `duration` are in seconds, from the beginning of the recording."""

    id: str
    stream_id: str
    broadcast_id: str
    title: str
    start: float
    duration: float
    created_at: Time
    created_by: Maker | None
    playback: Playback
    thumbnail_url: str | None


class SignedAccess(Answer, frozen=True):
    """Opens every URL below `cookie_path`: as cookies, or appended as a query."""

    cookies: dict[str, str]
    cookie_path: str
    query: str
    expires_at: Time


class PlaybackSession(Answer, frozen=True):
    session_id: str
    expires_at: Time
    heartbeat_seconds: int
    playback: Playback
    access: SignedAccess | None


class Heartbeat(Answer, frozen=True):
    expires_at: Time
    access: SignedAccess | None


class ChatTicket(Answer, frozen=True):
    """Opens one socket, as `?ticket=`, within `expires_in` seconds."""

    ticket: str
    expires_in: int


class ChatAuthor(Answer, frozen=True):
    id: str
    username: str
    role: str
    badges: list[str]


class EmoteRange(Answer, frozen=True):
    """`text[start:end]` is the emote's name."""

    id: str
    name: str
    start: int
    end: int


class ChatMessage(Answer, frozen=True, kw_only=True):
    type: Literal["message"] = "message"
    seq: int
    id: str
    user: ChatAuthor
    text: str
    emotes: list[EmoteRange]
    reply_to: str | None
    created_at: Time


class ReplayedMessage(ChatMessage, frozen=True, kw_only=True):
    """`offset`: when it was said, in seconds from the beginning of the recording."""

    offset: float


Review = Literal["off", "links", "all"]
ModerationAction = Literal[
    "delete", "restore", "timeout", "ban", "unban", "clear", "settings", "approve", "reject", "vip", "unvip",
    "moderator", "unmoderator", "emote", "unemote",
]  # fmt: skip


class BlockedTerm(Answer, frozen=True):
    """A word, or several; `*` stands for any letters."""

    term: str
    action: Literal["refuse", "hold"] = "refuse"


class RoomSettings(Answer, frozen=True):
    max_length: int
    slow_seconds: int
    followers_only: bool
    follow_age_minutes: int
    account_age_minutes: int
    emote_only: bool
    unique: bool
    review: Review
    blocked_terms: list[BlockedTerm]


class ModerationPerson(Answer, frozen=True):
    """`username` is None where the account is gone."""

    id: str
    username: str | None


class Ban(Answer, frozen=True):
    """`expires_at`: of a timeout."""

    user: ModerationPerson
    by: ModerationPerson
    reason: str | None
    created_at: Time
    expires_at: Time | None


class HeldMessage(Answer, frozen=True):
    id: str
    user: ModerationPerson
    text: str
    created_at: Time


class ModerationEntry(Answer, frozen=True):
    """`undoes` and `undone_by` are other entries."""

    id: str
    action: ModerationAction
    actor: ModerationPerson
    user: ModerationPerson | None
    message_id: str | None
    message_text: str | None
    reason: str | None
    details: dict[str, Any]
    undoes: str | None
    undone_by: str | None
    created_at: Time


class Health(Answer, frozen=True):
    status: Literal["ok", "degraded"]
    checks: dict[str, Literal["ok", "failing"]]
